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
//! Answers are taken in by `answers`; `line` decides who has room next.
//!
//! Invariants: a task is launched only when all it needs is settled and there; slots, memory and devices are never exceeded, except by a
//! task that wants more slots or memory than there are and gets all of them; at most one task of a key is under way; nobody waits for ever;
//! every run finishes once its commands are answered.

mod answers;
mod line;
mod task;
#[cfg(test)]
mod tests;
mod words;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use task::{Phase, Readiness, Task};
pub use words::{Because, Claimed, Command, Ending, Input, Stands};

use crate::{outline::Outline, policy::Policy, pool::Pool};

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
        let mut tasks: Vec<Task> =
            outline.nodes.iter().zip(ranks).map(|(node, rank)| Task::of(node, rank, &policy)).collect();
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
