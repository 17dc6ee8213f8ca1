//! `report`: a study's results as one page.

use std::path::Path;

use isoflop_contract::Catalog;
use isoflop_plan::Plan;
use isoflop_report::{Facts, Judged, judge, render};
use serde_json::json;

use crate::{
    args::ReportArgs,
    facts, home,
    output::Output,
    project,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Gathers what is known, renders and writes. Tasks that were not run are shown as such.
pub async fn report(args: &ReportArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let plan = project::plan(&args.study, catalog)?;
    let ledger = home::ledger_if_any(settings).await?;
    let facts = facts::gather(&plan, settings, ledger.as_ref(), facts::Depth::Everything).await?;
    let judged = judge(&plan, &facts);
    write(&plan, &facts, &judged, &args.output)?;
    if out.json {
        return out.data(&json!({"version": 1, "study": plan.study.name, "report": args.output}));
    }
    out.line(&format!("report: {}", args.output.display()))
}

/// Renders the page into `output`.
pub fn write(plan: &Plan, facts: &Facts, judged: &[Judged], output: &Path) -> Result<(), Stop> {
    put(output, render(plan, facts, judged).as_bytes())
}

/// Writes beside the target and renames, so that a full disk never leaves half a page.
pub fn put(path: &Path, bytes: &[u8]) -> Result<(), Stop> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    std::fs::write(&partial, bytes).and_then(|()| std::fs::rename(&partial, path)).map_err(|error| {
        let _ = std::fs::remove_file(&partial);
        infrastructure(anyhow::anyhow!("cannot write {}: {error}", path.display()))
    })
}
