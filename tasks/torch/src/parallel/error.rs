//! What can go wrong between ranks.

use std::{io, time::Duration};

/// Why ranks could not work together.
#[derive(Debug, thiserror::Error)]
pub enum RankError {
    /// A rank's connection broke, which it does at once when its process dies.
    #[error("rank {rank} is gone")]
    Gone {
        /// The rank.
        rank: usize,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A rank gives no sign of life, though its connection stands.
    #[error("rank {rank} gave no sign of life for {} s; its process hangs or was stopped", .time.as_secs())]
    Silent {
        /// The rank.
        rank: usize,
        /// For how long.
        time: Duration,
    },
    /// A rank is not where this one is in the program.
    #[error("rank {rank} is out of step: {problem}")]
    OutOfStep {
        /// The rank.
        rank: usize,
        /// How that was seen.
        problem: String,
    },
    /// Ranks did not come together in time.
    #[error("waited {} s for rank {}", .time.as_secs(), listed(.missing))]
    Missing {
        /// Those that did not come.
        missing: Vec<usize>,
        /// For how long.
        time: Duration,
    },
    /// A rank was refused by the others.
    #[error("rank {rank} was refused: {problem}")]
    Refused {
        /// The rank.
        rank: usize,
        /// Why.
        problem: &'static str,
    },
    /// The machine does not grant what ranks need.
    #[error("cannot {doing}")]
    System {
        /// As in "start rank 1".
        doing: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A library that is not there.
    #[error(
        "{library} cannot be opened ({problem}); ranks on CUDA devices need it: install NVIDIA's NCCL, or ask for one device"
    )]
    NoLibrary {
        /// The file looked for.
        library: &'static str,
        /// What the system said.
        problem: String,
    },
    /// A call of NCCL or CUDA that failed.
    #[error("{call} failed: {problem}")]
    Call {
        /// The function.
        call: &'static str,
        /// What the library said.
        problem: String,
    },
}

impl RankError {
    /// For `map_err` on what the system is asked for.
    pub(super) fn system(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::System { doing, source }
    }
}

fn listed(ranks: &[usize]) -> String {
    ranks.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}
