//! How a run stands at this moment: its tasks by outcome, and the attempts under way.

use std::{collections::BTreeMap, path::PathBuf};

use isoflop_ledger::{
    AttemptId, Ledger, RunState,
    view::{AttemptView, RunView, TaskView},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    glimpse::{Beat, Glimpse},
    named,
    settings::Settings,
    stop::{Stop, infrastructure},
    verbs::runs::{self, state},
};

/// How many of the latest runs are looked through for one that is under way.
const RECENT: u32 = 50;

/// One run, as it stands.
#[derive(Debug)]
pub struct Now {
    /// The run.
    pub run: RunView,
    /// Its tasks, in the plan's order.
    pub tasks: Vec<TaskView>,
    /// Attempts that have not ended. Those of an engine that died are none.
    pub running: Vec<AttemptView>,
    /// How far it is, if its engine works in this home.
    pub glimpse: Option<Glimpse>,
}

/// The runs a person means: the one that was named, else all that are under way, else the latest. Whoever names a study means one that was run.
pub async fn runs(ledger: &Ledger, name: Option<&str>, study: Option<&str>) -> Result<Vec<RunView>, Stop> {
    if let Some(name) = name {
        return Ok(vec![named::run(ledger, name, study).await?]);
    }
    let recent = ledger.runs_of(study.as_slice(), RECENT).await.map_err(infrastructure)?;
    if let Some(study) = study
        && recent.is_empty()
    {
        return Err(Stop::Usage(named::no_study(ledger, study).await?));
    }
    let latest = recent.first().cloned();
    let running: Vec<RunView> = recent.into_iter().filter(is_under_way).collect();
    Ok(if running.is_empty() { latest.into_iter().collect() } else { running })
}

/// Whether the run goes on, as far as can be known.
pub fn is_under_way(run: &RunView) -> bool {
    run.state == RunState::Running && !run.holder_dead
}

impl Now {
    /// Asks the ledger.
    pub async fn read(ledger: &Ledger, run: RunView, settings: &Settings) -> Result<Self, Stop> {
        let tasks = ledger.run_tasks(run.id).await.map_err(infrastructure)?;
        let running =
            if is_under_way(&run) { ledger.running(run.id).await.map_err(infrastructure)? } else { Vec::new() };
        let glimpse = if running.is_empty() { None } else { Glimpse::read(&settings.home, run.id) };
        Ok(Self { run, tasks, running, glimpse })
    }

    /// How far an attempt under way is.
    pub fn beat(&self, attempt: &AttemptView) -> Option<&Beat> {
        self.glimpse.as_ref()?.attempts.get(&attempt.id.to_string())
    }

    /// Seconds since it began, or that it took.
    pub fn seconds(&self) -> f64 {
        seconds(self.run.began, self.run.ended)
    }

    /// How many tasks came out in which way, in words.
    pub fn counts(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for outcome in self.tasks.iter().filter_map(|task| task.outcome) {
            *counts.entry(outcome.to_string()).or_default() += 1;
        }
        // A witness runs a task that has its outcome already.
        let open = self.tasks.len().saturating_sub(counts.values().sum::<usize>() + self.running.len());
        let words = ["made", "adopted", "kept", "diverged", "failed", "blocked"];
        let mut parts: Vec<String> =
            words.iter().filter_map(|word| Some(format!("{} {word}", counts.get(*word)?))).collect();
        parts.extend((!self.running.is_empty()).then(|| format!("{} running", self.running.len())));
        parts.extend((open > 0).then(|| format!("{open} {}", runs::open(&self.run))));
        if parts.is_empty() { "no tasks".to_owned() } else { parts.join(", ") }
    }

    /// For programs.
    pub fn to_json(&self, settings: &Settings) -> Value {
        let running: Vec<Value> = self
            .running
            .iter()
            .map(|attempt| {
                let beat = self.beat(attempt);
                json!({
                    "task": attempt.task, "key": attempt.key, "attempt": attempt.id, "purpose": attempt.purpose,
                    "began": attempt.began, "seconds": seconds(attempt.began, None), "log": log(settings, attempt),
                    "done": beat.map(|beat| beat.done), "total": beat.map(|beat| beat.total), "metric": beat.and_then(|beat| beat.metric.as_ref()),
                })
            })
            .collect();
        let tasks: Vec<Value> = self
            .tasks
            .iter()
            .map(|task| {
                json!({
                    "name": task.name, "key": task.key, "outcome": task.outcome, "seconds": task.seconds,
                    "reason": task.reason,
                })
            })
            .collect();
        json!({
            "run": self.run.id, "study": self.run.study, "state": state(&self.run).0, "holder": self.run.holder,
            "began": self.run.began, "ended": self.run.ended, "seconds": self.seconds(), "running": running, "tasks": tasks,
            "share": self.glimpse.as_ref().map(|glimpse| glimpse.share), "left_seconds": self.glimpse.as_ref().and_then(|glimpse| glimpse.left_seconds),
        })
    }
}

/// How far an attempt is, in words: `120 of 600, loss 0.1234 at step 120`.
pub fn far(beat: &Beat) -> String {
    let mut parts = Vec::new();
    if beat.total > 0 {
        parts.push(format!("{} of {}", beat.done, beat.total));
    }
    if let Some(point) = &beat.metric {
        parts.push(format!("{} {:.4} at step {}", point.series, point.value, point.step));
    }
    parts.join(", ")
}

/// Seconds from `began` to `ended`, or to now.
pub fn seconds(began: Timestamp, ended: Option<Timestamp>) -> f64 {
    ended.unwrap_or_else(Timestamp::now).duration_since(began).as_secs_f64().max(0.0)
}

/// Where an attempt of an engine of this home keeps its log.
pub fn log(settings: &Settings, attempt: &AttemptView) -> PathBuf {
    log_of(settings, attempt.id)
}

/// The same, by the attempt's id.
pub fn log_of(settings: &Settings, attempt: AttemptId) -> PathBuf {
    settings.home.join("logs").join(format!("{attempt}.log"))
}
