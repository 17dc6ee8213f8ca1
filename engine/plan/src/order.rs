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
    finding::{Finding, Inbox, Through},
    source::Span,
    study::{Role, TaskText, inside},
    suggest,
    target::Target,
};

/// The indices of `tasks`, producers first and otherwise as written. Groups in a cycle, which is a finding, and those after them come last.
pub(crate) fn order(tasks: &[TaskText<'_>], inbox: &mut Inbox) -> Vec<usize> {
    let names: BTreeMap<&str, usize> = tasks.iter().enumerate().map(|(at, task)| (task.name.as_str(), at)).collect();
    let mut graph: DiGraph<usize, Span> = DiGraph::new();
    let nodes: Vec<NodeIndex> = (0..tasks.len()).map(|at| graph.add_node(at)).collect();
    for (at, task) in tasks.iter().enumerate() {
        inbox.within(&task.through);
        for reference in references(task) {
            match names.get(reference.target.group.as_str()) {
                Some(producer) => {
                    graph.add_edge(nodes[*producer], nodes[at], reference.span);
                    if tasks[*producer].role != Role::Task && !reference.each {
                        inbox.push(frame(&reference, tasks));
                    }
                }
                None if is_said(&reference.target.group, &names, tasks) => {}
                None => {
                    let hint = if inbox.is_full() { None } else { near(task, reference.target, &names, tasks) };
                    let message = format!("there is no task `{}`", reference.target.written());
                    inbox.push(named(Finding::new("unknown-task", message), &reference).maybe_hint(hint));
                }
            }
        }
    }
    for component in tarjan_scc(&graph) {
        if let Some(finding) = cycle(&graph, &component, tasks) {
            inbox.within(&tasks[graph[component[0]]].through);
            inbox.push(finding);
        }
    }
    inbox.within(&Through::default());
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

/// What a task says of another.
struct Reference<'t> {
    target: &'t Target,
    /// Where it says so.
    span: Span,
    /// Whether it takes its cells only, and not what it makes.
    each: bool,
}

/// The groups that a task refers to.
fn references<'t>(task: &'t TaskText<'_>) -> impl Iterator<Item = Reference<'t>> {
    let each = task.each.iter().map(|(target, span)| Reference { target, span: *span, each: true });
    let needs = task.needs.iter().map(|need| (&need.from, need.from_span));
    let gathers = task.gathers.iter().map(|gather| (&gather.from, gather.from_span));
    each.chain(needs.chain(gathers).map(|(target, span)| Reference { target, span, each: false }))
}

/// Whether something has been said of a name that is not there: it could not be read, or its template could not be written out.
fn is_said(group: &str, names: &BTreeMap<&str, usize>, tasks: &[TaskText<'_>]) -> bool {
    let empty = |frame: &str| {
        names.get(frame).is_some_and(|at| matches!(&tasks[*at].role, Role::Frame { members } if members.is_empty()))
    };
    group.is_empty() || group.match_indices('.').any(|(dot, _)| empty(&group[..dot]))
}

/// What may have been meant by a name that is not there.
fn near(task: &TaskText<'_>, target: &Target, names: &BTreeMap<&str, usize>, tasks: &[TaskText<'_>]) -> Option<String> {
    let home = &target.group[..target.home];
    let written = target.written();
    let made = |at: &usize| tasks[*at].role == Role::Task;
    let there = names.iter().filter(|(name, at)| **name != task.name && made(at)).map(|(name, _)| *name);
    let there: Vec<&str> = there.filter_map(|name| name.strip_prefix(home)).collect();
    if let Some(near) = suggest::nearest(written, there.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    if !home.is_empty() && names.contains_key(written) {
        return Some(format!(
            "`{written}` is outside this template, which sees its own tasks and its arguments: hand it over as one"
        ));
    }
    // Of the tasks of other templates the whole name must be meant, and they are too many to list.
    suggest::list(there.into_iter().filter(|name| !name.contains('.')))
}

/// A frame where a task belongs.
fn frame(reference: &Reference<'_>, tasks: &[TaskText<'_>]) -> Finding {
    let target = reference.target;
    let message = format!("`{}` uses a template, and makes nothing itself", target.written());
    named(Finding::new("frame-as-task", message), reference).maybe_hint(inside(&target.group, target.home, tasks))
}

/// A finding about a name: at the name, which may have come as an argument.
fn named(finding: Finding, reference: &Reference<'_>) -> Finding {
    let (name, need) = (reference.target.span, reference.span);
    let within = name.source == need.source && need.start <= name.start && name.end <= need.end;
    let finding = finding.at(name, "this name");
    if within { finding } else { finding.at(need, "needed here") }
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
