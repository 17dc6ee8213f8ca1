//! Places: where tasks are written, which is the study itself or one use of a template, and what is known there before any cell.
//!
//! A template sees the study's parameters and its arguments, and nothing else of the place that uses it. The name of a task means a task
//! of the same place; the name of a task in an argument means a task of the place that gives the argument.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    sync::Arc,
};

use isoflop_contract::Value;

use crate::{
    braces::{self, Part},
    finding::{Finding, Inbox, Through},
    form::{Reader, Trial},
    inner::{Inner, Scope},
    source::Sources,
    study::{Level, OnText},
    template::Engine,
    yaml::{Entry, Kind, Node},
};

/// What is the same in all places.
pub(crate) struct Ground<'p> {
    pub(crate) engine: &'p Engine,
    pub(crate) sources: &'p Sources,
    pub(crate) params: &'p BTreeMap<String, Value>,
    scope: Scope,
}

/// The study itself, or one use of a template.
#[derive(Default)]
pub(crate) struct Place<'n> {
    /// What the full names of its tasks begin with: nothing, or `eval.`.
    pub(crate) home: String,
    /// The full names of the frames that it is in, outermost first.
    pub(crate) frames: Vec<String>,
    pub(crate) through: Through,
    /// The variables of those frames.
    pub(crate) levels: Vec<Arc<Level<'n>>>,
    /// Arguments that are left at their defaults.
    pub(crate) defaults: Vec<&'n Entry>,
    /// What those frames ask of the machine.
    pub(crate) on: Vec<OnText<'n>>,
    pub(crate) args: BTreeMap<&'n str, Given<'n>>,
    /// The place that uses the template.
    pub(crate) outer: Option<Rc<Place<'n>>>,
    /// Arguments that have been evaluated: `None` for what is known in each cell only.
    pub(crate) values: RefCell<BTreeMap<&'n str, Option<Value>>>,
}

/// An argument of a template.
#[derive(Clone, Copy)]
pub(crate) struct Given<'n> {
    pub(crate) node: &'n Node,
    /// For a default, which one; it sees the arguments given and the defaults before it.
    pub(crate) default: Option<usize>,
}

impl<'p> Ground<'p> {
    pub(crate) fn new(engine: &'p Engine, sources: &'p Sources, params: &'p BTreeMap<String, Value>) -> Self {
        Self { engine, sources, params, scope: Scope::new(params) }
    }
}

impl<'n> Place<'n> {
    /// Evaluates what must be known before any cell. What is wrong goes to the inbox.
    pub(crate) fn evaluate(&self, ground: &Ground<'_>, node: &Node, inbox: &mut Inbox) -> Option<Value> {
        self.evaluated(ground, node, usize::MAX, inbox)
    }

    /// The same as seen from the default at `before`.
    fn evaluated(&self, ground: &Ground<'_>, node: &Node, before: usize, inbox: &mut Inbox) -> Option<Value> {
        if node.template().is_none() {
            return Some(node.plain());
        }
        let mut scope = ground.scope.clone();
        let mut names: BTreeSet<&str> =
            ground.engine.functions().chain(ground.params.keys().map(String::as_str)).collect();
        let used = used(ground, node);
        let mut late = BTreeMap::new();
        for (name, given) in &self.args {
            if !used.contains(*name) {
                continue;
            }
            let seen = given.default.is_none_or(|at| at < before);
            if let Some(value) = self.value(ground, name).filter(|_| seen) {
                scope.push(&Arc::from(*name), &Inner::of(&value));
                names.insert(name);
            } else {
                names.remove(name);
                late.insert(format!("`{name}` is not defined here"), *name);
            }
        }
        let mut found = Inbox::default();
        let form = Reader { engine: ground.engine, sources: ground.sources, names: &names }.form(node, &mut found);
        let mut trial = Trial::new(ground.sources);
        let value = if form.is_sound() { form.evaluate(&scope, &mut trial) } else { None };
        let found = found.take().into_iter().chain(trial.findings);
        inbox.extend(found.map(|finding| early(finding, &late)).collect());
        value
    }

    /// The value of an argument, if it is known before any cell.
    fn value(&self, ground: &Ground<'_>, name: &'n str) -> Option<Value> {
        if let Some(value) = self.values.borrow().get(name) {
            return value.clone();
        }
        let given = self.args.get(name)?;
        let mut unsaid = Inbox::default(); // what is wrong is said where the argument is used for cells
        let value = match (given.default, &self.outer) {
            (Some(at), _) => {
                // In order, so that none has to wait for a long row of others.
                let mut before: Vec<_> =
                    self.args.iter().filter_map(|(name, given)| Some((given.default?, *name))).collect();
                before.retain(|(other, name)| *other < at && !self.values.borrow().contains_key(name));
                before.sort_unstable();
                for (_, name) in before {
                    self.value(ground, name);
                }
                self.evaluated(ground, given.node, at, &mut unsaid)
            }
            (None, Some(outer)) => outer.evaluate(ground, given.node, &mut unsaid),
            (None, None) => None,
        };
        self.values.borrow_mut().insert(name, value.clone());
        value
    }

    /// The home of the task `group`, which a template that uses `names` came to: that of the place that gives the argument it is part of,
    /// or this one's.
    pub(crate) fn home_of(&self, ground: &Ground<'_>, names: &BTreeSet<String>, group: &str) -> String {
        self.home_before(ground, names, group, usize::MAX).unwrap_or_else(|| self.home.clone())
    }

    fn home_before(&self, ground: &Ground<'_>, names: &BTreeSet<String>, group: &str, before: usize) -> Option<String> {
        for (name, given) in &self.args {
            let seen = names.contains(*name) && given.default.is_none_or(|at| at < before);
            if !seen || !self.value(ground, name).is_some_and(|value| mentions(&value, group)) {
                continue;
            }
            let inner = used(ground, given.node);
            return match (given.default, &self.outer) {
                (None, Some(outer)) => Some(outer.home_of(ground, &inner, group)),
                (default, _) => self.home_before(ground, &inner, group, default.unwrap_or(0)),
            };
        }
        None
    }
}

/// Whether a value holds the name of the task `group`, or of a frame that it is in.
fn mentions(value: &Value, group: &str) -> bool {
    match value {
        Value::String(text) => {
            let name = text.split('[').next().unwrap_or("").trim();
            group.strip_prefix(name).is_some_and(|rest| !name.is_empty() && (rest.is_empty() || rest.starts_with('.')))
        }
        Value::Array(items) => items.iter().any(|item| mentions(item, group)),
        Value::Object(members) => members.values().any(|member| mentions(member, group)),
        _ => false,
    }
}

/// The names that the templates in a node use.
pub(crate) fn used(ground: &Ground<'_>, node: &Node) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(ground, node, &mut names);
    names
}

fn collect(ground: &Ground<'_>, node: &Node, into: &mut BTreeSet<String>) {
    match &node.kind {
        Kind::Text(text) if text.contains("{{") => {
            for part in braces::parts(text).unwrap_or_default() {
                if let Part::Expression(expression) = part
                    && let Ok(compiled) = ground.engine.compile(expression)
                {
                    into.extend(compiled.names().iter().cloned());
                }
            }
        }
        Kind::List(items) => items.iter().for_each(|item| collect(ground, item, into)),
        Kind::Map(entries) => entries.iter().for_each(|entry| collect(ground, &entry.value, into)),
        _ => {}
    }
}

/// A finding about something that must be known before any cell, where these arguments are not.
fn early(mut finding: Finding, late: &BTreeMap<String, &str>) -> Finding {
    if finding.code != "undefined-name" {
        return finding;
    }
    if let Some(name) = late.get(&finding.message) {
        finding.message = format!("the argument `{name}` is known in each cell only");
    } else if finding.hint.as_ref().is_some_and(|hint| hint.starts_with("did you mean")) {
        return finding;
    }
    finding.hint("tasks are named before any cell is known: by parameters and arguments, not by axes and lets")
}
