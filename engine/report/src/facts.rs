//! Everything a report is made of, as plain data: what the ledger and the store knew at one moment. The command line fills it; nothing here
//! reads a clock, a file or a database, so the same facts give the same bytes.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use isoflop_contract::{Cell, Cost, Digest, Key, Value};
use serde::{Deserialize, Serialize};

/// All facts of one report.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The study's head.
    pub study: StudyFacts,
    /// The run that is reported on; none if the study was never run.
    pub run: Option<RunFacts>,
    /// All tasks in the plan's order.
    pub tasks: Vec<TaskFacts>,
    /// Previews by task.
    pub images: BTreeMap<String, Picture>,
    /// Parsed `fit.json` by task.
    pub fits: BTreeMap<String, Value>,
}

/// The study's head.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StudyFacts {
    /// Its name.
    pub name: String,
    /// Its sentence.
    pub about: String,
    /// The file it was read from, as the user wrote it.
    pub file: String,
    /// The profile in force.
    pub profile: Option<String>,
    /// Parameters after defaults, profile and flags.
    pub params: BTreeMap<String, Value>,
    /// The study's seed.
    pub seed: u64,
}

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunFacts {
    /// Its id.
    pub id: String,
    /// When it began, RFC 3339.
    pub started: String,
    /// When it ended, RFC 3339; none while it is under way.
    pub ended: Option<String>,
    /// How long it took.
    pub seconds: Option<f64>,
    /// The engine's version.
    pub engine: String,
    /// The commit of the study's repository.
    pub commit: Option<String>,
    /// Whether that repository had changes that were not committed.
    pub dirty: bool,
    /// The host.
    pub host: String,
    /// Its processor.
    pub cpu: String,
    /// Its operating system.
    pub os: String,
}

/// One task and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskFacts {
    /// Its name, `train[size=s,seed=0]`.
    pub name: String,
    /// Its group, `train`.
    pub group: String,
    /// Its axes.
    #[serde(default)]
    pub cell: Cell,
    /// Its kind.
    pub kind: String,
    /// Its key.
    pub key: Key,
    /// Its seed, where its kind uses one.
    #[serde(default)]
    pub seed: Option<u64>,
    /// What it made.
    #[serde(default)]
    pub digest: Option<Digest>,
    /// How it ended.
    pub state: State,
    /// Why it diverged, failed or was blocked; why it was kept or adopted.
    #[serde(default)]
    pub message: Option<String>,
    /// How long the attempt that made it took.
    #[serde(default)]
    pub seconds: Option<f64>,
    /// The run that made it, if another one did.
    #[serde(default)]
    pub made_in: Option<String>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub made_at: Option<String>,
    /// Where the attempt that made it ran.
    #[serde(default)]
    pub worker: Option<WorkerFacts>,
    /// Final numbers by name.
    #[serde(default)]
    pub scalars: BTreeMap<String, f64>,
    /// The names of the tasks it needs.
    #[serde(default)]
    pub needs: Vec<String>,
    /// What it costs.
    #[serde(default)]
    pub cost: Cost,
    /// Where it is written, `study.yaml:12`.
    #[serde(default)]
    pub origin: String,
    /// Metrics by name, each as (step, value) in order.
    #[serde(default)]
    pub series: BTreeMap<String, Vec<(u64, f64)>>,
    /// What witnesses say of its bits: `verified 2x`, `unverified`, `differs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bits: Option<String>,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// An earlier run had made it.
    Kept,
    /// This run made it.
    Made,
    /// Another recipe had made it from the same bytes.
    Adopted,
    /// It ran and diverged: a result without an artifact.
    Diverged,
    /// It failed.
    Failed,
    /// Something it needs did not end well.
    Blocked,
    /// It has not run.
    Waiting,
}

impl State {
    /// Whether its artifact is there.
    pub fn has_artifact(self) -> bool {
        matches!(self, Self::Kept | Self::Made | Self::Adopted)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Kept => "kept",
            Self::Made => "made",
            Self::Adopted => "adopted",
            Self::Diverged => "diverged",
            Self::Failed => "failed",
            Self::Blocked => "blocked",
            Self::Waiting => "not run",
        })
    }
}

/// Where an attempt ran. Recorded, never hashed.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerFacts {
    /// The host.
    pub host: String,
    /// Its processor.
    pub cpu: String,
    /// libtorch's version; empty for native workers.
    pub libtorch: String,
    /// The instruction-set level the worker was held to.
    pub isa: String,
    /// Threads a task.
    pub threads: Option<u32>,
    /// The number format of activations; empty for native workers.
    pub precision: String,
    /// Whether only deterministic algorithms could be used, where libtorch was.
    pub deterministic: Option<bool>,
    /// The GPU; empty without one.
    pub gpu: String,
}

/// A preview of a task's images.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Picture {
    /// The bytes of `preview.png`.
    pub png: Vec<u8>,
    /// What each image in it was asked to show, in order, where that is known.
    pub captions: Vec<String>,
}

impl Facts {
    /// The groups in the order of their first tasks.
    pub fn groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for task in &self.tasks {
            if !groups.contains(&task.group.as_str()) {
                groups.push(&task.group);
            }
        }
        groups
    }

    /// The tasks of `group`, in order.
    pub fn group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a TaskFacts> {
        self.tasks.iter().filter(move |task| task.group == group)
    }

    /// The tasks by name, for questions about what rests on what.
    pub fn index(&self) -> Index<'_> {
        let by_name = self.tasks.iter().enumerate().map(|(i, task)| (task.name.as_str(), i)).collect();
        Index { facts: self, by_name }
    }
}

/// Facts whose tasks can be found by name quickly.
#[derive(Debug)]
pub struct Index<'a> {
    facts: &'a Facts,
    by_name: BTreeMap<&'a str, usize>,
}

impl<'a> Index<'a> {
    /// The task `name`.
    pub fn task(&self, name: &str) -> Option<&'a TaskFacts> {
        self.place(name).map(|i| &self.facts.tasks[i])
    }

    /// The place of the task `name` in the plan's order.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Everything that the tasks `names` rest on, themselves included, in the plan's order.
    pub fn lineage<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Vec<&'a TaskFacts> {
        let mut seen = BTreeSet::new();
        let mut open: Vec<usize> = names.into_iter().filter_map(|name| self.place(name)).collect();
        while let Some(i) = open.pop() {
            if seen.insert(i) {
                open.extend(self.facts.tasks[i].needs.iter().filter_map(|name| self.place(name)));
            }
        }
        seen.into_iter().map(|i| &self.facts.tasks[i]).collect()
    }
}

impl TaskFacts {
    /// A task of which nothing is known but what it is.
    pub fn new(name: impl Into<String>, group: impl Into<String>, kind: impl Into<String>, key: Key) -> Self {
        Self {
            name: name.into(),
            group: group.into(),
            cell: Cell::default(),
            kind: kind.into(),
            key,
            seed: None,
            digest: None,
            state: State::Waiting,
            message: None,
            seconds: None,
            made_in: None,
            made_at: None,
            worker: None,
            scalars: BTreeMap::new(),
            needs: Vec::new(),
            cost: Cost::default(),
            origin: String::new(),
            series: BTreeMap::new(),
            bits: None,
        }
    }
}
