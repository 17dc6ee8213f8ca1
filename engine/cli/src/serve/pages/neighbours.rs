//! The neighbours of a task: what it needs, and what needs it.

use std::collections::BTreeMap;

use isoflop_contract::Key;
use isoflop_ledger::lineage::Direction;
use isoflop_report::page::parts::pairs;

use super::{link, task::Task, to_task};
use crate::tree;

/// Neighbours of one port, or of one group, that are listed.
const NEIGHBOURS: usize = 24;

/// They, as a table by port or by group, with the way to all the rest.
pub fn of(task: &Task<'_>, direction: Direction) -> String {
    let (lineage, way) = match direction {
        Direction::Up => (task.up, "up"),
        Direction::Down => (task.down, "down"),
    };
    let mut groups: BTreeMap<String, Vec<(Key, String)>> = BTreeMap::new();
    for edge in &lineage.edges {
        let other = if direction == Direction::Up { edge.need } else { edge.key };
        let name = tree::name(lineage.nodes.get(&other), other);
        let group = if direction == Direction::Up {
            edge.port.clone()
        } else {
            name.split('[').next().unwrap_or_default().to_owned()
        };
        groups.entry(group).or_default().push((other, name));
    }
    if groups.is_empty() {
        return match direction {
            Direction::Up => "<p class=\"soft\">Nothing: it begins from its recipe alone.</p>".to_owned(),
            Direction::Down => "<p class=\"soft\">Nothing in this ledger.</p>".to_owned(),
        };
    }
    let rows: Vec<(String, String)> = groups
        .into_iter()
        .map(|(group, mut others)| {
            others.sort_by(|a, b| a.1.cmp(&b.1));
            others.dedup();
            let names: Vec<String> = others.iter().take(NEIGHBOURS).map(|(key, name)| to_task(key, name)).collect();
            let more = others.len().saturating_sub(NEIGHBOURS);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            (group, format!("{}{more}", names.join(", ")))
        })
        .collect();
    let (caption, all) = match direction {
        Direction::Up => ("Needs, by port", "Everything it rests on"),
        Direction::Down => ("Tasks that need it, by group", "Everything that rests on it"),
    };
    format!("{}<p class=\"small\">{}</p>", pairs(caption, &rows), link(&format!("/tasks/{}/{way}", task.key), all))
}
