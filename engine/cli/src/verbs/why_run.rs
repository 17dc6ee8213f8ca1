//! `why --run`: why each task of a past run ran then, or did not: from the recipes and events of that run. Nothing is planned anew.

use std::collections::BTreeMap;

use isoflop_contract::Key;
use isoflop_ledger::{Before, Event, Ledger, LedgerError, TaskOutcome, view::TaskView};
use isoflop_plan::{Causes, Reason, SelectError, Subject, Why, nearest, select::matches};
use serde_json::{Value, json};

use crate::{
    output::Output,
    reasons::{Past, Reasons, compare, short},
    selection::refused,
    settings::Settings,
    stop::{Stop, infrastructure},
    telling::{Told, print},
};

/// Explains the tasks `wanted` (all if there are none) of the run that `name` names.
pub async fn why(
    name: &str,
    wanted: &[String],
    together: bool,
    settings: &Settings,
    ledger: Option<&Ledger>,
    out: &mut Output,
) -> Result<(), Stop> {
    let Some(ledger) = ledger else {
        return Err(Stop::Usage(format!("nothing was run yet: there is no ledger in {}", settings.home.display())));
    };
    let run = ledger.run(name).await.map_err(|error| match error {
        LedgerError::NoRun(_) | LedgerError::Ambiguous { .. } => Stop::Usage(error.to_string()),
        other => infrastructure(other),
    })?;
    let tasks = ledger.run_tasks(run.id).await.map_err(infrastructure)?;
    let chosen = select(&tasks, wanted)?;

    let ran: Vec<usize> = chosen.iter().copied().filter(|index| ran(tasks[*index].outcome)).collect();
    let keys: Vec<Key> = tasks.iter().map(|task| task.key).collect();
    let texts = ledger.recipes(&keys).await.map_err(infrastructure)?;
    let subject = |task: &'_ TaskView| -> (String, Key) { (task.name.clone(), task.key) };
    let subjects = tasks
        .iter()
        .map(|task| Subject {
            name: &task.name,
            key: task.key,
            recipe_text: texts.get(&task.key).map_or("null", String::as_str),
            task: None,
        })
        .collect();
    let before = Before::Run(run.id);
    let asked: BTreeMap<usize, (String, Key)> = ran.iter().map(|index| (*index, subject(&tasks[*index]))).collect();
    let past = Past::before(ledger, &run.study, asked, before).await?;
    let mut reasons = compare(Causes::new(subjects), &ran, &past, ledger).await?;
    settled(&tasks, &chosen, run.id, ledger, &mut reasons).await?;

    let told: Vec<Told> = chosen
        .iter()
        .map(|index| {
            let task = &tasks[*index];
            let (state, verdict, plural) = verdict(task);
            let mut reasons = reasons.remove(index).unwrap_or_default();
            if reasons.is_empty() && ran_here(task.outcome) {
                reasons.push(Reason::own(&task.name, Why::New));
            }
            Told {
                name: task.name.clone(),
                group: task.name.split('[').next().unwrap_or_default().to_owned(),
                key: task.key,
                state,
                verdict,
                plural,
                reasons,
                more: json!({"message": task.reason, "seconds": task.seconds}),
            }
        })
        .collect();
    if out.json {
        let tasks: Vec<Value> = told.iter().map(|told| told.to_json("outcome")).collect();
        return out.data(&json!({"version": 1, "run": run.id, "study": run.study, "tasks": tasks}));
    }
    out.line(&format!("run {} of {}, begun {:.0}", run.id, run.study, run.began))?;
    print(&told, together, out)
}

/// Tasks by name, group, glob or part of a cell.
fn select(tasks: &[TaskView], wanted: &[String]) -> Result<Vec<usize>, Stop> {
    if wanted.is_empty() {
        return Ok((0..tasks.len()).collect());
    }
    let mut errors = Vec::new();
    let mut chosen = std::collections::BTreeSet::new();
    for name in wanted {
        let before = chosen.len();
        for (index, task) in tasks.iter().enumerate() {
            if matches(name, &task.name) {
                chosen.insert(index);
            }
        }
        if chosen.len() == before && !tasks.iter().any(|task| matches(name, &task.name)) {
            let near = nearest(name, tasks.iter().map(|task| task.name.as_str()));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            errors.push(SelectError::Nothing { name: name.clone(), hint });
        }
    }
    if errors.is_empty() { Ok(chosen.into_iter().collect()) } else { Err(refused(&errors)) }
}

/// Whether a task had to be made, as far as its run knew when it began.
fn ran(outcome: Option<TaskOutcome>) -> bool {
    !matches!(outcome, Some(TaskOutcome::Kept))
}

fn ran_here(outcome: Option<TaskOutcome>) -> bool {
    matches!(outcome, Some(TaskOutcome::Made | TaskOutcome::Diverged | TaskOutcome::Failed))
}

/// What the run's own events tell: what was adopted by which trace, what was made again, what was blocked.
async fn settled(
    tasks: &[TaskView],
    chosen: &[usize],
    run: isoflop_ledger::RunId,
    ledger: &Ledger,
    reasons: &mut Reasons,
) -> Result<(), Stop> {
    let mut traces = BTreeMap::new();
    for event in ledger.events(run).await.map_err(infrastructure)? {
        if let Event::Adopted { task, trace, .. } = event.event {
            traces.insert(task, trace);
        }
    }
    let adopted: Vec<Key> = chosen
        .iter()
        .filter(|index| tasks[**index].outcome == Some(TaskOutcome::Adopted))
        .map(|index| tasks[*index].key)
        .collect();
    let standing = ledger.standing(&adopted).await.map_err(infrastructure)?;
    let remakes = ledger.remakes(run).await.map_err(infrastructure)?;
    for index in chosen {
        let task = &tasks[*index];
        let own = match task.outcome {
            Some(TaskOutcome::Adopted) => Some(Why::Adopted {
                run: short(run),
                made_in: standing.get(&task.key).and_then(|s| s.made_in).map_or_else(|| "unknown".to_owned(), short),
                trace: traces.get(&task.name).map(ToString::to_string),
            }),
            Some(TaskOutcome::Blocked) => {
                Some(Why::Blocked { because: task.reason.clone().unwrap_or_else(|| "it was blocked".to_owned()) })
            }
            None => Some(Why::Unreached),
            _ if task.attempt.is_some_and(|attempt| remakes.contains(&attempt)) => Some(Why::Again),
            _ => None,
        };
        if let Some(why) = own {
            reasons.entry(*index).or_default().insert(0, Reason::own(&task.name, why));
        }
    }
    Ok(())
}

/// How a task came out, for programs and for people.
fn verdict(task: &TaskView) -> (&'static str, String, &'static str) {
    let key = task.key.short();
    let took = task.seconds.map(|seconds| format!(" in {seconds:.1} s")).unwrap_or_default();
    let because = task.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match task.outcome {
        Some(TaskOutcome::Made) => ("made", format!("was made{took} (key {key})"), "were made"),
        Some(TaskOutcome::Kept) => ("kept", format!("was kept (key {key})"), "were kept"),
        Some(TaskOutcome::Adopted) => {
            ("adopted", format!("was adopted and did not run (key {key})"), "were adopted and did not run")
        }
        Some(TaskOutcome::Diverged) => ("diverged", format!("diverged{took} (key {key}){because}"), "diverged"),
        Some(TaskOutcome::Failed) => ("failed", format!("failed{took} (key {key}){because}"), "failed"),
        Some(TaskOutcome::Blocked) => ("blocked", format!("was blocked (key {key})"), "were blocked"),
        None => ("unreached", format!("was not reached (key {key})"), "were not reached"),
    }
}
