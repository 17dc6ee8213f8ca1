//! `report`: a study's results as one page, and its figures and tables as files.

use std::path::Path;

use isoflop_contract::Catalog;
use isoflop_plan::Plan;
use isoflop_report::{Facts, Judged, assets, judge, render};
use serde_json::json;

use crate::{
    args::ReportArgs,
    facts, home,
    outfile::Outfile,
    output::{Output, Paint},
    project,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Gathers what is known, renders and writes. Tasks that were not run are shown as such.
pub async fn report(args: &ReportArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    Outfile::Report.may_go_to(&args.output)?;
    let plan = project::plan(&args.study, catalog)?;
    let ledger = home::ledger_if_any(settings).await?;
    let facts = facts::gather(&plan, settings, facts::Sources::of(ledger.as_ref()), facts::Depth::Everything).await?;
    let judged = judge(&plan, &facts);
    write(&plan, &facts, &judged, &args.output)?;
    let (mut figures, mut tables, mut boxes) = (0, 0, Vec::new());
    if args.figures.is_some() || args.tables.is_some() {
        let made = assets(&facts, &judged);
        figures = fill(args.figures.as_deref(), &made.figures)?;
        boxes = if args.figures.is_some() { made.boxes } else { boxes };
        tables = fill(args.tables.as_deref(), &made.tables)?;
    }
    if out.json {
        return out.data(&json!({
            "version": 1, "study": plan.study.name, "report": args.output, "figures": args.figures, "tables": args.tables,
            "boxes": boxes.iter().map(|(figure, letters)| json!({"figure": figure, "letters": letters})).collect::<Vec<_>>(),
        }));
    }
    out.line(&format!("report: {}", args.output.display()))?;
    for (folder, n) in [(&args.figures, figures), (&args.tables, tables)] {
        if let Some(folder) = folder {
            out.line(&format!("{n} files in {}", folder.display()))?;
        }
    }
    if let Some((figure, letters)) = boxes.first() {
        let others = if boxes.len() > 1 { format!(" and {} more", boxes.len() - 1) } else { String::new() };
        out.line(&format!(
            "  {}: letters that the font of pictures lacks ({letters}) are boxes in the PNG and PDF of {figure}{others}; the SVG shows them",
            out.paint(Paint::Notice, "warning")
        ))?;
    }
    Ok(())
}

/// Writes files into a folder, which is made where there is none; answers how many.
fn fill(folder: Option<&Path>, files: &[(String, Vec<u8>)]) -> Result<usize, Stop> {
    let Some(folder) = folder else { return Ok(0) };
    std::fs::create_dir_all(folder)
        .map_err(|error| infrastructure(anyhow::anyhow!("cannot make the folder {}: {error}", folder.display())))?;
    for (name, bytes) in files {
        put(&folder.join(name), bytes)?;
    }
    Ok(files.len())
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
