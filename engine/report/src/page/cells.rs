//! The cells: every task, by group.

use super::{Page, badge, head_cell, short, wide};
use crate::{
    facts::TaskFacts,
    html::{escape, put, putln},
    number::{cell, plural, seconds},
};

/// Scalars that a row shows at most.
const SCALARS: usize = 4;

/// One row a task, by group.
pub fn section(page: &Page<'_>) -> String {
    let mut out = String::new();
    for group in page.facts.groups() {
        let tasks: Vec<&TaskFacts> = page.facts.group(group).collect();
        let columns = columns(&tasks);
        let kind = tasks.first().map_or("", |task| task.kind.as_str());
        let origin = tasks.first().map_or("", |task| task.origin.as_str());
        putln!(
            out,
            "<h3>{}</h3>\n<p class=\"small soft\">{} of kind <code>{}</code>, written at <code>{}</code></p>",
            escape(group),
            plural(tasks.len(), "task"),
            escape(kind),
            escape(origin)
        );
        let mut head = head_cell("task", false) + &head_cell("state", false);
        for column in &columns {
            head += &head_cell(&crate::figures::spoken(column), true);
        }
        head += &(head_cell("time", true) + &head_cell("key", false) + &head_cell("digest", false));
        let rows: String = tasks.into_iter().map(|task| row(page, task, &columns)).collect();
        out.push_str(&wide(&format!("Tasks of {group}"), "sort", &head, &rows));
    }
    out
}

/// The scalars shown for a group: those with the fewest words in their names, which are the least special.
fn columns<'a>(tasks: &[&'a TaskFacts]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for name in tasks.iter().flat_map(|task| task.scalars.keys()) {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    // The parts of a breakdown have a table of their own.
    let whole = names.clone();
    names.retain(|name| !whole.iter().any(|other| name.strip_prefix(other).is_some_and(|tail| tail.starts_with('_'))));
    names.sort_by_key(|name| (name.matches('_').count(), *name));
    names.truncate(SCALARS);
    names
}

fn row(page: &Page<'_>, task: &TaskFacts, columns: &[&str]) -> String {
    let mut out = format!("<tr><th scope=\"row\">{}", page.link(&task.name));
    if let Some(message) = task.message.as_ref().filter(|_| !task.state.has_artifact()) {
        put!(out, "<div class=\"small soft\">{}</div>", escape(message));
    }
    let bits =
        task.bits.as_ref().map_or_else(String::new, |bits| format!("<div class=\"small soft\">{}</div>", escape(bits)));
    put!(out, "</th><td>{}{bits}</td>", badge(task.state));
    for column in columns {
        match task.scalars.get(*column) {
            // Keys go to the record by the row's name, and need not stop at each of its numbers.
            Some(value) => {
                let link = page.number(&task.name, column, &cell(*value)).replacen("<a ", "<a tabindex=\"-1\" ", 1);
                put!(out, "<td class=\"n\" title=\"{value}\" data-v=\"{value}\">{link}</td>");
            }
            None => put!(out, "<td class=\"n\"></td>"),
        }
    }
    let digest = task.digest.map_or_else(String::new, |digest| short(&digest.to_string()));
    let time = task.seconds.map_or_else(String::new, seconds);
    let exact = task.seconds.map_or_else(String::new, |seconds| format!(" data-v=\"{seconds}\""));
    putln!(out, "<td class=\"n\"{exact}>{time}</td><td>{}</td><td>{digest}</td></tr>", short(&task.key.to_string()));
    out
}
