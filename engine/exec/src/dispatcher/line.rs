//! The line: who has room next, and who is claimed before there is room.

use super::{
    Command, Dispatcher,
    task::{Phase, Task},
};
use crate::pool::Pool;

/// How many tasks may wait for their record before others begin: with a slow ledger, what is made must not pile up.
const UNRECORDED: usize = 128;

impl Dispatcher {
    pub(super) fn queue(&mut self, task: usize) {
        self.enter(task, Phase::Ready);
        self.line.insert(self.tasks[task].rank, task);
    }

    /// Gives slots, memory and devices to those first in line, and claims some ahead.
    pub(super) fn fill(&mut self) {
        if self.closing || self.unrecorded >= UNRECORDED {
            return;
        }
        self.make_room();
        if self.ahead.1 >= self.ahead.0 {
            return;
        }
        let next: Vec<usize> =
            self.line.values().copied().filter(|task| self.may_go_ahead(*task)).take(self.ahead.0).collect();
        for task in next {
            // Of twins, one.
            if self.ahead.1 < self.ahead.0 && self.busy.insert(self.tasks[task].key) {
                self.ahead.1 += 1;
                self.begin(task);
            }
        }
    }

    /// Whether a task may be claimed before there is room for it. Devices are leased first, and nobody sits on them.
    fn may_go_ahead(&self, task: usize) -> bool {
        let Task { phase, key, want, .. } = &self.tasks[task];
        *phase == Phase::Ready && want.gpus.devices() == 0 && !self.busy.contains(key)
    }

    /// Nobody takes what the first one that waits is waiting for, so that none waits for ever; a twin of what is under way is passed over.
    fn make_room(&mut self) {
        let mut behind: Option<Pool> = None;
        let mut from = 0;
        while !self.pool.is_exhausted() {
            let Some((&rank, &task)) = self.line.range(from..).next() else { return };
            from = rank + 1;
            let Task { want, key, phase, .. } = self.tasks[task];
            if phase == Phase::Ready && self.busy.contains(&key) {
                continue;
            }
            let devices = match &mut behind {
                None => self.pool.take(&want),
                Some(left) => left.take(&want).inspect(|devices| self.pool.occupy(&want, devices)),
            };
            let Some(devices) = devices else {
                behind.get_or_insert_with(|| self.pool.behind(&want));
                continue;
            };
            self.line.remove(&rank);
            self.tasks[task].room = Some(devices.clone());
            if phase != Phase::Ready {
                self.ahead.1 -= 1;
            }
            match phase {
                Phase::Ready => {
                    self.busy.insert(key);
                    if devices.is_empty() {
                        self.begin(task);
                    } else {
                        self.enter(task, Phase::Leasing);
                        self.commands.push(Command::Lease { task, devices });
                    }
                }
                Phase::Poised => self.launch(task),
                _ => {} // it is launched when its key is granted
            }
            if behind.as_ref().is_some_and(Pool::is_exhausted) {
                return;
            }
        }
    }

    /// Begins with a task that has its room, or goes ahead.
    pub(super) fn begin(&mut self, task: usize) {
        if self.made.contains(&self.tasks[task].key) && !self.policy.witness {
            // A twin has just made it: its result stands.
            (self.tasks[task].again, self.tasks[task].looked) = (false, true);
        }
        if self.policy.adopt && !self.tasks[task].looked {
            self.enter(task, Phase::Looking);
            self.commands.push(Command::LookUp(task));
        } else {
            self.claim(task);
        }
    }

    pub(super) fn claim(&mut self, task: usize) {
        self.enter(task, Phase::Claiming);
        self.commands.push(Command::Claim { task, again: self.tasks[task].again });
    }

    pub(super) fn launch(&mut self, task: usize) {
        self.enter(task, Phase::Running);
        self.commands.push(Command::Launch(task));
    }

    /// Gives back the keys of those that are poised.
    pub(super) fn recall(&mut self) {
        if self.ahead.1 == 0 {
            return;
        }
        let poised = self.line.values().copied().filter(|task| self.tasks[*task].phase == Phase::Poised);
        for task in poised.collect::<Vec<_>>() {
            self.give_back(task);
        }
    }

    /// Gives back the key of a poised task, which waits again.
    pub(super) fn give_back(&mut self, task: usize) {
        self.commands.push(Command::Release(task));
        self.set_aside(task, Phase::Waiting);
        self.touched.push_back(task);
    }
}
