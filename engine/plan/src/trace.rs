//! Traces: where the values of a group's `with:` come from, through which variables.
//!
//! A trace is made once for all cells of a group, in terms of its variables; what an axis has to say depends on the cell, and is looked up by
//! the cell's own value.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use isoflop_contract::{Cell, cell::plain};

use crate::{
    form::Form,
    plan::{Variable, VariableKind},
    points::Axis,
    source::{Origin, Sources},
    study::Study,
    variables::{Meaning, Variables},
};

/// Where the values of a group come from.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    with: Places,
    /// The parameters that are used.
    params: Params,
    bindings: Vec<Bound>,
    axes: Vec<Arc<Axis>>,
    sources: Sources,
}

/// Leaves by dotted path.
type Places = BTreeMap<String, Place>;

/// A leaf.
#[derive(Debug)]
struct Place {
    origin: Origin,
    uses: Vec<Used>,
    /// The path inside the one variable that the leaf is, if it is nothing else.
    alone: Option<String>,
}

/// A variable that a leaf uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Used {
    Param(String),
    Axis(String),
    Binding(usize),
}

/// A let or an argument.
#[derive(Debug)]
struct Bound {
    name: String,
    what: VariableKind,
    origin: Origin,
    places: Places,
}

/// What an axis was made of.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// A parameter, a let or an argument.
    Variable(Variable),
    /// An axis of the same cell.
    Axis(String),
}

impl Trace {
    /// The trace of a group with these variables and this `with:`.
    pub(crate) fn new(
        sources: &Sources,
        study: &Study<'_>,
        variables: &Variables<'_>,
        with: Option<&Form<'_>>,
    ) -> Self {
        let mut params = Params::new();
        let bindings = bound(sources, study, variables, &mut params);
        let level = variables.last();
        let meaning = |name: &str| variables.meaning_at(level, name);
        let with = with.map(|form| places(sources, study, form, meaning, &mut params)).unwrap_or_default();
        Self { with, params, bindings, axes: variables.axes().to_vec(), sources: sources.clone() }
    }

    /// Where each leaf of `with:` is written.
    pub(crate) fn origins(&self) -> BTreeMap<String, Origin> {
        self.with.iter().map(|(path, place)| (path.clone(), place.origin.clone())).collect()
    }

    /// The variables behind the value at a dotted path, in a cell: each followed by those that it was made of.
    pub(crate) fn via(&self, path: &str, cell: &Cell) -> Vec<Variable> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        let mut stack = below(&self.with, path);
        while let Some((used, inside)) = stack.pop() {
            if !seen.insert((used.clone(), inside.clone())) {
                continue;
            }
            match used {
                Used::Param(name) => found.extend(self.params.get(&name).cloned()),
                Used::Axis(name) => self.axis(&name, cell, &mut found),
                Used::Binding(at) => {
                    let Some(bound) = self.bindings.get(at) else { continue };
                    let inside = inside.as_deref().filter(|inside| !inside.is_empty());
                    let origin = inside.and_then(|path| nearest(&bound.places, path)).map(|(place, _)| &place.origin);
                    found.push(Variable {
                        name: bound.name.clone(),
                        what: bound.what.clone(),
                        origin: Some(origin.unwrap_or(&bound.origin).clone()),
                    });
                    stack.extend(below(&bound.places, inside.unwrap_or_default()));
                }
            }
        }
        found
    }

    /// An axis, and what it was made of.
    fn axis(&self, name: &str, cell: &Cell, found: &mut Vec<Variable>) {
        let mut waiting = vec![Step::Axis(name.to_owned())];
        let mut seen = BTreeSet::new();
        while let Some(step) = waiting.pop() {
            match step {
                Step::Variable(variable) => found.push(variable),
                Step::Axis(name) => {
                    let Some(axis) = self.axes.iter().find(|axis| *axis.name == *name) else { continue };
                    if !seen.insert(name.clone()) {
                        continue;
                    }
                    let item = cell.get(&name).and_then(|value| axis.find(&plain(value)));
                    let origin = item.map(|item| self.sources.origin(axis.item(item).place));
                    found.push(Variable { name, what: VariableKind::Axis, origin });
                    waiting.extend(axis.made_of.iter().rev().cloned());
                }
            }
        }
    }
}

/// Parameters by name.
type Params = BTreeMap<String, Variable>;

/// What an axis with these forms is made of: `own` are the axes of its matrix.
pub(crate) fn made_of<'f>(
    sources: &Sources,
    study: &Study<'_>,
    variables: &Variables<'_>,
    forms: impl Iterator<Item = &'f Form<'f>>,
    own: &[&str],
) -> Arc<[Step]> {
    let mut trace = Trace::default();
    trace.bindings = bound(sources, study, variables, &mut trace.params);
    let mut steps = Vec::new();
    for form in forms {
        let level = variables.last();
        let mut names = BTreeSet::new();
        form.names(&mut names);
        let others = names.iter().filter(|name| own.contains(name)).map(|name| Step::Axis((*name).to_owned()));
        steps.extend(others);
        let meaning = |name: &str| if own.contains(&name) { Meaning::Other } else { variables.meaning_at(level, name) };
        trace.with = places(sources, study, form, meaning, &mut trace.params);
        steps.extend(trace.via("", &Cell::default()).into_iter().map(Step::Variable));
        let on = variables.axes_of(level, form);
        steps.extend(on.into_iter().map(|at| Step::Axis(variables.axes()[at].name.to_string())));
    }
    steps.into()
}

fn bound(sources: &Sources, study: &Study<'_>, variables: &Variables<'_>, params: &mut Params) -> Vec<Bound> {
    let mut all = Vec::new();
    for (at, binding) in variables.bindings().iter().enumerate() {
        let meaning = |name: &str| variables.meaning_within(at, name);
        all.push(Bound {
            name: binding.name.to_string(),
            what: if binding.argument { VariableKind::Argument } else { VariableKind::Let },
            origin: sources.origin(binding.span),
            places: places(sources, study, &binding.form, meaning, params),
        });
    }
    all
}

fn places(
    sources: &Sources,
    study: &Study<'_>,
    form: &Form<'_>,
    meaning: impl Fn(&str) -> Meaning,
    params: &mut Params,
) -> Places {
    let mut places = Places::new();
    for leaf in form.leaves() {
        let uses = leaf.names.iter().filter_map(|name| match meaning(name) {
            Meaning::Binding(at) => Some(Used::Binding(at)),
            Meaning::Axis(_) => Some(Used::Axis((*name).to_owned())),
            Meaning::Other if study.params.contains_key(*name) => {
                let unknown = || Variable { name: (*name).to_owned(), what: VariableKind::Param, origin: None };
                let variable = || study.param_origins.get(*name).cloned().unwrap_or_else(unknown);
                params.entry((*name).to_owned()).or_insert_with(variable);
                Some(Used::Param((*name).to_owned()))
            }
            Meaning::Other => None,
        });
        let uses: Vec<Used> = uses.collect();
        let plain = |text: &&str| text.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.');
        let alone = leaf.alone.filter(plain).map(|text| text.split_once('.').map_or("", |(_, rest)| rest).to_owned());
        places.insert(leaf.path, Place { origin: sources.origin(leaf.span), uses, alone });
    }
    places
}

/// The leaf that holds the value at `path`, and the path inside it.
fn nearest<'p, 't>(places: &'p Places, path: &'t str) -> Option<(&'p Place, &'t str)> {
    let mut end = path.len();
    loop {
        if let Some(place) = places.get(&path[..end]) {
            return Some((place, path[end..].trim_start_matches('.')));
        }
        end = if end == 0 { return None } else { path[..end].rfind('.').unwrap_or(0) };
    }
}

/// What the value at `path` uses, last first, with the path inside each where it is nothing else.
fn below(places: &Places, path: &str) -> Vec<(Used, Option<String>)> {
    let mut uses = Vec::new();
    if let Some((place, rest)) = nearest(places, path) {
        let inside = place.alone.as_ref().map(|alone| match (alone.as_str(), rest) {
            ("", rest) => rest.to_owned(),
            (alone, "") => alone.to_owned(),
            (alone, rest) => format!("{alone}.{rest}"),
        });
        uses.extend(place.uses.iter().map(|used| (used.clone(), inside.clone())));
    } else {
        let within = format!("{path}.");
        let inside = places.iter().filter(|(at, _)| path.is_empty() || at.starts_with(&within));
        uses.extend(inside.flat_map(|(_, place)| place.uses.iter().map(|used| (used.clone(), None))));
    }
    uses.reverse();
    uses
}
