//! `plan`: what is kept, what would run and why, and what that would cost.

use std::thread;

use isoflop_contract::Catalog;

use crate::{
    args::PlanArgs, graph, home, outfile::Outfile, outlook::Outlook, output::Output, project, saved, selection,
    settings::Settings, stop::Stop,
};

/// Plans, surveys and prints; runs nothing and creates nothing but what `-o` names.
pub async fn plan(args: &PlanArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    if let Some(file) = &args.output {
        Outfile::Plan.may_go_to(file)?;
    }
    let (study, tasks) = project::aim(&args.study, &args.tasks);
    let plan = project::plan(&study, catalog)?;
    let wanted = args.narrow.selection(&tasks);
    let ledger = home::ledger_if_any(settings).await?;
    let survey = selection::survey_with(&plan, &wanted, args.cache, settings, ledger.as_ref()).await?;
    if let Some(each) = args.graph {
        return out.text(&graph::dot(&plan, &survey, each));
    }
    let jobs = args.jobs.unwrap_or_else(processors).max(1);
    let outlook = Outlook::read(&plan, &survey, ledger.as_ref(), catalog, jobs, args.rate).await?.within(&args.budget);
    if let Some(file) = &args.output {
        saved::write(file, &outlook, &study, &wanted)?;
    }
    outlook.print(args.all, out)?;
    if !out.json && outlook.tasks().next().is_none() {
        out.line(&selection::nothing(&wanted))?;
    }
    if let Some(file) = args.output.as_ref().filter(|_| !out.json) {
        out.line(&format!("saved: run it with `isoflop run --plan {}`", file.display()))?;
    }
    outlook.refuse()
}

/// How many tasks run at a time where nothing is said.
pub fn processors() -> u32 {
    thread::available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(u32::MAX))
}
