//! `expand`: the study with everything resolved, as YAML or JSON.

use std::collections::BTreeSet;

use isoflop_contract::Catalog;
use isoflop_plan::{Expanded, SelectError, nearest};

use crate::{args::ExpandArgs, home, output::Output, project, selection, settings::Settings, stop::Stop};

/// Plans, and prints what was resolved. The ledger is asked only where the selection depends on the past.
pub async fn expand(args: &ExpandArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let (study, tasks) = project::aim(&args.study, &args.tasks);
    let plan = project::plan(&study, catalog)?;
    let wanted = args.narrow.selection(&tasks);
    let ledger = if wanted.failed || wanted.missing { home::ledger_if_any(settings).await? } else { None };
    let mut tasks = selection::tasks(&plan, &wanted, settings, ledger.as_ref()).await?;
    if let Some(cell) = &args.cell {
        let index = plan.index_of(cell).ok_or_else(|| {
            let near = nearest(cell, plan.tasks().iter().map(|task| task.name.as_str()));
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            selection::refused(&[SelectError::Nothing { name: cell.clone(), hint }])
        })?;
        tasks = BTreeSet::from([index]);
    }
    let expanded = Expanded::new(&plan, tasks, args.origin);
    if out.json { out.data(&expanded.to_json()) } else { out.text(&expanded.document().to_yaml()) }
}
