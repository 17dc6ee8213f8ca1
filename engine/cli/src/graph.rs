//! A plan as a graph, in the language of Graphviz: what needs what, by which port, and what of it is kept.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_exec::{State, Survey};
use isoflop_plan::Plan;

use crate::args::Each;

/// A node: one task, or what is shown of a group.
struct Node<'a> {
    /// What edges call it: the name of the task or of the group.
    id: &'a str,
    /// The name of its first task.
    first: &'a str,
    kind: &'a str,
    tasks: usize,
    kept: usize,
    run: usize,
}

impl Node<'_> {
    /// Its name, its kind, and how its tasks stand. A group of which one task is shown is called as that task.
    fn label(&self) -> String {
        let alone = self.tasks == 1;
        let name = if alone { self.first } else { self.id };
        let cells = if alone { String::new() } else { format!(", {} cells", self.tasks) };
        let states = [(self.kept, "kept"), (self.run, "to run"), (self.tasks - self.kept - self.run, "cannot run")];
        let told: Vec<String> = states
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| if alone { (*word).to_owned() } else { format!("{count} {word}") })
            .collect();
        // The line breaks are Graphviz's own.
        format!("{}\\n{}{cells}\\n{}", escaped(name), escaped(self.kind), told.join(", "))
    }

    /// What must run has a bold frame, and what cannot a dashed one.
    fn style(&self) -> &'static str {
        if self.kept == self.tasks {
            "rounded"
        } else if self.run > 0 {
            "rounded,bold"
        } else {
            "rounded,dashed"
        }
    }
}

/// The graph of the tasks that a plan's table tells of, in its order. Needs that the table leaves out are left out here.
pub fn dot(plan: &Plan, survey: &Survey, each: Each) -> String {
    let mut nodes: Vec<Node<'_>> = Vec::new();
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    for index in (0..plan.tasks().len()).filter(|index| survey.is_concerned(*index)) {
        let task = &plan.tasks()[index];
        let id = match each {
            Each::Groups => task.group.as_str(),
            Each::Tasks => task.name.as_str(),
        };
        let at = *ids.entry(id).or_insert_with(|| {
            nodes.push(Node { id, first: &task.name, kind: task.kind, tasks: 0, kept: 0, run: 0 });
            nodes.len() - 1
        });
        let node = &mut nodes[at];
        node.tasks += 1;
        node.kept += usize::from(matches!(survey.state(index), State::Kept(_)));
        node.run += usize::from(matches!(survey.state(index), State::Run(_)));
        places.insert(index, at);
    }
    let mut edges: BTreeMap<(usize, usize), BTreeSet<&str>> = BTreeMap::new();
    for (index, to) in &places {
        for (port, need) in &plan.tasks()[*index].needs {
            for from in need.tasks().filter_map(|producer| places.get(&producer)) {
                edges.entry((*from, *to)).or_default().insert(port);
            }
        }
    }
    let mut lines = vec![
        format!("digraph \"{}\" {{", escaped(&plan.study.name)),
        "  rankdir=LR;".to_owned(),
        "  node [shape=box];".to_owned(),
    ];
    lines.extend(
        nodes.iter().map(|node| {
            format!("  \"{}\" [label=\"{}\", style=\"{}\"];", escaped(node.id), node.label(), node.style())
        }),
    );
    lines.extend(edges.iter().map(|((from, to), ports)| {
        let ports: Vec<String> = ports.iter().map(|port| escaped(port)).collect();
        let (from, to) = (escaped(nodes[*from].id), escaped(nodes[*to].id));
        format!("  \"{from}\" -> \"{to}\" [label=\"{}\"];", ports.join(", "))
    }));
    lines.push("}".to_owned());
    lines.join("\n")
}

/// A name between quotes, shown as it is: a backslash would begin an escape.
fn escaped(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.chars() {
        match c {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            c if c.is_control() => {
                text.push('\\');
                text.extend(c.escape_default());
            }
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_are() {
        assert_eq!(escaped("a[x=1,y=\u{fc}]"), "a[x=1,y=\u{fc}]");
        assert_eq!(escaped(r#"a[says="\N"]"#), r#"a[says=\"\\N\"]"#);
        assert_eq!(escaped("a\nb"), r"a\\nb");
    }

    #[test]
    fn a_label_counts_what_differs() {
        let mut node = Node { id: "train", first: "train[n=1]", kind: "command", tasks: 1, kept: 0, run: 1 };
        assert_eq!((node.label().as_str(), node.style()), (r"train[n=1]\ncommand\nto run", "rounded,bold"));
        (node.tasks, node.kept) = (4, 2);
        assert_eq!(node.label(), r"train\ncommand, 4 cells\n2 kept, 1 to run, 1 cannot run");
        (node.kept, node.run) = (4, 0);
        assert_eq!((node.label().as_str(), node.style()), (r"train\ncommand, 4 cells\n4 kept", "rounded"));
        node.kept = 3;
        assert_eq!(node.style(), "rounded,dashed");
    }
}
