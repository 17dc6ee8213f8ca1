//! `why`: why tasks would run, or why they are kept. Runs nothing.

use std::path::{Path, PathBuf};

use isoflop_contract::Catalog;
use isoflop_exec::{Force, State};
use isoflop_ledger::{Ledger, PastOutcome};
use serde_json::{Value, json};

use crate::{
    args::{SetArgs, WhyArgs},
    home,
    outlook::word,
    output::Output,
    project,
    reasons::{self, short},
    selection,
    settings::Settings,
    stop::{Stop, infrastructure},
    telling::{Told, print},
    verbs::why_run,
};

/// Plans and surveys the study, and explains each task that the arguments select.
pub async fn why(args: &WhyArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = home::ledger_if_any(settings).await?;
    if let Some(run) = &args.run {
        return why_run::why(run, &args.tasks, args.all, settings, ledger.as_ref(), out).await;
    }
    let (study, set, tasks) = study(args.study.as_ref(), &args.set, &args.tasks, ledger.as_ref()).await?;
    let plan = project::plan_at(&study, &set, catalog)?;
    let wanted = args.narrow.selection(tasks);
    let chosen = selection::tasks(&plan, &wanted, settings, ledger.as_ref()).await?;
    // The whole plan is surveyed: why a task would run does not depend on what else is looked at.
    let survey =
        selection::survey(&plan, &isoflop_plan::Selection::default(), Force::Nothing, settings, ledger.as_ref())
            .await?;
    let mut reasons = reasons::of_some(&plan, &survey, &chosen, ledger.as_ref()).await?;
    if let Some(ledger) = &ledger {
        let kept: Vec<usize> =
            chosen.iter().copied().filter(|index| matches!(survey.state(*index), State::Kept(_))).collect();
        reasons.extend(reasons::adopted(&plan, &kept, ledger).await?);
    }
    let told: Vec<Told> = chosen
        .iter()
        .map(|index| {
            let task = &plan.tasks()[*index];
            let state = survey.state(*index);
            let (verdict, plural) = verdict(state, &task.key.short());
            Told {
                name: task.name.clone(),
                group: task.group.clone(),
                key: task.key,
                state: word(state),
                verdict,
                plural,
                reasons: reasons.remove(index).unwrap_or_default(),
                more: more(state),
            }
        })
        .collect();
    if out.json {
        let tasks: Vec<Value> = told.iter().map(|told| told.to_json("state")).collect();
        return out.data(&json!({"version": 1, "study": plan.study.name, "tasks": tasks}));
    }
    if told.is_empty() {
        return out.line(&format!("no task {}", wanted.in_words()));
    }
    print(&told, args.all, out)
}

/// What holds of one task, and of several of its sort.
fn verdict(state: &State, key: &str) -> (String, &'static str) {
    match state {
        State::Kept(past) => {
            let how = match &past.outcome {
                PastOutcome::Made { .. } => format!("run {} recorded its result under key {key}", short(past.run)),
                PastOutcome::Diverged { reason } => {
                    format!("in run {} it diverged, which is a result ({reason})", short(past.run))
                }
            };
            (format!("is kept: {how} at {:.0}", past.at), "are kept")
        }
        State::Run(_) => (format!("would run (key {key})"), "would run"),
        State::Blocked(_) => ("cannot run".to_owned(), "cannot run"),
        State::Unneeded => ("need not run".to_owned(), "need not run"),
    }
}

/// What programs are told of a state besides.
fn more(state: &State) -> Value {
    match state {
        State::Kept(past) => json!({"run": past.run, "at": past.at.to_string()}),
        _ => json!({}),
    }
}

/// The study that is meant, how it is set, and the tasks: the study here, or else that of the latest run, set as it was then. A first name
/// that is a place where a study is, is the study.
pub async fn study<'a>(
    named: Option<&PathBuf>,
    set: &SetArgs,
    tasks: &'a [String],
    ledger: Option<&Ledger>,
) -> Result<(PathBuf, SetArgs, &'a [String]), Stop> {
    if let Some(study) = named {
        return Ok((study.clone(), set.clone(), tasks));
    }
    if let [first, rest @ ..] = tasks
        && is_study(first)
    {
        return Ok((first.into(), set.clone(), rest));
    }
    match ledger {
        Some(ledger) if !Path::new("study.yaml").exists() => {
            let Some(run) = ledger.runs_of(&[], 1).await.map_err(infrastructure)?.into_iter().next() else {
                return Err(Stop::Usage("nothing was run yet; name a study with --study".to_owned()));
            };
            let set = if set.profile.is_none() && set.params.is_empty() {
                serde_json::from_value(run.soft["set"].clone()).unwrap_or_default()
            } else {
                set.clone()
            };
            Ok((run.file.into(), set, tasks))
        }
        _ => Ok((".".into(), set.clone(), tasks)),
    }
}

/// Whether an argument names a study, which no task's name does.
fn is_study(argument: &str) -> bool {
    let path = Path::new(argument);
    let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
    (is_yaml && path.is_file()) || path.join("study.yaml").is_file()
}

/// As recorded with a run, so that `why` after a run with flags explains that run.
pub fn recorded(set: &SetArgs) -> Value {
    serde_json::to_value(set).expect("names and values are plain text")
}
