//! An execution: one task with its key claimed, from its inputs to the ledger. The order never changes: inputs are checked, the attempt is
//! recorded, the worker runs, the store commits, the ledger learns of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use isoflop_contract::{
    Digest, Failure, FailureClass, Manifest, Value,
    handle::Input,
    port::Given,
    protocol::{Assignment, MACHINE, Notice, PROTOCOL, Saving},
    quantity::Bytes,
};
use isoflop_ledger::{AttemptId, AttemptOutcome, Ending, Lease, Ledger, LedgerError, Metric, Purpose, RunId};
use isoflop_plan::{Plan, Task};
use isoflop_store::{Committed, Store, StoreError};
use serde_json::json;
use tokio::{
    sync::{mpsc::UnboundedSender, watch},
    task::spawn_blocking,
};
use uuid::Uuid;

use crate::{
    attempt::{Order, Performance, Sign, Stage, fits, perform},
    census::Census,
    cgroup::{Cgroup, Cgroups, Used},
    checkpoints::{self, Carried, Found},
    conversation::{Account, Wanted, failed},
    device::Device,
    honesty,
    job::Options,
    moment::Moment,
    process::{Launch, Launcher, Process, cannot_start},
    provide::{self, Unprovided, provide},
    room::{Room, Rooms},
    runtimes::Runtimes,
    scratch::Scratch,
    tool::Tools,
};

/// What all executions of a run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) store: Arc<Store>,
    pub(crate) ledger: Ledger,
    pub(crate) runtimes: Runtimes,
    pub(crate) options: Options,
    pub(crate) run: RunId,
    pub(crate) launcher: Launcher,
    pub(crate) moments: UnboundedSender<Moment>,
    /// Set when the ledger is out of reach: nobody needs to find out again.
    pub(crate) lost: AtomicBool,
    /// The files of the study that the ledger was told of.
    pub(crate) told: Mutex<BTreeSet<Digest>>,
    pub(crate) tools: Tools,
    pub(crate) census: Arc<Census>,
    /// Where groups of limited memory can be made, if they can.
    pub(crate) cgroups: Option<Cgroups>,
    /// The engine's folder for attempts.
    pub(crate) scratch: Arc<Scratch>,
    pub(crate) rooms: Rooms,
    /// Where it is told that a task's worker is gone and did not fail.
    pub(crate) vacated: UnboundedSender<usize>,
}

/// One task to be executed.
#[derive(Debug)]
pub(crate) struct Execution {
    pub(crate) task: usize,
    pub(crate) lease: Lease,
    /// Artifacts by port; for a gather, by cell label.
    pub(crate) inputs: BTreeMap<String, Inputs>,
    /// The digest of the recipe's trace.
    pub(crate) trace: Digest,
    /// Devices it has been given.
    pub(crate) devices: Vec<Device>,
    pub(crate) orders: watch::Receiver<Order>,
}

/// What stands at one port.
#[derive(Debug)]
pub(crate) enum Inputs {
    One(Producer),
    Many(BTreeMap<String, Producer>),
}

/// One artifact and the task that made it.
#[derive(Debug)]
pub(crate) struct Producer {
    pub(crate) task: usize,
    pub(crate) digest: Digest,
    pub(crate) manifest: Manifest,
}

/// What came of an execution.
#[derive(Debug)]
pub(crate) enum Done {
    /// It was recorded.
    Recorded {
        outcome: Recorded,
        attempt: AttemptId,
        log: PathBuf,
        seconds: f64,
        /// What is wrong, if it concerns all tasks.
        halt: Option<String>,
    },
    /// Another engine has the key now.
    LeaseLost,
    /// These producers' bytes are bad or gone.
    InputLost(Vec<(usize, String)>),
    /// It could not begin, for a reason that concerns all tasks.
    Unfit(Failure),
}

#[derive(Debug)]
pub(crate) enum Recorded {
    Made { digest: Digest, manifest: Manifest },
    Diverged(String),
    Failed(Failure),
}

/// Why an execution did not get as far as its worker.
enum Unready {
    Lost(Vec<(usize, String)>),
    Unfit(Failure),
}

/// A task whose inputs are in place.
struct Prepared {
    room: Room,
    needs: BTreeMap<String, Given>,
    /// The files of the study, or why it cannot have them.
    files: Result<BTreeMap<String, PathBuf>, Failure>,
    /// The soft environment of this attempt.
    soft: Value,
    given: honesty::Given,
    saving: Saving,
    carried: Option<Carried>,
    cgroup: Option<Cgroup>,
}

/// An attempt whose worker was started.
struct Begun<'a> {
    began: Instant,
    log: &'a Path,
    carried: Option<Carried>,
    cgroup: Option<Cgroup>,
}

impl Execution {
    /// Executes the task. Only the ledger's own trouble is an error.
    pub(crate) async fn carry_out(self, shared: &Arc<Shared>) -> Result<Done, LedgerError> {
        let execution = Arc::new(self);
        let (me, place) = (Arc::clone(&execution), Arc::clone(shared));
        let prepared = spawn_blocking(move || me.prepare(&place)).await.expect("preparing a task does not panic");
        let Prepared { room, needs, files, soft, given, saving, carried, cgroup } = match prepared {
            Ok(prepared) => prepared,
            Err(unready) => {
                shared.ledger.release(&execution.lease).await?;
                return Ok(match unready {
                    Unready::Lost(lost) => Done::InputLost(lost),
                    Unready::Unfit(failure) => Done::Unfit(failure),
                });
            }
        };
        let Shared { plan, ledger, options, run, .. } = &**shared;
        let task = &plan.tasks()[execution.task];
        let (files, refused) = match files {
            Ok(files) => {
                provide::record(shared, task).await?;
                (files, None)
            }
            Err(failure) => (BTreeMap::new(), Some(Notice::Failed(failure))),
        };
        let assignment = execution.assignment(shared, &room, needs, files, saving);
        // The ledger writes while the worker works: what it does in its folder is nobody's before the attempt has both a beginning and an end.
        let attempt = AttemptId::new();
        let record = {
            let (ledger, run, lease) = (ledger.clone(), *run, execution.lease.clone());
            let task = task.name.clone();
            tokio::spawn(async move { ledger.record_start(attempt, run, &lease, &task, &soft).await })
        };
        let log = options.folder.join("logs").join(format!("{attempt}.log"));
        let began = Instant::now();
        let launched = match refused {
            None => execution.launch(shared, &room, &assignment, cgroup.as_ref()).await,
            Some(refused) => Err(refused),
        };
        let (performance, recorded) = match launched {
            Ok(process) => {
                let group = process.group;
                let begun = Begun { began, log: &log, carried, cgroup };
                let refuse = async {
                    let recorded = record.await.expect("recording does not panic");
                    match &recorded {
                        Ok(()) => {
                            let (task, log) = (task.name.clone(), log.clone());
                            let _ = shared.moments.send(Moment::TaskStarted { task, attempt, log });
                        }
                        Err(_) => group.kill(),
                    }
                    recorded
                };
                let perform = async {
                    let performance = execution.perform(shared, process, &assignment, begun).await;
                    // After a failure nothing may start any more, and only its record says so.
                    if !matches!(performance.notice, Notice::Failed(_)) {
                        let _ = shared.vacated.send(execution.task);
                    }
                    performance
                };
                let ended = tokio::join!(perform, refuse);
                let _ = shared.moments.send(Moment::WorkerEnded { task: task.name.clone() });
                ended
            }
            Err(notice) => {
                let performance = Performance { notice, account: Account::default(), seconds: 0.0, peak: None };
                (performance, record.await.expect("recording does not panic"))
            }
        };
        let Err(error) = recorded else {
            return execution.conclude(shared, (room, given), attempt, log, performance).await;
        };
        shared.rooms.aside(move || drop(room));
        if let LedgerError::LeaseLost { .. } = error { Ok(Done::LeaseLost) } else { Err(error) }
    }

    /// Makes the folder and puts the inputs there, each byte of them checked.
    fn prepare(&self, shared: &Shared) -> Result<Prepared, Unready> {
        let name = Uuid::now_v7().to_string();
        let room = Room::create(&shared.scratch, &name).map_err(|error| {
            let folder = shared.scratch.path().join(&name);
            Unready::Unfit(resource(format!("cannot make the folder {}: {error}", folder.display())))
        })?;
        let mut lost = Vec::new();
        let mut take = |producer: &Producer, port: &str, n: usize| -> Result<Input, Unready> {
            let path = room.input(port, n);
            match shared.store.materialize(producer.digest, &producer.manifest, &path) {
                Ok(()) => {}
                Err(
                    error @ (StoreError::Corrupt(_) | StoreError::CorruptManifest { .. } | StoreError::Missing { .. }),
                ) => lost.push((producer.task, error.to_string())),
                Err(error) => return Err(Unready::Unfit(resource(error.to_string()))),
            }
            Ok(Input {
                shape: producer.manifest.shape.clone(),
                cell: shared.plan.tasks()[producer.task].cell.clone(),
                digest: producer.digest,
                path,
                scalars: producer.manifest.scalars.clone(),
            })
        };
        let mut needs = BTreeMap::new();
        for (port, inputs) in &self.inputs {
            let given = match inputs {
                Inputs::One(producer) => take(producer, port, 0).map(Given::One),
                Inputs::Many(cells) => cells
                    .iter()
                    .enumerate()
                    .map(|(n, (label, producer))| Ok((label.clone(), take(producer, port, n)?)))
                    .collect::<Result<_, _>>()
                    .map(Given::Many),
            };
            needs.insert(port.clone(), given?);
        }
        if !lost.is_empty() {
            return Err(Unready::Lost(lost));
        }
        let task = &shared.plan.tasks()[self.task];
        let files = match provide(&shared.store, task, &room) {
            Ok(files) => Ok(files),
            Err(Unprovided::Failed(failure)) => Err(failure),
            Err(Unprovided::Store(error)) => return Err(Unready::Unfit(resource(error.to_string()))),
        };
        let Options { soft, variables, .. } = &shared.options;
        let mut soft = shared.tools.soft(soft, task.outside.program.as_deref(), variables);
        if !self.devices.is_empty() {
            let devices: Vec<Value> = self
                .devices
                .iter()
                .map(|d| json!({"id": d.id, "name": d.name, "capability": d.capability.map(|is| is.to_string())}))
                .collect();
            soft["devices"] = devices.into();
        }
        let cgroup = match (&shared.cgroups, task.demand.memory) {
            (Some(groups), Some(memory)) => Some(groups.make(&name, memory.0).map_err(|error| {
                let place = groups.path().display();
                Unready::Unfit(resource(format!(
                    "cannot make a control group in {place}: {error}; ISOFLOP_CGROUP=none does without"
                )))
            })?),
            _ => None,
        };
        if let Some(memory) = task.demand.memory {
            let how = if cgroup.is_some() { "control group" } else { "looking" };
            soft["memory"] = json!({"limit": memory.0, "by": how});
        }
        let given = self
            .note(&room, task, files.is_ok())
            .map_err(|error| Unready::Unfit(resource(format!("cannot look at what a task reads: {error}"))))?;
        let (saving, carried) = self.saving(shared, &room);
        Ok(Prepared { room, needs, files, soft, given, saving, carried, cgroup })
    }

    /// Notes what the worker may read.
    fn note(&self, room: &Room, task: &Task, has_files: bool) -> io::Result<honesty::Given> {
        let mut given = honesty::Given::default();
        for (port, inputs) in &self.inputs {
            let producers = match inputs {
                Inputs::One(producer) => vec![producer],
                Inputs::Many(cells) => cells.values().collect(),
            };
            for (n, producer) in producers.into_iter().enumerate() {
                given.note(&room.input(port, n), &producer.manifest)?;
            }
        }
        for (name, set) in task.files.iter().filter(|_| has_files) {
            given.note(&room.files(name), &set.manifest)?;
        }
        Ok(given)
    }

    /// How it checkpoints, and what it goes on from. A witness does neither where others do: it is to find out by itself what comes out.
    fn saving(&self, shared: &Shared, room: &Room) -> (Saving, Option<Carried>) {
        let task = &shared.plan.tasks()[self.task];
        let (folder, found) = if self.lease.purpose == Purpose::Witness {
            (room.path().join("checkpoints"), Found::default())
        } else {
            let folder = checkpoints::place(&shared.options.folder, &task.key);
            let found = checkpoints::latest(&folder, &task.key, &task.recipe.kind, task.recipe.revision);
            (folder, found)
        };
        for why in found.passed {
            let _ = shared.moments.send(Moment::PassedOver { task: task.name.clone(), why });
        }
        let saving = Saving {
            key: task.key,
            folder,
            how: task.demand.checkpoint,
            at: shared.options.marks.get(&task.key).cloned().unwrap_or_default(),
            resume: found.carried.as_ref().map(|carried| carried.step),
            death: shared.options.deaths.next(&task.key),
        };
        (saving, found.carried)
    }

    fn assignment(
        &self,
        shared: &Shared,
        room: &Room,
        needs: BTreeMap<String, Given>,
        files: BTreeMap<String, PathBuf>,
        saving: Saving,
    ) -> Assignment {
        let task = &shared.plan.tasks()[self.task];
        Assignment {
            protocol: PROTOCOL,
            task: task.name.clone(),
            kind: task.recipe.kind.clone(),
            revision: task.recipe.revision,
            spec: task.recipe.spec.clone(),
            seed: task.recipe.seed,
            environment: task.recipe.environment.clone(),
            needs,
            files,
            out: room.out(),
            scratch: room.tmp(),
            ranks: task.demand.ranks(),
            saving: Some(saving),
        }
    }

    /// Starts the worker, or says why the task fails without one.
    async fn launch(
        &self,
        shared: &Shared,
        room: &Room,
        assignment: &Assignment,
        cgroup: Option<&Cgroup>,
    ) -> Result<Process, Notice> {
        let task = &shared.plan.tasks()[self.task];
        if !fits(assignment) {
            let message = "its spec and inputs are too long to be handed to a worker; gather fewer cells";
            return Err(failed(FailureClass::Rejected, message));
        }
        let program = shared.runtimes.program(task.runtime);
        let program = program.map_err(|error| failed(FailureClass::Refused, error.to_string()))?.clone();
        let path = program.path.clone();
        let launch = Launch {
            program,
            folder: room.path().to_owned(),
            tmp: room.tmp(),
            environment: task.recipe.environment.clone(),
            variables: shared.options.variables.clone(),
            wanted: task.outside.variables.clone(),
            // An engine that knows of no devices knows nothing of them; one that does hides those that were not leased.
            devices: (!shared.options.devices.is_empty())
                .then(|| self.devices.iter().map(|device| device.id.as_str()).collect::<Vec<_>>().join(",")),
        };
        let process = shared.launcher.launch(launch).await;
        let process = process.map_err(|error| failed(FailureClass::Resource, cannot_start(&path, &error)))?;
        // It has no assignment yet, and so has started nothing that would be left outside.
        if let (Some(cgroup), Some(number)) = (cgroup, process.group.number())
            && let Err(error) = cgroup.take_in(number)
        {
            process.group.kill();
            let message =
                format!("the worker cannot be put into its control group: {error}; ISOFLOP_CGROUP=none does without");
            return Err(failed(FailureClass::Resource, message));
        }
        Ok(process)
    }

    async fn perform(
        &self,
        shared: &Shared,
        process: Process,
        assignment: &Assignment,
        begun: Begun<'_>,
    ) -> Performance {
        let Begun { began, log, carried, cgroup } = begun;
        let task = &shared.plan.tasks()[self.task];
        let wanted = Wanted {
            kind: assignment.kind.clone(),
            revision: assignment.revision,
            environment: assignment.environment.clone(),
        };
        let limit = task.demand.time.map(|time| Duration::from_secs(time.0));
        let stage = Stage {
            began,
            wanted,
            assignment,
            limit,
            memory: task.demand.memory.map(|memory| memory.0).filter(|_| cgroup.is_none()),
            patience: shared.options.patience,
            census: Arc::clone(&shared.census),
            log,
            orders: self.orders.clone(),
            carried,
        };
        let mut performance = perform(process, stage, |sign| {
            let task = task.name.clone();
            let _ = shared.moments.send(match sign {
                Sign::Resumed { step } => Moment::Resumed { task, step },
                Sign::Progress { done, total } => Moment::TaskProgress { task, done, total },
                Sign::Metric(metric) => {
                    Moment::TaskMetric { task, series: metric.series.clone(), step: metric.step, value: metric.value }
                }
            });
        })
        .await;
        if let Some(cgroup) = cgroup {
            confine(&mut performance, cgroup.used(), cgroup.limit);
            shared.rooms.aside(move || cgroup.remove());
        }
        if let Some(peak) = performance.peak {
            let series = format!("{MACHINE}memory");
            performance.account.metrics.push(Metric { series, step: 0, value: peak as f64 });
        }
        performance
    }

    /// Store first, then ledger.
    async fn conclude(
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
                    let committed = match given.lie(&room, !scalars.is_empty()) {
                        Some(lie) => Err(lie),
                        None => Ok(place.store.commit(&shape, scalars, &room.out())),
                    };
                    place.rooms.leave(room, took);
                    (committed, shelf.exists())
                });
                let committed;
                (committed, has_checkpoints) = commit.await.expect("a commit does not panic");
                let refused = |message| AttemptOutcome::Failed(Failure { class: FailureClass::Refused, message });
                match committed {
                    Ok(Ok(Committed { digest, manifest })) => AttemptOutcome::Made { digest, manifest, trace },
                    Ok(Err(error @ StoreError::BadOutput { .. })) => refused(error.to_string()),
                    Ok(Err(error)) => {
                        halt = Some(error.to_string());
                        AttemptOutcome::Failed(resource(error.to_string()))
                    }
                    Err(lie) => refused(format!("the worker lied: {lie}")),
                }
            }
            Notice::Diverged { reason } => {
                shared.rooms.aside(move || drop(room));
                AttemptOutcome::Diverged { reason, trace }
            }
            Notice::Failed(failure) => {
                shared.rooms.aside(move || drop(room));
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
}

/// Takes in what the kernel counted of an attempt in a control group: whom it ended for want of memory failed for that, whatever it looked like.
fn confine(performance: &mut Performance, used: Used, limit: u64) {
    performance.peak = used.peak;
    if let Notice::Failed(failure) = &performance.notice
        && used.killed > 0
        && failure.class == FailureClass::Crashed
    {
        let limit = Bytes(limit);
        let message = format!(
            "it wanted more memory, with all that it started, than the {limit} of `on: memory`; {}",
            failure.message
        );
        performance.notice = Notice::Failed(resource(message));
    }
}

fn resource(message: String) -> Failure {
    Failure { class: FailureClass::Resource, message }
}
