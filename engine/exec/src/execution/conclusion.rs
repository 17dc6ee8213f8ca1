//! After the worker: what it made goes to the store, and then the ledger learns of it.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use isoflop_contract::{Failure, FailureClass, protocol::Notice};
use isoflop_ledger::{AttemptId, AttemptOutcome, Ending, LedgerError, Purpose};
use isoflop_store::{Committed, StoreError};
use tokio::task::spawn_blocking;

use super::{Done, Execution, Recorded, resource};
use crate::{
    attempt::Performance, checkpoints, conversation::Account, honesty, moment::Moment, remains, room::Room,
    shared::Shared,
};

impl Execution {
    /// Store first, then ledger.
    pub(super) async fn conclude(
        &self,
        shared: &Arc<Shared>,
        (room, given): (Room, honesty::Given),
        attempt: AttemptId,
        log: PathBuf,
        performance: Performance,
    ) -> Result<Done, LedgerError> {
        let Performance { notice, account: Account { metrics, saved }, seconds, .. } = performance;
        let (trace, mut halt) = (self.trace, None);
        let took = Duration::from_secs_f64(seconds);
        let mut has_checkpoints = true;
        let outcome = match notice {
            Notice::Made { scalars } => {
                let (place, shape) = (Arc::clone(shared), shared.plan.tasks()[self.task].makes.clone());
                let shelf = checkpoints::place(&shared.options.folder, &self.lease.key);
                let commit = spawn_blocking(move || {
                    let committed = match given.breach(&room, !scalars.is_empty()) {
                        Some(breach) => Err(breach),
                        None => Ok(place.store.commit(&shape, scalars, &room.out())),
                    };
                    let left = if matches!(committed, Ok(Ok(_))) {
                        place.rooms.leave(room, took);
                        None
                    } else {
                        Some(room)
                    };
                    (committed, shelf.exists(), left)
                });
                let (committed, left);
                (committed, has_checkpoints, left) = commit.await.expect("a commit does not panic");
                let refused = |message| AttemptOutcome::Failed(Failure { class: FailureClass::Refused, message });
                let outcome = match committed {
                    Ok(Ok(Committed { digest, manifest })) => AttemptOutcome::Made { digest, manifest, trace },
                    Ok(Err(error @ StoreError::BadOutput { .. })) => refused(error.to_string()),
                    Ok(Err(error)) => {
                        halt = Some(error.to_string());
                        AttemptOutcome::Failed(resource(error.to_string()))
                    }
                    Err(breach) => refused(breach),
                };
                if let (Some(room), AttemptOutcome::Failed(failure)) = (left, &outcome) {
                    self.leave(shared, room, attempt, failure);
                }
                outcome
            }
            Notice::Diverged { reason } => {
                shared.rooms.aside(move || drop(room));
                AttemptOutcome::Diverged { reason, trace }
            }
            Notice::Failed(failure) => {
                self.leave(shared, room, attempt, &failure);
                AttemptOutcome::Failed(failure)
            }
            other => unreachable!("an attempt does not end with {other:?}"),
        };
        if shared.lost.load(Ordering::Relaxed) {
            // It would wait half a minute to fail. The bytes are in the store; the next run finds out what it has.
            let failure =
                Failure { class: FailureClass::Interrupted, message: "the ledger is out of reach".to_owned() };
            return Ok(Done::Recorded { outcome: Recorded::Failed(failure), attempt, log, seconds, halt: None });
        }
        let ending = Ending { outcome, metrics, seconds, saved };
        let standing = match shared.ledger.finish_attempt(shared.run, &self.lease, attempt, &ending).await {
            Ok(standing) => standing,
            Err(LedgerError::LeaseLost { .. }) => return Ok(Done::LeaseLost),
            Err(error) => return Err(error),
        };
        let settled = !matches!(ending.outcome, AttemptOutcome::Failed(_));
        if settled && has_checkpoints && self.lease.purpose != Purpose::Witness {
            let (folder, key) = (shared.options.folder.clone(), self.lease.key);
            shared.rooms.aside(move || checkpoints::forget(&folder, &key));
        }
        // What stands is what consumers get, also where a witness was asked for: each task is verified by itself, on the inputs that stand.
        let stands = standing.as_ref().and_then(|past| Some((past.digest()?, past.manifest()?.clone())));
        let outcome = match ending.outcome {
            AttemptOutcome::Made { digest, manifest, .. } => {
                let (digest, manifest) = stands.unwrap_or((digest, manifest));
                Recorded::Made { digest, manifest }
            }
            AttemptOutcome::Diverged { reason, .. } => match stands {
                Some((digest, manifest)) if self.lease.purpose == Purpose::Witness => {
                    Recorded::Made { digest, manifest }
                }
                _ => Recorded::Diverged(reason),
            },
            AttemptOutcome::Failed(failure) => Recorded::Failed(failure),
        };
        Ok(Done::Recorded { outcome, attempt, log, seconds, halt })
    }

    /// Leaves the room of an attempt that failed: it is removed, or stays if that was asked for.
    fn leave(&self, shared: &Arc<Shared>, room: Room, attempt: AttemptId, failure: &Failure) {
        if !shared.options.keep_failed || failure.class == FailureClass::Interrupted {
            return shared.rooms.aside(move || drop(room));
        }
        let (place, task) = (Arc::clone(shared), shared.plan.tasks()[self.task].name.clone());
        let why = format!(
            "{task} of {}, attempt {attempt}\n{}: {}\n",
            shared.plan.study.name, failure.class, failure.message
        );
        shared.rooms.aside(move || match remains::keep(room, &place.options.folder, attempt, &why) {
            Ok(folder) => drop(place.moments.send(Moment::FolderKept { task, folder })),
            Err(error) => tracing::warn!(task, %error, "cannot keep the folder of an attempt that failed"),
        });
    }
}
