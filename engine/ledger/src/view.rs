//! Views: questions answered from the ledger. Plain values that know no SQL.

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Key, Value};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    event::Event,
    id::{AttemptId, RunId},
    run::{RunState, TaskOutcome},
};

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The study's name.
    pub study: String,
    /// The study's file.
    pub file: String,
    /// The plan's digest.
    pub plan: Digest,
    /// The soft environment it was begun with.
    pub soft: Value,
    /// Whose run it is (or was).
    pub holder: String,
    /// Whether that engine is provably dead; false where it cannot be known.
    pub holder_dead: bool,
    /// How it stands.
    pub state: RunState,
    /// When it was begun.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Tasks in its plan.
    pub tasks: u64,
    /// Tasks by outcome; those without one yet are left out.
    pub outcomes: BTreeMap<String, u64>,
}

/// One task of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskView {
    /// The run.
    pub run: RunId,
    /// The study's name.
    pub study: String,
    /// The task's name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// Its kind.
    pub kind: String,
    /// How it came out in that run, if it did yet.
    pub outcome: Option<TaskOutcome>,
    /// The artifact it had in that run.
    pub artifact: Option<Digest>,
    /// The attempt of that run that ended it.
    pub attempt: Option<AttemptId>,
    /// Why it diverged, failed or was blocked.
    pub reason: Option<String>,
    /// How long that attempt's body ran.
    pub seconds: Option<f64>,
}

/// The tasks of one group in a run, counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupView {
    /// What their names begin with, up to the cell.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// How many.
    pub tasks: u64,
    /// How many by outcome; those without one yet are left out.
    pub outcomes: BTreeMap<String, u64>,
    /// How long the attempts of that run took that ended them, all together.
    pub seconds: f64,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptView {
    /// Its id.
    pub id: AttemptId,
    /// The run it belongs to.
    pub run: RunId,
    /// The task's name.
    pub task: String,
    /// The key it ran.
    pub key: Key,
    /// The fence of its lease.
    pub fence: i64,
    /// What for: `make`, `remake` or `witness`.
    pub purpose: String,
    /// Who ran it.
    pub holder: String,
    /// The soft environment.
    pub soft: Value,
    /// When it began.
    pub began: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// `made`, `diverged`, `failed`, or `lost` (its engine died or lost the lease); none while it runs.
    pub outcome: Option<String>,
    /// What it made.
    pub artifact: Option<Digest>,
    /// Why it diverged or failed.
    pub reason: Option<String>,
    /// The class of its failure.
    pub class: Option<String>,
    /// How long the body ran.
    pub seconds: Option<f64>,
}

/// One event of a run's chain.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventView {
    /// Its place in the run, from 1.
    pub seq: u64,
    /// When it was recorded.
    pub at: Timestamp,
    /// What happened.
    pub event: Event,
    /// The hash of the hash before it and its text.
    pub hash: Digest,
    /// The canonical text that is hashed.
    pub text: String,
}

/// One need, as recorded with a recipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Edge {
    /// The task that needs.
    pub key: Key,
    /// By which port.
    pub port: String,
    /// For a gather, the cell's label; empty otherwise.
    pub label: String,
    /// What it needs.
    pub need: Key,
    /// The artifact that the task's result was made from here, as far as that can be told.
    pub given: Option<Digest>,
    /// Whether the result was made from other bits than stand now under the keys it needs.
    pub changed: bool,
}

impl Edge {
    /// A need of which nothing is known but that it is there.
    pub fn bare(key: Key, port: String, label: String, need: Key) -> Self {
        Self { key, port, label, need, given: None, changed: false }
    }
}

/// What walking a run's chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChainReport {
    /// The run.
    pub run: RunId,
    /// Events that hang together, from the first.
    pub events: u64,
    /// The first break, if there is one.
    pub broken: Option<Break>,
}

/// The first place where a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Break {
    /// The event's place in the run.
    pub seq: u64,
    /// What does not hold, for a person.
    pub what: String,
}
