//! What is asked, and how it is found out: the study's sentence, its groups with what varies in them, its parameters.

use super::{Page, head_cell, pairs, wide};
use crate::{
    facts::TaskFacts,
    html::{escape, putln},
    number::{plural, with_prefix},
    variant::{is_repeat, plain},
};

/// Values of an axis that a row lists.
const LISTED: usize = 12;

/// Question, groups, parameters.
pub fn section(page: &Page<'_>) -> String {
    let facts = page.facts;
    if facts.tasks.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    if !facts.study.about.is_empty() {
        putln!(out, "<p>The question: does this hold? <q>{}</q></p>", escape(&facts.study.about));
    }
    let mut rows = String::new();
    for group in facts.groups() {
        let tasks: Vec<&TaskFacts> = facts.group(group).collect();
        let flops: f64 = tasks.iter().map(|task| task.cost.flops).sum();
        let cost = if flops > 0.0 { with_prefix(flops, "FLOP") } else { String::new() };
        let varied = axes(&tasks);
        putln!(
            rows,
            "<tr><th scope=\"row\">{}</th><td><code>{}</code></td><td class=\"n\">{}</td><td>{}</td><td class=\"n\" data-v=\"{flops}\">{cost}</td><td><code>{}</code></td></tr>",
            escape(group),
            escape(tasks.first().map_or("", |task| &task.kind)),
            tasks.len(),
            if varied.is_empty() { "nothing: there is one".to_owned() } else { varied.join("<br>") },
            escape(tasks.first().map_or("", |task| &task.origin))
        );
    }
    let head = [
        ("group", false),
        ("kind", false),
        ("cells", true),
        ("what varies", false),
        ("compute", true),
        ("written at", false),
    ];
    let head = head.map(|(name, number)| head_cell(name, number)).concat();
    out.push_str(&wide("Groups of tasks, in the order of the study", "sort", &head, &rows));
    let params: Vec<(String, String)> = facts
        .study
        .params
        .iter()
        .map(|(name, value)| (name.clone(), format!("<code>{}</code>", escape(&plain(value)))))
        .collect();
    if !params.is_empty() {
        putln!(
            out,
            "<details><summary>{} in force</summary>\n{}</details>",
            plural(params.len(), "parameter"),
            pairs("Parameters in force", &params)
        );
    }
    out
}

/// Each axis with its values in the order they come; those that only repeat are said to.
fn axes(tasks: &[&TaskFacts]) -> Vec<String> {
    let mut axes: Vec<(String, Vec<String>)> = Vec::new();
    for (name, value) in tasks.iter().flat_map(|task| task.cell.iter()) {
        let value = plain(value);
        match axes.iter_mut().find(|(axis, _)| axis == name) {
            Some((_, values)) if values.contains(&value) => {}
            Some((_, values)) => values.push(value),
            None => axes.push((name.to_owned(), vec![value])),
        }
    }
    axes.into_iter()
        .map(|(axis, values)| {
            let more = values.len().saturating_sub(LISTED);
            let listed: Vec<String> = values.iter().take(LISTED).map(|value| escape(value)).collect();
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let repeats = if is_repeat(&axis) { " (repetitions)" } else { "" };
            format!("{}{repeats}: {}{more}", escape(&axis), listed.join(", "))
        })
        .collect()
}
