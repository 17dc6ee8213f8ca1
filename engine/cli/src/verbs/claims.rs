//! `claims`: a study's claims, judged by its results.

use isoflop_contract::Catalog;
use isoflop_report::{Judged, Verdict, judge};

use crate::{
    args::StudyArgs,
    facts, home,
    output::{Output, Paint},
    project,
    settings::Settings,
    stop::Stop,
};

/// Judges and prints; stops with 6 if a claim is contradicted.
pub async fn claims(args: &StudyArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let plan = project::plan(args, catalog)?;
    let ledger = home::ledger_if_any(settings).await?;
    let facts = facts::gather(&plan, settings, facts::Sources::of(ledger.as_ref()), facts::Depth::Scalars).await?;
    let judged = judge(&plan, &facts);
    if out.json {
        let mut data = isoflop_report::claims_to_json(&judged);
        data["study"] = plan.study.name.clone().into();
        out.data(&data)?;
    } else {
        for line in lines(&judged, out.color) {
            out.line(&line)?;
        }
    }
    if judged.iter().any(|claim| claim.verdict == Verdict::Contradicted) { Err(Stop::Disproved) } else { Ok(()) }
}

/// Claims for a terminal: verdict, name and sentence, and the evidence below.
pub fn lines(judged: &[Judged], color: bool) -> Vec<String> {
    let width = judged.iter().map(|claim| claim.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for claim in judged {
        let (word, paint) = match claim.verdict {
            Verdict::Reproduced => ("reproduced", Paint::Good),
            Verdict::Contradicted => ("contradicted", Paint::Bad),
            Verdict::NotTested => ("not tested", Paint::Notice),
        };
        lines.push(format!("  {}  {:<width$}  {}", paint.on(&format!("{word:<12}"), color), claim.name, claim.says));
        lines.push(format!("  {:<12}  {:<width$}  {}", "", "", Paint::Dim.on(&claim.evidence, color)));
    }
    lines
}
