//! What came of what was asked for: leases, old results, claims, executions.

use super::{
    Claimed, Command, Dispatcher, Ending, Stands,
    task::{Phase, Readiness, Task},
};
use crate::{outline::Need, policy::rest};

/// How often the bytes of one task may go bad in one run.
const LOSSES: u32 = 2;

impl Dispatcher {
    pub(super) fn leased(&mut self, task: usize, ours: bool) {
        debug_assert_eq!(self.tasks[task].phase, Phase::Leasing);
        self.tasks[task].leased = ours;
        if ours && !self.closing {
            return self.begin(task);
        }
        if !ours {
            self.pool.shun(self.tasks[task].room.as_deref().unwrap_or_default());
        }
        self.set_aside(task, Phase::Waiting);
        self.touched.push_back(task);
    }

    pub(super) fn looked(&mut self, task: usize, stands: Option<Stands>) {
        debug_assert_eq!(self.tasks[task].phase, Phase::Looking);
        match stands {
            Some(Stands::Made) => self.settle(task, Phase::Made),
            Some(Stands::Diverged) => self.settle(task, Phase::Diverged),
            _ if self.closing => self.set_aside(task, Phase::Waiting),
            _ => {
                self.tasks[task].looked = true;
                self.claim(task);
            }
        }
    }

    pub(super) fn claimed(&mut self, task: usize, claimed: Claimed) {
        debug_assert_eq!(self.tasks[task].phase, Phase::Claiming);
        match claimed {
            // Between line and claim the run may have begun to close, or a need's bytes may have gone bad.
            Claimed::Granted if self.closing || !matches!(self.readiness(task), Readiness::Now) => {
                self.commands.push(Command::Release(task));
                self.set_aside(task, Phase::Waiting);
                self.touched.push_back(task);
            }
            Claimed::Granted if self.tasks[task].room.is_some() => self.launch(task),
            Claimed::Granted => self.enter(task, Phase::Poised),
            Claimed::Held => self.set_aside(task, Phase::Elsewhere),
            Claimed::Done(Stands::Absent) if self.is_needed(task) => {
                if self.closing {
                    return self.set_aside(task, Phase::Waiting);
                }
                self.tasks[task].again = true;
                self.claim(task);
            }
            Claimed::Done(stands) => {
                self.commands.push(Command::Keep(task));
                self.settle(task, if stands == Stands::Diverged { Phase::Diverged } else { Phase::Made });
            }
        }
    }

    pub(super) fn vacated(&mut self, task: usize) {
        debug_assert_eq!(self.tasks[task].phase, Phase::Running);
        self.vacate(task);
        self.unrecorded += 1;
        if self.tasks[task].consumers.iter().any(|consumer| self.awaits_records(*consumer)) {
            self.awaited.insert(task);
        }
    }

    /// Whether a task waits for nothing but records.
    fn awaits_records(&self, task: usize) -> bool {
        let Task { phase, needs, .. } = &self.tasks[task];
        let is_over = |producer: &usize| match self.tasks[*producer].phase {
            Phase::Made | Phase::Diverged | Phase::Failed | Phase::Blocked(_) => true,
            Phase::Running => self.tasks[*producer].room.is_none(),
            _ => false,
        };
        *phase == Phase::Waiting && needs.iter().flat_map(Need::tasks).all(is_over)
    }

    pub(super) fn ended(&mut self, task: usize, ending: Ending) {
        debug_assert_eq!(self.tasks[task].phase, Phase::Running);
        self.unrecorded -= usize::from(self.tasks[task].room.is_none());
        self.awaited.remove(&task);
        match ending {
            Ending::Made => {
                self.made.insert(self.tasks[task].key);
                self.settle(task, Phase::Made);
            }
            Ending::Diverged => self.settle(task, Phase::Diverged),
            Ending::Faltered if self.would_retry(task) => {
                self.tasks[task].tries += 1;
                let tries = self.tasks[task].tries;
                self.set_aside(task, Phase::Resting(self.now + rest(tries)));
                self.commands.push(Command::Rest { task, tries });
            }
            Ending::Failed | Ending::Faltered => self.fail(task),
            Ending::LeaseLost => {
                // Whoever took it over makes it; what was wrong with the standing result is their business now.
                self.tasks[task].again = false;
                self.set_aside(task, Phase::Elsewhere);
            }
            Ending::InputLost(producers) => {
                let hopeless: Vec<usize> =
                    producers.iter().copied().filter(|producer| self.tasks[*producer].lost >= LOSSES).collect();
                if hopeless.is_empty() {
                    self.set_aside(task, Phase::Waiting);
                    for producer in producers {
                        self.remake(producer);
                    }
                    self.touched.push_back(task);
                } else {
                    self.commands.push(Command::GiveUp(task, hopeless));
                    self.fail(task);
                }
            }
        }
    }

    fn fail(&mut self, task: usize) {
        self.failures += 1;
        self.closing |= !self.policy.keep_going || self.policy.max_fails.is_some_and(|most| self.failures >= most);
        self.settle(task, Phase::Failed);
    }

    /// Has a settled task run again.
    fn remake(&mut self, task: usize) {
        if self.tasks[task].phase != Phase::Made {
            return; // somebody else has seen to it
        }
        self.tasks[task].lost += 1;
        (self.tasks[task].again, self.tasks[task].looked) = (true, true);
        self.made.remove(&self.tasks[task].key);
        self.reopen(task);
    }

    /// Has a task wait again, and with it what it needs and nobody had asked for.
    fn reopen(&mut self, task: usize) {
        let mut open = vec![task];
        while let Some(task) = open.pop() {
            self.enter(task, Phase::Waiting);
            self.touched.push_back(task);
            for consumer in self.tasks[task].consumers.clone() {
                match self.tasks[consumer].phase {
                    Phase::Ready => {
                        self.line.remove(&self.tasks[consumer].rank);
                        self.enter(consumer, Phase::Waiting);
                    }
                    Phase::Poised => self.give_back(consumer),
                    _ => {}
                }
            }
            let producers = self.tasks[task].needs.iter().flat_map(Need::tasks);
            open.extend(producers.filter(|producer| self.tasks[**producer].phase == Phase::Unneeded));
        }
    }

    /// Whether somebody will read the task's bytes.
    fn is_needed(&self, task: usize) -> bool {
        let unsettled = |consumer: &usize| {
            matches!(
                self.tasks[*consumer].phase,
                Phase::Waiting
                    | Phase::Ready
                    | Phase::Leasing
                    | Phase::Looking
                    | Phase::Claiming
                    | Phase::Poised
                    | Phase::Elsewhere
                    | Phase::Resting(_)
            )
        };
        self.tasks[task].consumers.iter().any(unsettled)
    }
}
