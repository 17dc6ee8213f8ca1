//! `check`: find every mistake, run nothing.

use isoflop_contract::Catalog;
use serde_json::json;

use crate::{args::StudyArgs, disk::Disk, output::Output, project, stop::Stop};

/// Plans the study; the findings, if any, are the answer.
pub fn check(args: &StudyArgs, catalog: &Catalog, out: &mut Output) -> Result<(), Stop> {
    let plan = project::plan(args, catalog)?;
    if out.json {
        return out.data(&json!({
            "version": 1,
            "study": plan.study.name,
            "file": plan.study.file,
            "tasks": plan.tasks().len(),
            "claims": plan.claims.len(),
            "profiles": isoflop_plan::outline(&Disk, &plan.study.file).profiles.keys().collect::<Vec<_>>(),
            "findings": [],
        }));
    }
    out.line(&format!("{}: no mistakes; {} tasks, {} claims", plan.study.file, plan.tasks().len(), plan.claims.len()))
}
