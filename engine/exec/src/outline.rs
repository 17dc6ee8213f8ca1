//! The outline: as much of a plan and its survey as the dispatcher needs. Plain numbers, so that any graph can be tried in a test.

use std::collections::BTreeMap;

use isoflop_plan::{Plan, TaskNeed, Why};

use crate::{
    pool::Want,
    survey::{State, Survey},
};

/// What is to be dispatched; task `i` of the outline is task `i` of the plan, and needs only tasks before it.
#[derive(Debug, Clone, Default)]
pub struct Outline {
    /// One node for each task.
    pub nodes: Vec<Node>,
}

/// One task.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it needs, one entry a port.
    pub needs: Vec<Need>,
    /// What it occupies while it runs.
    pub want: Want,
    /// How often it is tried again after a failure that another try may cure; otherwise the policy says.
    pub retries: Option<u32>,
    /// How long it is, in whatever unit all tasks share.
    pub length: f64,
    /// Tasks of one number have one key: only one of them may be under way at a time.
    pub key: usize,
    /// How it stands at the beginning.
    pub begin: Begin,
}

/// What stands at one port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// One task, which must make something.
    One(usize),
    /// A gather: those that make something are enough, if there are any.
    Many(Vec<usize>),
}

/// How a task stands at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// It must run; with `again`, although a result stands.
    Run {
        /// Whether a standing result is not enough.
        again: bool,
    },
    /// A result stands that was made from other bits than what it needs has now: it must run, unless these were seen before.
    Outdated,
    /// A result stands: an artifact.
    Made,
    /// A result stands: it diverged.
    Diverged,
    /// What it needs diverged, in this task.
    Blocked(usize),
    /// Nothing that was asked for rests on it.
    Unneeded,
}

impl Need {
    /// All tasks at the port.
    pub fn tasks(&self) -> &[usize] {
        match self {
            Self::One(task) => std::slice::from_ref(task),
            Self::Many(tasks) => tasks,
        }
    }
}

impl Outline {
    /// The outline of a surveyed plan.
    pub fn of(plan: &Plan, survey: &Survey) -> Self {
        let mut keys = BTreeMap::new();
        let nodes = plan.tasks().iter().zip(survey.states()).enumerate().map(|(index, (task, state))| Node {
            needs: task
                .needs
                .values()
                .map(|need| match need {
                    TaskNeed::One(producer) => Need::One(*producer),
                    TaskNeed::Many(cells) => Need::Many(cells.values().copied().collect()),
                })
                .collect(),
            want: Want::of(&task.demand),
            retries: task.demand.retries,
            length: task.cost.flops,
            key: *keys.entry(task.key).or_insert(index),
            begin: match state {
                State::Kept(past) if past.digest().is_some() => Begin::Made,
                State::Kept(_) => Begin::Diverged,
                State::Run(whys) if whys.iter().all(|why| matches!(why, Why::Inputs { .. })) => Begin::Outdated,
                State::Run(whys) => Begin::Run { again: whys.iter().any(|why| *why != Why::New) },
                State::Blocked(root) => Begin::Blocked(*root),
                State::Unneeded => Begin::Unneeded,
            },
        });
        Self { nodes: nodes.collect() }
    }

    /// Each task's place in line: by the length of the longest path from its beginning to the end of the run, then in the plan's order.
    pub fn ranks(&self) -> Vec<usize> {
        let mut paths: Vec<f64> = self.nodes.iter().map(|node| node.length.max(0.0)).collect();
        let mut longest_after = vec![0.0_f64; paths.len()];
        for index in (0..paths.len()).rev() {
            paths[index] += longest_after[index];
            let runs = matches!(self.nodes[index].begin, Begin::Run { .. } | Begin::Outdated);
            for producer in self.nodes[index].needs.iter().flat_map(Need::tasks).filter(|_| runs) {
                longest_after[*producer] = longest_after[*producer].max(paths[index]);
            }
        }
        let mut order: Vec<usize> = (0..paths.len()).collect();
        order.sort_by(|a, b| paths[*b].total_cmp(&paths[*a]).then(a.cmp(b)));
        let mut ranks = vec![0; order.len()];
        for (rank, task) in order.into_iter().enumerate() {
            ranks[task] = rank;
        }
        ranks
    }
}
