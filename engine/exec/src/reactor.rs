//! The reactor: the shell round the dispatcher. It carries commands out, each as a task of the runtime that answers with one event, and
//! brings events, ticks and the user's interrupts into one order. All decisions are the dispatcher's.
//!
//! A run begins in `opening`; what is asked of ledger, devices and workers is in `asks`, what comes of it in `answers`.

mod answers;
mod asks;
mod opening;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use isoflop_contract::Key;
use isoflop_ledger::{Claim, Lease, LedgerError, Past, RunState};
use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot, watch},
    task::JoinSet,
    time::{MissedTickBehavior, interval, interval_at},
};

pub use opening::run;

use crate::{
    attempt::Order,
    device::DeviceLease,
    devices::Devices,
    dispatcher::{Because, Command, Dispatcher, Input, Stands},
    error::ExecError,
    execution::Done,
    job::Interrupt,
    moment::Moment,
    pace::Pace,
    record::Record,
    shared::Shared,
    summary::{Outcome, Summary},
};

/// How long what nobody waits for may wait for others, so that the ledger writes them together.
const COMPANY: Duration = Duration::from_millis(100);

/// How often to look whether another engine is done with a task.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// What a piece of work answers with.
enum Event {
    Leased(usize, std::io::Result<Option<DeviceLease>>),
    Looked(usize, Result<Option<(Past, Stands)>, LedgerError>),
    Claimed(usize, Result<(Claim, Option<Stands>), LedgerError>),
    Done(usize, Result<Done, LedgerError>),
    Renewed(Result<Vec<Lease>, LedgerError>),
    Written(Result<(), LedgerError>),
}

struct Reactor {
    shared: Arc<Shared>,
    dispatcher: Dispatcher,
    record: Record,
    /// Tasks that were asked for although a result stands.
    asked: BTreeSet<usize>,
    leases: BTreeMap<usize, Lease>,
    devices: Devices,
    orders: BTreeMap<usize, watch::Sender<Order>>,
    /// Tasks whose workers are gone.
    vacancies: UnboundedReceiver<usize>,
    pace: Pace,
    /// When tasks that have a worker were launched.
    launched: BTreeMap<usize, Instant>,
    /// Results found where a key was to be claimed.
    found: BTreeMap<usize, Past>,
    /// The lease on the run itself: a sign of life.
    presence: Lease,
    /// Keys that are being given back, or have been: each of these ends when that is done.
    released: BTreeMap<Key, oneshot::Receiver<()>>,
    /// How long the ledger may let asks wait for others.
    patience: Duration,
    /// Who was last seen to have a task.
    holders: BTreeMap<usize, String>,
    work: JoinSet<Event>,
    finished: bool,
    interrupted: bool,
    renewing: bool,
    /// The first thing that went wrong with the ledger.
    trouble: Option<LedgerError>,
    /// What keeps tasks from starting although nothing is wrong with them or the ledger.
    obstacle: Option<ExecError>,
}

impl Reactor {
    async fn go(mut self, began: Instant, mut interrupt: watch::Receiver<Interrupt>) -> Result<Summary, ExecError> {
        let mut tick = interval(LOOK_AGAIN);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let pause = self.shared.ledger.terms().renewal();
        let mut renewal = interval_at(tokio::time::Instant::now() + pause, pause);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut level = Interrupt::No;
        let mut listening = true;
        self.step(Input::Started);
        loop {
            let wanted = *interrupt.borrow_and_update();
            if wanted > level {
                level = wanted;
                self.interrupt(level);
            }
            if self.finished && self.work.is_empty() {
                break;
            }
            tokio::select! {
                biased; // what is rare first; and that a worker is gone is heard before what came of it
                changed = interrupt.changed(), if listening => listening = changed.is_ok(),
                _ = renewal.tick(), if !self.renewing => self.renew(),
                _ = tick.tick(), if self.dispatcher.awaits_time() => self.tick(),
                Some(task) = self.vacancies.recv() => self.vacate(task),
                Some(event) = self.work.join_next() => self.take(event.expect("a piece of work does not panic")),
            }
        }
        self.end(began).await
    }

    async fn end(self, began: Instant) -> Result<Summary, ExecError> {
        let Self { shared, record, interrupted, trouble, obstacle, .. } = self;
        shared.rooms.clear().await;
        if let Some(trouble) = trouble {
            return Err(trouble.into());
        }
        let summary = record.summary(&shared.plan, shared.run, began.elapsed().as_secs_f64(), interrupted);
        let state = match () {
            () if interrupted => RunState::Interrupted,
            () if summary.totals.failed > 0 || obstacle.is_some() => RunState::Failed,
            () => RunState::Done,
        };
        shared.ledger.end_run(shared.run, state).await?;
        let _ = shared.moments.send(Moment::RunEnded);
        obstacle.map_or(Ok(summary), Err)
    }

    fn step(&mut self, input: Input) {
        let mut blocked: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for command in self.dispatcher.step(input) {
            match command {
                Command::Lease { task, devices } => self.lease(task, devices),
                Command::Unlease(task) => drop(self.devices.leases.remove(&task)),
                Command::Rest { task, tries } => {
                    let because = self.record.entries[task].reason.clone().unwrap_or_default();
                    self.tell(Moment::Retrying { task: self.name(task).to_owned(), tries, because });
                }
                Command::Abandon(task) => self.tell_end(task, self.record.entries[task].seconds.unwrap_or(0.0)),
                Command::LookUp(task) => self.look_up(task),
                Command::Claim { task, again } => self.claim(task, again),
                Command::Keep(task) => self.keep(task),
                Command::Release(task) => self.release(task),
                Command::Launch(task) => self.launch(task),
                Command::Stop(task) => self.order(task, Order::Stop),
                Command::GiveUp(task, producers) => {
                    let reason = format!(
                        "the bytes of `{}` were bad or gone again after they had been made again; check the disk of the store",
                        self.name(producers[0])
                    );
                    self.miss(task, Outcome::Failed, reason.clone());
                    self.tell_end(task, 0.0);
                    blocked.entry(reason).or_default().push(self.name(task).to_owned());
                }
                Command::Block(task, because) => {
                    let reason = match because {
                        Because::Failed(root) => format!("`{}` failed", self.name(root)),
                        Because::Diverged(root) => format!("`{}` diverged", self.name(root)),
                        Because::Stopped => "the run was stopped first".to_owned(),
                    };
                    self.miss(task, Outcome::Blocked, reason.clone());
                    self.tell(Moment::Blocked { task: self.name(task).to_owned(), because: reason.clone() });
                    blocked.entry(reason).or_default().push(self.name(task).to_owned());
                }
                Command::Finish => self.finished = true,
            }
        }
        let patience = if self.dispatcher.is_at_ease() { COMPANY } else { Duration::ZERO };
        if std::mem::replace(&mut self.patience, patience) != patience {
            self.shared.ledger.gather(patience);
        }
        for (reason, tasks) in blocked {
            self.write(move |shared| async move { shared.ledger.block(shared.run, &tasks, &reason).await });
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Leased(task, leased) => self.leased(task, leased),
            Event::Looked(task, looked) => self.looked(task, looked),
            Event::Claimed(task, claimed) => self.claimed(task, claimed),
            Event::Done(task, done) => self.done(task, done),
            Event::Renewed(renewed) => self.renewed(renewed),
            Event::Written(written) => {
                self.heed(written);
            }
        }
    }

    /// The worker of a task is gone and did not fail: somebody else may have its room.
    fn vacate(&mut self, task: usize) {
        let now = Instant::now();
        if let Some(launched) = self.launched.remove(&task) {
            self.pace.note(now, now - launched);
            self.hurry(now);
            self.step(Input::Vacated(task));
        }
    }

    fn tick(&mut self) {
        self.hurry(Instant::now());
        self.step(Input::Tick);
    }

    /// Has as many tasks claimed ahead as is good now.
    fn hurry(&mut self, now: Instant) {
        let ahead = self.pace.ahead(now);
        if ahead != self.dispatcher.ahead() {
            self.step(Input::Ahead(ahead));
        }
    }

    fn interrupt(&mut self, level: Interrupt) {
        if level == Interrupt::Kill {
            for task in self.orders.keys().copied().collect::<Vec<_>>() {
                self.order(task, Order::Kill);
            }
        }
        if !std::mem::replace(&mut self.interrupted, true) {
            let because = "interrupted; what can be saved is, and asking again ends everything at once";
            self.tell(Moment::Stopping { because: because.to_owned() });
            self.step(Input::Interrupt);
        }
    }

    fn order(&self, task: usize, order: Order) {
        if let Some(orders) = self.orders.get(&task) {
            orders.send_modify(|now| *now = order.max(*now));
        }
    }

    /// Unwraps the ledger's answer. Its first failure stops the run: what cannot be recorded must not be made.
    fn heed<T>(&mut self, answer: Result<T, LedgerError>) -> Option<T> {
        let error = match answer {
            Ok(answer) => return Some(answer),
            Err(error) => error,
        };
        if self.trouble.is_none() {
            self.tell(Moment::Stopping { because: error.to_string() });
            self.trouble = Some(error);
            self.shared.lost.store(true, Ordering::Relaxed);
            self.step(Input::Interrupt);
        }
        None
    }

    fn write<F>(&mut self, work: impl FnOnce(Arc<Shared>) -> F)
    where
        F: Future<Output = Result<(), LedgerError>> + Send + 'static,
    {
        if self.trouble.is_none() {
            let work = work(Arc::clone(&self.shared));
            self.work.spawn(async move { Event::Written(work.await) });
        }
    }

    fn miss(&mut self, task: usize, outcome: Outcome, reason: String) {
        self.record.miss(task, self.shared.plan.tasks()[task].key, outcome, reason);
    }

    fn name(&self, task: usize) -> &str {
        &self.shared.plan.tasks()[task].name
    }

    fn tell(&self, moment: Moment) {
        let _ = self.shared.moments.send(moment);
    }

    fn tell_end(&self, task: usize, seconds: f64) {
        let entry = &self.record.entries[task];
        self.tell(Moment::TaskEnded {
            task: self.name(task).to_owned(),
            outcome: entry.outcome.expect("a task that ended has an outcome"),
            seconds,
            reason: entry.reason.clone(),
            replaces: entry.replaces().zip(entry.made.as_ref().map(|(digest, _)| *digest)),
        });
    }
}
