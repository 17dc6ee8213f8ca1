//! An attempt: one execution of a task, and how it ended.

use isoflop_contract::{Digest, Failure, Manifest};

/// How an attempt ended, and what it measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Ending {
    /// What came of it.
    pub outcome: AttemptOutcome,
    /// What the body measured on the way.
    pub metrics: Vec<Metric>,
    /// How long the body ran.
    pub seconds: f64,
}

/// One point of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The series.
    pub series: String,
    /// The optimizer step, or whatever the series counts in.
    pub step: u64,
    /// Its value there.
    pub value: f64,
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum AttemptOutcome {
    /// An artifact, committed to the store.
    Made {
        /// Its digest.
        digest: Digest,
        /// What it is made of.
        manifest: Manifest,
        /// The digest of the recipe's trace.
        trace: Digest,
    },
    /// Training diverged.
    Diverged {
        /// The evidence.
        reason: String,
        /// The digest of the recipe's trace.
        trace: Digest,
    },
    /// It failed: recorded, never kept.
    Failed(Failure),
}
