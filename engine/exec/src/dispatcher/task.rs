//! A task as the dispatcher sees it.

use super::Because;
use crate::{
    outline::{Begin, Need, Node},
    policy::Policy,
    pool::Want,
};

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Waiting,
    Ready,
    Leasing,
    Looking,
    Claiming,
    /// Claimed, and without room.
    Poised,
    Elsewhere,
    Running,
    /// Until this tick.
    Resting(u64),
    Made,
    Diverged,
    Failed,
    Blocked(Because),
    Unneeded,
}

impl Phase {
    /// Whether it waits for an answer before it can be launched.
    pub(super) const fn is_asking(self) -> bool {
        matches!(self, Self::Leasing | Self::Looking | Self::Claiming)
    }

    /// Whether its key is busy with it.
    pub(super) const fn is_under_way(self) -> bool {
        matches!(self, Self::Leasing | Self::Looking | Self::Claiming | Self::Poised | Self::Running)
    }
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) phase: Phase,
    pub(super) needs: Vec<Need>,
    pub(super) consumers: Vec<usize>,
    pub(super) want: Want,
    /// Its devices, if it has its slots, memory and devices.
    pub(super) room: Option<Vec<usize>>,
    /// Whether these are leased as against other engines.
    pub(super) leased: bool,
    pub(super) key: usize,
    /// Its place in line: the longest remaining path first.
    pub(super) rank: usize,
    /// Whether a standing result is not enough.
    pub(super) again: bool,
    /// Whether its trace has been looked up.
    pub(super) looked: bool,
    /// How often its bytes went bad.
    pub(super) lost: u32,
    /// How often it was tried again, and how often it may be.
    pub(super) tries: u32,
    pub(super) retries: u32,
}

impl Task {
    pub(super) fn of(node: &Node, rank: usize, policy: &Policy) -> Self {
        Self {
            phase: match node.begin {
                Begin::Run { .. } | Begin::Outdated => Phase::Waiting,
                Begin::Made => Phase::Made,
                Begin::Diverged => Phase::Diverged,
                Begin::Blocked(root) => Phase::Blocked(Because::Diverged(root)),
                Begin::Unneeded => Phase::Unneeded,
            },
            needs: node.needs.clone(),
            consumers: Vec::new(),
            want: node.want.within(&policy.capacity),
            room: None,
            leased: false,
            key: node.key,
            rank,
            again: matches!(node.begin, Begin::Run { again: true } | Begin::Outdated),
            // Of a task without needs the trace is the recipe, and that has no result; and who is to run again is not to be kept.
            looked: node.needs.is_empty() || node.begin == Begin::Run { again: true },
            lost: 0,
            tries: 0,
            retries: node.retries.unwrap_or(policy.retries),
        }
    }
}

/// Whether a task's needs let it run.
pub(super) enum Readiness {
    Now,
    Later,
    Never(Because),
}
