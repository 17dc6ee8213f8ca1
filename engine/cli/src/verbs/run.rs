//! `run`: make what is missing, record it, judge the claims, write the report.

use std::{collections::BTreeSet, fs, path::PathBuf, sync::Arc, time::Instant};

use isoflop_contract::{
    Catalog,
    quantity::{Bytes, prefixed},
};
use isoflop_exec::{Force, Interrupt, Job, Moment, Options, Outcome, State, Summary, Survey};
use isoflop_ledger::{Ledger, Past};
use isoflop_plan::Plan;
use isoflop_report::{Judged, Verdict, judge};
use isoflop_store::Store;
use serde_json::json;
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

use crate::{
    args::RunArgs,
    budget::{Limit, Meter, Weighed},
    courier::Courier,
    ending,
    equipment::equip,
    facts::{self, Shelf, Sources},
    glimpse,
    ground::Ground,
    history::Forecast,
    home, kept, machine,
    outfile::Outfile,
    outlook::{Outlook, to_run},
    output::{Output, Paint},
    progress::Progress,
    project,
    saved::Saved,
    selection,
    settings::Settings,
    signals,
    stop::{Stop, infrastructure},
    verbs::{self, frozen::Look, plan::processors},
};

/// Carries out the plan.
pub async fn run(args: &RunArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    if let Some(report) = &args.report {
        Outfile::Report.may_go_to(report)?;
    }
    let saved = args.plan.as_deref().map(|file| Saved::read(file).map(|saved| (saved, file))).transpose()?;
    let mut args = args.clone();
    if let Some((saved, _)) = &saved {
        args.study = saved.study();
    } else {
        (args.study, args.tasks) = project::aim(&args.study, &args.tasks);
    }
    let args = &args;
    let plan = Arc::new(project::plan(&args.study, catalog)?);
    let wanted = match &saved {
        Some((saved, _)) => saved.selection().clone(),
        None => args.narrow.selection(&args.tasks),
    };
    if args.frozen {
        let force = if args.cache.reads() { Force::Nothing } else { Force::Everything };
        let look = Look::at(&plan, settings).await?;
        let survey = match &saved {
            Some((saved, file)) => {
                let survey = look.survey_of(&plan, saved.targets(&plan, file)?, &wanted);
                saved.check(&plan, &survey, file)?;
                survey
            }
            None => look.survey(&plan, &wanted, force).await?,
        };
        return rehearse(args, &plan, &survey, look.ledger.as_ref(), catalog, out).await;
    }
    let looks = args.dry_run || !args.cache.writes();
    let ledger = if looks { home::ledger_if_any(settings).await? } else { Some(home::ledger(settings).await?) };
    let survey = match &saved {
        Some((saved, file)) => {
            let targets = saved.targets(&plan, file)?;
            let survey = selection::survey_of(&plan, targets, &wanted, settings, ledger.as_ref()).await?;
            saved.check(&plan, &survey, file)?;
            survey
        }
        None => selection::survey_with(&plan, &wanted, args.cache, settings, ledger.as_ref()).await?,
    };
    if (0..plan.tasks().len()).all(|index| !survey.is_target(index)) {
        eprintln!("{}", selection::nothing(&wanted));
    }
    if !args.dry_run && !args.budget.is_empty() {
        afford(args, &plan, &survey, ledger.as_ref(), catalog, settings).await?;
    }
    match ledger {
        ledger if args.dry_run => rehearse(args, &plan, &survey, ledger.as_ref(), catalog, out).await,
        Some(ledger) if args.cache.writes() => {
            let place =
                Place { ledger: &ledger, store: Arc::new(home::store(settings)?), folder: settings.home.clone() };
            let done = execute(args, &plan, survey, place, settings).await?;
            if let Err(error) = kept::note(settings, &done.summary) {
                let home = settings.home.display();
                eprintln!(
                    "warning: cannot note in {home} what is kept ({error}); `run --frozen` will have to ask the ledger"
                );
            }
            finish(args, &plan, Sources::of(Some(&ledger)), &done, settings, out).await
        }
        ledger => {
            let ground = Ground::make(&format!("run-{}", std::process::id()), settings).await?;
            let result = aside(args, &plan, survey, (&ground, ledger.as_ref()), settings, out).await;
            ground.leave().await;
            result
        }
    }
}

/// Carries the plan out on a ground of its own, so that nothing of it is kept; what is kept already is lent to it.
async fn aside(
    args: &RunArgs,
    plan: &Arc<Plan>,
    survey: Survey,
    (ground, real): (&Ground, Option<&Ledger>),
    settings: &Settings,
    out: &mut Output,
) -> Result<(), Stop> {
    let before = match real {
        Some(ledger) if args.cache.reads() => Some((ledger, home::past(plan, Some(ledger)).await?)),
        _ => None,
    };
    if let Some((_, past)) = before.as_ref().filter(|_| settings.store().is_dir()) {
        let store = home::store(settings)?;
        let mut held = past.values().filter_map(Past::manifest).filter(|manifest| store.holds(manifest));
        held.try_for_each(|manifest| ground.lend(&store, manifest))?;
    }
    let place = Place { ledger: &ground.ledger, store: Arc::clone(&ground.store), folder: ground.folder().to_owned() };
    let mut done = execute(args, plan, survey, place, settings).await?;
    // What failed may be looked into when the ground is gone.
    for task in &mut done.summary.tasks {
        let log = task.log.take().filter(|_| task.outcome == Outcome::Failed);
        task.log = log.and_then(|log| {
            let to = settings.home.join("logs").join(log.file_name()?);
            to.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::rename(&log, &to)).ok().map(|()| to)
        });
    }
    let sources = Sources { ledger: Some(&ground.ledger), store: Shelf::Of(&ground.store), before };
    finish(args, plan, sources, &done, settings, out).await
}

/// Where a run takes place.
struct Place<'a> {
    ledger: &'a Ledger,
    store: Arc<Store>,
    /// For scratch, logs and checkpoints.
    folder: PathBuf,
}

/// `--frozen` and `--dry-run`: the plan as it stands, and an exit code.
async fn rehearse(
    args: &RunArgs,
    plan: &Plan,
    survey: &Survey,
    ledger: Option<&Ledger>,
    catalog: &Catalog,
    out: &mut Output,
) -> Result<(), Stop> {
    let needed = survey.to_run().next().is_some();
    if out.json || args.dry_run || needed {
        let jobs = args.jobs.unwrap_or_else(processors).max(1);
        let outlook = Outlook::read(plan, survey, ledger, catalog, jobs, None).await?.within(&args.budget);
        outlook.print(false, out)?;
        outlook.refuse()?;
    } else {
        out.line(&format!("{}: everything is kept", plan.study.name))?;
    }
    match args.frozen {
        true if needed => Err(Stop::WorkNeeded),
        true => asked_in_vain(args, plan, |task| matches!(survey.state(task), State::Blocked(_))),
        false => Ok(()),
    }
}

/// Fails where a task was asked for by name and cannot be made, since what it needs diverged: now, or in an earlier run.
fn asked_in_vain(args: &RunArgs, plan: &Plan, is_blocked: impl Fn(usize) -> bool) -> Result<(), Stop> {
    let barren = selection::barren(plan, &args.tasks, is_blocked);
    for name in &barren {
        eprintln!("{name} was asked for and cannot be made: what it needs diverged");
    }
    if barren.is_empty() { Ok(()) } else { Err(Stop::TaskFailed) }
}

/// Says how the budgets fare, and refuses what goes beyond one.
async fn afford(
    args: &RunArgs,
    plan: &Plan,
    survey: &Survey,
    ledger: Option<&Ledger>,
    catalog: &Catalog,
    settings: &Settings,
) -> Result<(), Stop> {
    let jobs = args.jobs.unwrap_or_else(processors).max(1);
    let forecast = Forecast::read(plan, survey, ledger, catalog, jobs, None).await?;
    for weighed in args.budget.iter().map(|limit| Weighed::new(*limit, plan, survey, &forecast)) {
        if args.progress != crate::args::Progress::None {
            let says = weighed.says();
            eprintln!("{}", if weighed.fits() { says } else { Paint::Bad.on(&says, settings.color_err) });
        }
        weighed.refuse()?;
    }
    Ok(())
}

fn used_up_of(limit: Limit) -> String {
    format!("the budget of {limit} is used up")
}

/// How a run came out.
struct Done {
    summary: Summary,
    /// The limit that it was stopped at.
    used_up: Option<Limit>,
}

async fn execute(
    args: &RunArgs,
    plan: &Arc<Plan>,
    survey: Survey,
    place: Place<'_>,
    settings: &Settings,
) -> Result<Done, Stop> {
    let mut progress = Progress::new(args.progress, settings, plan, &survey);
    let (kept, runs) = (survey.kept(), survey.to_run().count());
    let jobs = args.jobs.unwrap_or_else(processors).max(1);
    if args.progress != crate::args::Progress::None {
        let work = if runs == 0 {
            "nothing to do".to_owned()
        } else {
            format!("{runs} to run, {}FLOP, {jobs} at a time", prefixed(to_run(plan, &survey)))
        };
        let tasks = (0..plan.tasks().len()).filter(|index| survey.is_concerned(*index)).count();
        eprintln!(
            "{}: {tasks} task{}, {kept} kept, {work}",
            Paint::Bold.on(&plan.study.name, settings.color_err),
            if tasks == 1 { "" } else { "s" }
        );
    }
    let memory = args.memory.or_else(machine::memory);
    if args.progress != crate::args::Progress::None
        && let Some(warning) = memory.and_then(|there| beyond(plan, &survey, there))
    {
        eprintln!("{warning}");
    }
    let (interrupt, interrupted) = watch::channel(Interrupt::No);
    let signals = tokio::spawn(signals::listen(interrupt.clone()));
    let (observer, mut moments) = mpsc::unbounded_channel();
    let options = Options {
        jobs,
        keep_going: args.keep_going || args.max_fails.is_some(),
        max_fails: args.max_fails,
        retries: args.retries,
        keep_failed: args.keep_failed,
        memory: memory.map_or(u64::MAX, |memory| memory.0),
        ..Options::new(&place.folder)
    };
    let (runtimes, options) = equip(options, &args.study.study, &args.study.set, settings, runs > 0)?;
    let sends = args.cache.writes() && settings.remote.as_ref().is_some_and(|remote| !remote.read_only);
    let courier = sends.then(|| Courier::new(plan, &place.store, place.ledger));
    let mut glimpse = glimpse::Writer::new(&place.folder);
    let job = Job {
        plan: plan.clone(),
        survey,
        store: place.store,
        ledger: place.ledger.clone(),
        runtimes,
        options,
        interrupt: interrupted,
    };
    let mut meter = Meter::new(&args.budget, plan.clone());
    let watching = tokio::spawn(async move {
        let mut used_up = None;
        let mut looks = tokio::time::interval(glimpse::EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let moment = tokio::select! {
                moment = moments.recv() => moment,
                _ = looks.tick() => {
                    let (share, left) = progress.standing();
                    glimpse.write(share, left.map(|left| left.0));
                    if used_up.is_none() {
                        used_up = meter.used_up(Instant::now());
                        if used_up.is_some() {
                            let _ = interrupt.send(Interrupt::Stop);
                        }
                    }
                    continue;
                }
            };
            let moment = match (moment, used_up) {
                (None, _) => break,
                (Some(Moment::Stopping { .. }), Some(limit)) => Moment::Stopping { because: used_up_of(limit) },
                (Some(moment), _) => moment,
            };
            meter.note(&moment, Instant::now());
            progress.show(&moment);
            glimpse.hear(&moment);
            if let (Some(courier), Moment::TaskEnded { task, outcome: Outcome::Made, .. }) = (&courier, &moment) {
                courier.take(task);
            }
        }
        progress.close();
        (courier, used_up)
    });
    let result = isoflop_exec::run(job, observer).await;
    let (courier, used_up) = watching.await.unwrap_or_default();
    if let (Some(courier), Some(remote)) = (courier, &settings.remote)
        && let Some((said, is_warning)) = courier.finish(&remote.url).await
    {
        eprintln!("{}{said}", if is_warning { "warning: " } else { "  " });
    }
    signals.abort();
    result.map(|summary| Done { summary, used_up }).map_err(infrastructure)
}

/// A warning of tasks that ask for more memory than there is: they run alone, and are ended where they take more than that.
fn beyond(plan: &Plan, survey: &Survey, there: Bytes) -> Option<String> {
    let asks = |index: usize| Some((&plan.tasks()[index].name, plan.tasks()[index].demand.memory?));
    let mut beyond = survey.to_run().filter_map(asks).filter(|(_, memory)| memory.0 > there.0);
    let (name, memory) = beyond.next()?;
    let others = match beyond.count() {
        0 => String::new(),
        1 => " and another task".to_owned(),
        more => format!(" and {more} other tasks"),
    };
    Some(format!(
        "warning: `{name}` asks for {memory} of memory{others} for more than the {there} that there is; such a task runs alone, with all of it"
    ))
}

/// The summary, the claims, the report, and the exit code.
async fn finish(
    args: &RunArgs,
    plan: &Plan,
    sources: Sources<'_>,
    done: &Done,
    settings: &Settings,
    out: &mut Output,
) -> Result<(), Stop> {
    let summary = &done.summary;
    let complete = summary.totals.failed == 0 && !summary.interrupted;
    let depth = if args.report.is_some() { facts::Depth::Everything } else { facts::Depth::Scalars };
    let facts = facts::gather(plan, settings, sources, depth).await?;
    let judged = judge(plan, &facts);
    if let Some(report) = &args.report {
        verbs::report::write(plan, &facts, &judged, report)?;
    }
    if out.json {
        let mut data = serde_json::to_value(summary).map_err(|error| Stop::Internal(error.into()))?;
        data["claims"] = isoflop_report::claims_to_json(&judged)["claims"].clone();
        data["report"] = json!(args.report);
        out.data(&data)?;
    } else {
        ending::tell(summary, args.cache.writes(), out)?;
        // After a part of a study, what the other part has to decide is no news.
        let whole = summary.tasks.len() == plan.tasks().len();
        let told = judged.into_iter().filter(|claim| whole || claim.verdict != Verdict::NotTested);
        let told: Vec<Judged> = told.collect();
        if complete && !told.is_empty() && !summary.tasks.is_empty() {
            out.line("claims")?;
            verbs::claims::lines(&told, out.color).iter().try_for_each(|line| out.line(line))?;
        }
        if let Some(report) = &args.report {
            out.line(&format!("report: {}", report.display()))?;
        }
    }
    match (summary.interrupted, summary.totals.failed) {
        (true, _) if let Some(limit) = done.used_up => Err(Stop::Refused(used_up_of(limit))),
        (true, _) => Err(Stop::Interrupted),
        (false, 0) => {
            let blocked = summary.tasks.iter().filter(|task| task.outcome == Outcome::Blocked);
            let blocked: BTreeSet<&str> = blocked.map(|task| task.name.as_str()).collect();
            asked_in_vain(args, plan, |task| blocked.contains(plan.tasks()[task].name.as_str()))
        }
        (false, _) => Err(Stop::TaskFailed),
    }
}
