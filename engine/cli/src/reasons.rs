//! Reasons: why each task is kept or would run, in sentences, for `plan` and `why`.

use isoflop_exec::{State, Survey};
use isoflop_ledger::Ledger;
use isoflop_plan::{Plan, Task, Why, why};
use serde_json::Value;

use crate::stop::{Stop, infrastructure};

/// Why the task at `index` stands as it does, most telling sentence first.
pub async fn of(plan: &Plan, survey: &Survey, index: usize, ledger: Option<&Ledger>) -> Result<Vec<String>, Stop> {
    let task = &plan.tasks()[index];
    let State::Run(whys) = survey.state(index) else {
        return Ok(match survey.state(index) {
            State::Blocked(root) => vec![format!("{} diverged, and this task needs it", plan.tasks()[*root].name)],
            State::Unneeded => vec!["nothing that was asked for rests on it".to_owned()],
            _ => Vec::new(),
        });
    };
    let mut reasons = Vec::new();
    for reason in whys {
        match reason {
            Why::New => reasons.extend(changes(plan, survey, task, ledger).await?),
            other => reasons.push(other.to_string()),
        }
    }
    Ok(reasons)
}

/// What is different from the latest earlier recipe of the same task.
async fn changes(plan: &Plan, survey: &Survey, task: &Task, ledger: Option<&Ledger>) -> Result<Vec<String>, Stop> {
    let never = || vec![Why::New.to_string()];
    let Some(ledger) = ledger else { return Ok(never()) };
    let nearest = ledger.nearest(&task.name, &plan.study.name, &task.key).await.map_err(infrastructure)?;
    let Some((_, text)) = nearest else { return Ok(never()) };
    let (Ok(old), Ok(new)) = (serde_json::from_str::<Value>(&text), serde_json::from_str::<Value>(&task.recipe_text))
    else {
        return Ok(never());
    };
    let mut reasons: Vec<String> = Vec::new();
    for difference in why::compare(&old, &new, &task.origins) {
        // A need with another key says nothing by itself: the tasks behind it are named below.
        if !difference.field.starts_with("needs.") {
            reasons.push(Why::of(difference).to_string());
        }
    }
    let upstream: Vec<&str> = task
        .needs
        .values()
        .flat_map(isoflop_plan::TaskNeed::tasks)
        .filter(|&producer| matches!(survey.state(producer), State::Run(_)))
        .map(|producer| plan.tasks()[producer].name.as_str())
        .collect();
    match upstream.as_slice() {
        [] if reasons.is_empty() => {
            reasons.push("what it needs changed, or its last attempt did not end well".to_owned());
        }
        [] => {}
        [one] => reasons.push(format!("{one}, which it needs, must run")),
        [first, rest @ ..] => reasons.push(format!("{first} and {} more tasks that it needs must run", rest.len())),
    }
    Ok(reasons)
}
