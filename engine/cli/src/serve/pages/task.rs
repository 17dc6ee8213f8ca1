//! One task: what `show` tells of it, its course as figures, its pictures, its log.

use std::collections::BTreeMap;

use isoflop_contract::{Key, quantity::Bytes};
use isoflop_ledger::lineage::{Direction, Lineage};
use isoflop_report::{
    Facts, Figure, TaskFacts,
    catalogue::{Exhibit, Of},
    figures::{capital, curves, primary, spoken},
    html::escape,
    number::{plural, seconds, sig},
    page::parts::{figure, head_cell, pairs, short, wide},
    variant::variants,
};
use jiff::Timestamp;
use serde_json::Value;

use super::{Head, badge, frame, link, neighbours, part, run::far, tile, to_run, when};
use crate::{
    glimpse::{Beat, Series},
    serve::files::{LARGEST, Picture},
};

/// Numbers from which on they are folded.
const FOLDED: usize = 16;

/// Files that are listed.
const FILES: usize = 200;

/// What the page shows.
#[derive(Debug)]
pub struct Task<'a> {
    /// The moment.
    pub now: Timestamp,
    /// What it is called.
    pub label: &'a str,
    /// Its key.
    pub key: Key,
    /// What `show --json` prints.
    pub shown: &'a Value,
    /// What it needs, one need far.
    pub up: &'a Lineage,
    /// What needs it.
    pub down: &'a Lineage,
    /// What was measured: by the attempt that made what stands, or so far by the one under way.
    pub series: &'a Series,
    /// How far the attempt under way is; none if none is.
    pub beat: Option<&'a Beat>,
    /// Whether an attempt is under way.
    pub live: bool,
    /// The pictures of its artifact.
    pub pictures: &'a [Picture],
    /// The end of the latest attempt's log, if it is here.
    pub log: Option<&'a str>,
}

/// The page.
pub fn task(task: &Task<'_>) -> String {
    let shown = task.shown;
    let study = shown["study"].as_str().unwrap_or_default();
    let mut crumbs = Vec::new();
    if !study.is_empty() {
        crumbs.push((study.to_owned(), format!("/studies/{}", part(study))));
    }
    crumbs.push((task.label.to_owned(), format!("/tasks/{}", task.key)));
    let head = Head { title: task.label.to_owned(), crumbs, lead: lead(task), live: task.live };
    let log_title = "Log of the latest attempt".to_owned();
    frame(
        &head,
        &[
            ("curves", "Course".to_owned(), course(task)),
            ("pictures", "Pictures".to_owned(), pictures(task)),
            ("scalars", "Final numbers".to_owned(), scalars(shown)),
            ("attempts", "Attempts".to_owned(), attempts(task)),
            ("log", log_title, log(task)),
            ("up", "What it needs".to_owned(), neighbours::of(task, Direction::Up)),
            ("down", "What needs it".to_owned(), neighbours::of(task, Direction::Down)),
            ("files", "Files of its artifact".to_owned(), files(shown)),
            ("made", "Environment".to_owned(), made(shown)),
            ("recipe", "Recipe".to_owned(), recipe(task)),
        ],
    )
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn lead(task: &Task<'_>) -> String {
    let shown = task.shown;
    let recipe = &shown["recipe"];
    let state = match shown["outcome"].as_str() {
        _ if task.live => badge("running", "running"),
        Some(outcome) => badge(outcome, outcome),
        None if shown["attempts"]
            .as_array()
            .is_some_and(|attempts| attempts.iter().any(|a| a["outcome"] == "failed")) =>
        {
            badge("failed", "failed")
        }
        None => badge("waiting", "not made"),
    };
    let mut tiles = String::new();
    if let Some(beat) = task.beat {
        let (far, metric) = far(beat);
        if !far.is_empty() {
            tiles += &tile(&far, "done so far");
        }
        if !metric.is_empty() {
            tiles += &tile(&metric, "measured last");
        }
    }
    if let Some(loss) = shown["scalars"].as_object().and_then(|scalars| primary_scalar(scalars)) {
        tiles += &tile(&sig(loss.1, 4), &spoken(loss.0));
    }
    if let Some(took) = made_by(shown).and_then(|attempt| attempt["seconds"].as_f64()) {
        tiles += &tile(&seconds(took), "to make it");
    }
    if let Some(bits) = shown["bits"].as_str() {
        tiles += &tile(&escape(bits), "its bits, by what witnesses say");
    }
    let tiles = if tiles.is_empty() { tiles } else { format!("<ul class=\"tiles\">{tiles}</ul>") };
    let reason = shown["reason"]
        .as_str()
        .map_or_else(String::new, |reason| format!("<div class=\"trouble diverged\"><p>{}</p></div>", escape(reason)));
    let mut rows = vec![("key".to_owned(), format!("<code>{}</code>", task.key))];
    if let Some(digest) = shown["digest"].as_str() {
        rows.push(("digest".to_owned(), format!("<code>{}</code>", escape(digest))));
    }
    let seed =
        if recipe["seed"].is_null() { String::new() } else { format!(", seed {}", escape(&text(&recipe["seed"]))) };
    let kind = format!(
        "<code>{}</code> revision {}{seed}",
        escape(&text(&recipe["kind"])),
        escape(&text(&recipe["revision"]))
    );
    rows.push(("kind".to_owned(), kind));
    format!("<p>{state}</p>{reason}{tiles}{}", pairs("What it is", &rows))
}

/// The number that tells most of those at the end.
fn primary_scalar(scalars: &serde_json::Map<String, Value>) -> Option<(&str, f64)> {
    let known = ["loss", "alignment", "accuracy", "score", "value"];
    let name = known.into_iter().find(|name| scalars.contains_key(*name))?;
    Some((scalars.get_key_value(name)?.0.as_str(), scalars[name].as_f64()?))
}

/// The attempt that made what stands.
fn made_by(shown: &Value) -> Option<&Value> {
    let digest = shown["digest"].as_str()?;
    shown["attempts"]
        .as_array()?
        .iter()
        .find(|attempt| attempt["artifact"] == digest && attempt["purpose"] != "witness")
}

fn course(task: &Task<'_>) -> String {
    let names: Vec<&str> = task.series.keys().map(String::as_str).collect();
    let machine = |name: &str| name.starts_with(isoflop_contract::protocol::MACHINE);
    let told: Vec<&str> = names.iter().copied().filter(|name| !machine(name)).collect();
    let Some(first) = primary(if told.is_empty() { &names } else { &told }) else { return String::new() };
    let mut out = drawn(task, 0, first).map_or_else(String::new, |exhibit| figure(&exhibit));
    let others: Vec<Exhibit> = names
        .iter()
        .filter(|name| **name != first)
        .enumerate()
        .filter_map(|(n, name)| drawn(task, n + 1, name))
        .collect();
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|other| escape(&other.figure.panels[0].y.label)).collect();
        let figures: String = others.iter().map(figure).collect();
        put!(out, "<details id=\"more-curves\"><summary>More: {}</summary>\n{figures}</details>", names.join(" · "));
    }
    out
}

/// One series as the report draws it.
fn drawn(task: &Task<'_>, n: usize, name: &str) -> Option<Exhibit> {
    let mut facts = Facts::default();
    let mut one = TaskFacts::new(task.label, task.label.split('[').next().unwrap_or_default(), "", task.key);
    one.series = BTreeMap::from([(name.to_owned(), task.series.get(name)?.clone())]);
    facts.tasks.push(one);
    let index = facts.index();
    let drawn = curves(&variants(&index, &[&facts.tasks[0]]), name, &isoflop_report::html::id("curve", n, name))?;
    let points = plural(task.series[name].len(), "point");
    let caption = format!("{} against the step, {points}.", capital(&spoken(name)));
    let figure = Figure { legend: Vec::new(), ..drawn };
    Some(Exhibit { figure, caption, of: Of::Courses(String::new()) })
}

fn pictures(task: &Task<'_>) -> String {
    let Some(digest) = task.shown["digest"].as_str() else { return String::new() };
    let one = |picture: &Picture| {
        let name = escape(&picture.name);
        let to = format!(
            "/artifacts/{}/{}",
            escape(digest),
            picture.name.split('/').map(part).collect::<Vec<_>>().join("/")
        );
        let Some((width, height)) = picture.size else {
            return format!(
                "<figure><p class=\"warning\">The bytes of <code>{name}</code> are not in this store: they were evicted, or made elsewhere.</p></figure>"
            );
        };
        // Small ones are enlarged by a whole number, as in the report.
        let scale = (720 / width.max(1)).clamp(1, 3);
        format!(
            "<figure><a href=\"{to}\"><img alt=\"{name} of {}\" width=\"{}\" height=\"{}\" src=\"{to}\" loading=\"lazy\"></a><figcaption>{name}, {width} × {height}</figcaption></figure>",
            escape(task.label),
            width * scale,
            height * scale
        )
    };
    let all: String = task.pictures.iter().map(one).collect();
    if all.is_empty() { all } else { format!("<div class=\"pictures\">{all}</div>") }
}

fn scalars(shown: &Value) -> String {
    let Some(scalars) = shown["scalars"].as_object().filter(|scalars| !scalars.is_empty()) else {
        return String::new();
    };
    let head = head_cell("number", false) + &head_cell("value", true);
    let rows: Vec<String> = scalars
        .iter()
        .map(|(name, value)| {
            // Counts are numbers like all others in a manifest, and read as counts.
            let exact = text(value);
            let exact = exact.strip_suffix(".0").unwrap_or(&exact);
            format!(
                "<tr><th scope=\"row\">{0}</th><td class=\"n mono\" data-v=\"{1}\">{1}</td></tr>\n",
                escape(name),
                escape(exact)
            )
        })
        .collect();
    let table = wide("Final numbers", "sort", &head, &rows.concat());
    if rows.len() <= FOLDED {
        return table;
    }
    format!("<details id=\"numbers\"><summary>{}</summary>{table}</details>", plural(rows.len(), "number"))
}

fn attempts(task: &Task<'_>) -> String {
    let Some(attempts) = task.shown["attempts"].as_array().filter(|attempts| !attempts.is_empty()) else {
        return "<p>It was never begun in this ledger.</p>".to_owned();
    };
    let names = [
        ("attempt", false),
        ("outcome", false),
        ("began", false),
        ("took", true),
        ("where", false),
        ("run", false),
        ("came to", false),
    ];
    let head: String = names.map(|(name, number)| head_cell(name, number)).concat();
    let row = |(n, attempt): (usize, &Value)| {
        let outcome = attempt["outcome"].as_str();
        let (class, word) = (outcome.unwrap_or("running"), outcome.unwrap_or("under way"));
        let began = attempt["began"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
        let run = attempt["run"].as_str().and_then(|run| run.parse().ok());
        let mut came = attempt["artifact"].as_str().map_or_else(String::new, short);
        if let Some(reason) = attempt["reason"].as_str() {
            put!(came, "<span class=\"small\">{}</span>", escape(reason));
        }
        if let Some(step) = attempt["resumed"].as_u64() {
            put!(came, "<span class=\"small soft\">went on after step {step}</span>");
        }
        let purpose = attempt["purpose"].as_str().filter(|purpose| *purpose != "make").unwrap_or_default();
        format!(
            "<tr><th scope=\"row\">{} {}</th><td>{}</td><td class=\"nowrap\">{}</td><td class=\"n\">{}</td><td>{}<span class=\"small soft\">{}</span></td><td>{}</td><td>{came}</td></tr>\n",
            n + 1,
            escape(purpose),
            badge(class, word),
            began.map_or_else(String::new, |at| when(at, task.now)),
            attempt["seconds"].as_f64().map_or_else(String::new, seconds),
            escape(&super::run::place(&attempt["soft"])),
            escape(attempt["soft"]["cpu"].as_str().unwrap_or_default()),
            run.map_or_else(String::new, to_run),
        )
    };
    // The latest first: that is the one that people look for.
    let rows: String = attempts.iter().enumerate().rev().map(row).collect();
    wide("Attempts, the latest first", "", &head, &rows)
}

fn log(task: &Task<'_>) -> String {
    match task.log {
        None => "<p class=\"soft\">There is no log here: logs stay with the engine that ran the task, and may have been deleted.</p>".to_owned(),
        Some("") => "<p class=\"soft\">It printed nothing.</p>".to_owned(),
        Some(log) => format!(
            "<pre class=\"log\" id=\"log-text\" tabindex=\"0\" aria-label=\"the end of the log\">{}</pre><p class=\"small\">{}</p>",
            escape(log),
            link(&format!("/tasks/{}/log", task.key), "All of it, as text")
        ),
    }
}

fn files(shown: &Value) -> String {
    let (Some(files), Some(digest)) = (shown["files"].as_object(), shown["digest"].as_str()) else {
        return String::new();
    };
    let head = head_cell("file", false) + &head_cell("size", true) + &head_cell("digest", false);
    let row = |(name, file): (&String, &Value)| {
        let size = file["size"].as_u64().unwrap_or(0);
        let to = format!("/artifacts/{digest}/{}", name.split('/').map(part).collect::<Vec<_>>().join("/"));
        // What is too large to be handed out is named and no more.
        let name = if size <= LARGEST { link(&to, name) } else { escape(name) };
        format!(
            "<tr><th scope=\"row\" class=\"mono\">{name}</th><td class=\"n\" data-v=\"{size}\">{}</td><td>{}</td></tr>\n",
            Bytes(size),
            short(file["digest"].as_str().unwrap_or_default())
        )
    };
    let rows: String = files.iter().take(FILES).map(row).collect();
    let more = files.len().saturating_sub(FILES);
    let more =
        if more > 0 { format!("<p class=\"small\">and {} more.</p>", plural(more, "file")) } else { String::new() };
    wide("Files of its artifact", "sort", &head, &rows) + &more
}

fn made(shown: &Value) -> String {
    let mut out = String::new();
    for (title, members) in [("Hashed", &shown["environment"]["hard"]), ("Recorded", &shown["environment"]["soft"])] {
        let Some(members) = members.as_object().filter(|members| !members.is_empty()) else { continue };
        let rows: Vec<(String, String)> = members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), escape(&text(value))))
            .collect();
        put!(out, "<h3>{title}</h3>{}", pairs(title, &rows));
    }
    let witnesses = shown["witnesses"].as_array().map_or(0, Vec::len);
    if witnesses > 0 {
        put!(out, "<p>{} came to the same bits.</p>", plural(witnesses, "independent execution"));
    }
    out
}

/// Lines of a recipe, and letters of its text, that a page shows: a gather of thousands names them all.
const RECIPE: usize = 300;
const CANONICAL: usize = 20_000;

fn recipe(task: &Task<'_>) -> String {
    let pretty = serde_json::to_string_pretty(&task.shown["recipe"]).unwrap_or_default();
    let lines: Vec<&str> = pretty.lines().collect();
    let shown = lines[..lines.len().min(RECIPE)].join("\n");
    let api = link(&format!("/api/tasks/{}", task.key), "all of it as JSON");
    let more = lines.len().saturating_sub(RECIPE);
    let more = if more > 0 {
        format!("<p class=\"small\">and {}: {api}</p>", plural(more, "more line"))
    } else {
        String::new()
    };
    let canonical = task.shown["recipe_text"].as_str().unwrap_or_default();
    let canonical = if canonical.len() <= CANONICAL { format!("<pre>{}</pre>", escape(canonical)) } else { api };
    format!(
        "<pre id=\"recipe-text\" tabindex=\"0\" aria-label=\"the recipe\">{}</pre>{more}<details id=\"canonical\"><summary class=\"small\">the canonical text, whose hash is the key</summary>{canonical}</details>",
        escape(&shown)
    )
}
