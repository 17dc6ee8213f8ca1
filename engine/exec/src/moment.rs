//! Moments: what happens in a run, for whoever watches it. A stream of them ends with the run; [`Summary`](crate::Summary) is its result.

use std::path::PathBuf;

use isoflop_contract::Digest;
use isoflop_ledger::{AttemptId, RunId};

use crate::summary::Outcome;

/// Something that happened. Tasks go by name.
#[derive(Debug, Clone)]
pub enum Moment {
    /// The run is in the ledger.
    RunStarted {
        /// Its id.
        run: RunId,
        /// Tasks in the plan that were asked for.
        tasks: usize,
        /// Of these, tasks with a result that stands.
        kept: usize,
        /// Of these, tasks that must run.
        to_run: usize,
    },
    /// A worker was started, and the ledger has the attempt.
    TaskStarted {
        /// The task.
        task: String,
        /// The attempt.
        attempt: AttemptId,
        /// Where stdout and stderr of the worker go.
        log: PathBuf,
    },
    /// A task goes on from a checkpoint that an earlier attempt left.
    Resumed {
        /// The task.
        task: String,
        /// Steps taken by then.
        step: u64,
    },
    /// A checkpoint of a task is of no use.
    PassedOver {
        /// The task.
        task: String,
        /// Which, and why.
        why: String,
    },
    /// How far a task is; at most ten a second for each.
    TaskProgress {
        /// The task.
        task: String,
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
    },
    /// A task measured something; at most ten a second for each.
    TaskMetric {
        /// The task.
        task: String,
        /// The series.
        series: String,
        /// The optimizer step.
        step: u64,
        /// Its value there.
        value: f64,
    },
    /// A worker is gone, and its slot with it; what came of its task is being recorded.
    WorkerEnded {
        /// The task.
        task: String,
    },
    /// A task that ran has its outcome, and the ledger has it too.
    TaskEnded {
        /// The task.
        task: String,
        /// How it ended.
        outcome: Outcome,
        /// How long its worker ran.
        seconds: f64,
        /// Why it diverged or failed.
        reason: Option<String>,
        /// The artifact that stood before and the one that stands now, where their bits differ.
        replaces: Option<(Digest, Digest)>,
    },
    /// What an attempt that failed left stays, to be looked at.
    FolderKept {
        /// The task.
        task: String,
        /// Where it is.
        folder: PathBuf,
    },
    /// A task failed, and is tried again after a while.
    Retrying {
        /// The task.
        task: String,
        /// Which try the next one is, the first again being 1.
        tries: u32,
        /// How the last one failed.
        because: String,
    },
    /// A task did not have to run: its inputs came out with bytes already seen.
    TaskAdopted {
        /// The task.
        task: String,
    },
    /// A task did not have to run: another engine made it meanwhile.
    TaskKept {
        /// The task.
        task: String,
    },
    /// Another engine is at this task.
    Waiting {
        /// The task.
        task: String,
        /// Who has it.
        holder: String,
    },
    /// Another run on this machine has the devices that a task asks for.
    AwaitingDevices {
        /// The task.
        task: String,
    },
    /// This engine was not heard from for so long that another took a task over: what it made of it does not count.
    LeaseLost {
        /// The task.
        task: String,
    },
    /// A task's bytes turned out bad or gone, and it runs again.
    Remaking {
        /// The task.
        task: String,
        /// What was found.
        why: String,
    },
    /// A task cannot run.
    Blocked {
        /// The task.
        task: String,
        /// Why.
        because: String,
    },
    /// The run is being stopped: tasks that run are asked to end.
    Stopping {
        /// Why.
        because: String,
    },
    /// The run is over.
    RunEnded,
}
