//! The first page: what is under way, the studies, the runs.

use isoflop_ledger::view::RunView;
use isoflop_report::{
    html::escape,
    number::{count, plural, seconds},
    page::parts::{head_cell, wide},
};
use jiff::Timestamp;

use super::{Head, badge, bar, commit_of, counted, frame, link, part, run_badge, run_took, to_run, to_study, when};
use crate::{glimpse::Glimpse, verbs::runs::set};

/// What the page shows.
#[derive(Debug)]
pub struct Home<'a> {
    /// The folder, for people.
    pub folder: &'a str,
    /// The moment.
    pub now: Timestamp,
    /// The runs, newest first.
    pub runs: &'a [RunView],
    /// How many were asked for.
    pub most: u32,
    /// The latest run of each study, newest first.
    pub studies: &'a [RunView],
    /// Studies that were named and never run.
    pub unrun: &'a [String],
    /// The runs that go on: how many attempts each has under way, and how far it is.
    pub under_way: &'a [(RunView, usize, Option<Glimpse>)],
}

/// The page.
pub fn home(shown: &Home<'_>) -> String {
    let lead = format!("<p class=\"small soft\">The ledger of <code>{}</code>.</p>", escape(shown.folder));
    // Whoever looks waits for something: that a run begins, or that it ends.
    let head = Head { title: "Runs and studies".to_owned(), crumbs: vec![], lead, live: true };
    frame(
        &head,
        &[
            ("now", "Under way".to_owned(), under_way(shown)),
            ("studies", "Studies".to_owned(), studies(shown)),
            ("runs", "Runs".to_owned(), runs(shown)),
        ],
    )
}

fn under_way(shown: &Home<'_>) -> String {
    let card = |(run, running, glimpse): &(RunView, usize, Option<Glimpse>)| {
        let ended: u64 = run.outcomes.values().sum();
        let left = glimpse.as_ref().and_then(|glimpse| glimpse.left_seconds);
        let left = left.map_or_else(String::new, |left| format!(", about {} left", seconds(left as f64)));
        let running = *running as u64;
        format!(
            "<div><p><b>{}</b> {} {} for {}{left}</p>{}<p class=\"small\">{}</p></div>",
            to_study(&run.study),
            to_run(run.id),
            run_badge(run),
            run_took(run, shown.now),
            bar(&run.outcomes, running, run.tasks),
            counted(&run.outcomes, running, run.tasks.saturating_sub(ended + running)),
        )
    };
    shown.under_way.iter().map(card).collect()
}

fn studies(shown: &Home<'_>) -> String {
    let head = [("study", false), ("latest run", false), ("state", false), ("tasks", true), ("see", false)];
    let head: String = head.map(|(name, number)| head_cell(name, number)).concat();
    let links = |study: &str| {
        let study = part(study);
        format!(
            "{} · {}",
            link(&format!("/studies/{study}"), "claims"),
            link(&format!("/studies/{study}/report"), "report")
        )
    };
    let ran = shown.studies.iter().map(|run| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"nowrap\">{} {}</td><td>{}</td><td class=\"n\">{}</td><td class=\"nowrap\">{}</td></tr>\n",
            to_study(&run.study),
            to_run(run.id),
            when(run.began, shown.now),
            run_badge(run),
            count(usize::try_from(run.tasks).unwrap_or(usize::MAX)),
            links(&run.study)
        )
    });
    let unrun = shown.unrun.iter().map(|study| {
        format!(
            "<tr><th scope=\"row\">{}</th><td>never run</td><td>{}</td><td class=\"n\"></td><td class=\"nowrap\">{}</td></tr>\n",
            to_study(study),
            badge("waiting", "not run"),
            links(study)
        )
    });
    let rows: String = ran.chain(unrun).collect();
    wide("Studies, with the latest run of each", "", &head, &rows)
}

fn runs(shown: &Home<'_>) -> String {
    if shown.runs.is_empty() {
        return "<p>Nothing has been run yet.</p>".to_owned();
    }
    let mut out = table("Runs, newest first", shown.runs, shown.now, true);
    if shown.runs.len() >= shown.most as usize {
        let more = format!("/?n={}", shown.most.saturating_mul(4));
        put!(out, "<p class=\"pages\">{} are shown. {}</p>", plural(shown.runs.len(), "run"), link(&more, "Show more"));
    }
    out
}

/// Runs as a table; with the study of each where they are of several.
pub fn table(caption: &str, runs: &[RunView], now: Timestamp, studies: bool) -> String {
    let mut names = vec![("run", false), ("study", false), ("state", false), ("began", false), ("took", true)];
    names.extend([("tasks", false), ("commit", false), ("set", false)]);
    let sets = runs.iter().any(|run| !set(&run.soft).is_empty());
    names.retain(|(name, _)| (studies || *name != "study") && (sets || *name != "set"));
    let head: String = names.into_iter().map(|(name, number)| head_cell(name, number)).collect();
    let row = |run: &RunView| {
        let ended: u64 = run.outcomes.values().sum();
        let study = if studies { format!("<td>{}</td>", to_study(&run.study)) } else { String::new() };
        let took = run_took(run, now);
        let set = if sets { format!("<td><code>{}</code></td>", escape(&set(&run.soft))) } else { String::new() };
        format!(
            "<tr><th scope=\"row\">{}</th>{study}<td>{}</td><td class=\"nowrap\">{}</td><td class=\"n\">{took}</td><td>{}</td><td class=\"nowrap\">{}</td>{set}</tr>\n",
            to_run(run.id),
            run_badge(run),
            when(run.began, now),
            counted(&run.outcomes, 0, run.tasks.saturating_sub(ended)),
            commit_of(run),
        )
    };
    wide(caption, "", &head, &runs.iter().map(row).collect::<String>())
}
