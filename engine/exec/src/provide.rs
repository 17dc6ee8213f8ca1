//! Providing: the files of the study that a task reads reach the store, are told to the ledger, and lie in the attempt's folder like any
//! other input. What a task reads is what was planned: a file that was edited since fails it, unless the store has the planned bytes.

use std::{collections::BTreeMap, fs, path::PathBuf};

use isoflop_contract::{Failure, FailureClass};
use isoflop_ledger::LedgerError;
use isoflop_plan::{FileSet, Task};
use isoflop_store::{Store, StoreError};

use crate::{room::Room, shared::Shared};

/// Why the files of a task are not there.
#[derive(Debug)]
pub(crate) enum Unprovided {
    /// This task cannot have its files.
    Failed(Failure),
    /// No task can: the store is at fault.
    Store(StoreError),
}

/// Puts the files of `task` into the attempt's folder. Answers with where they lie, by name.
pub(crate) fn provide(store: &Store, task: &Task, room: &Room) -> Result<BTreeMap<String, PathBuf>, Unprovided> {
    let folder = |(name, set): (&String, &std::sync::Arc<FileSet>)| {
        let into = room.files(name);
        place(store, set, &into, task.outside.program.is_some()).map(|()| (name.clone(), into))
    };
    task.files.iter().map(folder).collect()
}

fn place(store: &Store, set: &FileSet, into: &PathBuf, foreign: bool) -> Result<(), Unprovided> {
    let paths = set.paths.iter().map(|(name, path)| (name.clone(), PathBuf::from(path))).collect();
    let mut again = true;
    loop {
        let digest = store.bring(&set.manifest, &paths).map_err(sort)?;
        match store.materialize_for(foreign, digest, &set.manifest, into) {
            Ok(()) => return Ok(()),
            // The store's copy was bad and is out of the way now; the study still has its own.
            Err(StoreError::Corrupt(_) | StoreError::Missing { .. }) if again => {
                again = false;
                fs::remove_dir_all(into).map_err(|source| {
                    Unprovided::Store(StoreError::Io { path: into.clone(), doing: "remove", source })
                })?;
            }
            Err(error) => return Err(sort(error)),
        }
    }
}

fn sort(error: StoreError) -> Unprovided {
    match error {
        StoreError::Changed { .. } | StoreError::BadOutput { .. } => {
            Unprovided::Failed(Failure { class: FailureClass::Rejected, message: error.to_string() })
        }
        other => Unprovided::Store(other),
    }
}

/// Tells the ledger of the files of `task`, each set once a run, so that what is recorded can be followed to every line of code.
pub(crate) async fn record(shared: &Shared, task: &Task) -> Result<(), LedgerError> {
    for set in task.files.values() {
        let known = |sets: &mut std::collections::BTreeSet<_>| sets.contains(&set.digest);
        if known(&mut shared.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner)) {
            continue;
        }
        shared.ledger.record_files(shared.run, set.digest, &set.manifest).await?;
        shared.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(set.digest);
    }
    Ok(())
}
