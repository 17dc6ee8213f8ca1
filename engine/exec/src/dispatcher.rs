//! The dispatcher: the one owner of truth about a run under way. A pure state machine, `step(input) -> commands`: no clock, no files, no
//! runtime. The reactor carries commands out and answers each with an input.
//!
//! A task's way: it **waits** for its needs, is **ready**, gets its slots, memory and devices (**leasing**: perhaps another engine has those)
//! and is looked up by its trace (**looking**: perhaps its bytes are known), then its key is **claimed** (perhaps another engine is at it:
//! **elsewhere**), then it **runs**, and at the end it is **settled**; after a failure that another try may cure it **rests** first.
//!
//! The ledger is not waited for with a slot in hand. When a worker is gone its task's room is free, and its record is on its way; and where
//! tasks are short, some are claimed before there is room for them ([`Input::Ahead`]): such a task is **poised** until there is.
//!
//! Invariants: a task is launched only when all it needs is settled and there; slots, memory and devices are never exceeded, except by a
//! task that wants more slots or memory than there are and gets all of them; at most one task of a key is under way; nobody waits for ever;
//! every run finishes once its commands are answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod words;

pub use words::{Because, Claimed, Command, Ending, Input, Stands};

use crate::{
    outline::{Begin, Need, Outline},
    policy::{Policy, rest},
    pool::{Pool, Want},
};

/// How a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Ready,
    Leasing,
    Looking,
    Claiming,
    /// Claimed, and without room.
    Poised,
    Elsewhere,
    Running,
    /// Until this tick.
    Resting(u64),
    Made,
    Diverged,
    Failed,
    Blocked(Because),
    Unneeded,
}

impl Phase {
    /// Whether it waits for an answer before it can be launched.
    const fn is_asking(self) -> bool {
        matches!(self, Self::Leasing | Self::Looking | Self::Claiming)
    }

    /// Whether its key is busy with it.
    const fn is_under_way(self) -> bool {
        matches!(self, Self::Leasing | Self::Looking | Self::Claiming | Self::Poised | Self::Running)
    }
}

#[derive(Debug)]
struct Task {
    phase: Phase,
    needs: Vec<Need>,
    consumers: Vec<usize>,
    want: Want,
    /// Its devices, if it has its slots, memory and devices.
    room: Option<Vec<usize>>,
    /// Whether these are leased as against other engines.
    leased: bool,
    key: usize,
    /// Its place in line: the longest remaining path first.
    rank: usize,
    /// Whether a standing result is not enough.
    again: bool,
    /// Whether its trace has been looked up.
    looked: bool,
    /// How often its bytes went bad.
    lost: u32,
    /// How often it was tried again, and how often it may be.
    tries: u32,
    retries: u32,
}

/// How often the bytes of one task may go bad in one run.
const LOSSES: u32 = 2;

/// How many tasks may wait for their record before others begin: with a slow ledger, what is made must not pile up.
const UNRECORDED: usize = 128;

/// See the module.
#[derive(Debug)]
pub struct Dispatcher {
    tasks: Vec<Task>,
    policy: Policy,
    pool: Pool,
    /// Tasks without room by rank: ready ones, and those that are claimed ahead.
    line: BTreeMap<usize, usize>,
    /// How many tasks may be claimed ahead, and how many are.
    ahead: (usize, usize),
    /// How many tasks wait for their record.
    unrecorded: usize,
    /// Keys under way.
    busy: BTreeSet<usize>,
    /// Keys made in this run.
    made: BTreeSet<usize>,
    /// How many tasks wait for another engine.
    elsewhere: usize,
    /// How many tasks rest.
    resting: usize,
    /// How many tasks are poised, and how many have asked for what they need before they can be launched.
    poised: usize,
    asking: usize,
    /// Tasks whose record is all that another one waits for.
    awaited: BTreeSet<usize>,
    /// Ticks so far.
    now: u64,
    /// Failures so far.
    failures: u32,
    /// Waiting tasks that something has happened to.
    touched: VecDeque<usize>,
    /// Whether nothing new may start.
    closing: bool,
    finished: bool,
    commands: Vec<Command>,
}

impl Dispatcher {
    /// A dispatcher at the beginning.
    pub fn new(outline: &Outline, policy: Policy) -> Self {
        let ranks = outline.ranks();
        let mut tasks: Vec<Task> = outline
            .nodes
            .iter()
            .zip(ranks)
            .map(|(node, rank)| Task {
                phase: match node.begin {
                    Begin::Run { .. } => Phase::Waiting,
                    Begin::Made => Phase::Made,
                    Begin::Diverged => Phase::Diverged,
                    Begin::Blocked(root) => Phase::Blocked(Because::Diverged(root)),
                    Begin::Unneeded => Phase::Unneeded,
                },
                needs: node.needs.clone(),
                consumers: Vec::new(),
                want: node.want.within(&policy.capacity),
                room: None,
                leased: false,
                key: node.key,
                rank,
                again: node.begin == Begin::Run { again: true },
                looked: node.needs.is_empty(), // its trace is its recipe, and that has no result
                lost: 0,
                tries: 0,
                retries: node.retries.unwrap_or(policy.retries),
            })
            .collect();
        for index in 0..tasks.len() {
            let producers: BTreeSet<usize> = tasks[index].needs.iter().flat_map(|need| need.tasks().to_vec()).collect();
            for producer in producers {
                tasks[producer].consumers.push(index);
            }
        }
        Self {
            tasks,
            pool: Pool::new(&policy.capacity),
            policy,
            line: BTreeMap::new(),
            ahead: (0, 0),
            unrecorded: 0,
            busy: BTreeSet::new(),
            made: BTreeSet::new(),
            elsewhere: 0,
            resting: 0,
            poised: 0,
            asking: 0,
            awaited: BTreeSet::new(),
            now: 0,
            failures: 0,
            touched: VecDeque::new(),
            closing: false,
            finished: false,
            commands: Vec::new(),
        }
    }

    /// Takes in what happened and says what to do now.
    pub fn step(&mut self, input: Input) -> Vec<Command> {
        match input {
            Input::Started => {
                for task in 0..self.tasks.len() {
                    if let Phase::Blocked(because) = self.tasks[task].phase {
                        self.commands.push(Command::Block(task, because));
                    }
                    self.touched.push_back(task);
                }
            }
            Input::Leased(task, ours) => self.leased(task, ours),
            Input::Looked(task, stands) => self.looked(task, stands),
            Input::Claimed(task, claimed) => self.claimed(task, claimed),
            Input::Vacated(task) => self.vacated(task),
            Input::Ended(task, ending) => self.ended(task, ending),
            Input::Ahead(most) => {
                self.ahead.0 = most;
                if most == 0 {
                    self.recall();
                }
            }
            Input::Tick => {
                self.now += 1;
                self.pool.trust();
                for task in 0..self.tasks.len() {
                    match self.tasks[task].phase {
                        Phase::Elsewhere => self.queue(task),
                        Phase::Resting(until) if until <= self.now => self.queue(task),
                        _ => {}
                    }
                }
            }
            Input::Interrupt => {
                self.closing = true;
                let running = self.tasks.iter().enumerate().filter(|(_, task)| task.phase == Phase::Running);
                self.commands.extend(running.map(|(index, _)| Command::Stop(index)));
            }
            Input::Halt => self.closing = true,
        }
        if self.closing {
            self.abandon();
            self.recall();
        }
        while let Some(task) = self.touched.pop_front() {
            self.consider(task);
        }
        self.fill();
        self.close();
        std::mem::take(&mut self.commands)
    }

    /// Whether a task waits for another engine or for its next try, or is claimed ahead, so that [`Input::Tick`] is of use.
    pub fn awaits_time(&self) -> bool {
        !self.closing && (self.elsewhere > 0 || self.resting > 0 || self.ahead.1 > 0 || self.pool.shuns())
    }

    /// How many tasks may be claimed ahead.
    pub fn ahead(&self) -> usize {
        self.ahead.0
    }

    /// Whether nobody waits for an answer: every slot is at work, enough tasks are poised to follow, and no record lets one begin that could not
    /// before.
    pub fn is_at_ease(&self) -> bool {
        let asking_with_room = self.asking + self.poised > self.ahead.1;
        !self.closing
            && self.poised > 0
            && 2 * self.poised >= self.ahead.0
            && !asking_with_room
            && self.awaited.is_empty()
    }

    /// Whether `task` would be tried again if it faltered now.
    pub fn would_retry(&self, task: usize) -> bool {
        !self.closing && self.tasks[task].tries < self.tasks[task].retries
    }

    fn leased(&mut self, task: usize, ours: bool) {
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

    fn looked(&mut self, task: usize, stands: Option<Stands>) {
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

    fn claimed(&mut self, task: usize, claimed: Claimed) {
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

    fn launch(&mut self, task: usize) {
        self.enter(task, Phase::Running);
        self.commands.push(Command::Launch(task));
    }

    fn vacated(&mut self, task: usize) {
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

    fn ended(&mut self, task: usize, ending: Ending) {
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

    /// Gives back the keys of those that are poised.
    fn recall(&mut self) {
        if self.ahead.1 == 0 {
            return;
        }
        let poised = self.line.values().copied().filter(|task| self.tasks[*task].phase == Phase::Poised);
        for task in poised.collect::<Vec<_>>() {
            self.give_back(task);
        }
    }

    /// Gives back the key of a poised task, which waits again.
    fn give_back(&mut self, task: usize) {
        self.commands.push(Command::Release(task));
        self.set_aside(task, Phase::Waiting);
        self.touched.push_back(task);
    }

    /// The run is closing: nobody who rests is tried again.
    fn abandon(&mut self) {
        if self.resting == 0 {
            return;
        }
        for task in 0..self.tasks.len() {
            if matches!(self.tasks[task].phase, Phase::Resting(_)) {
                self.commands.push(Command::Abandon(task));
                self.settle(task, Phase::Failed);
            }
        }
    }

    /// Has a settled task run again.
    fn remake(&mut self, task: usize) {
        if self.tasks[task].phase != Phase::Made {
            return; // somebody else has seen to it
        }
        self.tasks[task].lost += 1;
        self.tasks[task].again = true;
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

    /// Takes a task that is under way out of the line or out of its room, gives its key back, and has it stand as `phase`.
    fn set_aside(&mut self, task: usize, phase: Phase) {
        if self.tasks[task].phase.is_under_way() {
            if self.tasks[task].room.is_some() {
                self.vacate(task);
            } else if self.tasks[task].phase != Phase::Running {
                self.line.remove(&self.tasks[task].rank);
                self.ahead.1 -= 1;
            }
            self.busy.remove(&self.tasks[task].key);
        }
        self.enter(task, phase);
    }

    /// Gives back what a task occupies.
    fn vacate(&mut self, task: usize) {
        let devices = self.tasks[task].room.take().unwrap_or_default();
        self.pool.give(&self.tasks[task].want, &devices);
        if std::mem::take(&mut self.tasks[task].leased) {
            self.commands.push(Command::Unlease(task));
        }
    }

    fn enter(&mut self, task: usize, phase: Phase) {
        let before = std::mem::replace(&mut self.tasks[task].phase, phase);
        self.elsewhere += usize::from(phase == Phase::Elsewhere);
        self.elsewhere -= usize::from(before == Phase::Elsewhere);
        self.resting += usize::from(matches!(phase, Phase::Resting(_)));
        self.resting -= usize::from(matches!(before, Phase::Resting(_)));
        self.poised += usize::from(phase == Phase::Poised);
        self.poised -= usize::from(before == Phase::Poised);
        self.asking += usize::from(phase.is_asking());
        self.asking -= usize::from(before.is_asking());
    }

    fn settle(&mut self, task: usize, phase: Phase) {
        self.set_aside(task, phase);
        self.touched.extend(&self.tasks[task].consumers);
    }

    /// Looks whether a waiting task can go on, or never will.
    fn consider(&mut self, task: usize) {
        if self.tasks[task].phase != Phase::Waiting {
            return;
        }
        match self.readiness(task) {
            Readiness::Later => {}
            Readiness::Now => self.queue(task), // stays there for good if the run is closing
            Readiness::Never(because) => {
                self.commands.push(Command::Block(task, because));
                self.settle(task, Phase::Blocked(because));
            }
        }
    }

    fn readiness(&self, task: usize) -> Readiness {
        let mut ready = Readiness::Now;
        for need in &self.tasks[task].needs {
            let mut gone = None;
            let mut there = false;
            for &producer in need.tasks() {
                match self.tasks[producer].phase {
                    Phase::Made => there = true,
                    Phase::Failed => return Readiness::Never(Because::Failed(producer)),
                    Phase::Blocked(because @ (Because::Failed(_) | Because::Stopped)) => {
                        return Readiness::Never(because);
                    }
                    Phase::Diverged => gone = gone.or(Some(Because::Diverged(producer))),
                    Phase::Blocked(because) => gone = gone.or(Some(because)),
                    _ => {
                        there = true; // may yet come
                        ready = Readiness::Later;
                    }
                }
            }
            if let (Some(because), false) = (gone, there) {
                return Readiness::Never(because);
            }
        }
        ready
    }

    fn queue(&mut self, task: usize) {
        self.enter(task, Phase::Ready);
        self.line.insert(self.tasks[task].rank, task);
    }

    /// Gives slots, memory and devices to those first in line, and claims some ahead.
    fn fill(&mut self) {
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
    fn begin(&mut self, task: usize) {
        if self.made.contains(&self.tasks[task].key) && !self.policy.witness {
            // A twin has just made it: its result stands.
            (self.tasks[task].again, self.tasks[task].looked) = (false, true);
        }
        let Task { again, looked, .. } = self.tasks[task];
        if self.policy.adopt && !again && !looked {
            self.enter(task, Phase::Looking);
            self.commands.push(Command::LookUp(task));
        } else {
            self.claim(task);
        }
    }

    fn claim(&mut self, task: usize) {
        self.enter(task, Phase::Claiming);
        self.commands.push(Command::Claim { task, again: self.tasks[task].again });
    }

    /// Ends the run when nothing is under way and nothing more will be.
    fn close(&mut self) {
        if self.finished || !self.busy.is_empty() {
            return;
        }
        let left: Vec<usize> = (0..self.tasks.len())
            .filter(|task| matches!(self.tasks[*task].phase, Phase::Waiting | Phase::Ready | Phase::Elsewhere))
            .collect();
        if (!left.is_empty() || self.resting > 0) && !self.closing {
            return; // others are at it, or it is not yet time
        }
        for task in left {
            self.enter(task, Phase::Blocked(Because::Stopped));
            self.commands.push(Command::Block(task, Because::Stopped));
        }
        self.finished = true;
        self.commands.push(Command::Finish);
    }
}

enum Readiness {
    Now,
    Later,
    Never(Because),
}

#[cfg(test)]
#[path = "dispatcher_tests.rs"]
mod tests;
