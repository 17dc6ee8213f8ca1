//! The summary: what came of a run. Serialized, it is what `isoflop run --json` prints: fields are added, never removed.

use std::path::PathBuf;

use isoflop_contract::{Digest, Key};
use isoflop_ledger::{AttemptId, RunId};
use serde::Serialize;

/// How a task came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// An earlier result stands, divergence included.
    Kept,
    /// Made by this run.
    Made,
    /// Diverged in this run.
    Diverged,
    /// Failed in this run.
    Failed,
    /// Not tried.
    Blocked,
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The version of this layout.
    pub version: u32,
    /// The run.
    pub run: RunId,
    /// The study's name.
    pub study: String,
    /// The tasks that were asked for, in the plan's order.
    pub tasks: Vec<TaskSummary>,
    /// Tasks by outcome.
    pub totals: Totals,
    /// How long the run took.
    pub seconds: f64,
    /// Whether it was stopped before it was through.
    pub interrupted: bool,
}

/// What came of one task.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TaskSummary {
    /// Its name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// How it came out.
    pub outcome: Outcome,
    /// Its artifact, if it has one.
    pub digest: Option<Digest>,
    /// How long its worker ran in this run; nothing if none did.
    pub seconds: Option<f64>,
    /// Why it diverged, failed or was not tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was kept because its inputs came out with bytes already seen.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The artifact that stood under its key before, where it came out with other bits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Digest>,
    /// The digest of its recipe with needs by digest.
    #[serde(skip)]
    pub trace: Option<Digest>,
    /// The attempt that ended it in this run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempt: Option<AttemptId>,
    /// The log of that attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<PathBuf>,
}

/// Tasks by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// [`Outcome::Kept`], adopted ones included.
    pub kept: usize,
    /// Of these, tasks that were to run and did not have to: their inputs came out with bytes already seen.
    pub adopted: usize,
    /// [`Outcome::Made`].
    pub made: usize,
    /// [`Outcome::Diverged`].
    pub diverged: usize,
    /// [`Outcome::Failed`].
    pub failed: usize,
    /// [`Outcome::Blocked`].
    pub blocked: usize,
}

impl Totals {
    /// Counts outcomes, each with whether it was adopted.
    pub fn of(outcomes: impl IntoIterator<Item = (Outcome, bool)>) -> Self {
        let mut totals = Self::default();
        for (outcome, adopted) in outcomes {
            totals.adopted += usize::from(adopted);
            match outcome {
                Outcome::Kept => totals.kept += 1,
                Outcome::Made => totals.made += 1,
                Outcome::Diverged => totals.diverged += 1,
                Outcome::Failed => totals.failed += 1,
                Outcome::Blocked => totals.blocked += 1,
            }
        }
        totals
    }
}
