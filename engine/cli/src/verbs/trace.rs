//! `trace up|down`: everything that a task rests on, or that rests on it, with digest, seed, place and time.

use std::collections::BTreeSet;

use isoflop_contract::quantity::Bytes;
use isoflop_ledger::lineage::{Direction, Lineage, Node};
use serde_json::{Value, json};

use crate::{
    aligned::{count, lines, some},
    args::{TraceArgs, Way},
    named::{self, Named},
    output::{Output, Paint},
    settings::Settings,
    stop::{Stop, infrastructure},
    tree,
    verbs::runs::commit,
};

/// Walks from the named task and prints what it finds.
pub async fn trace(args: &TraceArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = named::ledger(settings).await?;
    let named = named::task(&ledger, &args.name, args.study.as_deref()).await?;
    let direction = match args.way {
        Way::Up => Direction::Up,
        Way::Down => Direction::Down,
    };
    let lineage = ledger.walk(named.key, direction, args.depth, named.run).await.map_err(infrastructure)?;
    if out.json {
        return out.data(&data(&named, &lineage, direction, args.depth)?);
    }
    let rows = tree::rows(&lineage, named.key, direction, args.all);
    lines(&rows, out.color).iter().try_for_each(|line| out.line(line))?;
    out.line(&out.paint(Paint::Dim, &summary(&lineage, named.key, direction)))
}

/// What `--json` prints.
pub fn data(named: &Named, lineage: &Lineage, direction: Direction, depth: Option<u32>) -> Result<Value, Stop> {
    let nodes: Vec<Value> = lineage
        .nodes
        .iter()
        .map(|(key, node)| {
            let mut data = serde_json::to_value(node).map_err(|error| Stop::Internal(error.into()))?;
            data["key"] = json!(key);
            Ok(data)
        })
        .collect::<Result<_, Stop>>()?;
    Ok(json!({
        "version": 1, "direction": direction, "task": named.label, "root": named.key, "study": named.study,
        "depth": depth, "cut": lineage.cut, "nodes": nodes, "edges": lineage.edges,
    }))
}

/// How much that was, in one line.
pub fn summary(lineage: &Lineage, root: isoflop_contract::Key, direction: Direction) -> String {
    let others = || lineage.nodes.iter().filter(|(key, _)| **key != root).map(|(_, node)| node);
    let tasks = count(others().count(), "task", "tasks");
    let said = match direction {
        Direction::Up => format!("rests on {tasks}"),
        Direction::Down => format!("{tasks} rest on it"),
    };
    let distinct =
        |of: &dyn Fn(&Node) -> Option<String>| lineage.nodes.values().filter_map(of).collect::<BTreeSet<_>>();
    let seeds = distinct(&|node| node.seed.map(|seed| seed.to_string()));
    let commits = distinct(&|node| Some(commit(&node.soft)).filter(|commit| !commit.is_empty()));
    let places = distinct(&|node| Some(tree::place(node)).filter(|place| !place.is_empty()));
    let mut artifacts: BTreeSet<_> = BTreeSet::new();
    let bytes: u64 = lineage
        .nodes
        .values()
        .filter(|node| node.artifact.is_some_and(|artifact| artifacts.insert(artifact)))
        .filter_map(|node| node.bytes)
        .sum();
    let mut parts = vec![said, format!("{} in {}", Bytes(bytes), count(artifacts.len(), "artifact", "artifacts"))];
    if !seeds.is_empty() {
        parts.push(count(seeds.len(), "seed", "seeds"));
    }
    if !places.is_empty() {
        parts.push(format!("on {}", some(places.iter().map(String::as_str), 3)));
    }
    if !commits.is_empty() {
        parts.push(format!("commit {}", some(commits.iter().map(String::as_str), 3)));
    }
    if lineage.cut {
        parts.push("more lies behind --depth".to_owned());
    }
    parts.join("; ")
}
