//! What comes of what was asked: it is recorded, told to whoever watches, and handed to the dispatcher.

use isoflop_contract::FailureClass;
use isoflop_ledger::{Claim, Lease, LedgerError, Past};

use super::Reactor;
use crate::{
    attempt::Order,
    device::DeviceLease,
    dispatcher::{Claimed, Ending, Input, Stands},
    error::ExecError,
    execution::{Done, Recorded},
    moment::Moment,
    policy::may_help,
    summary::Outcome,
};

impl Reactor {
    pub(super) fn leased(&mut self, task: usize, leased: std::io::Result<Option<DeviceLease>>) {
        let lease = leased.unwrap_or_else(|source| {
            let path = self.shared.options.runtime.clone();
            let error = ExecError::Folder { path, doing: "lease devices in", source };
            self.tell(Moment::Stopping { because: error.to_string() });
            self.obstacle.get_or_insert(error);
            self.step(Input::Halt);
            None
        });
        let ours = lease.is_some();
        match lease {
            Some(lease) => drop(self.devices.leases.insert(task, lease)),
            None if self.devices.awaited.insert(task) => {
                self.tell(Moment::AwaitingDevices { task: self.name(task).to_owned() });
            }
            None => {}
        }
        self.step(Input::Leased(task, ours));
    }

    pub(super) fn looked(&mut self, task: usize, looked: Result<Option<(Past, Stands)>, LedgerError>) {
        let looked = self.heed(looked).flatten();
        if let Some((past, _)) = &looked {
            self.record.keep(task, self.shared.plan.tasks()[task].key, past, true);
            self.tell(Moment::TaskAdopted { task: self.name(task).to_owned() });
        }
        self.step(Input::Looked(task, looked.map(|(_, stands)| stands)));
    }

    pub(super) fn claimed(&mut self, task: usize, claimed: Result<(Claim, Option<Stands>), LedgerError>) {
        let answer = match self.heed(claimed) {
            None => Claimed::Held, // the run is closing
            Some((Claim::Granted(lease), _)) => {
                self.leases.insert(task, lease);
                Claimed::Granted
            }
            Some((Claim::Held { by, .. }, _)) => {
                if self.holders.insert(task, by.clone()).as_ref() != Some(&by) {
                    self.tell(Moment::Waiting { task: self.name(task).to_owned(), holder: by });
                }
                Claimed::Held
            }
            Some((Claim::Done(past), stands)) => {
                self.found.insert(task, past);
                Claimed::Done(stands.unwrap_or(Stands::Absent))
            }
        };
        self.step(Input::Claimed(task, answer));
    }

    /// Takes what was found under a task's key as its result.
    pub(super) fn keep(&mut self, task: usize) {
        let past = self.found.remove(&task).expect("a result is kept after it was found");
        let key = self.shared.plan.tasks()[task].key;
        let name = self.name(task).to_owned();
        self.record.keep(task, key, &past, false);
        self.tell(Moment::TaskKept { task: name.clone() });
        self.write(move |shared| async move { shared.ledger.keep(shared.run, &[(name, key)]).await });
    }

    pub(super) fn done(&mut self, task: usize, done: Result<Done, LedgerError>) {
        self.launched.remove(&task);
        self.orders.remove(&task);
        self.leases.remove(&task);
        let key = self.shared.plan.tasks()[task].key;
        let (mut halt, mut again) = (None, false);
        let ending = match self.heed(done) {
            None => {
                self.miss(task, Outcome::Failed, "the ledger could not record it".to_owned());
                self.tell_end(task, 0.0);
                Ending::Failed
            }
            Some(Done::LeaseLost) => {
                self.tell(Moment::LeaseLost { task: self.name(task).to_owned() });
                Ending::LeaseLost
            }
            Some(Done::InputLost(lost)) => {
                for (producer, why) in &lost {
                    self.tell(Moment::Remaking { task: self.name(*producer).to_owned(), why: why.clone() });
                }
                Ending::InputLost(lost.into_iter().map(|(producer, _)| producer).collect())
            }
            Some(Done::Unfit(failure)) => {
                halt = Some(failure.message.clone());
                let (name, reason) = (self.name(task).to_owned(), failure.to_string());
                self.miss(task, Outcome::Failed, reason.clone());
                self.tell_end(task, 0.0);
                self.write(move |shared| async move { shared.ledger.block(shared.run, &[name], &reason).await });
                Ending::Failed
            }
            Some(Done::Recorded { outcome, attempt, log, seconds, halt: why }) => {
                halt = why;
                let entry = &mut self.record.entries[task];
                entry.attempt = Some(attempt);
                entry.log = Some(log);
                entry.seconds = Some(seconds);
                let ending = match outcome {
                    Recorded::Made { digest, manifest } => {
                        self.record.make(task, key, digest, manifest);
                        Ending::Made
                    }
                    Recorded::Diverged(reason) => {
                        self.miss(task, Outcome::Diverged, reason);
                        Ending::Diverged
                    }
                    Recorded::Failed(failure) => {
                        again = halt.is_none() && may_help(failure.class) && self.dispatcher.would_retry(task);
                        let stopped = self.interrupted && failure.class == FailureClass::Interrupted;
                        let reason = if stopped { failure.message } else { failure.to_string() };
                        self.miss(task, Outcome::Failed, reason);
                        if again { Ending::Faltered } else { Ending::Failed }
                    }
                };
                if !again {
                    self.tell_end(task, seconds);
                }
                ending
            }
        };
        if let Some(because) = halt {
            self.tell(Moment::Stopping { because });
            self.step(Input::Halt);
        }
        self.step(Input::Ended(task, ending));
    }

    pub(super) fn renewed(&mut self, renewed: Result<Vec<Lease>, LedgerError>) {
        self.renewing = false;
        for lost in self.heed(renewed).unwrap_or_default() {
            if lost == self.presence {
                self.heed::<()>(Err(LedgerError::Closed(self.shared.run)));
            }
            let task = self.leases.iter().find(|(_, lease)| **lease == lost).map(|(task, _)| *task);
            if let Some(task) = task {
                self.order(task, Order::Kill);
            }
        }
    }
}
