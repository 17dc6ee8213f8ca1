//! The past of a key: what stands under it.

use isoflop_contract::{Digest, Manifest};
use jiff::Timestamp;

use crate::id::{AttemptId, RunId};

/// What stands under a key. The first result stands until it is made again on purpose; failures leave none.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    /// What came of it.
    pub outcome: PastOutcome,
    /// The run that recorded it.
    pub run: RunId,
    /// The attempt that made the bits; of an adopted result, the attempt at the key it was adopted from.
    pub attempt: Option<AttemptId>,
    /// When it was recorded.
    pub at: Timestamp,
    /// The digest of the recipe with needs by digest: what it was made from. Not known of every result of an old ledger.
    pub trace: Option<Digest>,
}

/// What came of a task.
#[derive(Debug, Clone, PartialEq)]
pub enum PastOutcome {
    /// An artifact.
    Made {
        /// Its digest.
        digest: Digest,
        /// What it is made of.
        manifest: Manifest,
    },
    /// Training diverged: kept like success.
    Diverged {
        /// The evidence.
        reason: String,
    },
}

impl Past {
    /// The artifact's digest, if there is one.
    pub fn digest(&self) -> Option<Digest> {
        match &self.outcome {
            PastOutcome::Made { digest, .. } => Some(*digest),
            PastOutcome::Diverged { .. } => None,
        }
    }

    /// The artifact's manifest, if there is one.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.outcome {
            PastOutcome::Made { manifest, .. } => Some(manifest),
            PastOutcome::Diverged { .. } => None,
        }
    }
}
