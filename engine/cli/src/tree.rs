//! A lineage drawn as a tree: each task once with all below it, gathers folded where they are wide.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key};
use isoflop_ledger::{
    lineage::{Direction, Lineage, Node},
    view::Edge,
};

use crate::{
    aligned::{Cell, date, header},
    output::Paint,
    soft,
};

/// A gather, or one group's consumers, wider than this is folded.
const WIDE: usize = 6;

/// How many of it are shown then.
const SHOWN: usize = 3;

/// What is drawn.
pub struct Tree<'a> {
    lineage: &'a Lineage,
    direction: Direction,
    unfold: bool,
    children: BTreeMap<Key, Vec<&'a Edge>>,
    drawn: BTreeSet<Key>,
    rows: Vec<Vec<Cell>>,
}

/// The tree below `root` as rows of a table.
pub fn rows(lineage: &Lineage, root: Key, direction: Direction, unfold: bool) -> Vec<Vec<Cell>> {
    let mut children: BTreeMap<Key, Vec<&Edge>> = BTreeMap::new();
    for edge in &lineage.edges {
        let parent = match direction {
            Direction::Up => edge.key,
            Direction::Down => edge.need,
        };
        children.entry(parent).or_default().push(edge);
    }
    let rows = vec![header(&["TASK", "KIND", "DIGEST", "SEED", "WHERE", "WHEN"])];
    let mut tree = Tree { lineage, direction, unfold, children, drawn: BTreeSet::new(), rows };
    tree.draw(root);
    tree.rows
}

/// What a task is called.
pub fn name(node: Option<&Node>, key: Key) -> String {
    node.and_then(|node| node.task.clone()).unwrap_or_else(|| format!("key {}", key.short()))
}

/// Where an attempt ran: the machine, and the device class of the recipe or the cards that were recorded.
pub fn place(node: &Node) -> String {
    let host = node.soft["host"].as_str().unwrap_or_default();
    let device =
        soft::cards(&node.soft).unwrap_or_else(|| node.environment["device"].as_str().unwrap_or("cpu").to_owned());
    match (host, node.attempt) {
        (_, None) => String::new(),
        ("", Some(_)) => device,
        (host, Some(_)) => format!("{host} {device}"),
    }
}

/// What a consumer was made from, where that is not what stands: an artifact, or none if that cannot be told.
type Other = Option<Digest>;

/// One line still to be drawn.
enum Open {
    Task { prefix: String, last: bool, port: String, key: Key, other: Option<Other> },
    Fold { prefix: String, last: bool, more: usize, of: String },
}

impl Tree<'_> {
    /// Depth first with a list of its own: a study may be deeper than a stack.
    fn draw(&mut self, root: Key) {
        self.row("", "", root, false, None);
        self.drawn.insert(root);
        let mut open = self.below(root, "");
        while let Some(next) = open.pop() {
            match next {
                Open::Fold { prefix, last, more, of } => {
                    let branch = if last { "└─ " } else { "├─ " };
                    self.rows.push(vec![Cell::painted(format!("{prefix}{branch}… and {more} more {of}"), Paint::Dim)]);
                }
                Open::Task { prefix, last, port, key, other } => {
                    let branch = if last { "└─ " } else { "├─ " };
                    let again = !self.drawn.insert(key);
                    self.row(&format!("{prefix}{branch}"), &port, key, again, other);
                    if !again {
                        let deeper = format!("{prefix}{}", if last { "   " } else { "│  " });
                        open.extend(self.below(key, &deeper));
                    }
                }
            }
        }
    }

    /// The lines below a task, the first one last.
    fn below(&self, key: Key, prefix: &str) -> Vec<Open> {
        let mut groups: BTreeMap<String, Vec<(&Edge, Key)>> = BTreeMap::new();
        for edge in self.children.get(&key).into_iter().flatten() {
            let (group, next) = match self.direction {
                Direction::Up => (edge.port.clone(), edge.need),
                Direction::Down => {
                    let name = name(self.lineage.nodes.get(&edge.key), edge.key);
                    (name.split('[').next().unwrap_or_default().to_owned(), edge.key)
                }
            };
            groups.entry(group).or_default().push((edge, next));
        }
        let mut lines = Vec::new();
        for (group, mut edges) in groups {
            edges.sort_by_cached_key(|(_, next)| name(self.lineage.nodes.get(next), *next));
            edges.dedup_by_key(|(_, next)| *next);
            let folded = edges.len() > WIDE && !self.unfold;
            let shown = if folded { SHOWN } else { edges.len() };
            for (edge, key) in &edges[..shown] {
                let port = match self.direction {
                    Direction::Up => edge.port.clone(),
                    Direction::Down => String::new(),
                };
                let now = self.lineage.nodes.get(&edge.need).and_then(|node| node.artifact);
                let is_other = edge.changed && edge.given != now && matches!(self.direction, Direction::Up);
                let other = is_other.then_some(edge.given);
                lines.push(Open::Task { prefix: prefix.to_owned(), last: false, port, key: *key, other });
            }
            if folded {
                let of = match self.direction {
                    Direction::Up => format!("of `{group}`"),
                    Direction::Down => format!("`{group}`"),
                };
                lines.push(Open::Fold { prefix: prefix.to_owned(), last: false, more: edges.len() - SHOWN, of });
            }
        }
        if let Some(Open::Task { last, .. } | Open::Fold { last, .. }) = lines.last_mut() {
            *last = true;
        }
        lines.reverse();
        lines
    }

    fn row(&mut self, branch: &str, port: &str, key: Key, again: bool, other: Option<Other>) {
        let node = self.lineage.nodes.get(&key);
        let port = if port.is_empty() { String::new() } else { format!("{port}: ") };
        let elsewhere = node.is_some_and(|node| node.elsewhere);
        let of = if elsewhere { " (of another plan)" } else { "" };
        let label = format!("{branch}{port}{}{of}", name(node, key));
        let Some(node) = node else {
            return self.rows.push(vec![Cell::new(label), Cell::painted("no recipe of it is recorded", Paint::Bad)]);
        };
        if let Some(given) = other {
            let now = node.artifact.map_or_else(|| "nothing".to_owned(), |now| now.short());
            let given = given.map_or_else(|| "other bits".to_owned(), |given| given.short());
            let seed = node.seed.map_or_else(String::new, |seed| seed.to_string());
            let digest = Cell::painted(format!("{given} (now {now})"), Paint::Notice);
            return self.rows.push(vec![Cell::new(label), Cell::new(&node.kind), digest, Cell::new(seed).right()]);
        }
        if again {
            return self.rows.push(vec![Cell::new(label), Cell::painted("(above)", Paint::Dim)]);
        }
        let digest = match (&node.artifact, node.outcome.as_deref()) {
            (Some(digest), _) => Cell::new(digest.short()),
            (None, Some(outcome)) => Cell::painted(outcome, Paint::Notice),
            (None, None) => Cell::painted("not made", Paint::Notice),
        };
        self.rows.push(vec![
            Cell::new(label),
            Cell::new(&node.kind),
            digest,
            Cell::new(node.seed.map_or_else(String::new, |seed| seed.to_string())).right(),
            Cell::new(place(node)),
            Cell::new(node.began.map_or_else(String::new, date)),
        ]);
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Value;

    use super::*;
    use crate::aligned::lines;

    fn lineage(edges: &[(&str, &str, &str)]) -> Lineage {
        let key = |name: &str| Key::of_text(name);
        let mut nodes = BTreeMap::new();
        for (task, _, need) in edges {
            for name in [task, need] {
                let node = Node {
                    task: Some((*name).to_owned()),
                    study: None,
                    elsewhere: false,
                    kind: "toy".to_owned(),
                    revision: 1,
                    seed: None,
                    environment: Value::Null,
                    outcome: None,
                    artifact: None,
                    shape: None,
                    bytes: None,
                    run: None,
                    attempt: None,
                    soft: Value::Null,
                    began: None,
                    seconds: None,
                };
                nodes.insert(key(name), node);
            }
        }
        let edge = |(task, port, need): &(&str, &str, &str)| {
            Edge::bare(key(task), (*port).to_owned(), String::new(), key(need))
        };
        Lineage { nodes, edges: edges.iter().map(edge).collect(), cut: false }
    }

    fn drawn(lineage: &Lineage, root: &str, direction: Direction, unfold: bool) -> Vec<String> {
        let rows = rows(lineage, Key::of_text(root), direction, unfold);
        let first = rows.iter().skip(1).map(|row| vec![row[0].clone()]).collect::<Vec<_>>();
        lines(&first, false)
    }

    #[test]
    fn a_task_is_drawn_once_and_a_wide_gather_is_folded() {
        let cells: Vec<String> = (0..8).map(|n| format!("score[seed={n}]")).collect();
        let mut edges: Vec<(&str, &str, &str)> = cells.iter().map(|cell| ("law", "points", cell.as_str())).collect();
        edges.push(("score[seed=0]", "data", "data"));
        edges.push(("score[seed=1]", "data", "data"));
        edges.push(("data", "raw", "raw"));
        let lineage = lineage(&edges);
        assert_eq!(
            drawn(&lineage, "law", Direction::Up, false),
            [
                "law",
                "├─ points: score[seed=0]",
                "│  └─ data: data",
                "│     └─ raw: raw",
                "├─ points: score[seed=1]",
                "│  └─ data: data",
                "├─ points: score[seed=2]",
                "└─ … and 5 more of `points`",
            ]
        );
        assert_eq!(drawn(&lineage, "law", Direction::Up, true).len(), 12);
        let down = drawn(&lineage, "raw", Direction::Down, false);
        assert_eq!(
            down,
            ["raw", "└─ data", "   ├─ score[seed=0]", "   │  └─ law", "   └─ score[seed=1]", "      └─ law"]
        );
    }
}
