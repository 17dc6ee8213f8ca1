//! What reactor and dispatcher say to each other.

/// What the reactor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Begin.
    Started,
    /// The answer to [`Command::Lease`]: whether the devices are ours.
    Leased(usize, bool),
    /// The answer to [`Command::LookUp`]: the old result that was adopted, if any.
    Looked(usize, Option<Stands>),
    /// The answer to [`Command::Claim`].
    Claimed(usize, Claimed),
    /// The worker of a launched task is gone and did not fail: what the task occupied is free, and how it ended is on its way.
    Vacated(usize),
    /// The answer to [`Command::Launch`].
    Ended(usize, Ending),
    /// So many tasks may be claimed before there is room for them.
    Ahead(usize),
    /// Some time has passed: look again at what other engines had.
    Tick,
    /// The user wants the run to stop.
    Interrupt,
    /// Something that concerns all tasks is wrong: a full disk, a lost ledger.
    Halt,
}

/// What stands under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    /// An artifact whose bytes are in the store.
    Made,
    /// An artifact whose bytes are elsewhere.
    Absent,
    /// A divergence.
    Diverged,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claimed {
    /// The key is ours.
    Granted,
    /// Another engine is at it.
    Held,
    /// It has a result by now.
    Done(Stands),
}

/// How an execution ended. Its record is in the ledger by then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It made its artifact.
    Made,
    /// It diverged.
    Diverged,
    /// It failed.
    Failed,
    /// It failed in a way that another try may cure.
    Faltered,
    /// Another engine has taken the key over.
    LeaseLost,
    /// It could not begin: the bytes of these producers are bad or gone.
    InputLost(Vec<usize>),
}

/// What the reactor is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Lease these devices for the task, as against other engines.
    Lease {
        /// The task.
        task: usize,
        /// Numbers of devices.
        devices: Vec<usize>,
    },
    /// Give the task's devices back.
    Unlease(usize),
    /// Look for an old result with the same trace, and adopt it.
    LookUp(usize),
    /// Claim the task's key.
    Claim {
        /// The task.
        task: usize,
        /// Whether to run although a result stands.
        again: bool,
    },
    /// Take what stands under the key by now, and record it as kept.
    Keep(usize),
    /// Give the key back.
    Release(usize),
    /// Run the task's worker.
    Launch(usize),
    /// Stop the task's worker: ask, and after a while insist.
    Stop(usize),
    /// Record that the task failed because these producers' bytes went bad again and again.
    GiveUp(usize, Vec<usize>),
    /// Nothing now: the task is tried again after a while.
    Rest {
        /// The task.
        task: usize,
        /// Which try the next one is, the first again being 1.
        tries: u32,
    },
    /// The task was to be tried again and will not be: how its last try ended is how it ended.
    Abandon(usize),
    /// Record that the task cannot run.
    Block(usize, Because),
    /// The run is over.
    Finish,
}

/// Why a task is not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// This task failed.
    Failed(usize),
    /// This task diverged.
    Diverged(usize),
    /// The run was stopped first.
    Stopped,
}
