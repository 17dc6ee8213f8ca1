//! History: how long tasks would take, by how long tasks of the same kind took on the same sort of device, or by the stated speed of one.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{
    Catalog, Environment, Recipe,
    quantity::{grouped, prefixed},
};
use isoflop_exec::Survey;
use isoflop_ledger::Ledger;
use isoflop_plan::{
    Plan, Task,
    estimate::{median, wall_time},
};
use serde_json::{Value, json};

use crate::stop::{Stop, infrastructure};

/// How many attempts of a kind are looked at, the latest first.
const ATTEMPTS: u32 = 200;

/// A kind on a sort of device.
type Sort = (String, String);

/// How fast tasks of one sort were.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// Seconds for one floating-point operation, where the kind counts them.
    per_flop: Option<f64>,
    /// Seconds for one task.
    per_task: f64,
    attempts: usize,
}

/// How long what must run would take.
#[derive(Debug, Default)]
pub struct Forecast {
    /// Seconds by task, where there is a history.
    pub seconds: BTreeMap<usize, f64>,
    /// How long they take so many at a time.
    pub wall: f64,
    /// How many at a time.
    pub jobs: u32,
    /// How many past attempts this rests on.
    pub attempts: usize,
    /// Kinds that must run and have none.
    pub unknown: BTreeSet<String>,
    /// The stated speed of a device, and how long all tasks with operations to count take on one.
    pub stated: Option<Stated>,
}

/// A device's speed as somebody stated it.
#[derive(Debug, Clone, Copy)]
pub struct Stated {
    /// Operations a second.
    rate: f64,
    /// Seconds of one device.
    seconds: f64,
}

impl Forecast {
    /// Reads the past of the kinds that must run. With nothing to run, nothing is asked.
    pub async fn read(
        plan: &Plan,
        survey: &Survey,
        ledger: Option<&Ledger>,
        catalog: &Catalog,
        jobs: u32,
        rate: Option<f64>,
    ) -> Result<Self, Stop> {
        let mut forecast = Self { jobs, ..Self::default() };
        let kinds: BTreeSet<&str> = survey.to_run().map(|index| plan.tasks()[index].kind).collect();
        let timings = match ledger {
            Some(ledger) if !kinds.is_empty() => {
                let kinds: Vec<&str> = kinds.iter().copied().collect();
                ledger.timings(&kinds, ATTEMPTS).await.map_err(infrastructure)?
            }
            _ => Vec::new(),
        };
        let mut samples: BTreeMap<Sort, Vec<(f64, f64)>> = BTreeMap::new();
        for timing in timings {
            let Ok(recipe) = serde_json::from_str::<Recipe>(&timing.recipe_text) else { continue };
            let cost =
                catalog.get(&recipe.kind).and_then(|entry| entry.read(&recipe.spec).ok()).map(|reading| reading.cost);
            let flops = cost.map_or(0.0, |cost| cost.flops);
            samples.entry((recipe.kind, device(&recipe.environment))).or_default().push((timing.seconds, flops));
        }
        let paces: BTreeMap<Sort, Pace> =
            samples.into_iter().filter_map(|(sort, samples)| Some((sort, pace(&samples)?))).collect();
        let mut used: BTreeSet<Sort> = BTreeSet::new();
        for index in survey.to_run() {
            let task = &plan.tasks()[index];
            let sort = (task.kind.to_owned(), device(&task.recipe.environment));
            if let Some(rate) = rate.filter(|_| task.cost.flops > 0.0) {
                let seconds = task.cost.flops / rate;
                forecast.seconds.insert(index, seconds);
                let stated = forecast.stated.get_or_insert(Stated { rate, seconds: 0.0 });
                stated.seconds += seconds;
                continue;
            }
            match paces.get(&sort) {
                Some(pace) => {
                    forecast.seconds.insert(index, seconds(task, pace));
                    used.insert(sort);
                }
                None => drop(forecast.unknown.insert(task.kind.to_owned())),
            }
        }
        forecast.attempts = used.iter().map(|sort| paces[sort].attempts).sum();
        forecast.wall = wall_time(plan, &forecast.seconds, jobs);
        Ok(forecast)
    }

    /// All seconds together.
    pub fn total(&self) -> f64 {
        self.seconds.values().sum()
    }

    /// In sentences, a line each; none if nothing must run.
    pub fn says(&self) -> Vec<String> {
        let stated = self.stated.map(|Stated { rate, seconds }| {
            let (rate, hours) = (prefixed(rate), hours(seconds));
            format!("at {rate}FLOP/s, as stated: {hours} device-hours for what counts its FLOPs")
        });
        stated.into_iter().chain(self.past()).collect()
    }

    /// What the past says.
    fn past(&self) -> Option<String> {
        let unknown: Vec<&str> = self.unknown.iter().map(String::as_str).collect();
        let without = if unknown.is_empty() { String::new() } else { format!("no history of {}", unknown.join(", ")) };
        if self.seconds.is_empty() {
            return (!unknown.is_empty()).then(|| format!("time: {without}"));
        }
        if self.attempts == 0 {
            let without = if without.is_empty() { without } else { format!("; {without}, which comes on top") };
            let (total, wall) = (duration(self.total()), duration(self.wall));
            return Some(format!("time: {total} of work, {wall} with -j {}{without}", self.jobs));
        }
        let attempts =
            if self.attempts == 1 { "1 past attempt".to_owned() } else { format!("{} past attempts", self.attempts) };
        let mut text = format!(
            "time: {} of work, {} with -j {}, judging by {attempts}",
            duration(self.total()),
            duration(self.wall),
            self.jobs
        );
        if !without.is_empty() {
            text = format!("{text}; {without}, which comes on top");
        }
        Some(text)
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        json!({
            "seconds": (!self.seconds.is_empty()).then(|| self.total()),
            "wall_seconds": (!self.seconds.is_empty()).then_some(self.wall),
            "jobs": self.jobs,
            "attempts": self.attempts,
            "no_history": self.unknown,
            "stated_rate": self.stated.map(|stated| stated.rate),
            "device_hours": self.stated.map(|stated| stated.seconds / 3600.0),
        })
    }
}

/// The median pace of some attempts, each with its seconds and its operations.
fn pace(samples: &[(f64, f64)]) -> Option<Pace> {
    let per_flop = samples.iter().filter(|(_, flops)| *flops > 0.0).map(|(seconds, flops)| seconds / flops).collect();
    let per_task = median(samples.iter().map(|(seconds, _)| *seconds).collect())?;
    Some(Pace { per_flop: median(per_flop), per_task, attempts: samples.len() })
}

fn seconds(task: &Task, pace: &Pace) -> f64 {
    match pace.per_flop {
        Some(per_flop) if task.cost.flops > 0.0 => per_flop * task.cost.flops,
        _ => pace.per_task,
    }
}

/// The sort of device that an environment asks for.
fn device(environment: &Environment) -> String {
    let value = serde_json::to_value(environment).unwrap_or_default();
    value["device"].as_str().unwrap_or("native").to_owned()
}

/// A number of hours for reading: `1,012`, `0.42`.
fn hours(seconds: f64) -> String {
    let hours = seconds / 3600.0;
    if hours < 10.0 { format!("{hours:.2}") } else { grouped(hours.round() as u64) }
}

/// A length of time as people say it.
pub fn duration(seconds: f64) -> String {
    if seconds < 0.95 {
        return "<1s".to_owned();
    }
    isoflop_contract::quantity::Seconds(seconds.round().max(1.0) as u64).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_the_median_and_counts_operations_where_there_are_any() {
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        let trained = pace(&[(1.0, 1e9), (2.0, 1e9), (30.0, 1e10)]).unwrap();
        close(trained.per_flop.unwrap(), 2e-9);
        assert_eq!(trained.attempts, 3);
        let drawn = pace(&[(1.0, 0.0), (3.0, 0.0)]).unwrap();
        assert!(drawn.per_flop.is_none());
        close(drawn.per_task, 2.0);
        assert!(pace(&[]).is_none());
        assert_eq!((duration(0.2).as_str(), duration(185.4).as_str()), ("<1s", "3m05s"));
    }
}
