//! `claims`: the claims of studies, judged by their results.

use isoflop_contract::Catalog;
use isoflop_report::{Judged, Verdict, judge};

use crate::{
    args::ClaimsArgs,
    facts, home,
    output::{Output, Paint},
    project,
    settings::Settings,
    stop::Stop,
};

/// Judges and prints, study by study; stops with 6 if a claim is contradicted, unless a table was asked for.
pub async fn claims(args: &ClaimsArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    // All studies are read before any is judged, so that a mistake in the last is found at once.
    let plans = args.studies.iter().map(|study| project::plan_at(study, &args.set, catalog));
    let plans = plans.collect::<Result<Vec<_>, Stop>>()?;
    let ledger = home::ledger_if_any(settings).await?;
    let mut studies = Vec::new();
    for plan in &plans {
        let facts = facts::gather(plan, settings, facts::Sources::of(ledger.as_ref()), facts::Depth::Scalars).await?;
        studies.push((plan.study.name.clone(), judge(plan, &facts)));
    }
    if args.markdown {
        return out.text(&isoflop_report::claims_to_markdown(&studies));
    }
    if out.json {
        out.data(&data(&studies))?;
    } else {
        for (study, judged) in &studies {
            if studies.len() > 1 {
                out.line(&out.paint(Paint::Bold, study))?;
            }
            for line in lines(judged, out.color) {
                out.line(&line)?;
            }
        }
    }
    let contradicted = |claim: &Judged| claim.verdict == Verdict::Contradicted;
    if studies.iter().flat_map(|(_, judged)| judged).any(contradicted) { Err(Stop::Disproved) } else { Ok(()) }
}

/// What `claims --json` prints: one list of all claims, each with its study; `study` names the one where there is one.
pub fn data(studies: &[(String, Vec<Judged>)]) -> serde_json::Value {
    let mut all = Vec::new();
    for (study, judged) in studies {
        if let serde_json::Value::Array(claims) = isoflop_report::claims_to_json(judged)["claims"].take() {
            all.extend(claims.into_iter().map(|mut claim| {
                claim["study"] = study.clone().into();
                claim
            }));
        }
    }
    let mut data = serde_json::json!({"version": 1, "claims": all});
    if let [(study, _)] = studies {
        data["study"] = study.clone().into();
    }
    data
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
