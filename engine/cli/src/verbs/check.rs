//! `check`: find every mistake, run nothing. What is no mistake but will disappoint is a remark.

use isoflop_contract::Catalog;
use isoflop_plan::{Plan, unmet};
use isoflop_report::{font, number::plural};
use serde_json::json;

use crate::{
    args::StudyArgs,
    disk::Disk,
    output::{Output, Paint},
    project,
    stop::Stop,
};

/// Plans the study; the findings, if any, are the answer.
pub fn check(args: &StudyArgs, catalog: &Catalog, out: &mut Output) -> Result<(), Stop> {
    let plan = project::plan(args, catalog)?;
    // A profile may leave out what claims ask for; the study as it is written should not.
    let as_written = args.set.profile.is_none() && args.set.params.is_empty();
    let (boxes, unmet) = (boxes(&plan), if as_written { unmet(&plan) } else { Vec::new() });
    if out.json {
        return out.data(&json!({
            "version": 1,
            "study": plan.study.name,
            "file": plan.study.file,
            "tasks": plan.tasks().len(),
            "claims": plan.claims.len(),
            "profiles": isoflop_plan::outline(&Disk, &plan.study.file).profiles.keys().collect::<Vec<_>>(),
            "findings": [],
            "boxes": boxes.iter().map(|(task, letters)| json!({"task": task, "letters": letters})).collect::<Vec<_>>(),
            "unmet": unmet.iter().map(|unmet| json!({
                "claim": unmet.claim,
                "message": unmet.message,
                "hint": unmet.hint,
                "file": unmet.origin.file,
                "line": unmet.origin.line,
                "column": unmet.origin.column,
            })).collect::<Vec<_>>(),
        }));
    }
    let (tasks, claims) = (plural(plan.tasks().len(), "task"), plural(plan.claims.len(), "claim"));
    out.line(&format!("{}: no mistakes; {tasks}, {claims}", plan.study.file))?;
    for unmet in unmet {
        let hint = unmet.hint.map_or_else(String::new, |hint| format!("; {hint}"));
        out.line(&format!(
            "  {}: {}: {}, which the claim `{}` asks for{hint}",
            out.paint(Paint::Notice, "warning"),
            unmet.origin,
            unmet.message,
            unmet.claim
        ))?;
    }
    let Some((first, _)) = boxes.first() else { return Ok(()) };
    let mut letters: Vec<char> = boxes.iter().flat_map(|(_, letters)| letters.chars()).collect();
    letters.sort_unstable();
    letters.dedup();
    let more = if boxes.len() > 1 { format!(" and {} more", boxes.len() - 1) } else { String::new() };
    out.line(&format!(
        "  {}: the font of PNG and PDF figures lacks {} (in {first}{more}), so these letters will be boxes there; the report and SVG files show them",
        out.paint(Paint::Notice, "warning"),
        letters.into_iter().collect::<String>()
    ))
}

/// Tasks whose names, which figures carry, hold letters that the font of pictures lacks, with these letters.
fn boxes(plan: &Plan) -> Vec<(&str, String)> {
    let lacking = |name: &str| {
        if name.is_ascii() {
            return String::new(); // all of which it has
        }
        let mut letters: Vec<char> = name.chars().filter(|c| !font::has(*c)).collect();
        letters.sort_unstable();
        letters.dedup();
        letters.into_iter().collect::<String>()
    };
    let named = plan.tasks().iter().map(|task| (task.name.as_str(), lacking(&task.name)));
    named.filter(|(_, letters)| !letters.is_empty()).collect()
}
