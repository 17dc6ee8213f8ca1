//! The opening of a run: whatever can be refused is refused before the ledger hears of it, and then everything that the reactor needs is put
//! together.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicBool},
    time::{Duration, Instant},
};

use isoflop_contract::Value;
use isoflop_ledger::{PlanTask, RunHead};
use isoflop_plan::{Plan, Why};
use tokio::{
    sync::mpsc::{UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use super::Reactor;
use crate::{
    cgroup::{Cgroups, Confine},
    devices::Devices,
    dispatcher::Dispatcher,
    error::ExecError,
    job::Job,
    moment::Moment,
    outline::Outline,
    pace::Pace,
    policy::Policy,
    pool::Capacity,
    process::Launcher,
    processor,
    record::Record,
    room::Rooms,
    scratch::{Scratch, sweep},
    shared::Shared,
    summary::Summary,
    survey::{State, Survey},
    tool::Tools,
};

/// Carries a job out. Watchers hear of it through `moments`; that nobody listens is fine.
///
/// A task that fails is no error: it is in the summary. Errors are for what ends the run as a whole; whatever was finished is kept.
pub async fn run(job: Job, moments: UnboundedSender<Moment>) -> Result<Summary, ExecError> {
    let began = Instant::now();
    let Job { plan, survey, store, ledger, runtimes, options, interrupt } = job;
    for index in survey.to_run() {
        runtimes.program(plan.tasks()[index].runtime)?;
    }
    let declared = survey.to_run().map(|index| &plan.tasks()[index]);
    processor::reaches(options.isa, declared.filter_map(|task| Some((&*task.name, task.recipe.environment.isa()?))))?;
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
        readers: Arc::default(),
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
            .filter(|index| matches!(survey.state(*index), State::Run(whys) if whys.contains(&Why::Asked)))
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
        obstacle: None,
    };
    reactor.go(began, interrupt).await
}

fn head(plan: &Plan, survey: &Survey, soft: &Value) -> RunHead {
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
