//! One study: its claims as they stand, its report, its runs.

use std::collections::BTreeSet;

use isoflop_ledger::view::RunView;
use isoflop_report::{
    Judged, Verdict,
    html::escape,
    page::parts::{head_cell, verdict, wide},
};
use jiff::Timestamp;

use super::{Head, bar, counted, frame, link, part, run_badge, runs, to_run, when};
use crate::{now::is_under_way, verbs::runs::set};

/// What the page shows.
#[derive(Debug)]
pub struct Study<'a> {
    /// The moment.
    pub now: Timestamp,
    /// Its name.
    pub name: &'a str,
    /// Its runs, newest first.
    pub runs: &'a [RunView],
    /// What its files say now, or why they cannot be read.
    pub files: Result<Files<'a>, &'a str>,
}

/// What a study's files say now.
#[derive(Debug, Clone, Copy)]
pub struct Files<'a> {
    /// Its sentence.
    pub about: &'a str,
    /// The file.
    pub file: &'a str,
    /// Its claims, judged.
    pub claims: &'a [Judged],
    /// Whether they say something else than what was run last.
    pub changed: bool,
}

/// The page.
pub fn study(shown: &Study<'_>) -> String {
    let latest = shown.runs.first();
    let head = Head {
        title: shown.name.to_owned(),
        crumbs: vec![(shown.name.to_owned(), format!("/studies/{}", part(shown.name)))],
        lead: lead(shown),
        live: latest.is_some_and(is_under_way),
    };
    let (claims, why) = match &shown.files {
        Ok(files) => (claims(files, shown.name), String::new()),
        Err(why) => {
            (String::new(), format!("<p class=\"warning\">Claims and report cannot be shown: {}</p>", escape(why)))
        }
    };
    let runs = if shown.runs.is_empty() {
        "<p>It was never run in this ledger.</p>".to_owned()
    } else {
        runs::table("Runs of the study, newest first", shown.runs, shown.now, false)
    };
    frame(
        &head,
        &[
            ("why", String::new(), why),
            ("latest", "Latest run".to_owned(), latest.map_or_else(String::new, |run| of_run(run, shown.now))),
            ("claims", "Claims".to_owned(), claims),
            ("runs", "Runs".to_owned(), runs),
        ],
    )
}

fn lead(shown: &Study<'_>) -> String {
    let Ok(files) = &shown.files else { return String::new() };
    let about =
        if files.about.is_empty() { String::new() } else { format!("<p class=\"lead\">{}</p>", escape(files.about)) };
    let changed = if files.changed {
        "<p class=\"warning\">The study's files, or how they are set, are not what was run last: claims and report are of what they say now.</p>"
    } else {
        ""
    };
    format!(
        "{about}<p class=\"small soft\"><code>{}</code></p>{changed}<p>{}</p>",
        escape(files.file),
        link(&format!("/studies/{}/report", part(shown.name)), "The report: figures, fits, curves, provenance")
    )
}

fn of_run(run: &RunView, now: Timestamp) -> String {
    let ended: u64 = run.outcomes.values().sum();
    let set = set(&run.soft);
    let set = if set.is_empty() { set } else { format!(" <code>{}</code>", escape(&set)) };
    format!(
        "<p>{} {} began {}{set}</p>{}<p class=\"small\">{}</p>",
        to_run(run.id),
        run_badge(run),
        when(run.began, now),
        bar(&run.outcomes, 0, run.tasks),
        counted(&run.outcomes, 0, run.tasks.saturating_sub(ended))
    )
}

/// Tasks of a claim that are named.
const CITED: usize = 12;

fn claims(files: &Files<'_>, study: &str) -> String {
    if files.claims.is_empty() {
        return "<p class=\"soft\">It makes no claims.</p>".to_owned();
    }
    let of = |verdict: Verdict| files.claims.iter().filter(|claim| claim.verdict == verdict).count();
    let mut told = vec![format!("{} of {} reproduced", of(Verdict::Reproduced), files.claims.len())];
    for (verdict, word) in [(Verdict::Contradicted, "contradicted"), (Verdict::NotTested, "not tested")] {
        told.extend((of(verdict) > 0).then(|| format!("{} {word}", of(verdict))));
    }
    let row = |claim: &Judged| {
        format!(
            "<tr><td>{}</td><td><p class=\"says\">{}</p><div class=\"small soft\"><code>{}</code> at <code>{}</code></div></td><td class=\"small\">{}{}</td></tr>\n",
            verdict(claim.verdict),
            escape(&claim.says),
            escape(&claim.name),
            escape(&claim.place),
            escape(&claim.evidence),
            cited(claim, study)
        )
    };
    let head = ["verdict", "claim", "evidence"].map(|name| head_cell(name, false)).concat();
    let rows: String = files.claims.iter().map(row).collect();
    format!("<p>{}.</p>{}", told.join(", "), wide("Claims with their verdicts", "claims", &head, &rows))
}

/// The tasks whose numbers a claim rests on, as links.
fn cited(claim: &Judged, study: &str) -> String {
    let names: BTreeSet<&str> =
        claim.calls.iter().flat_map(|call| &call.tasks).map(|cited| cited.task.as_str()).collect();
    if names.is_empty() {
        return String::new();
    }
    let to = |name: &&str| link(&format!("/tasks/{}?study={}", part(name), part(study)), name);
    let links: Vec<String> = names.iter().take(CITED).map(to).collect();
    let more = names.len().saturating_sub(CITED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("<p class=\"soft\">of {}{more}</p>", links.join(", "))
}
