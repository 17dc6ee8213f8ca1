//! What ends a run that is not a task's fault.

use std::{io, path::PathBuf};

use isoflop_contract::{demand::Gpus, environment::Capability};
use isoflop_ledger::LedgerError;

use crate::runtimes::LaunchError;

/// Why a run could not begin or go on. Whatever was finished by then is kept.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The ledger failed, or could not be reached for too long.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A task that must run has no worker program.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A task asks for more devices than there are, so it could never start.
    #[error(
        "`{task}` asks for {wanted} {} (`{by}`) and this run may use {found}; `isoflop doctor` lists them, and \
         CUDA_VISIBLE_DEVICES hides some",
        if wanted.number() > 1.0 { "devices" } else { "device" }
    )]
    Devices {
        /// The task.
        task: String,
        /// How many it asks for.
        wanted: Gpus,
        /// What of the study asks for them.
        by: String,
        /// How many there are.
        found: usize,
    },
    /// A task declares another class of device than this run may use.
    #[error(
        "`{task}` declares `device: {device}`, and {found}. Bits depend on that: CUDA_VISIBLE_DEVICES hides devices that are not meant, and a study that declares \
         the device that is here makes results of its own (`isoflop doctor` lists devices)"
    )]
    Class {
        /// The task.
        task: String,
        /// What it declares.
        device: Capability,
        /// A device that is another, in words.
        found: String,
    },
    /// A task declares more of the processor than it has.
    #[error(
        "`{task}` declares `isa: {isa}`, and this processor has no more than `{highest}`. Bits depend on that, so no other level is used in its place; a study \
         that declares what is here makes results of its own (`isoflop doctor` lists levels)"
    )]
    Level {
        /// The task.
        task: String,
        /// What it declares.
        isa: &'static str,
        /// The most that there is.
        highest: &'static str,
    },
    /// A folder of the engine's own could not be made or read.
    #[error("cannot {doing} {}: {source}", .path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The process that ends workers should the engine be gone could not be started.
    #[error("cannot start /bin/sh, which guards the workers: {0}")]
    Guard(#[source] io::Error),
    /// The system refused the engine a thread.
    #[error("cannot start a thread: {0}; the machine or the user's limits are exhausted")]
    Thread(#[source] io::Error),
}
