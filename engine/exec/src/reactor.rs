//! The reactor: the shell round the dispatcher. It carries commands out, each as a task of the runtime that answers with one event, and
//! brings events, ticks and the user's interrupts into one order. All decisions are the dispatcher's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use isoflop_contract::{Digest, FailureClass, Key};
use isoflop_ledger::{Claim, Lease, LedgerError, Past, PastOutcome, PlanTask, Purpose, RunHead, RunState};
use isoflop_plan::{Plan, TaskNeed};
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot, watch,
    },
    task::{JoinSet, spawn_blocking},
    time::{MissedTickBehavior, interval, interval_at},
};

use crate::{
    attempt::Order,
    cgroup::{Cgroups, Confine},
    device::DeviceLease,
    devices::Devices,
    dispatcher::{Because, Claimed, Command, Dispatcher, Ending, Input, Stands},
    error::ExecError,
    execution::{Done, Execution, Inputs, Producer, Recorded, Shared},
    job::{Interrupt, Job},
    moment::Moment,
    outline::Outline,
    pace::Pace,
    policy::{Policy, may_help},
    pool::{Capacity, each},
    process::Launcher,
    record::Record,
    room::Rooms,
    scratch::{Scratch, sweep},
    summary::{Outcome, Summary},
    survey::{State, Survey},
    tool::Tools,
};

/// How long what nobody waits for may wait for others, so that the ledger writes them together.
const COMPANY: Duration = Duration::from_millis(100);

/// How often to look whether another engine is done with a task.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Carries a job out. Watchers hear of it through `moments`; that nobody listens is fine.
///
/// A task that fails is no error: it is in the summary. Errors are for what ends the run as a whole; whatever was finished is kept.
pub async fn run(job: Job, moments: UnboundedSender<Moment>) -> Result<Summary, ExecError> {
    let began = Instant::now();
    let Job { plan, survey, store, ledger, runtimes, options, interrupt } = job;
    for index in survey.to_run() {
        runtimes.program(plan.tasks()[index].runtime)?;
    }
    let devices = Devices::of(&plan, &survey, &options)?;
    sweep(&options.folder)?;
    let run = ledger.begin_run(&head(&plan, &survey, &options.soft)).await?;
    let _ = moments.send(Moment::RunStarted {
        run: run.id,
        tasks: (0..plan.tasks().len()).filter(|index| survey.is_concerned(*index)).count(),
        kept: survey.kept(),
        to_run: survey.to_run().count(),
    });
    let policy = Policy {
        capacity: Capacity { cpus: options.jobs, memory: options.memory, devices: options.devices.len() },
        keep_going: options.keep_going,
        max_fails: options.max_fails,
        retries: options.retries,
        adopt: options.adopt && !options.witness,
        witness: options.witness,
    };
    let scratch = Scratch::create(&options.folder, &run.id.to_string(), ledger.holder()).map_err(|source| {
        let path = options.folder.join("scratch");
        ExecError::Folder { path, doing: "make a folder in", source }
    })?;
    let launcher = Launcher::start(scratch.path())?;
    let limited = survey.to_run().any(|index| plan.tasks()[index].demand.memory.is_some());
    let cgroups = match Cgroups::open(if limited { &options.confine } else { &Confine::Never }) {
        Ok(groups) => Some(groups),
        Err(why) => {
            tracing::debug!(why, "memory is limited by looking at what is resident");
            None
        }
    };
    let presence = ledger.presence(run.id);
    let (vacated, vacancies) = unbounded_channel();
    let pace = Pace::new(options.jobs);
    let shared = Shared {
        scratch: Arc::new(scratch),
        vacated,
        store,
        ledger,
        runtimes,
        options,
        run: run.id,
        launcher,
        moments,
        lost: AtomicBool::new(false),
        told: Mutex::default(),
        tools: Tools::default(),
        census: Arc::default(),
        cgroups,
        rooms: Rooms::default(),
        plan: Arc::clone(&plan),
    };
    let reactor = Reactor {
        dispatcher: Dispatcher::new(&Outline::of(&plan, &survey), policy),
        record: Record::of(&plan, &survey),
        asked: survey
            .to_run()
            .filter(
                |index| matches!(survey.state(*index), State::Run(whys) if whys.contains(&isoflop_plan::Why::Asked)),
            )
            .collect(),
        shared: Arc::new(shared),
        leases: BTreeMap::new(),
        devices,
        orders: BTreeMap::new(),
        vacancies,
        pace,
        launched: BTreeMap::new(),
        found: BTreeMap::new(),
        presence,
        released: BTreeMap::new(),
        patience: Duration::ZERO,
        holders: BTreeMap::new(),
        work: JoinSet::new(),
        finished: false,
        interrupted: false,
        renewing: false,
        trouble: None,
    };
    reactor.go(began, interrupt).await
}

fn head(plan: &Plan, survey: &Survey, soft: &isoflop_contract::Value) -> RunHead {
    let tasks = plan.tasks().iter().zip(survey.states()).map(|(task, state)| PlanTask {
        name: task.name.clone(),
        key: task.key,
        recipe_text: task.recipe_text.clone(),
        kept: matches!(state, State::Kept(_)),
    });
    RunHead {
        study: plan.study.name.clone(),
        file: plan.study.file.clone(),
        plan: plan.digest(),
        soft: soft.clone(),
        tasks: tasks.collect(),
    }
}

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
        let Self { shared, record, interrupted, trouble, .. } = self;
        shared.rooms.clear().await;
        if let Some(trouble) = trouble {
            return Err(trouble.into());
        }
        let summary = record.summary(&shared.plan, shared.run, began.elapsed().as_secs_f64(), interrupted);
        let state = match () {
            () if interrupted => RunState::Interrupted,
            () if summary.totals.failed > 0 => RunState::Failed,
            () => RunState::Done,
        };
        shared.ledger.end_run(shared.run, state).await?;
        let _ = shared.moments.send(Moment::RunEnded);
        Ok(summary)
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
                Command::Release(task) => {
                    if let Some(lease) = self.leases.remove(&task) {
                        let shared = Arc::clone(&self.shared);
                        let (under_way, over) = oneshot::channel::<()>();
                        self.released.insert(lease.key, over);
                        self.work.spawn(async move {
                            let released = shared.ledger.release(&lease).await;
                            drop(under_way);
                            Event::Written(forgive(released))
                        });
                    }
                }
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
            Event::Looked(task, looked) => {
                let looked = self.heed(looked).flatten();
                if let Some((past, _)) = &looked {
                    self.record.keep(task, self.shared.plan.tasks()[task].key, past, true);
                    self.tell(Moment::TaskAdopted { task: self.name(task).to_owned() });
                }
                self.step(Input::Looked(task, looked.map(|(_, stands)| stands)));
            }
            Event::Claimed(task, claimed) => self.claimed(task, claimed),
            Event::Done(task, done) => self.done(task, done),
            Event::Renewed(renewed) => {
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

    fn claimed(&mut self, task: usize, claimed: Result<(Claim, Option<Stands>), LedgerError>) {
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
    fn keep(&mut self, task: usize) {
        let past = self.found.remove(&task).expect("a result is kept after it was found");
        let key = self.shared.plan.tasks()[task].key;
        let name = self.name(task).to_owned();
        self.record.keep(task, key, &past, false);
        self.tell(Moment::TaskKept { task: name.clone() });
        self.write(move |shared| async move { shared.ledger.keep(shared.run, &[(name, key)]).await });
    }

    fn done(&mut self, task: usize, done: Result<Done, LedgerError>) {
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

    /// Leases devices as against other engines. That may mean waiting for one that is at it too, so it is done aside.
    fn lease(&mut self, task: usize, devices: Vec<usize>) {
        let hundredths = each(self.shared.plan.tasks()[task].demand.gpus);
        let (shared, folder) = (Arc::clone(&self.shared), self.shared.options.runtime.clone());
        self.devices.given.insert(task, devices.clone());
        self.work.spawn(async move {
            let take = move || {
                DeviceLease::take(&folder, devices.iter().map(|device| &shared.options.devices[*device]), hundredths)
            };
            Event::Leased(task, spawn_blocking(take).await.expect("leasing does not panic"))
        });
    }

    fn leased(&mut self, task: usize, leased: std::io::Result<Option<DeviceLease>>) {
        let lease = leased.unwrap_or_else(|error| {
            let because = format!("devices cannot be leased in {}: {error}", self.shared.options.runtime.display());
            self.tell(Moment::Stopping { because });
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

    fn look_up(&mut self, task: usize) {
        let shared = Arc::clone(&self.shared);
        let trace = self.trace(task);
        self.work.spawn(async move { Event::Looked(task, look_up(&shared, task, trace).await) });
    }

    fn claim(&mut self, task: usize, again: bool) {
        let shared = Arc::clone(&self.shared);
        let key = shared.plan.tasks()[task].key;
        let purpose = match again {
            false => Purpose::Make,
            true if shared.options.witness && self.asked.contains(&task) => Purpose::Witness,
            true => Purpose::Remake,
        };
        let released = self.released.remove(&key);
        self.work.spawn(async move {
            // A key that is being given back is not claimed before it is: the ledger could not tell which came first.
            if let Some(released) = released {
                let _ = released.await;
            }
            let claim = shared.ledger.claim(shared.run, key, purpose).await;
            Event::Claimed(
                task,
                claim.map(|claim| {
                    let stands = if let Claim::Done(past) = &claim { Some(stands(&shared, past)) } else { None };
                    (claim, stands)
                }),
            )
        });
    }

    fn launch(&mut self, task: usize) {
        let lease = self.leases.get(&task).cloned().expect("a task is launched under its lease");
        let (orders, heard) = watch::channel(Order::Go);
        self.orders.insert(task, orders);
        self.launched.insert(task, Instant::now());
        let inputs = self.inputs(task);
        let devices = self.devices.of_task(task);
        let execution = Execution { task, lease, inputs, trace: self.trace(task), devices, orders: heard };
        let shared = Arc::clone(&self.shared);
        self.work.spawn(async move { Event::Done(task, execution.carry_out(&shared).await) });
    }

    /// What stands at each port. A gather leaves out the cells that made nothing.
    fn inputs(&self, task: usize) -> BTreeMap<String, Inputs> {
        let producer = |task: usize| {
            let (digest, manifest) = self.record.entries[task].made.clone()?;
            Some(Producer { task, digest, manifest })
        };
        let needs = &self.shared.plan.tasks()[task].needs;
        let inputs = needs.iter().map(|(port, need)| {
            let inputs = match need {
                TaskNeed::One(one) => Inputs::One(producer(*one).expect("a task runs after what it needs was made")),
                TaskNeed::Many(cells) => Inputs::Many(
                    cells.iter().filter_map(|(label, cell)| Some((label.clone(), producer(*cell)?))).collect(),
                ),
            };
            (port.clone(), inputs)
        });
        inputs.collect()
    }

    /// The digest of the task's recipe with needs by digest.
    fn trace(&self, task: usize) -> Digest {
        let recipe = &self.shared.plan.tasks()[task].recipe;
        let trace = recipe.trace(|key| self.record.digest(key)).expect("a task runs after what it needs was made");
        Digest::of(trace.text().expect("a recipe that has a key has a canonical text"))
    }

    fn renew(&mut self) {
        self.renewing = true;
        let leases: Vec<Lease> = self.leases.values().chain([&self.presence]).cloned().collect();
        let shared = Arc::clone(&self.shared);
        self.work.spawn(async move { Event::Renewed(shared.ledger.renew(&leases).await) });
    }

    fn interrupt(&mut self, level: Interrupt) {
        if level == Interrupt::Kill {
            for task in self.orders.keys().copied().collect::<Vec<_>>() {
                self.order(task, Order::Kill);
            }
        }
        if !std::mem::replace(&mut self.interrupted, true) {
            self.tell(Moment::Stopping { because: "interrupted".to_owned() });
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
        });
    }
}

/// Looks for an old result with the same trace whose bytes are there, and adopts it.
async fn look_up(shared: &Shared, task: usize, trace: Digest) -> Result<Option<(Past, Stands)>, LedgerError> {
    let Some(past) = shared.ledger.by_trace(trace).await? else { return Ok(None) };
    if stands(shared, &past) == Stands::Absent {
        return Ok(None);
    }
    let task = &shared.plan.tasks()[task];
    let past = shared.ledger.adopt(shared.run, &task.name, task.key, &past, trace).await?;
    let stands = stands(shared, &past);
    Ok((stands != Stands::Absent).then_some((past, stands)))
}

fn stands(shared: &Shared, past: &Past) -> Stands {
    match &past.outcome {
        PastOutcome::Diverged { .. } => Stands::Diverged,
        PastOutcome::Made { manifest, .. } if shared.store.holds(manifest) => Stands::Made,
        PastOutcome::Made { .. } => Stands::Absent,
    }
}

/// A lease that is gone already need not be given back.
fn forgive(released: Result<(), LedgerError>) -> Result<(), LedgerError> {
    match released {
        Err(LedgerError::LeaseLost { .. }) => Ok(()),
        other => other,
    }
}
