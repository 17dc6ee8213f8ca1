//! Why a verb stopped short, and the exit code that says so. The codes are part of the command line's contract: they stay as they are.

use std::fmt;

use isoflop_plan::Findings;
use serde_json::{Value, json};

use crate::signals;

/// What ends an invocation early.
#[derive(Debug)]
pub enum Stop {
    /// 2: the arguments make no sense together.
    Usage(String),
    /// 3: the study has mistakes.
    Invalid(Box<Findings>),
    /// 4: a task failed; what happened has been said.
    TaskFailed,
    /// 4: a task failed, and so there is nothing to say of it but this.
    Unmade(String),
    /// 5: `--frozen`, and something would have to be made; what has been said.
    WorkNeeded,
    /// 6: a claim, an audit or a verification did not hold; which has been said.
    Disproved,
    /// 1: `diff --exit-code`, and there is a difference, which has been said.
    Differs,
    /// 7: a budget does not suffice, or is used up.
    Refused(String),
    /// 7: a budget would not suffice; which has been said.
    BeyondBudget,
    /// 8: database, store or worker program.
    Infrastructure(anyhow::Error),
    /// 9: another run holds what this one needs.
    Conflict(String),
    /// 128 and the number of the signal: 130 for Ctrl-C.
    Interrupted,
    /// 1: anything else.
    Internal(anyhow::Error),
}

impl Stop {
    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Internal(_) | Self::Differs => 1,
            Self::Usage(_) => 2,
            Self::Invalid(_) => 3,
            Self::TaskFailed | Self::Unmade(_) => 4,
            Self::WorkNeeded => 5,
            Self::Disproved => 6,
            Self::Refused(_) | Self::BeyondBudget => 7,
            Self::Infrastructure(_) => 8,
            Self::Conflict(_) => 9,
            Self::Interrupted => signals::code(),
        }
    }

    /// The error as data, for `--json`.
    pub fn to_json(&self) -> Value {
        let code = self.code();
        match self {
            Self::Invalid(findings) => {
                json!({"version": 1, "error": "invalid-study", "code": code, "findings": findings.to_json()})
            }
            other => json!({"version": 1, "error": other.to_string(), "code": code}),
        }
    }
}

/// An error with the chain of its causes, on one line each.
fn chain(f: &mut fmt::Formatter<'_>, error: &anyhow::Error) -> fmt::Result {
    write!(f, "{error}")?;
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !said.contains(&cause) {
            write!(f, "\n  caused by: {cause}")?;
        }
        said = cause;
    }
    Ok(())
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(message) | Self::Unmade(message) | Self::Refused(message) | Self::Conflict(message) => {
                f.write_str(message)
            }
            Self::Infrastructure(error) | Self::Internal(error) => chain(f, error),
            Self::Invalid(findings) if findings.len() == 1 => f.write_str("the study has a mistake"),
            Self::Invalid(findings) => write!(f, "the study has {} mistakes", findings.len()),
            Self::TaskFailed => f.write_str("a task failed"),
            Self::WorkNeeded => f.write_str("work would be needed"),
            Self::BeyondBudget => f.write_str("a budget would not suffice"),
            Self::Disproved => f.write_str("a check did not hold"),
            Self::Differs => f.write_str("there are differences"),
            Self::Interrupted => f.write_str("stopped"),
        }
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Self {
        Self::Internal(error)
    }
}

/// Anything that goes wrong with database, store or worker programs.
pub fn infrastructure(error: impl Into<anyhow::Error>) -> Stop {
    Stop::Infrastructure(error.into())
}
