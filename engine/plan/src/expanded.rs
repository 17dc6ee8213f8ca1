//! The expanded study: every task of a plan with all that was resolved, for a person to read (YAML) or a program (JSON), and for every value
//! where it comes from.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Demand, Environment, Value};
use serde_json::json;

use crate::{
    account::{Account, of_variable},
    document::{Body, Document},
    plan::{Plan, Task, TaskNeed},
    source::Origin,
    why,
};

/// A plan laid out in full.
#[derive(Debug)]
pub struct Expanded<'p> {
    plan: &'p Plan,
    tasks: BTreeSet<usize>,
    origins: bool,
}

impl<'p> Expanded<'p> {
    /// The tasks of `plan` with these indices; with `origins`, where each value comes from.
    pub fn new(plan: &'p Plan, tasks: BTreeSet<usize>, origins: bool) -> Self {
        Self { plan, tasks, origins }
    }

    /// In the study's order, as a document to be written as YAML.
    pub fn document(&self) -> Document {
        let study = &self.plan.study;
        let mut members =
            vec![("study".to_owned(), Document::scalar(study.name.as_str(), self.note(|| study.file.clone())))];
        if let Some(about) = &study.about {
            members.push(("about".to_owned(), Document::scalar(about.as_str(), None)));
        }
        members.push(("seed".to_owned(), Document::scalar(study.seed, None)));
        if let Some(profile) = &study.profile {
            members.push(("profile".to_owned(), Document::scalar(profile.as_str(), None)));
        }
        if !study.params.is_empty() {
            members.push(("params".to_owned(), self.params()));
        }
        if let Some(environment) = self.shared_environment() {
            members.push(("environment".to_owned(), self.environment(environment)));
        }
        let task = |index: &usize| {
            let task = &self.plan.tasks()[*index];
            (task.name.clone(), self.task(task))
        };
        members.push(("tasks".to_owned(), Document::map(self.tasks.iter().map(task).collect())));
        Document::map(members)
    }

    /// For programs; with origins as objects of the same shape beside what they are of.
    pub fn to_json(&self) -> Value {
        let study = &self.plan.study;
        let tasks: Vec<Value> = self.tasks.iter().map(|index| self.task_json(&self.plan.tasks()[*index])).collect();
        let mut object = json!({
            "version": 1,
            "study": study.name,
            "about": study.about,
            "file": study.file,
            "seed": study.seed,
            "profile": study.profile,
            "params": study.params,
            "environment": self.shared_environment(),
            "tasks": tasks,
        });
        if self.origins {
            let of =
                |name: &String| study.param_origins.get(name).map(of_variable).map_or(Value::Null, |a| a.to_json());
            let params: BTreeMap<&String, Value> = study.params.keys().map(|name| (name, of(name))).collect();
            object["origins"] = json!({"params": params});
        }
        object
    }

    fn note(&self, note: impl FnOnce() -> String) -> Option<String> {
        self.origins.then(note)
    }

    /// Parameters in the order in which they are written, as far as that is known.
    fn params(&self) -> Document {
        let study = &self.plan.study;
        let mut params: Vec<(&String, &Value)> = study.params.iter().collect();
        params.sort_by_key(|(name, _)| study.param_origins.get(*name).and_then(|variable| variable.origin.clone()));
        let member = |(name, value): (&String, &Value)| {
            let said = study.param_origins.get(name).map(|variable| of_variable(variable).long(&study.file));
            (name.clone(), Document::noted(value, "", &|_| said.clone().filter(|_| self.origins)))
        };
        Document::map(params.into_iter().map(member).collect())
    }

    /// The environment of all tasks whose kinds have one to choose, if it is one.
    fn shared_environment(&self) -> Option<&'p Environment> {
        let mut all = self
            .plan
            .tasks()
            .iter()
            .map(|task| &task.recipe.environment)
            .filter(|environment| **environment != Environment::Native);
        let first = all.next()?;
        all.all(|environment| environment == first).then_some(first)
    }

    fn environment(&self, environment: &Environment) -> Document {
        let value = plain(environment);
        let default = match environment {
            Environment::Native => Environment::Native,
            Environment::Torch(_) => Environment::Torch(isoflop_contract::environment::Torch::default()),
        };
        self.against(&value, &plain(&default), "environment")
    }

    /// A value whose members are noted as defaults where they are, and as `written` where not.
    fn against(&self, value: &Value, default: &Value, written: &str) -> Document {
        Document::noted(value, "", &|path| {
            let at = |of: &Value| path.split('.').try_fold(of.clone(), |of, name| of.get(name).cloned());
            let is_default = at(value) == at(default);
            self.note(|| if is_default { "default".to_owned() } else { written.to_owned() })
        })
    }

    fn task(&self, task: &Task) -> Document {
        let file = &self.plan.study.file;
        let here =
            || if task.origin.file == *file { task.origin.to_string() } else { format!("included {}", task.origin) };
        let mut members = vec![
            ("kind".to_owned(), Document::scalar(task.kind, self.note(here))),
            ("revision".to_owned(), Document::scalar(task.revision, self.note(|| "of the kind".to_owned()))),
            (
                "key".to_owned(),
                Document::scalar(task.key.to_string(), self.note(|| "the hash of all below but `on`".to_owned())),
            ),
        ];
        if let Some(seed) = task.recipe.seed {
            let note = self.note(|| "from the study's seed, the task's name and its cell".to_owned());
            members.push(("seed".to_owned(), Document::scalar(seed.get(), note)));
        }
        if !task.needs.is_empty() {
            let need = |(port, need): (&String, &TaskNeed)| (port.clone(), self.need(need, self.note(here).as_ref()));
            members.push(("needs".to_owned(), Document::map(task.needs.iter().map(need).collect())));
        }
        let recipe = plain(&task.recipe);
        if let Some(files) =
            recipe.get("files").filter(|files| files.as_object().is_some_and(|files| !files.is_empty()))
        {
            let note = |_: &str| self.note(|| "the digest of their contents".to_owned());
            members.push(("files".to_owned(), Document::noted(files, "", &note)));
        }
        let account = |path: &str| Account::new(task.provenance(path)).long(file);
        let with = Document::noted(&task.recipe.spec, "", &|path| self.note(|| account(path)));
        members.push(("with".to_owned(), in_order(with, "", task)));
        members.push(("on".to_owned(), self.demand(&task.demand, &here())));
        members.push(("environment".to_owned(), self.environment(&task.recipe.environment)));
        Document::map(members)
    }

    fn demand(&self, demand: &Demand, written: &str) -> Document {
        let (value, default) = (plain(demand), plain(&Demand::default()));
        Document::noted(&value, "", &|path| {
            let in_units = match path {
                "memory" => demand.memory.map(|memory| memory.to_string()),
                "time" => demand.time.map(|time| time.to_string()),
                _ => None,
            };
            let is_default = value.get(path) == default.get(path);
            let origin = self.note(|| if is_default { "default".to_owned() } else { written.to_owned() });
            let parts: Vec<String> = in_units.into_iter().chain(origin).collect();
            (!parts.is_empty()).then(|| parts.join("; "))
        })
    }

    fn need(&self, need: &TaskNeed, note: Option<&String>) -> Document {
        let name = |index: &usize| Document::scalar(self.plan.tasks()[*index].name.as_str(), note.cloned());
        match need {
            TaskNeed::One(index) => name(index),
            TaskNeed::Many(cells) => {
                Document::map(cells.iter().map(|(label, index)| (label.clone(), name(index))).collect())
            }
        }
    }

    fn task_json(&self, task: &Task) -> Value {
        let needs: BTreeMap<&String, Value> =
            task.needs.iter().map(|(port, need)| (port, self.need(need, None).value())).collect();
        let axes: BTreeMap<&str, &Value> = task.cell.iter().collect();
        let mut object = json!({
            "name": task.name,
            "group": task.group,
            "cell": axes,
            "kind": task.kind,
            "revision": task.revision,
            "key": task.key,
            "seed": task.recipe.seed,
            "needs": needs,
            "with": task.recipe.spec,
            "on": task.demand,
            "environment": task.recipe.environment,
            "origin": why::place(&task.origin),
        });
        if let Some(files) = plain(&task.recipe).get("files") {
            object["files"] = files.clone();
        }
        if self.origins {
            let with = replaced(&task.recipe.spec, "", &|path| Account::new(task.provenance(path)).to_json());
            object["origins"] = json!({"with": with});
        }
        object
    }
}

fn plain(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("parts of a sealed plan are plain data")
}

/// A value with each scalar (and empty list or map) replaced by what `of` says of its path.
fn replaced(value: &Value, path: &str, of: &dyn Fn(&str) -> Value) -> Value {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().map(|(index, item)| replaced(item, &below(&index.to_string()), of)).collect()
        }
        Value::Object(members) if !members.is_empty() => {
            let member = |(name, value): (&String, &Value)| (name.clone(), replaced(value, &below(name), of));
            Value::Object(members.iter().map(member).collect())
        }
        _ => of(path),
    }
}

/// Members in the order in which the study has them, and after them those that are defaults.
fn in_order(document: Document, path: &str, task: &Task) -> Document {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    let body = match document.body {
        Body::Map(members) => {
            let mut members: Vec<(Option<&Origin>, String, Document)> = members
                .into_iter()
                .map(|(name, member)| {
                    let at = below(&name);
                    (first(&at, task), name, in_order(member, &at, task))
                })
                .collect();
            members.sort_by_key(|(origin, ..)| (origin.is_none(), origin.map(|origin| (origin.line, origin.column))));
            Body::Map(members.into_iter().map(|(_, name, member)| (name, member)).collect())
        }
        Body::List(items) => {
            let item = |(index, item)| in_order(item, &below(&usize::to_string(&index)), task);
            Body::List(items.into_iter().enumerate().map(item).collect())
        }
        scalar @ Body::Scalar(_) => scalar,
    };
    Document { body, ..document }
}

/// Where the value at `path`, or the first inside it, is written.
fn first<'t>(path: &str, task: &'t Task) -> Option<&'t Origin> {
    let inside = format!("{path}.");
    let within = task
        .origins
        .range(inside.clone()..)
        .take_while(|(other, _)| other.starts_with(&inside))
        .map(|(_, origin)| origin);
    why::nearest(&task.origins, path).into_iter().chain(within).min_by_key(|origin| (origin.line, origin.column))
}
