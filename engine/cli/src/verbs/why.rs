//! `why`: why one task would run, or why it is kept. Runs nothing.

use isoflop_contract::Catalog;
use isoflop_exec::State;
use serde_json::json;

use crate::{
    args::{SetArgs, WhyArgs},
    home,
    output::{Output, Paint},
    project, reasons,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Plans and surveys the study, and explains each task that the argument selects.
pub async fn why(args: &WhyArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = home::ledger_if_any(settings).await?;
    let (study, set) = match (&args.study, &ledger) {
        (Some(study), _) => (study.clone(), args.set.clone()),
        (None, Some(ledger)) if !std::path::Path::new("study.yaml").exists() => {
            let Some(run) = ledger.runs(1).await.map_err(infrastructure)?.into_iter().next() else {
                return Err(Stop::Usage("nothing was run yet; name a study with --study".to_owned()));
            };
            let set = if args.set.profile.is_none() && args.set.params.is_empty() {
                serde_json::from_value(run.soft["set"].clone()).unwrap_or_default()
            } else {
                args.set.clone()
            };
            (run.file.into(), set)
        }
        _ => (".".into(), args.set.clone()),
    };
    let plan = project::plan_at(&study, &set, catalog)?;
    let survey = home::survey(&plan, settings, ledger.as_ref()).await?;
    let selected = isoflop_plan::select(&plan, &args.task).map_err(|error| Stop::Usage(error.to_string()))?;
    let mut tasks = Vec::new();
    for index in selected {
        let task = &plan.tasks()[index];
        let reasons = reasons::of(&plan, &survey, index, ledger.as_ref()).await?;
        let state = match survey.state(index) {
            State::Kept(_) => "kept",
            State::Run(_) => "run",
            State::Blocked(_) => "blocked",
            State::Unneeded => "unneeded",
        };
        if out.json {
            tasks.push(json!({"name": task.name, "key": task.key, "state": state, "why": reasons}));
            continue;
        }
        let verdict = match survey.state(index) {
            State::Kept(past) => {
                format!(
                    "is kept: run {} recorded its result under key {} at {:.0}",
                    past.run,
                    task.key.short(),
                    past.at
                )
            }
            State::Run(_) => format!("would run (key {})", task.key.short()),
            State::Blocked(_) => "cannot run".to_owned(),
            State::Unneeded => "need not run".to_owned(),
        };
        out.line(&format!("{} {verdict}", out.paint(Paint::Bold, &task.name)))?;
        for reason in reasons {
            out.line(&format!("  {reason}"))?;
        }
    }
    if out.json { out.data(&json!({"version": 1, "study": plan.study.name, "tasks": tasks})) } else { Ok(()) }
}

/// As recorded with a run, so that `why` after a run with flags explains that run.
pub fn recorded(set: &SetArgs) -> serde_json::Value {
    serde_json::to_value(set).expect("names and values are plain text")
}
