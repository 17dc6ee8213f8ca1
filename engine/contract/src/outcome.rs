//! How an attempt ended, when it did not make what it should.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A failed attempt: recorded, never kept, so the next run tries again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// What sort of failure.
    pub class: FailureClass,
    /// What happened, for a person.
    pub message: String,
}

/// The sort of a failure: what decides whether trying again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureClass {
    /// The body looked at spec and inputs and said no.
    Rejected,
    /// Memory, disk, a device.
    Resource,
    /// The process died, panicked or stood still.
    Crashed,
    /// The run was stopped.
    Interrupted,
    /// It took longer than `on: time`.
    TimedOut,
    /// The worker broke the protocol or lied.
    Refused,
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rejected => "rejected",
            Self::Resource => "out of resources",
            Self::Crashed => "crashed",
            Self::Interrupted => "interrupted",
            Self::TimedOut => "timed out",
            Self::Refused => "refused",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.message)
    }
}
