//! The plan: a study expanded and sealed, every task with its key. Nothing in it changes afterwards.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isoflop_contract::{Catalog, Cell, Cost, Demand, Digest, Key, Outside, Recipe, Runtime, Value, canon};

use crate::{
    files::FileSet,
    finding::{Finding, Findings, Inbox},
    form::first_line,
    include,
    library::Library,
    order, rehearsal, seal,
    source::{Files, Origin, Sources},
    study,
    template::Engine,
    trace::Trace,
    why, yaml,
};

/// What the command line adds to a study.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `-p name=value`, the value as it was typed.
    pub params: BTreeMap<String, String>,
    /// `--profile`.
    pub profile: Option<String>,
}

/// Plans the study at `path` of `files`: its tasks with their keys, or everything that is wrong with it.
pub fn plan(files: &dyn Files, path: &str, catalog: &Catalog, options: &Options) -> Result<Plan, Findings> {
    let mut inbox = Inbox::default();
    let documents = include::load(files, path, &mut inbox);
    let sources = &documents.sources;
    let engine = Engine::new(catalog.functions());
    let Some(study) = study::read(&documents, &engine, options, &mut inbox) else {
        return Err(inbox.close_failed(sources));
    };
    let order = order::order(&study.tasks, &mut inbox);
    let library = Library::of(files, path);
    let tasks = seal::seal(sources, catalog, &library, &engine, &study, &order, &mut inbox);
    rehearsal::rehearse(sources, &study.claims, &study.params, &tasks, &mut inbox);
    inbox.close(sources)?;
    let head = StudyHead {
        name: study.name,
        about: study.about,
        seed: study.seed,
        file: sources.path(0).to_owned(),
        profile: options.profile.clone(),
        params: study.params,
        param_origins: study.param_origins,
    };
    let claims = study.claims.into_iter().map(|(claim, _)| claim).collect();
    Ok(Plan::new(head, claims, tasks))
}

/// Reads plain YAML (a `with:` by itself), without templates.
pub fn read_value(text: &str) -> Result<Value, Findings> {
    let sources = Sources::single("value", text.to_owned());
    let mut inbox = Inbox::default();
    let Some(node) = yaml::read_single(&sources, &mut inbox) else { return Err(inbox.close_failed(&sources)) };
    if let Some(span) = node.template() {
        let finding = Finding::new("template-here", "a template has no meaning here");
        inbox.push(finding.at(first_line(&sources, span), "here"));
    }
    inbox.close(&sources)?;
    Ok(node.plain())
}

/// The sealed DAG of a study's tasks.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What the study says of itself.
    pub study: StudyHead,
    /// Its claims, in the order they were written.
    pub claims: Vec<Claim>,
    tasks: Vec<Task>,
    consumers: Vec<Vec<usize>>,
    names: BTreeMap<String, usize>,
}

/// What a study says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyHead {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: Option<String>,
    /// The seed that all others derive from.
    pub seed: u64,
    /// The file it was read from.
    pub file: String,
    /// The profile it was planned with.
    pub profile: Option<String>,
    /// Its parameters after profile and flags.
    pub params: BTreeMap<String, Value>,
    /// Where each of them comes from.
    pub param_origins: BTreeMap<String, Variable>,
}

/// A sentence of a paper bound to a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its name.
    pub name: String,
    /// The sentence.
    pub says: String,
    /// Where the sentence stands.
    pub source: Option<String>,
    /// The expression that decides it, without braces; see [`Expression`](crate::template::Expression).
    pub check: String,
    /// Where the expression is written.
    pub origin: Origin,
}

/// One task of a plan.
#[derive(Debug, Clone)]
pub struct Task {
    /// Its name, as in `train[variant=td4,seed=0]`.
    pub name: String,
    /// The name of its group, as in `train`.
    pub group: String,
    /// Its axes.
    pub cell: Cell,
    /// Its kind.
    pub kind: &'static str,
    /// Its kind's revision.
    pub revision: u32,
    /// Which worker program runs it.
    pub runtime: Runtime,
    /// The shape of what it makes.
    pub makes: Cow<'static, str>,
    /// Its identity.
    pub recipe: Recipe,
    /// The recipe's canonical text.
    pub recipe_text: String,
    /// The hash of that text.
    pub key: Key,
    /// What it needs, by port.
    pub needs: BTreeMap<String, TaskNeed>,
    /// Files of the study that it reads, by name.
    pub files: BTreeMap<String, Arc<FileSet>>,
    /// What it uses of the machine that its key does not hold.
    pub outside: Outside,
    /// What it asks of the machine.
    pub demand: Demand,
    /// What it costs.
    pub cost: Cost,
    /// Where its group is written.
    pub origin: Origin,
    /// Where each value of `with:` is written, by dotted path (`model.width`, `captions.0`).
    pub origins: Arc<BTreeMap<String, Origin>>,
    /// Through which variables.
    pub(crate) trace: Arc<Trace>,
}

impl Task {
    /// Where the value at a dotted path of `with:` is written: the value itself, the template it came from, or the task if it is a default.
    pub fn origin_of(&self, path: &str) -> &Origin {
        why::nearest(&self.origins, path).unwrap_or(&self.origin)
    }

    /// Where the value at a dotted path of the spec comes from.
    pub fn provenance(&self, path: &str) -> Provenance {
        Provenance { written: why::nearest(&self.origins, path).cloned(), via: self.trace.via(path, &self.cell) }
    }
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Provenance {
    /// Where it is written; `None` if it is the kind's default.
    pub written: Option<Origin>,
    /// The variables its template used, in order, each followed by those that it was made of in turn.
    pub via: Vec<Variable>,
}

/// A variable of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// What it is.
    pub what: VariableKind,
    /// Where its value is written; `None` for a flag.
    pub origin: Option<Origin>,
}

/// What a variable is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableKind {
    /// A parameter at its default.
    Param,
    /// A parameter set by this profile.
    Profile(String),
    /// A parameter set by `-p`.
    Flag,
    /// An axis of the cell.
    Axis,
    /// A `let`.
    Let,
    /// An argument of a template.
    Argument,
}

/// What stands at one port, by index into [`Plan::tasks`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskNeed {
    /// One task.
    One(usize),
    /// A gather: tasks by cell label.
    Many(BTreeMap<String, usize>),
}

impl TaskNeed {
    /// All tasks at the port.
    pub fn tasks(&self) -> impl Iterator<Item = usize> {
        let (one, many) = match self {
            Self::One(task) => (Some(*task), None),
            Self::Many(tasks) => (None, Some(tasks.values().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }
}

impl Plan {
    /// Seals tasks that are in topological order.
    pub(crate) fn new(study: StudyHead, claims: Vec<Claim>, tasks: Vec<Task>) -> Self {
        let mut consumers = vec![Vec::new(); tasks.len()];
        for (index, task) in tasks.iter().enumerate() {
            for producer in producers(task) {
                consumers[producer].push(index);
            }
        }
        let names = tasks.iter().enumerate().map(|(index, task)| (task.name.clone(), index)).collect();
        Self { study, claims, tasks, consumers, names }
    }

    /// All tasks, each after what it needs; otherwise in the order of the study.
    pub fn tasks(&self) -> &[Task] {
        &self.tasks
    }

    /// The task `name`.
    pub fn get(&self, name: &str) -> Option<&Task> {
        self.index_of(name).map(|index| &self.tasks[index])
    }

    /// The index of the task `name`.
    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// What the task at `index` needs, each once, ascending.
    pub fn producers(&self, index: usize) -> impl Iterator<Item = usize> + use<> {
        producers(&self.tasks[index]).into_iter()
    }

    /// What needs the task at `index`, each once, ascending.
    pub fn consumers(&self, index: usize) -> impl Iterator<Item = usize> + '_ {
        self.consumers[index].iter().copied()
    }

    /// Names the study, its tasks and their keys: equal for plans that make the same things under the same names.
    pub fn digest(&self) -> Digest {
        let tasks: BTreeMap<&str, &Key> = self.tasks.iter().map(|task| (task.name.as_str(), &task.key)).collect();
        let text = canon::text(&(self.study.name.as_str(), tasks)).expect("names and keys have a canonical form");
        Digest::of(text)
    }
}

fn producers(task: &Task) -> BTreeSet<usize> {
    task.needs.values().flat_map(TaskNeed::tasks).collect()
}
