//! A job: all that a run needs, handed over by the caller.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use isoflop_contract::{Key, Value, environment::Isa, protocol::Death};
use isoflop_ledger::Ledger;
use isoflop_plan::Plan;
use isoflop_store::Store;
use tokio::sync::watch;

use crate::{cgroup::Confine, device::Device, runtimes::Runtimes, survey::Survey};

/// One run to be carried out.
#[derive(Debug)]
pub struct Job {
    /// What to run.
    pub plan: Arc<Plan>,
    /// How it compares with the past.
    pub survey: Survey,
    /// Where artifacts go.
    pub store: Arc<Store>,
    /// Where facts go.
    pub ledger: Ledger,
    /// The worker programs.
    pub runtimes: Runtimes,
    /// How to go about it.
    pub options: Options,
    /// Whether to stop. The caller sets it from its signal handler: once to [`Interrupt::Stop`], the second time to [`Interrupt::Kill`].
    pub interrupt: watch::Receiver<Interrupt>,
}

/// How long a worker may be without a sign of life: it gives one every second, so a minute without is no slow machine any more.
const PATIENCE: Duration = Duration::from_mins(1);

/// How to go about a run.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "choices that have nothing to do with each other")]
pub struct Options {
    /// The project's folder (`.isoflop`), on the store's filesystem: `scratch/` and `logs/` are made in it.
    pub folder: PathBuf,
    /// Processor slots (`-j`).
    pub jobs: u32,
    /// Whether independent tasks go on after a failure.
    pub keep_going: bool,
    /// After how many failures nothing more starts (`--max-fails`).
    pub max_fails: Option<u32>,
    /// How often a task is tried again after a failure that another try may cure, where it does not say itself (`--retries`).
    pub retries: u32,
    /// Memory that tasks which say how much they use may use together, in bytes (`--memory`).
    pub memory: u64,
    /// The highest instruction-set level of this machine's processor, where that is known.
    pub isa: Option<Isa>,
    /// Devices that tasks may be given.
    pub devices: Vec<Device>,
    /// How the memory of tasks that say how much they use (`on: memory`) is limited.
    pub confine: Confine,
    /// A folder in which all engines of this user on this machine meet, to lease devices.
    pub runtime: PathBuf,
    /// How long a worker may be without a sign of life before it is ended.
    pub patience: Duration,
    /// Whether the folders of attempts that failed stay, to be looked at.
    pub keep_failed: bool,
    /// Whether old results may be adopted when inputs come out with bytes already seen.
    pub adopt: bool,
    /// Whether what runs is to be compared with the standing results instead of replacing them (`verify`).
    pub witness: bool,
    /// Steps at which tasks save, by key, instead of what their `on:` says.
    pub marks: BTreeMap<Key, BTreeSet<u64>>,
    /// Deaths of workers that a drill has planned: by key, one an attempt.
    pub deaths: Deaths,
    /// The soft environment: recorded with run and attempts, never hashed.
    pub soft: Value,
    /// The caller's environment variables; workers see only a few of them.
    pub variables: Vec<(OsString, OsString)>,
}

impl Options {
    /// The options of a plain run on one slot.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            jobs: 1,
            keep_going: false,
            max_fails: None,
            retries: 0,
            memory: u64::MAX,
            isa: None,
            devices: Vec::new(),
            confine: Confine::default(),
            runtime: std::env::temp_dir().join(format!("isoflop-{}", rustix::process::getuid().as_raw())),
            patience: PATIENCE,
            keep_failed: false,
            adopt: true,
            witness: false,
            marks: BTreeMap::new(),
            deaths: Deaths::default(),
            soft: Value::Object(serde_json::Map::new()),
            variables: Vec::new(),
        }
    }
}

/// Deaths of workers that a drill has planned. Clones share one list: what one run has used up, the next does not repeat.
#[derive(Debug, Clone, Default)]
pub struct Deaths(Arc<Mutex<BTreeMap<Key, VecDeque<Death>>>>);

impl Deaths {
    /// These, at attempts of `key`.
    pub fn of(key: Key, deaths: impl IntoIterator<Item = Death>) -> Self {
        Self(Arc::new(Mutex::new(BTreeMap::from([(key, deaths.into_iter().collect())]))))
    }

    /// The next one of `key`.
    pub(crate) fn next(&self, key: &Key) -> Option<Death> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(key)?.pop_front()
    }
}

/// Whether a run is to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Interrupt {
    /// Go on.
    #[default]
    No,
    /// Start nothing more and ask workers to end.
    Stop,
    /// End workers at once.
    Kill,
}
