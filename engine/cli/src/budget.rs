//! Budgets: what a run may take, held against the forecast before anything starts and against what it takes while it runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    str::FromStr,
    sync::Arc,
    time::Instant,
};

use isoflop_contract::quantity::{Seconds, prefixed, unprefixed};
use isoflop_exec::{Moment, Survey};
use isoflop_plan::Plan;
use serde_json::{Value, json};

use crate::{
    history::{Forecast, duration},
    stop::Stop,
};

/// An amount that a run may take of something.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// Seconds of tasks' time, added up over tasks.
    Work(f64),
    /// Seconds of devices: a task's time by the devices that it leases, parts counted as parts.
    Devices(f64),
    /// Floating-point operations of training and sampling, as the plan counts them.
    Flops(f64),
}

impl Limit {
    fn amount(self) -> f64 {
        let (Self::Work(amount) | Self::Devices(amount) | Self::Flops(amount)) = self;
        amount
    }

    /// An amount of this limit's sort, as people say it.
    fn said(self, amount: f64) -> String {
        match self {
            Self::Work(_) | Self::Devices(_) => duration(amount),
            Self::Flops(_) => format!("{}FLOP", prefixed(amount)),
        }
    }

    /// How much a task takes that runs for so many seconds.
    fn of_time(self, plan: &Plan, index: usize, seconds: f64) -> f64 {
        match self {
            Self::Work(_) => seconds,
            Self::Devices(_) => seconds * plan.tasks()[index].demand.gpus.number(),
            Self::Flops(_) => 0.0,
        }
    }

    /// Whether what a task takes of it depends on how long it runs.
    fn asks_for_time(self, plan: &Plan, index: usize) -> bool {
        match self {
            Self::Work(_) => true,
            Self::Devices(_) => plan.tasks()[index].demand.gpus.hundredths() > 0,
            Self::Flops(_) => false,
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self {
            Self::Work(_) => " of work",
            Self::Devices(_) => " of devices",
            Self::Flops(_) => "",
        };
        write!(f, "{}{of}", self.said(self.amount()))
    }
}

/// `3h` of work, `40gpu-h` of devices (`gpu-min`, `gpu-d`), `2.5EFLOP`.
impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "`{text}` is no budget: write time of work (`3h`), of devices (`40gpu-h`), or operations (`2.5EFLOP`)"
            )
        };
        let bare = text.trim();
        let limit = if let Some(number) = bare.strip_suffix("FLOP").or_else(|| bare.strip_suffix("FLOPs")) {
            Self::Flops(unprefixed(number).ok_or_else(refused)?)
        } else if let Some((number, unit)) = bare.split_once("gpu-") {
            Self::Devices(format!("{number}{unit}").parse::<Seconds>().map_err(|_| refused())?.0 as f64)
        } else {
            Self::Work(bare.parse::<Seconds>().map_err(|_| refused())?.0 as f64)
        };
        if limit.amount() > 0.0 { Ok(limit) } else { Err(refused()) }
    }
}

/// A limit held against a forecast.
#[derive(Debug)]
pub struct Weighed<'a> {
    limit: Limit,
    /// What the tasks that must run take of it, as far as that is known.
    takes: f64,
    /// Kinds that take some of it, nobody knows how much.
    untold: BTreeSet<&'a str>,
}

impl<'a> Weighed<'a> {
    /// Holds a limit against what must run.
    pub fn new(limit: Limit, plan: &'a Plan, survey: &Survey, forecast: &Forecast) -> Self {
        let mut weighed = Self { limit, takes: 0.0, untold: BTreeSet::new() };
        for index in survey.to_run() {
            let task = &plan.tasks()[index];
            if let Limit::Flops(_) = limit {
                weighed.takes += task.cost.flops;
            } else if limit.asks_for_time(plan, index) {
                match forecast.seconds.get(&index) {
                    Some(seconds) => weighed.takes += limit.of_time(plan, index, *seconds),
                    None => drop(weighed.untold.insert(task.kind)),
                }
            }
        }
        weighed
    }

    /// Whether what is known stays within it.
    pub fn fits(&self) -> bool {
        self.takes <= self.limit.amount()
    }

    /// Refuses what goes beyond it.
    pub fn refuse(&self) -> Result<(), Stop> {
        if self.fits() {
            return Ok(());
        }
        Err(Stop::Refused(format!("a budget of {} does not suffice", self.limit)))
    }

    /// In one sentence.
    pub fn says(&self) -> String {
        let takes = match self.takes {
            0.0 if self.untold.is_empty() => "nothing that must run takes of it".to_owned(),
            0.0 => "what this takes is not known".to_owned(),
            takes => format!("this takes {}", self.limit.said(takes)),
        };
        let untold: Vec<&str> = self.untold.iter().copied().collect();
        let untold = match untold.len() {
            0 => String::new(),
            _ => format!("; no history of {}: a run stops where the budget ends", untold.join(", ")),
        };
        let over =
            if self.fits() { String::new() } else { format!(", {:.3} times that", self.takes / self.limit.amount()) };
        format!("budget: {}; {takes}{over}{untold}", self.limit)
    }

    /// For programs.
    pub fn to_json(&self) -> Value {
        let unit = match self.limit {
            Limit::Work(_) => "seconds",
            Limit::Devices(_) => "device-seconds",
            Limit::Flops(_) => "flops",
        };
        json!({"unit": unit, "limit": self.limit.amount(), "takes": self.takes, "no_history": self.untold, "fits": self.fits()})
    }
}

/// What a run has taken so far of its limits.
#[derive(Debug)]
pub struct Meter {
    plan: Arc<Plan>,
    places: BTreeMap<String, usize>,
    /// Each with what has been taken of it by tasks that ended, and operations also by those that started.
    taken: Vec<(Limit, f64)>,
    running: BTreeMap<usize, Instant>,
}

impl Meter {
    /// Nothing is taken yet. Without limits it notes nothing, and costs nothing.
    pub fn new(limits: &[Limit], plan: Arc<Plan>) -> Self {
        let tasks = plan.tasks().iter().enumerate().filter(|_| !limits.is_empty());
        let places = tasks.map(|(index, task)| (task.name.clone(), index)).collect();
        Self { plan, places, taken: limits.iter().map(|limit| (*limit, 0.0)).collect(), running: BTreeMap::new() }
    }

    /// Takes note of what happened.
    pub fn note(&mut self, moment: &Moment, now: Instant) {
        match moment {
            Moment::TaskStarted { task, .. } => {
                let Some(&index) = self.places.get(task.as_str()) else { return };
                self.running.insert(index, now);
                for (limit, taken) in &mut self.taken {
                    if let Limit::Flops(_) = limit {
                        *taken += self.plan.tasks()[index].cost.flops;
                    }
                }
            }
            Moment::WorkerEnded { task } | Moment::TaskEnded { task, .. } => {
                let Some(index) = self.places.get(task.as_str()) else { return };
                let Some(since) = self.running.remove(index) else { return };
                for (limit, taken) in &mut self.taken {
                    *taken += limit.of_time(&self.plan, *index, (now - since).as_secs_f64());
                }
            }
            _ => {}
        }
    }

    /// The limit of which nothing is left, if there is one.
    pub fn used_up(&self, now: Instant) -> Option<Limit> {
        let under_way = |limit: Limit| -> f64 {
            self.running
                .iter()
                .map(|(index, since)| limit.of_time(&self.plan, *index, (now - *since).as_secs_f64()))
                .sum()
        };
        self.taken.iter().find(|(limit, taken)| taken + under_way(*limit) > limit.amount()).map(|(limit, _)| *limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_are_read_with_their_units() {
        for (text, expected) in [
            ("3h", Limit::Work(10_800.0)),
            ("90 min", Limit::Work(5_400.0)),
            ("40gpu-h", Limit::Devices(144_000.0)),
            ("1.5 gpu-d", Limit::Devices(129_600.0)),
            ("2.5EFLOP", Limit::Flops(2.5e18)),
            ("1 ZFLOP", Limit::Flops(1e21)),
            ("1e12FLOP", Limit::Flops(1e12)),
            ("7 kFLOPs", Limit::Flops(7e3)),
        ] {
            assert_eq!(text.parse::<Limit>().unwrap(), expected, "{text}");
        }
        for text in ["", "3", "h", "gpu-h", "3gpu", "-3h", "0s", "FLOP", "TFLOP", "3 QFLOP", "infFLOP", "nanFLOP"] {
            assert!(text.parse::<Limit>().is_err(), "{text} was read");
        }
    }
}
