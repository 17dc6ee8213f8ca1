//! An execution: one task with its key claimed, from its inputs to the ledger. The order never changes: inputs are checked, the attempt is
//! recorded, the worker runs, the store commits, the ledger learns of it.

mod conclusion;
mod preparation;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use isoflop_contract::{
    Cell, Digest, Failure, FailureClass, Manifest,
    port::Given,
    protocol::{Assignment, MACHINE, Notice, PROTOCOL, Saving},
    quantity::Bytes,
};
use isoflop_ledger::{AttemptId, Lease, LedgerError, Metric};
use isoflop_plan::{Plan, TaskNeed};
use tokio::{sync::watch, task::spawn_blocking};

use preparation::{Prepared, Unready};

use crate::{
    attempt::{Order, Performance, Sign, Stage, fits, perform},
    cgroup::{Cgroup, Used},
    checkpoints::Carried,
    conversation::{Account, Wanted, failed},
    device::Device,
    moment::Moment,
    process::{Launch, Process, cannot_start},
    provide,
    room::Room,
    shared::Shared,
};

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
            absent: self.absent(&shared.plan),
            files,
            out: room.out(),
            scratch: room.tmp(),
            ranks: task.demand.ranks(),
            saving: Some(saving),
        }
    }

    /// The cells of each gather of which nothing was made.
    fn absent(&self, plan: &Plan) -> BTreeMap<String, BTreeMap<String, Cell>> {
        let mut all = BTreeMap::new();
        for (port, need) in &plan.tasks()[self.task].needs {
            let (TaskNeed::Many(cells), Some(Inputs::Many(made))) = (need, self.inputs.get(port)) else { continue };
            let absent = cells.iter().filter(|(label, _)| !made.contains_key(*label));
            let absent: BTreeMap<String, Cell> =
                absent.map(|(label, task)| (label.clone(), plan.tasks()[*task].cell.clone())).collect();
            if !absent.is_empty() {
                all.insert(port.clone(), absent);
            }
        }
        all
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
