//! `plan`: every task with its key and cost, what is kept, and what would run and why.

use std::collections::BTreeMap;

use isoflop_contract::{Catalog, quantity::prefixed};
use isoflop_exec::{State, Survey};
use isoflop_ledger::Ledger;
use isoflop_plan::Plan;
use serde_json::{Value, json};

use crate::{
    args::StudyArgs,
    home,
    output::{Output, Paint},
    project, reasons,
    settings::Settings,
    stop::Stop,
};

/// Plans, surveys and prints; runs nothing and creates nothing.
pub async fn plan(args: &StudyArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let plan = project::plan(args, catalog)?;
    let ledger = home::ledger_if_any(settings).await?;
    let survey = home::survey(&plan, settings, ledger.as_ref()).await?;
    print(&plan, &survey, ledger.as_ref(), out).await
}

/// Prints a surveyed plan.
pub async fn print(plan: &Plan, survey: &Survey, ledger: Option<&Ledger>, out: &mut Output) -> Result<(), Stop> {
    if out.json {
        return out.data(&as_json(plan, survey, ledger).await?);
    }
    let about = plan.study.about.as_deref().unwrap_or_default();
    out.line(&format!("{}  {about}", out.paint(Paint::Bold, &plan.study.name)))?;
    let width = plan.tasks().iter().map(|task| task.name.len()).max().unwrap_or(0).min(48);
    for (index, task) in plan.tasks().iter().enumerate() {
        let (mark, paint) = match survey.state(index) {
            State::Kept(_) => ("kept", Paint::Good),
            State::Run(_) => ("run", Paint::Notice),
            State::Blocked(_) => ("blocked", Paint::Bad),
            State::Unneeded => ("-", Paint::Dim),
        };
        let cost = if task.cost.flops > 0.0 { format!("{}FLOP", prefixed(task.cost.flops)) } else { String::new() };
        let why = reasons::of(plan, survey, index, ledger).await?.join("; ");
        out.line(&format!(
            "  {} {:<width$}  {}  {cost:>12}  {}",
            out.paint(paint, &format!("{mark:<7}")),
            task.name,
            task.key.short(),
            out.paint(Paint::Dim, &why),
        ))?;
    }
    let (kept, run) = (survey.kept(), survey.to_run().count());
    let total: f64 = plan.tasks().iter().map(|task| task.cost.flops).sum();
    out.line(&format!(
        "{} tasks: {kept} kept, {run} to run; {}FLOP to run of {}FLOP",
        plan.tasks().len(),
        prefixed(to_run(plan, survey)),
        prefixed(total),
    ))
}

/// FLOPs of what must run.
pub fn to_run(plan: &Plan, survey: &Survey) -> f64 {
    survey.to_run().map(|index| plan.tasks()[index].cost.flops).sum()
}

/// DESIGN, section 9.
pub async fn as_json(plan: &Plan, survey: &Survey, ledger: Option<&Ledger>) -> Result<Value, Stop> {
    let mut tasks = Vec::with_capacity(plan.tasks().len());
    for (index, task) in plan.tasks().iter().enumerate() {
        let needs: Vec<&str> = plan.producers(index).map(|producer| plan.tasks()[producer].name.as_str()).collect();
        let state = match survey.state(index) {
            State::Kept(_) => "kept",
            State::Run(_) => "run",
            State::Blocked(_) => "blocked",
            State::Unneeded => "unneeded",
        };
        let axes: BTreeMap<&str, &Value> = task.cell.iter().collect();
        tasks.push(json!({
            "name": task.name, "group": task.group, "cell": axes, "kind": task.kind, "key": task.key, "needs": needs,
            "state": state, "why": reasons::of(plan, survey, index, ledger).await?,
            "cost": {"params": task.cost.params, "macs": task.cost.macs, "flops": task.cost.flops},
            "origin": {"file": task.origin.file, "line": task.origin.line, "column": task.origin.column},
        }));
    }
    Ok(json!({
        "version": 1,
        "study": plan.study.name,
        "profile": plan.study.profile,
        "plan": plan.digest(),
        "tasks": tasks,
        "totals": {
            "tasks": plan.tasks().len(), "kept": survey.kept(), "run": survey.to_run().count(),
            "flops": plan.tasks().iter().map(|task| task.cost.flops).sum::<f64>(),
            "flops_to_run": to_run(plan, survey),
        },
    }))
}
