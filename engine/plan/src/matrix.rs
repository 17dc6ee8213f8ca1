//! The matrix of a task: its own axes, multiplied onto the points that it inherits.
//!
//! Axes and zips are multiplied in the order in which they are written, an axis that uses others after those; then `exclude` and `where` take
//! points away, and `include` adds some. In a cell's name the axes stand as they are written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    axis::{AxisValues, WORDS},
    expand::too_many,
    fields::FieldReader,
    finding::Finding,
    form::{Form, Trial, first_line},
    inner::ROOM,
    points::{Axis, Points},
    product::Product,
    seal::World,
    source::Span,
    study::TaskText,
    trace,
    variables::Variables,
    yaml::{Entry, Kind, Node},
};

/// How many axes a cell may have.
const AXIS_LIMIT: usize = 64;

/// A matrix read.
pub(crate) struct Matrix<'w> {
    /// The names of its axes, as they are written.
    pub(crate) names: Vec<&'w str>,
    /// What is multiplied, in the order in which it is.
    steps: Vec<Step<'w>>,
    exclude: Option<&'w Entry>,
    filter: Option<(Form<'w>, Span)>,
    include: Option<&'w Entry>,
    /// Whether all of it could be read.
    sound: bool,
}

/// One factor of the product.
pub(crate) struct Step<'w> {
    /// One axis, or those of a zip; an axis that only `include` has is without values.
    pub(crate) axes: Vec<(&'w str, Option<AxisValues<'w>>)>,
    pub(crate) span: Span,
    pub(crate) zip: bool,
    /// The axes of the task that its templates use, its own among them.
    pub(crate) uses: BTreeSet<String>,
    pub(crate) made_of: Arc<[trace::Step]>,
}

impl Step<'_> {
    /// Whether its values depend on other axes.
    pub(crate) fn is_derived(&self) -> bool {
        !self.uses.is_empty()
    }
}

impl<'w> Matrix<'w> {
    /// Reads what is written under `matrix`. `None` if it cannot be, which has been said.
    pub(crate) fn read(
        world: &mut World<'w, '_>,
        text: &TaskText<'w>,
        entry: &'w Entry,
        inherited: &Points,
        variables: &Variables<'w>,
    ) -> Option<Self> {
        let before = world.inbox.len();
        let entries = FieldReader { sources: world.sources, inbox: world.inbox }.map(&entry.value, "`matrix`")?;
        let zips = zips(world, entries);
        let word = |word: &str| entries.iter().find(|entry| entry.key == word);
        let (exclude, include) = (word("exclude"), word("include"));
        let mut factors: Vec<(Span, bool, Vec<&'w Entry>)> = Vec::new();
        for entry in entries {
            match entry.key.as_str() {
                "zip" => factors.extend(zips.iter().map(|(span, entries)| (*span, true, entries.iter().collect()))),
                word if WORDS.contains(&word) => {}
                _ => factors.push((entry.key_span, false, vec![entry])),
            }
        }
        let included = if factors.is_empty() {
            include.map_or_else(Vec::new, |entry| first_point(entry, inherited))
        } else {
            Vec::new()
        };
        let keys = factors.iter().flat_map(|(_, _, entries)| entries.iter().copied()).chain(included.iter().copied());
        let keys: Vec<(&'w str, Span)> = keys.map(|entry| (entry.key.as_str(), entry.key_span)).collect();
        let names = axes(world, text, &keys, inherited, variables);
        if names.is_empty() && world.inbox.len() == before {
            let message = format!("the matrix of `{}` has no axes", text.name);
            let finding = Finding::new("empty-matrix", message).at(entry.key_span, "this matrix");
            world.inbox.push(finding.hint("leave `matrix` out, or add an axis"));
        }
        let others = world.names();
        let others: BTreeSet<&str> = others.into_iter().chain(names.iter().copied()).collect();
        let context = world.context(&others);
        let mut steps: Vec<Step<'w>> = Vec::new();
        for (span, zip, entries) in factors {
            let read =
                |entry: &'w Entry| (entry.key.as_str(), AxisValues::read(&context, variables, entry, world.inbox));
            let axes: Vec<_> = entries.into_iter().map(read).collect();
            let forms = axes.iter().filter_map(|(_, values)| values.as_ref()).flat_map(AxisValues::forms);
            let uses = uses(forms, &names, variables);
            steps.push(Step { axes, span, zip, uses, made_of: Arc::default() });
        }
        steps.extend(included.into_iter().map(|entry| Step {
            axes: vec![(entry.key.as_str(), None)],
            span: entry.key_span,
            zip: false,
            uses: BTreeSet::new(),
            made_of: Arc::default(),
        }));
        let filter = word("where")
            .map(|entry| (variables.form(&context, variables.last(), &entry.value, world.inbox), entry.value.span));
        for step in &mut steps {
            // An axis may take its values from a parameter of its own name.
            let own: Vec<&str> = step.axes.iter().map(|(name, _)| *name).collect();
            step.uses.retain(|name| !(own.contains(&name.as_str()) && world.study.params.contains_key(name)));
        }
        let mut steps = ordered(world, steps, &names)?;
        for step in &mut steps {
            let forms = step.axes.iter().filter_map(|(_, values)| values.as_ref()).flat_map(AxisValues::forms);
            let own: Vec<&str> = names.iter().copied().filter(|name| step.uses.contains(*name)).collect();
            step.made_of = trace::made_of(world.sources, world.study, variables, forms, &own);
        }
        let sound = world.inbox.len() == before;
        (!names.is_empty()).then_some(Self { names, steps, exclude, filter, include, sound })
    }

    /// The points that the matrix makes of those that are inherited.
    pub(crate) fn expand(
        &self,
        world: &mut World<'w, '_>,
        text: &TaskText<'w>,
        inherited: &Points,
        variables: &Variables<'w>,
    ) -> Option<Points> {
        let mut trial = Trial::new(world.sources);
        trial.room = 8 * ROOM;
        let base = world.scope.clone();
        let closed = variables.closed_scope(&base, &mut trial);
        world.inbox.extend(std::mem::take(&mut trial.findings));
        let closed = closed?;
        let mut product = Product::new(inherited, variables, &base, closed);
        let rows = if self.steps.iter().all(|step| step.axes.iter().all(|(_, values)| values.is_none())) {
            product.axes.extend(self.steps.iter().map(|step| Axis::new(step.axes[0].0)));
            Some(Vec::new())
        } else {
            let rows = product
                .multiplied(&self.steps, inherited, &mut trial, |span, size| too_many(world.inbox, text, span, size));
            rows.filter(|_| self.sound)
        };
        world.inbox.extend(std::mem::take(&mut trial.findings));
        product.say(world, text);
        let mut rows = rows?;
        let mut sound = true;
        if let Some(entry) = self.exclude {
            sound &= product.exclude(world, text, entry, variables, &mut rows);
        }
        if let Some((filter, span)) = self.filter.as_ref().filter(|_| sound) {
            let kept = product.keep(filter, *span, &rows, &mut trial);
            product.say(world, text);
            rows = kept?;
        }
        if let Some(entry) = self.include {
            sound &= product.include(world, text, entry, &self.steps, inherited, variables, &mut rows);
        }
        if !sound {
            return None;
        }
        if rows.is_empty() && !inherited.is_empty() {
            let (span, word) = match (&self.filter, self.exclude) {
                (Some((_, span)), _) => (*span, "`where`"),
                (None, Some(entry)) => (entry.key_span, "`exclude`"),
                _ => (text.span, "`matrix`"),
            };
            let finding = Finding::new("empty-matrix", format!("{word} leaves `{}` without a cell", text.name));
            world.inbox.push(finding.at(first_line(world.sources, span), "here"));
            return None;
        }
        Some(product.finish(&self.names, inherited.axes().len(), &rows))
    }
}

/// The zips that are written.
fn zips<'w>(world: &mut World<'w, '_>, entries: &'w [Entry]) -> Vec<(Span, &'w [Entry])> {
    let Some(entry) = entries.iter().find(|entry| entry.key == "zip") else { return Vec::new() };
    let mut reader = FieldReader { sources: world.sources, inbox: world.inbox };
    let nodes: Vec<&'w Node> = match &entry.value.kind {
        Kind::List(items) => items.iter().collect(),
        _ => vec![&entry.value],
    };
    let mut zips = Vec::new();
    let mut empty = nodes.is_empty();
    for node in nodes {
        match reader.map(node, "a zip") {
            Some([]) => empty = true,
            Some(entries) => zips.push((entry.key_span, entries)),
            None => {}
        }
    }
    if empty {
        reader.inbox.push(Finding::new("empty-zip", "a zip must have axes").at(entry.key_span, "this zip"));
    }
    zips
}

/// The entries of the first included point that are no inherited axes.
fn first_point<'w>(entry: &'w Entry, inherited: &Points) -> Vec<&'w Entry> {
    let Kind::List(items) = &entry.value.kind else { return Vec::new() };
    match items.first().map(|item| &item.kind) {
        Some(Kind::Map(entries)) => entries.iter().filter(|entry| inherited.position(&entry.key).is_none()).collect(),
        _ => Vec::new(),
    }
}

/// The names of the axes, each good and written once.
fn axes<'w>(
    world: &mut World<'w, '_>,
    text: &TaskText<'_>,
    keys: &[(&'w str, Span)],
    inherited: &Points,
    variables: &Variables<'_>,
) -> Vec<&'w str> {
    let mut first: BTreeMap<&str, Span> = BTreeMap::new();
    let mut names = Vec::new();
    for (name, span) in keys {
        if !(FieldReader { sources: world.sources, inbox: world.inbox }).variable("an axis", name, *span) {
            continue;
        }
        let finding = if inherited.position(name).is_some() {
            let message = format!("`{}` inherits the axis `{name}` already", text.name);
            Some(Finding::new("axis-twice", message).at(*span, "again here").hint("give it another name"))
        } else if variables.is_given(name) {
            let message = format!("the template has an argument `{name}`, which would hide the axis `{name}`");
            Some(Finding::new("axis-twice", message).at(*span, "this axis").hint("give it another name"))
        } else {
            let twice = |first| {
                Finding::new("axis-twice", format!("the matrix has the axis `{name}` twice"))
                    .at(*span, "again here")
                    .at(first, "first here")
            };
            first.insert(name, *span).map(twice)
        };
        match finding {
            Some(finding) => world.inbox.push(finding),
            None => names.push(*name),
        }
        if inherited.axes().len() + names.len() > AXIS_LIMIT {
            let message = format!("a cell may have {AXIS_LIMIT} axes, and those of `{}` have more", text.name);
            world.inbox.push(Finding::new("too-many-axes", message).at(*span, "the limit is passed here"));
            return Vec::new();
        }
    }
    names
}

/// Which axes of the task the templates of a step depend on.
fn uses<'f>(forms: impl Iterator<Item = &'f Form<'f>>, own: &[&str], variables: &Variables<'_>) -> BTreeSet<String> {
    let mut uses = BTreeSet::new();
    for form in forms {
        let mut names = BTreeSet::new();
        form.names(&mut names);
        uses.extend(names.into_iter().filter(|name| own.contains(name)).map(str::to_owned));
        let inherited = variables.axes_of(variables.last(), form);
        uses.extend(inherited.into_iter().map(|at| variables.axes()[at].name.to_string()));
    }
    uses
}

/// Steps in the order in which their values can be known: each after those it uses, otherwise as written.
fn ordered<'w>(world: &mut World<'w, '_>, steps: Vec<Step<'w>>, own: &[&str]) -> Option<Vec<Step<'w>>> {
    let mut waiting = steps;
    let mut done: BTreeSet<String> = BTreeSet::new();
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let ready = |step: &Step<'_>| step.uses.iter().all(|name| done.contains(name) || !own.contains(&name.as_str()));
        let Some(next) = waiting.iter().position(ready) else {
            cycle(world, &waiting);
            return None;
        };
        let step = waiting.remove(next);
        done.extend(step.axes.iter().map(|(name, _)| (*name).to_owned()));
        order.push(step);
    }
    Some(order)
}

/// Says which axes are made of each other: one way round, from the first that is in it.
fn cycle(world: &mut World<'_, '_>, steps: &[Step<'_>]) {
    let holder = |name: &str| steps.iter().position(|step| step.axes.iter().any(|(axis, _)| *axis == name));
    let next = |at: usize| steps[at].uses.iter().find_map(|name| holder(name).map(|next| (name.as_str(), next)));
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut at = 0;
    while let Some((name, used)) = next(at) {
        if let Some(start) = path.iter().position(|(seen, _)| *seen == at) {
            let round = &path[start..];
            let said: Vec<String> =
                round.iter().map(|(step, uses)| format!("`{}` uses `{uses}`", steps[*step].axes[0].0)).collect();
            let message = match round.len() {
                1 => format!("the axis `{}` uses itself", steps[round[0].0].axes[0].0),
                _ => format!("axes are made of each other: {}", said.join(", ")),
            };
            let finding = Finding::new("axis-cycle", message);
            world.inbox.push(
                round.iter().zip(said).fold(finding, |finding, ((step, _), said)| finding.at(steps[*step].span, said)),
            );
            return;
        }
        path.push((at, name));
        at = used;
    }
}
