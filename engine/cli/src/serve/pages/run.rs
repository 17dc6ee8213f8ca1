//! One run: how far it is, what is under way, what failed, and its tasks by group.

use isoflop_exec::{headline, quotes};
use isoflop_ledger::view::{AttemptView, GroupView, RunView, TaskView};
use isoflop_report::{
    html::escape,
    number::{count, plural, seconds},
    page::parts::{head_cell, short, wide},
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Head, badge, bar, commit_of, counted, frame, link, part, run_badge, run_took, tile, to_task, took, when};
use crate::{
    glimpse::{Beat, Glimpse},
    named,
    now::is_under_way,
    soft,
    verbs::runs::set,
};

/// Tasks that one page lists.
pub const LISTED: u32 = 200;

/// Failures that one page tells of.
pub const TROUBLES: u32 = 20;

/// Failures whose logs are shown unasked.
const OPEN: usize = 3;

/// What the page shows.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The moment.
    pub now: Timestamp,
    /// The run.
    pub run: &'a RunView,
    /// Its tasks by group.
    pub groups: &'a [GroupView],
    /// Attempts that have not ended.
    pub running: &'a [AttemptView],
    /// How far it is.
    pub glimpse: Option<&'a Glimpse>,
    /// Tasks that failed or diverged, each with the end of its log, if that is here.
    pub troubles: &'a [(TaskView, Option<String>)],
    /// The group that is unfolded: its name, how many tasks are passed over, and those that follow.
    pub unfolded: Option<(&'a str, u32, &'a [TaskView])>,
}

/// The page.
pub fn run(shown: &Shown<'_>) -> String {
    let run = shown.run;
    let head = Head {
        title: format!("{} · {}", run.study, named::short(run.id)),
        crumbs: vec![
            (run.study.clone(), format!("/studies/{}", part(&run.study))),
            (named::short(run.id), format!("/runs/{}", run.id)),
        ],
        lead: lead(shown),
        live: is_under_way(run),
    };
    let unfolded = shown.unfolded.map_or_else(String::new, |unfolded| tasks(shown, unfolded));
    let title = shown.unfolded.map_or_else(String::new, |(group, ..)| format!("Tasks of {group}"));
    frame(
        &head,
        &[
            ("running", "Under way".to_owned(), running(shown)),
            ("troubles", troubles_title(run), troubles(shown)),
            ("groups", "Tasks by group".to_owned(), groups(shown)),
            ("tasks", title, unfolded),
        ],
    )
}

fn number(n: u64) -> String {
    count(usize::try_from(n).unwrap_or(usize::MAX))
}

fn lead(shown: &Shown<'_>) -> String {
    let run = shown.run;
    let (ended, running): (u64, u64) = (run.outcomes.values().sum(), shown.running.len() as u64);
    // A witness runs a task that has its outcome already.
    let open = run.tasks.saturating_sub(ended + running);
    let mut tiles = tile(&format!("{} of {}", number(ended), number(run.tasks)), "tasks have an outcome");
    let goes_on = is_under_way(run);
    let time = run_took(run, shown.now);
    if time.is_empty() {
        tiles += &tile("—", "its engine died; what it had finished is kept, and running it again carries on");
    } else {
        tiles += &tile(&time, if goes_on { "on the clock so far" } else { "on the clock" });
    }
    let worked: f64 = shown.groups.iter().map(|group| group.seconds).sum();
    if worked > 0.0 {
        tiles += &tile(&seconds(worked), "of work in what is finished");
    }
    if let Some(glimpse) = shown.glimpse.filter(|_| goes_on) {
        let left = glimpse.left_seconds.map_or_else(|| "—".to_owned(), |left| seconds(left as f64));
        let share = format!("left, by the pace so far; {:.0} % of the work is done", glimpse.share * 100.0);
        tiles += &tile(&left, &share);
    }
    if let Some(rate) = rate(shown) {
        tiles += &tile(&rate, "tasks a minute, of those that ran");
    }
    let host = run.soft["host"].as_str().unwrap_or_default();
    let mut about = vec![format!("began {}", when(run.began, shown.now))];
    about.extend((!host.is_empty()).then(|| format!("on {}", escape(host))));
    about.push(format!("from <code>{}</code>", escape(&run.file)));
    about
        .extend(Some(set(&run.soft)).filter(|set| !set.is_empty()).map(|set| format!("<code>{}</code>", escape(&set))));
    about.extend(Some(commit_of(run)).filter(|commit| !commit.is_empty()).map(|commit| format!("commit {commit}")));
    about.push(format!("by {}", escape(&run.holder)));
    format!(
        "<p>{} {}</p>\n{}\n<ul class=\"tiles\">{tiles}</ul>\n<p class=\"small soft\">{}</p>",
        run_badge(run),
        counted(&run.outcomes, running, open),
        bar(&run.outcomes, running, run.tasks),
        about.join(" · ")
    )
}

/// Tasks a minute that an attempt of this run ended.
fn rate(shown: &Shown<'_>) -> Option<String> {
    let ran: u64 = ["made", "diverged", "failed"].iter().filter_map(|word| shown.run.outcomes.get(*word)).sum();
    let minutes = super::run_seconds(shown.run, shown.now) / 60.0;
    let known = !run_took(shown.run, shown.now).is_empty();
    (known && ran > 1 && minutes > 0.0).then(|| isoflop_report::number::short(ran as f64 / minutes, 2))
}

fn running(shown: &Shown<'_>) -> String {
    if shown.running.is_empty() {
        return if is_under_way(shown.run) {
            "<p class=\"soft\">No worker is at a task just now.</p>".to_owned()
        } else {
            String::new()
        };
    }
    let names = [("task", false), ("since", true), ("how far", false), ("last measured", false), ("where", false)];
    let head: String = names.map(|(name, number)| head_cell(name, number)).concat();
    let rows: String = shown.running.iter().map(|attempt| under_way(shown, attempt)).collect();
    wide("Attempts under way", "", &head, &rows)
}

fn under_way(shown: &Shown<'_>, attempt: &AttemptView) -> String {
    let beat = shown.glimpse.and_then(|glimpse| glimpse.attempts.get(&attempt.id.to_string()));
    let purpose =
        if attempt.purpose == "make" { String::new() } else { format!(" {}", badge("lost", &attempt.purpose)) };
    let (far, metric) = beat.map_or_else(Default::default, far);
    format!(
        "<tr><th scope=\"row\">{}{purpose}</th><td class=\"n\">{}</td><td class=\"nowrap\">{far}</td><td class=\"nowrap\">{metric}</td><td>{}</td></tr>\n",
        to_task(&attempt.key, &attempt.task),
        took(shown.now.duration_since(attempt.began).as_secs_f64().max(0.0), true),
        escape(&place(&attempt.soft)),
    )
}

/// How far an attempt is, and what it measured last, as HTML.
pub fn far(beat: &Beat) -> (String, String) {
    let far = if beat.total > 0 {
        format!(
            "<progress max=\"{1}\" value=\"{0}\">{0} of {1}</progress> {2} of {3}",
            beat.done,
            beat.total,
            number(beat.done),
            number(beat.total)
        )
    } else {
        String::new()
    };
    let metric = beat.metric.as_ref().map_or_else(String::new, |point| {
        let value = isoflop_report::number::sig(point.value, 4);
        format!("{} {value} <span class=\"soft\">at step {}</span>", escape(&point.series), number(point.step))
    });
    (far, metric)
}

/// Where an attempt runs: its machine and the devices it has.
pub fn place(soft: &Value) -> String {
    let mut parts: Vec<String> = soft["host"].as_str().map(str::to_owned).into_iter().collect();
    parts.extend(soft::cards(soft));
    parts.join(", ")
}

fn troubles_title(run: &RunView) -> String {
    let of = |word: &str| run.outcomes.get(word).copied().unwrap_or(0);
    match (of("failed"), of("diverged")) {
        (0, _) => "Diverged".to_owned(),
        (_, 0) => "Failed".to_owned(),
        _ => "Failed and diverged".to_owned(),
    }
}

fn troubles(shown: &Shown<'_>) -> String {
    let mut out = String::new();
    for (i, (task, log)) in shown.troubles.iter().enumerate() {
        let outcome = task.outcome.map_or_else(String::new, |outcome| outcome.to_string());
        let time =
            task.seconds.map_or_else(String::new, |s| format!(" <span class=\"soft\">after {}</span>", seconds(s)));
        let log = log.as_deref().filter(|log| !log.is_empty()).map_or_else(String::new, |log| {
            // What the reason quotes already need not be read twice.
            let quoted = task.reason.as_deref().is_some_and(quotes);
            let open = if i < OPEN && !quoted { " open" } else { "" };
            format!(
                "<details id=\"log-{i}\"{open}><summary class=\"small\">the end of its log</summary><pre class=\"log\" tabindex=\"0\" aria-label=\"log of {0}\">{1}</pre></details>",
                escape(&task.name),
                escape(log)
            )
        });
        put!(
            out,
            "<div class=\"trouble {outcome}\"><b class=\"mono\">{}</b> {}{time}<p>{}</p>{log}</div>\n",
            to_task(&task.key, &task.name),
            badge(&outcome, &outcome),
            escape(task.reason.as_deref().unwrap_or("no reason was given")),
        );
    }
    let all: u64 = ["failed", "diverged"].iter().filter_map(|word| shown.run.outcomes.get(*word)).sum();
    let more = usize::try_from(all).unwrap_or(usize::MAX).saturating_sub(shown.troubles.len());
    if more > 0 && !out.is_empty() {
        put!(out, "<p class=\"small\">and {} more: see the groups below.</p>", plural(more, "task"));
    }
    out
}

fn groups(shown: &Shown<'_>) -> String {
    let names = [("group", false), ("kind", false), ("tasks", true), ("outcome", false), ("time of all", true)];
    let head: String = names.map(|(name, number)| head_cell(name, number)).concat();
    let row = |group: &GroupView| {
        let of_group = |attempt: &&AttemptView| attempt.task.split('[').next() == Some(group.group.as_str());
        let ended: u64 = group.outcomes.values().sum();
        let running = (shown.running.iter().filter(of_group).count() as u64).min(group.tasks.saturating_sub(ended));
        let chosen = shown.unfolded.is_some_and(|(name, ..)| name == group.group);
        let to = format!("/runs/{}?group={}#tasks", shown.run.id, part(&group.group));
        format!(
            "<tr{}><th scope=\"row\">{}</th><td><code>{}</code></td><td class=\"n\">{}</td><td>{}{}</td><td class=\"n\">{}</td></tr>\n",
            if chosen { " class=\"chosen\"" } else { "" },
            link(&to, &group.group),
            escape(&group.kind),
            number(group.tasks),
            bar(&group.outcomes, running, group.tasks),
            counted(&group.outcomes, running, group.tasks.saturating_sub(ended + running)),
            if group.seconds > 0.0 { seconds(group.seconds) } else { String::new() },
        )
    };
    let rows: String = shown.groups.iter().map(row).collect();
    if rows.is_empty() { "<p>Nothing was asked for.</p>".to_owned() } else { wide("Tasks by group", "", &head, &rows) }
}

fn tasks(shown: &Shown<'_>, (group, skip, listed): (&str, u32, &[TaskView])) -> String {
    let names = [("task", false), ("state", false), ("time", true), ("key", false), ("digest", false)];
    let head: String = names.map(|(name, number)| head_cell(name, number)).concat();
    let row = |task: &TaskView| {
        let at_it = shown.running.iter().any(|attempt| attempt.key == task.key && attempt.purpose != "witness");
        let (class, word) = match task.outcome {
            Some(outcome) => (outcome.to_string(), outcome.to_string()),
            None if at_it => ("running".to_owned(), "running".to_owned()),
            None => ("waiting".to_owned(), "open".to_owned()),
        };
        let reason = task.reason.as_deref().map_or_else(String::new, |reason| {
            format!("<span class=\"small soft\">{}</span>", escape(&headline(reason)))
        });
        let exact = task.seconds.map_or_else(String::new, |s| format!(" data-v=\"{s}\""));
        format!(
            "<tr><th scope=\"row\">{}{reason}</th><td>{}</td><td class=\"n\"{exact}>{}</td><td>{}</td><td>{}</td></tr>\n",
            to_task(&task.key, &task.name),
            badge(&class, &word),
            task.seconds.map_or_else(String::new, seconds),
            short(&task.key.to_string()),
            task.artifact.map_or_else(String::new, |digest| short(&digest.to_string())),
        )
    };
    let rows: String = listed.iter().map(row).collect();
    if rows.is_empty() {
        return format!("<p>This run has no more tasks of <code>{}</code>.</p>", escape(group));
    }
    // A table that is put in place again and again cannot be sorted meanwhile.
    let class = if is_under_way(shown.run) { "" } else { "sort" };
    let all = shown.groups.iter().find(|it| it.group == group).map_or(0, |it| it.tasks);
    let to = |skip: u32| format!("/runs/{}?group={}&skip={skip}#tasks", shown.run.id, part(group));
    let mut pages = format!(
        "<p class=\"pages\"><span>{} to {} of {}</span>",
        number(u64::from(skip) + 1),
        number(u64::from(skip) + listed.len() as u64),
        number(all)
    );
    if skip > 0 {
        pages += &link(&to(skip.saturating_sub(LISTED)), "the ones before");
    }
    if u64::from(skip) + (listed.len() as u64) < all {
        pages += &link(&to(skip + LISTED), "the next ones");
    }
    pages += "</p>";
    let pages = if all > u64::from(LISTED) { pages } else { String::new() };
    format!("{pages}{}{pages}", wide(&format!("Tasks of {group}"), class, &head, &rows))
}
