//! Variables: the lets and arguments of a group, level by level, and what they come to in a cell.
//!
//! A level sees the study's parameters, the axes that the place it is written at has, and what the level before gives it by name; then its
//! own lets, each of which sees those before it. Nothing else crosses from one level to the next, so that a template means the same wherever
//! it is used. What a variable comes to is kept for as long as the axes it depends on stay the same.

use std::{
    collections::{BTreeSet, HashMap},
    ops::Range,
    sync::Arc,
};

use crate::{
    finding::Inbox,
    form::{Form, Reader, Trial},
    inner::{Inner, Scope},
    points::Axis,
    source::{Sources, Span},
    study::Level,
    template::Engine,
    yaml::{Entry, Node},
};

/// The variables of a group.
pub(crate) struct Variables<'w> {
    bindings: Vec<Binding<'w>>,
    levels: Vec<Reach>,
    axes: Vec<Arc<Axis>>,
    /// By level, the bindings of each name that it may see, in order.
    index: Vec<HashMap<Arc<str>, Vec<usize>>>,
}

/// A let or an argument.
pub(crate) struct Binding<'w> {
    pub(crate) name: Arc<str>,
    pub(crate) argument: bool,
    /// Where its value is written.
    pub(crate) span: Span,
    pub(crate) form: Form<'w>,
    /// The level that it is written at.
    pub(crate) level: usize,
    /// How many bindings its templates may see, of all there are.
    seen: usize,
    /// The axes that it depends on, by position.
    on: Vec<usize>,
}

/// What one level has.
struct Reach {
    /// The bindings that the level before gives it.
    given: Range<usize>,
    /// Its own.
    own: Range<usize>,
    /// How many of the axes it sees.
    axes: usize,
}

/// What a name in a template stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    /// The binding at this index.
    Binding(usize),
    /// The axis at this position.
    Axis(usize),
    /// A parameter, a function, or nothing.
    Other,
}

/// What reading needs.
pub(crate) struct Context<'r, 'e> {
    pub(crate) engine: &'e Engine,
    pub(crate) sources: &'r Sources,
    /// Functions and parameters.
    pub(crate) names: &'r BTreeSet<&'r str>,
}

impl<'w> Variables<'w> {
    /// Reads all levels but the lets of the last. `axes` are those known so far; of them, each level sees as many as `visible` says.
    pub(crate) fn given(
        context: &Context<'_, 'w>,
        levels: &[Arc<Level<'_>>],
        axes: &[Arc<Axis>],
        visible: impl Fn(usize) -> usize,
        inbox: &mut Inbox,
    ) -> Self {
        let mut all = Self { bindings: Vec::new(), levels: Vec::new(), axes: axes.to_vec(), index: Vec::new() };
        for (at, level) in levels.iter().enumerate() {
            let given = all.levels.last().map_or(0, |last| last.own.end)..all.bindings.len();
            let own = given.end..given.end;
            let mut index: HashMap<Arc<str>, Vec<usize>> = HashMap::new();
            for at in given.clone() {
                index.entry(Arc::clone(&all.bindings[at].name)).or_default().push(at);
            }
            all.index.push(index);
            all.levels.push(Reach { given, own, axes: visible(at) });
            all.own(context, at, &level.defaults, true, inbox);
            if at + 1 < levels.len() {
                all.own(context, at, &level.lets, false, inbox);
                let names = all.visible(context.names, at);
                let names = names.iter().map(|name| &**name).collect();
                for (name, node) in &level.args {
                    all.bind(context, &names, at, (name, node, true), inbox);
                }
            }
        }
        all
    }

    /// Reads the lets of the last level, now that all axes are known.
    pub(crate) fn complete(
        &mut self,
        context: &Context<'_, 'w>,
        level: &Level<'_>,
        axes: &[Arc<Axis>],
        inbox: &mut Inbox,
    ) {
        let at = self.last();
        self.axes = axes.to_vec();
        self.levels[at].axes = axes.len();
        self.own(context, at, &level.lets, false, inbox);
    }

    fn own(&mut self, context: &Context<'_, 'w>, at: usize, entries: &[&Entry], argument: bool, inbox: &mut Inbox) {
        let visible = self.visible(context.names, at);
        let mut names: BTreeSet<&str> = visible.iter().map(|name| &**name).collect();
        for entry in entries {
            self.bind(context, &names, at, (&entry.key, &entry.value, argument), inbox);
            names.insert(&entry.key);
            self.levels[at].own.end = self.bindings.len();
            let newest = self.bindings.len() - 1;
            self.index[at].entry(Arc::clone(&self.bindings[newest].name)).or_default().push(newest);
        }
    }

    fn bind(
        &mut self,
        context: &Context<'_, 'w>,
        names: &BTreeSet<&str>,
        level: usize,
        (name, node, argument): (&str, &Node, bool),
        inbox: &mut Inbox,
    ) {
        let form = Reader { engine: context.engine, sources: context.sources, names }.form(node, inbox);
        let on = self.axes_of(level, &form);
        let seen = self.levels[level].own.end;
        self.bindings.push(Binding { name: name.into(), argument, span: node.span, form, level, seen, on });
    }

    /// The names that templates at `level` may use, by themselves.
    fn visible(&self, others: &BTreeSet<&str>, level: usize) -> Vec<Arc<str>> {
        self.names(others, level).into_iter().map(Arc::from).collect()
    }

    /// The last level.
    pub(crate) fn last(&self) -> usize {
        self.levels.len() - 1
    }

    /// All bindings.
    pub(crate) fn bindings(&self) -> &[Binding<'w>] {
        &self.bindings
    }

    /// The axes that are known.
    pub(crate) fn axes(&self) -> &[Arc<Axis>] {
        &self.axes
    }

    /// Reads a value that is written at `level`.
    pub(crate) fn form(&self, context: &Context<'_, 'w>, level: usize, node: &Node, inbox: &mut Inbox) -> Form<'w> {
        let names = self.names(context.names, level);
        Reader { engine: context.engine, sources: context.sources, names: &names }.form(node, inbox)
    }

    /// The names that templates at `level` may use.
    pub(crate) fn names<'s>(&'s self, others: &BTreeSet<&'s str>, level: usize) -> BTreeSet<&'s str> {
        let reach = &self.levels[level];
        let mut names = others.clone();
        names.extend(self.axes[..reach.axes.min(self.axes.len())].iter().map(|axis| &*axis.name));
        names.extend([&reach.given, &reach.own].into_iter().flat_map(|range| self.range(range)).map(|b| &*b.name));
        names
    }

    fn range(&self, range: &Range<usize>) -> &[Binding<'w>] {
        &self.bindings[range.clone()]
    }

    /// What a name means at `level`, where the first `seen` bindings are known.
    fn meaning(&self, level: usize, seen: usize, name: &str) -> Meaning {
        let reach = &self.levels[level];
        let own = reach.own.start..reach.own.end.min(seen);
        let bindings = [own, reach.given.clone()];
        if let Some(at) = bindings.into_iter().find_map(|mut range| range.rfind(|at| *self.bindings[*at].name == *name))
        {
            return Meaning::Binding(at);
        }
        let axes = &self.axes[..reach.axes.min(self.axes.len())];
        axes.iter().position(|axis| *axis.name == *name).map_or(Meaning::Other, Meaning::Axis)
    }

    /// What a name at `level` means.
    pub(crate) fn meaning_at(&self, level: usize, name: &str) -> Meaning {
        self.meaning(level, self.levels[level].own.end, name)
    }

    /// What a name inside a binding means.
    pub(crate) fn meaning_within(&self, binding: usize, name: &str) -> Meaning {
        let binding = &self.bindings[binding];
        self.meaning(binding.level, binding.seen, name)
    }

    /// The axes that a value at `level` depends on, by position.
    pub(crate) fn axes_of(&self, level: usize, form: &Form<'_>) -> Vec<usize> {
        let (mut names, mut on) = (BTreeSet::new(), BTreeSet::new());
        form.names(&mut names);
        for name in names {
            match self.meaning_at(level, name) {
                Meaning::Binding(at) => on.extend(&self.bindings[at].on),
                Meaning::Axis(at) => drop(on.insert(at)),
                Meaning::Other => {}
            }
        }
        on.into_iter().collect()
    }

    /// Whether the last level is given an argument of this name.
    pub(crate) fn is_given(&self, name: &str) -> bool {
        self.index[self.last()].contains_key(name)
    }

    /// What the last level knows before it has cells of its own.
    fn known(&self) -> impl Iterator<Item = usize> + use<> {
        let reach = &self.levels[self.last()];
        reach.given.clone().chain(reach.own.clone())
    }

    /// The names of those arguments of the last level that depend on no axis but the first `axes`, and of the others with an axis that they
    /// depend on.
    pub(crate) fn known_by(&self, axes: usize) -> (Vec<&str>, Vec<(&str, &str)>) {
        let (mut early, mut late) = (Vec::new(), Vec::new());
        for binding in self.known().map(|at| &self.bindings[at]) {
            match binding.on.iter().find(|at| **at >= axes) {
                None => early.push(&*binding.name),
                Some(at) => late.push((&*binding.name, &*self.axes[*at].name)),
            }
        }
        (early, late)
    }

    /// The names of those arguments of the last level that depend on no axis.
    pub(crate) fn closed(&self) -> Vec<&str> {
        self.known_by(0).0
    }

    /// What the last level sees before any axis is known. `None` if an argument cannot be worked out.
    pub(crate) fn closed_scope(&self, base: &Scope, trial: &mut Trial<'_>) -> Option<Scope> {
        let mut stage = self.stage(base, 0);
        stage.enter(&[], trial)?;
        stage.scopes.pop()
    }

    /// Ready to be evaluated, in cells that have `width` axes.
    pub(crate) fn stage(&self, base: &Scope, width: usize) -> Stage<'_, 'w> {
        let kept = self.bindings.iter().map(|binding| Kept::new(binding.on.clone(), width)).collect();
        Stage { variables: self, scopes: vec![base.clone(); self.levels.len()], kept }
    }
}

/// Variables in a cell.
pub(crate) struct Stage<'v, 'w> {
    variables: &'v Variables<'w>,
    scopes: Vec<Scope>,
    kept: Vec<Kept<Inner>>,
}

impl Stage<'_, '_> {
    /// Works out all variables at a point, as far as they depend on its axes alone. `None` if one of them cannot be: whatever uses it would be blamed for it.
    pub(crate) fn enter(&mut self, row: &[u32], trial: &mut Trial<'_>) -> Option<()> {
        let mut values: Vec<Option<Inner>> = vec![None; self.variables.bindings.len()];
        let mut whole = true;
        for (level, reach) in self.variables.levels.iter().enumerate() {
            self.scopes[level].clear();
            for (axis, item) in self.variables.axes.iter().zip(row).take(reach.axes) {
                self.scopes[level].push(&axis.name, &axis.item(*item).seen);
            }
            for at in reach.given.clone() {
                if let Some(value) = &values[at] {
                    self.scopes[level].push(&self.variables.bindings[at].name, value);
                }
            }
            let next = self.variables.levels.get(level + 1).map_or(reach.own.end, |next| next.given.end);
            for at in (0..next).skip(reach.own.start) {
                let binding = &self.variables.bindings[at];
                if binding.on.last().is_some_and(|axis| *axis >= row.len()) {
                    continue;
                }
                let scope = &self.scopes[level];
                let value = self.kept[at]
                    .get(row, trial, |trial| binding.form.evaluate(scope, trial).map(|value| Inner::of(&value)));
                whole &= value.is_some();
                if at < reach.own.end
                    && let Some(value) = &value
                {
                    self.scopes[level].push(&binding.name, value);
                }
                values[at] = value;
            }
        }
        whole.then_some(())
    }

    /// What templates at `level` see.
    pub(crate) fn scope(&self, level: usize) -> &Scope {
        &self.scopes[level]
    }
}

/// How much of what was worked out may be kept for one value.
const KEPT: usize = 16 << 20;

/// A value of a cell, kept for cells with the same values on the axes that it depends on.
pub(crate) struct Kept<T> {
    on: Vec<usize>,
    /// Whether it depends on all axes, so that keeping it would help no other cell.
    all: bool,
    values: HashMap<Box<[u32]>, T>,
    room: usize,
}

impl<T: Clone> Kept<T> {
    /// Of something that depends on the axes at these positions, of `width`.
    pub(crate) fn new(on: Vec<usize>, width: usize) -> Self {
        Self { all: width > 0 && on.len() >= width, on, values: HashMap::new(), room: KEPT }
    }

    /// The value at a point.
    pub(crate) fn get(
        &mut self,
        row: &[u32],
        trial: &mut Trial<'_>,
        make: impl FnOnce(&mut Trial<'_>) -> Option<T>,
    ) -> Option<T> {
        if self.all {
            return make(trial);
        }
        let key: Box<[u32]> = self.on.iter().map(|at| row[*at]).collect();
        if let Some(value) = self.values.get(&key) {
            return Some(value.clone());
        }
        let before = trial.room;
        let value = make(trial)?;
        let cost = (before - trial.room) + 200;
        if let Some(room) = self.room.checked_sub(cost) {
            self.room = room;
            self.values.insert(key, value.clone());
        }
        Some(value)
    }
}
