//! A run: one plan carried out by one engine.

use std::{fmt, str::FromStr};

use isoflop_contract::{Digest, Key, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::RunId;

/// What a run is begun with.
#[derive(Debug, Clone)]
pub struct RunHead {
    /// The study's name.
    pub study: String,
    /// Its file, as it was named.
    pub file: String,
    /// The plan's digest.
    pub plan: Digest,
    /// The soft environment and whatever else describes the launch (arguments, profile, commit): recorded, never hashed into a key.
    pub soft: Value,
    /// All tasks in the plan's order.
    pub tasks: Vec<PlanTask>,
}

/// One task of a run's plan.
#[derive(Debug, Clone)]
pub struct PlanTask {
    /// The task's name.
    pub name: String,
    /// Its key.
    pub key: Key,
    /// Its recipe's canonical text.
    pub recipe_text: String,
    /// Whether the survey found it kept: recorded with what stands under its key, in the same bulk.
    pub kept: bool,
}

/// A run that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// When it was begun.
    pub began: Timestamp,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// Under way, or its engine died: its holder tells.
    Running,
    /// All tasks are kept, made or diverged.
    Done,
    /// A task failed.
    Failed,
    /// It was stopped.
    Interrupted,
}

/// How one task of a run came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskOutcome {
    /// A result of an earlier run stood.
    Kept,
    /// Its inputs came out with bytes already seen: an old result was adopted.
    Adopted,
    /// Made by this run.
    Made,
    /// Diverged in this run.
    Diverged,
    /// Failed in this run.
    Failed,
    /// Not tried, because a need failed.
    Blocked,
}

macro_rules! words {
    ($type:ty, $what:literal, $($variant:ident $word:literal),*) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),* })
            }
        }

        impl FromStr for $type {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)*
                    other => Err(format!("`{other}` is not {}", $what)),
                }
            }
        }
    };
}
words!(RunState, "a run's state", Running "running", Done "done", Failed "failed", Interrupted "interrupted");
words!(
    TaskOutcome, "a task's outcome",
    Kept "kept", Adopted "adopted", Made "made", Diverged "diverged", Failed "failed", Blocked "blocked"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_convert_both_ways() {
        for state in [RunState::Running, RunState::Done, RunState::Failed, RunState::Interrupted] {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        assert_eq!("blocked".parse(), Ok(TaskOutcome::Blocked));
        assert!("gone".parse::<TaskOutcome>().is_err());
    }
}
