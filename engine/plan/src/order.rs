//! The order of groups: each after the groups it refers to, whatever order they are written in.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque},
};

use petgraph::{
    Direction,
    algo::tarjan_scc,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};

use crate::{
    finding::{Finding, Inbox},
    source::Span,
    study::TaskText,
    suggest,
};

/// The indices of `tasks`, producers first and otherwise as written. Groups in a cycle, which is a finding, and those after them come last.
pub(crate) fn order(tasks: &[TaskText<'_>], inbox: &mut Inbox) -> Vec<usize> {
    let names: BTreeMap<&str, usize> = tasks.iter().enumerate().map(|(at, task)| (task.name.as_str(), at)).collect();
    let mut graph: DiGraph<usize, Span> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..tasks.len()).map(|at| graph.add_node(at)).collect();
    for (at, task) in tasks.iter().enumerate() {
        for (name, span) in references(task) {
            match names.get(name) {
                Some(producer) => drop(graph.add_edge(nodes[*producer], nodes[at], span)),
                None => inbox.push(
                    Finding::new("unknown-task", format!("there is no task `{name}`"))
                        .at(span, "this name")
                        .maybe_hint(if inbox.is_full() {
                            None
                        } else {
                            suggest::hint(name, names.keys().copied().filter(|other| *other != task.name))
                        }),
                ),
            }
        }
    }
    for component in tarjan_scc(&graph) {
        if let Some(finding) = cycle(&graph, &component, tasks) {
            inbox.push(finding);
        }
    }
    let mut waiting: Vec<usize> =
        nodes.iter().map(|node| graph.edges_directed(*node, Direction::Incoming).count()).collect();
    let mut ready: BinaryHeap<Reverse<usize>> = (0..tasks.len()).filter(|at| waiting[*at] == 0).map(Reverse).collect();
    let mut order = Vec::with_capacity(tasks.len());
    while let Some(Reverse(at)) = ready.pop() {
        order.push(at);
        for edge in graph.edges(nodes[at]) {
            let next = edge.target().index();
            waiting[next] -= 1;
            if waiting[next] == 0 {
                ready.push(Reverse(next));
            }
        }
    }
    order.extend((0..tasks.len()).filter(|at| waiting[*at] > 0));
    order
}

/// The names of the groups that a task refers to.
fn references<'t>(task: &'t TaskText<'_>) -> impl Iterator<Item = (&'t str, Span)> {
    let each = task.each.iter().map(|(name, span)| (name.as_str(), *span));
    let needs = task.needs.iter().map(|need| (need.from.group.as_str(), need.from_span));
    let gathers = task.gathers.iter().map(|gather| (gather.from.group.as_str(), gather.from_span));
    each.chain(needs).chain(gathers)
}

/// How much of a long cycle is shown.
const SHOWN: usize = 12;

/// The finding for one way round a strongly connected component, if it has one.
fn cycle(graph: &DiGraph<usize, Span>, component: &[NodeIndex], tasks: &[TaskText<'_>]) -> Option<Finding> {
    let component: BTreeSet<NodeIndex> = component.iter().copied().collect();
    let start = *component.first()?;
    // Breadth first from the task written first: the shortest way back to it, along what each needs.
    let mut from: BTreeMap<NodeIndex, (NodeIndex, Span)> = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for edge in graph.edges_directed(node, Direction::Incoming) {
            let producer = edge.source();
            if component.contains(&producer) && !from.contains_key(&producer) {
                from.insert(producer, (node, *edge.weight()));
                queue.push_back(producer);
            }
        }
        if from.contains_key(&start) {
            break;
        }
    }
    let mut steps = Vec::new();
    let mut node = start;
    loop {
        let (consumer, span) = *from.get(&node)?;
        steps.push((consumer, node, span));
        node = consumer;
        if node == start {
            break;
        }
    }
    steps.reverse();
    let name = |node: NodeIndex| tasks[graph[node]].name.as_str();
    let mut message = format!("`{}`", name(start));
    for (_, producer, _) in steps.iter().take(SHOWN) {
        message.push_str(" needs `");
        message.push_str(name(*producer));
        message.push('`');
        if *producer != start {
            message.push_str(", which");
        }
    }
    if steps.len() > SHOWN {
        message.push_str(" and so on");
    }
    let message = match steps.len() {
        1 => format!("the task `{}` needs itself", name(start)),
        _ => format!("tasks need each other: {message}"),
    };
    let finding = Finding::new("cycle", message);
    Some(steps.iter().take(SHOWN).fold(finding, |finding, (consumer, producer, span)| {
        finding.at(*span, format!("`{}` needs `{}`", name(*consumer), name(*producer)))
    }))
}
