//! Everything that a task rests on, or that rests on it.

use isoflop_contract::{Key, quantity::Bytes};
use isoflop_ledger::lineage::{Direction, Lineage, Node};
use isoflop_report::{
    html::escape,
    number::{plural, seconds},
    page::parts::{head_cell, short, wide},
};
use jiff::Timestamp;

use super::{Head, badge, frame, link, to_task, when};
use crate::{tree, verbs::trace::summary};

/// Tasks that the page lists.
const LISTED: usize = 2000;

/// The page.
pub fn lineage(label: &str, root: Key, lineage: &Lineage, direction: Direction, now: Timestamp) -> String {
    let task = format!("/tasks/{root}");
    let (title, way, other) = match direction {
        Direction::Up => (format!("What {label} rests on"), "up", ("down", "What rests on it")),
        Direction::Down => (format!("What rests on {label}"), "down", ("up", "What it rests on")),
    };
    let lead = format!(
        "<p class=\"soft\">{}</p><p class=\"small\">{}</p>",
        escape(&summary(lineage, root, direction)),
        link(&format!("{task}/{}", other.0), other.1)
    );
    let crumbs = vec![(label.to_owned(), task.clone()), (way.to_owned(), format!("{task}/{way}"))];
    let head = Head { title, crumbs, lead, live: false };
    frame(&head, &[("tasks", String::new(), table(root, lineage, now))])
}

fn table(root: Key, lineage: &Lineage, now: Timestamp) -> String {
    let mut nodes: Vec<(String, Key, &Node)> = lineage
        .nodes
        .iter()
        .filter(|(key, _)| **key != root)
        .map(|(key, node)| (tree::name(Some(node), *key), *key, node))
        .collect();
    nodes.sort_by(|a, b| a.0.cmp(&b.0));
    let names = [
        ("task", false),
        ("kind", false),
        ("outcome", false),
        ("digest", false),
        ("size", true),
        ("seed", true),
        ("where", false),
        ("when", false),
        ("took", true),
    ];
    let head: String = names.map(|(name, number)| head_cell(name, number)).concat();
    let rows: String = nodes.iter().take(LISTED).map(|(name, key, node)| row(name, *key, node, now)).collect();
    if rows.is_empty() {
        return "<p>Nothing.</p>".to_owned();
    }
    let more = nodes.len().saturating_sub(LISTED);
    let more = if more > 0 {
        format!("<p>and {} more; <code>isoflop trace</code> prints all.</p>", plural(more, "task"))
    } else {
        String::new()
    };
    wide("Tasks", "sort", &head, &rows) + &more
}

fn row(name: &str, key: Key, node: &Node, now: Timestamp) -> String {
    let outcome = node.outcome.as_deref();
    let elsewhere = if node.elsewhere { "<span class=\"small soft\">of another plan</span>" } else { "" };
    let time = node.seconds.map_or_else(String::new, |s| format!(" data-v=\"{s}\""));
    let size = node.bytes.map_or_else(String::new, |bytes| format!(" data-v=\"{bytes}\""));
    format!(
        "<tr><th scope=\"row\">{}{elsewhere}</th><td><code>{}</code></td><td>{}</td><td>{}</td><td class=\"n\"{size}>{}</td><td class=\"n\">{}</td><td>{}</td><td class=\"nowrap\">{}</td><td class=\"n\"{time}>{}</td></tr>\n",
        to_task(&key, name),
        escape(&node.kind),
        badge(outcome.unwrap_or("waiting"), outcome.unwrap_or("not made")),
        node.artifact.map_or_else(String::new, |digest| short(&digest.to_string())),
        node.bytes.map_or_else(String::new, |bytes| Bytes(bytes).to_string()),
        node.seed.map_or_else(String::new, |seed| seed.to_string()),
        escape(&tree::place(node)),
        node.began.map_or_else(String::new, |at| when(at, now)),
        node.seconds.map_or_else(String::new, seconds),
    )
}
