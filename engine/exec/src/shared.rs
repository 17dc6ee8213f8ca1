//! What all parts of a run share.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, atomic::AtomicBool},
};

use isoflop_contract::Digest;
use isoflop_ledger::{Ledger, RunId};
use isoflop_plan::Plan;
use isoflop_store::Store;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    census::Census, cgroup::Cgroups, honesty::Readers, job::Options, moment::Moment, process::Launcher, room::Rooms,
    runtimes::Runtimes, scratch::Scratch, tool::Tools,
};

/// What all executions of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) store: Arc<Store>,
    pub(crate) ledger: Ledger,
    pub(crate) runtimes: Runtimes,
    pub(crate) options: Options,
    pub(crate) run: RunId,
    pub(crate) launcher: Launcher,
    pub(crate) moments: UnboundedSender<Moment>,
    /// Set when the ledger is out of reach: nobody needs to find out again.
    pub(crate) lost: AtomicBool,
    /// The files of the study that the ledger was told of.
    pub(crate) told: Mutex<BTreeSet<Digest>>,
    pub(crate) tools: Tools,
    /// Who reads which files of the store by now.
    pub(crate) readers: Arc<Readers>,
    pub(crate) census: Arc<Census>,
    /// Where groups of limited memory can be made, if they can.
    pub(crate) cgroups: Option<Cgroups>,
    /// The engine's folder for attempts.
    pub(crate) scratch: Arc<Scratch>,
    pub(crate) rooms: Rooms,
    /// Where it is told that a task's worker is gone and did not fail.
    pub(crate) vacated: UnboundedSender<usize>,
}
