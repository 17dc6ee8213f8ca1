//! Where each number comes from: for every claim and every fit all the tasks it rests on, then each task's own record.

use std::collections::BTreeMap;

use super::{Page, badge, head_cell, pairs, short, wide};
use crate::{
    facts::{TaskFacts, WorkerFacts},
    html::{escape, put, putln},
    number::{plural, seconds, with_prefix},
};

/// Tasks that get a record of their own; a page must stay one that a browser opens.
pub const RECORDS: usize = 1200;
/// Rows of one chain.
const CHAIN: usize = 300;

/// Environment, chains, records.
pub fn section(page: &Page<'_>) -> String {
    let mut out = environment(page);
    let mut chains = String::new();
    for claim in page.claims.iter().filter(|claim| !claim.calls.is_empty()) {
        let cited: Vec<&str> =
            claim.calls.iter().flat_map(|call| &call.tasks).map(|cited| cited.task.as_str()).collect();
        chains.push_str(&chain(page, "claim", &claim.name, &cited));
    }
    for (name, _) in &page.fits {
        chains.push_str(&chain(page, "fit", name, &[name]));
    }
    if !chains.is_empty() {
        put!(out, "<h3>What each number rests on</h3>\n{chains}");
    }
    if !page.facts.tasks.is_empty() {
        out.push_str("<h3>Records</h3>\n<p class=\"small soft\">The recipe is the canonical text whose hash is the key: <em>what would be made</em>. The digest is of what was made.</p>\n");
        for (i, task) in page.facts.tasks.iter().take(RECORDS).enumerate() {
            out.push_str(&record(page, i, task));
        }
        let more = page.facts.tasks.len().saturating_sub(RECORDS);
        if more > 0 {
            putln!(
                out,
                "<p class=\"small soft\">{} are left out; <code>isoflop show NAME</code> prints each.</p>",
                plural(more, "more record")
            );
        }
    }
    out
}

fn environment(page: &Page<'_>) -> String {
    let mut rows = Vec::new();
    if let Some(run) = &page.facts.run {
        let commit = run.commit.as_deref().map_or("not in a repository".to_owned(), |commit| {
            format!(
                "<code>{}</code>{}",
                escape(commit),
                if run.dirty { ", with changes that were not committed" } else { "" }
            )
        });
        for (name, value) in [
            ("run", format!("<code>{}</code>", escape(&run.id))),
            ("engine", escape(&run.engine)),
            ("study's commit", commit),
            ("host", escape(&run.host)),
            ("processor", escape(&run.cpu)),
            ("system", escape(&run.os)),
        ] {
            rows.push((name.to_owned(), value));
        }
    }
    let mut workers: BTreeMap<&WorkerFacts, usize> = BTreeMap::new();
    for worker in page.facts.tasks.iter().filter_map(|task| task.worker.as_ref()) {
        *workers.entry(worker).or_default() += 1;
    }
    for (worker, n) in workers {
        rows.push((format!("worker of {}", plural(n, "task")), escape(&told(worker))));
    }
    if rows.is_empty() { String::new() } else { pairs("The run and its workers", &rows) }
}

fn told(worker: &WorkerFacts) -> String {
    let mut parts = vec![worker.host.clone(), worker.cpu.clone()];
    if !worker.gpu.is_empty() {
        parts.push(worker.gpu.clone());
    }
    if !worker.libtorch.is_empty() {
        parts.push(format!("libtorch {}", worker.libtorch));
    }
    if !worker.isa.is_empty() {
        parts.push(worker.isa.clone());
    }
    if let Some(threads) = worker.threads {
        parts.push(plural(threads as usize, "thread"));
    }
    parts.push(worker.precision.clone());
    parts.extend(worker.deterministic.map(|only| {
        let which = if only { "deterministic algorithms only" } else { "any algorithms, deterministic or not" };
        which.to_owned()
    }));
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn chain(page: &Page<'_>, what: &str, name: &str, names: &[&str]) -> String {
    let title = format!("{what} <code>{}</code>", escape(name));
    let lineage = page.index.lineage(names.iter().copied());
    let summary = format!("{title} rests on {}", plural(lineage.len(), "task"));
    let head: String =
        [("task", false), ("kind", false), ("key", false), ("digest", false), ("seed", true), ("written at", false)]
            .map(|(name, number)| head_cell(name, number))
            .concat();
    let mut out = String::new();
    for task in lineage.iter().take(CHAIN) {
        putln!(
            out,
            "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td><td class=\"n\">{}</td><td><code>{}</code></td></tr>",
            page.link(&task.name),
            escape(&task.kind),
            short(&task.key.to_string()),
            task.digest.map_or_else(|| badge(task.state), |digest| short(&digest.to_string())),
            task.seed.map_or_else(String::new, |seed| seed.to_string()),
            escape(&task.origin)
        );
    }
    let more = lineage.len().saturating_sub(CHAIN);
    if more > 0 {
        putln!(out, "<tr><td colspan=\"6\">and {more} more; <code>isoflop trace NAME</code> prints all</td></tr>");
    }
    format!(
        "<details><summary>{summary}</summary>\n{}</details>\n",
        wide(&format!("What {name} rests on"), "", &head, &out)
    )
}

fn record(page: &Page<'_>, i: usize, task: &TaskFacts) -> String {
    let mut rows = vec![
        ("kind".to_owned(), escape(&task.kind)),
        ("written at".to_owned(), format!("<code>{}</code>", escape(&task.origin))),
        ("key".to_owned(), format!("<code>{}</code>", task.key)),
    ];
    let mut add = |name: &str, value: Option<String>| rows.extend(value.map(|value| (name.to_owned(), value)));
    add("digest", task.digest.map(|digest| format!("<code>{digest}</code>")));
    add("bits", task.bits.as_deref().map(escape));
    add("seed", task.seed.map(|seed| seed.to_string()));
    add("message", task.message.as_deref().map(escape));
    add("made at", task.made_at.as_deref().map(escape));
    add("made in run", task.made_in.as_deref().map(|run| format!("<code>{}</code>", escape(run))));
    add("took", task.seconds.map(seconds));
    add("worker", task.worker.as_ref().map(|worker| escape(&told(worker))));
    add("compute", (task.cost.flops > 0.0).then(|| with_prefix(task.cost.flops, "FLOP")));
    add("parameters", task.cost.params.map(|n| crate::number::count(n as usize)));
    add("multiply-accumulates", task.cost.macs.map(|n| with_prefix(n as f64, "MAC")));
    let needs: Vec<String> = task.needs.iter().take(60).map(|name| page.link(name)).collect();
    let more = if task.needs.len() > 60 { format!(" and {} more", task.needs.len() - 60) } else { String::new() };
    add("needs", (!needs.is_empty()).then(|| format!("{}{more}", needs.join(", "))));
    let number = |(n, (name, value)): (usize, (&String, &f64))| {
        format!("<span id=\"t{i}n{n}\">{} = {value}</span>", escape(name))
    };
    let scalars: Vec<String> = task.scalars.iter().enumerate().map(number).collect();
    add("numbers", (!scalars.is_empty()).then(|| format!("<span class=\"mono\">{}</span>", scalars.join("<br>"))));
    let recipe = page
        .recipes
        .get(task.name.as_str())
        .map_or_else(String::new, |text| format!("<h4>Recipe</h4><pre>{}</pre>", escape(text)));
    format!(
        "<details class=\"task\" id=\"t{i}\"><summary><span class=\"mono\">{}</span> {}</summary>\n{}{recipe}</details>\n",
        escape(&task.name),
        badge(task.state),
        pairs(&format!("Record of {}", task.name), &rows)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_says_how_exact_it_was() {
        let mut worker = WorkerFacts {
            host: "atlas".into(),
            libtorch: "2.11.0".into(),
            isa: "avx512".into(),
            threads: Some(2),
            precision: "bf16".into(),
            deterministic: Some(true),
            ..WorkerFacts::default()
        };
        let before = "atlas, libtorch 2.11.0, avx512, 2 threads, bf16";
        assert_eq!(told(&worker), format!("{before}, deterministic algorithms only"));
        worker.deterministic = Some(false);
        assert_eq!(told(&worker), format!("{before}, any algorithms, deterministic or not"));
        assert_eq!(told(&WorkerFacts::default()), "");
    }
}
