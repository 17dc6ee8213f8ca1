//! Expansion: from a task's text to its points.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use isoflop_contract::cell::plain;

use crate::{
    axis,
    fields::FieldReader,
    finding::{Finding, Inbox},
    form::{Form, Reader, Trial},
    inner::Scope,
    matrix::Matrix,
    points::{Axis, Points},
    product::flag,
    seal::World,
    source::Span,
    study::{GatherText, Role, TaskText},
    suggest,
    target::Target,
    variables::{Stage, Variables},
    yaml::{Entry, Kind, Node},
};

/// How many cells all tasks of a study may have together.
pub const CELL_LIMIT: usize = 100_000;

/// The points that a task has from those it is `each` of. `None` if they are not known, which has been said.
pub(crate) fn inherited(world: &mut World<'_, '_>, text: &TaskText<'_>) -> Option<Points> {
    let mut points = Points::one();
    let mut sound = true;
    for (target, span) in &text.each {
        let Some(theirs) = selected(world, target, *span) else {
            sound = false;
            continue;
        };
        if !sound {
            continue;
        }
        let both = match points.join(&theirs, CELL_LIMIT) {
            Ok(both) => both,
            Err(size) => {
                too_many(world.inbox, text, *span, size as u128);
                return None;
            }
        };
        if both.is_empty() && !points.is_empty() && !theirs.is_empty() {
            let message =
                format!("no cell of `{}` has the same values as the others on the axes they share", target.group);
            world.inbox.push(Finding::new("empty-join", message).at(*span, "this task"));
            return None;
        }
        points = both;
    }
    sound.then_some(points)
}

/// The points of the group that a target names, those with its values.
fn selected(world: &mut World<'_, '_>, target: &Target, span: Span) -> Option<Points> {
    let points = world.group(&target.group)?.points.clone()?;
    let names = world.names();
    let scope = world.scope.clone();
    let wanted = wanted(world, target, &points, span, &names, &scope)?;
    let kept = points.filter(|index| {
        let row = points.row(index);
        wanted.iter().all(|(at, number)| points.axes()[*at].same(row[*at]) == *number)
    });
    if kept.is_empty() && !points.is_empty() {
        let message = format!("`{}` has no cell with these values together", target.group);
        world.inbox.push(Finding::new("no-such-cell", message).at(span, "here"));
        return None;
    }
    Some(kept)
}

/// The axes and values of a target by number, where they are known without a cell: templates see `names`, which are in `scope`.
fn wanted(
    world: &mut World<'_, '_>,
    target: &Target,
    points: &Points,
    span: Span,
    names: &BTreeSet<&str>,
    scope: &Scope,
) -> Option<Vec<(usize, u32)>> {
    let before = world.inbox.len();
    known_axes(world, &target.group, points, target.axes.iter().map(|wanted| (wanted.axis.as_str(), span)));
    let mut numbers = Vec::new();
    for text in &target.axes {
        let Some(at) = points.position(&text.axis) else { continue };
        let mut value = text.value.clone();
        if value.contains("{{") {
            let reader = Reader { engine: world.engine, sources: world.sources, names };
            let form = reader.part(text.span, &value, world.inbox);
            let mut trial = Trial::new(world.sources);
            let made = if form.is_sound() { form.evaluate(scope, &mut trial) } else { None };
            world.inbox.extend(trial.findings);
            let Some(made) = made else { continue };
            value = plain(&made);
        }
        match axis::number(&points.axes()[at], &format!("`{}`", target.group), &value, text.span, world.sources) {
            Ok(number) => numbers.push((at, number)),
            Err(finding) => world.inbox.push(*finding),
        }
    }
    (world.inbox.len() == before).then_some(numbers)
}

/// The points of a task: those it inherits, times what its gathers bring, times its matrix.
pub(crate) fn points<'w>(
    world: &mut World<'w, '_>,
    text: &'w TaskText<'_>,
    inherited: &Points,
    variables: &Variables<'w>,
    gathers: &[Gathered<'w>],
) -> Option<Points> {
    let mut points = inherited.clone();
    for gathered in gathers {
        let theirs = world.group(&gathered.text.from.group)?.points.as_ref()?;
        let new = gathered.by.iter().filter(|axis| points.position(axis).is_none());
        let new: Vec<usize> = new.filter_map(|axis| theirs.position(axis)).collect();
        if new.is_empty() {
            continue;
        }
        let brought = theirs.restrict(&new, gathered.cells.iter().copied());
        points = match points.join(&brought, CELL_LIMIT) {
            Ok(points) => points,
            Err(size) => {
                too_many(world.inbox, text, text.span, size as u128);
                return None;
            }
        };
    }
    if let Some(entry) = text.matrix {
        let matrix = Matrix::read(world, text, entry, &points, variables)?;
        points = matrix.expand(world, text, &points, variables)?;
    }
    Some(points)
}

/// Says that there are too many cells.
pub(crate) fn too_many(inbox: &mut Inbox, text: &TaskText<'_>, span: Span, size: u128) {
    let message = format!("with `{}` the study has at least {size} cells; it may have {CELL_LIMIT}", text.name);
    inbox.push(Finding::new("too-many-cells", message).at(span, "the limit is passed here"));
}

/// A gather whose producer is known.
pub(crate) struct Gathered<'w> {
    pub(crate) text: &'w GatherText<'w>,
    /// The axes that tell its groups apart.
    pub(crate) by: Vec<String>,
    /// The producer's cells that pass target and filter.
    pub(crate) cells: Vec<usize>,
}

impl<'w> Gathered<'w> {
    /// Finds the cells that `text` gathers. `None` if they are not known, which has been said.
    pub(crate) fn read(world: &mut World<'w, '_>, text: &'w GatherText<'w>, variables: &Variables<'w>) -> Option<Self> {
        let before = world.inbox.len();
        let points = world.group(&text.from.group)?.points.clone()?;
        let mut trial = Trial::new(world.sources);
        let closed = variables.closed_scope(&world.scope, &mut trial);
        world.inbox.extend(std::mem::take(&mut trial.findings));
        let closed = closed?;
        let names: BTreeSet<&str> = world.names().into_iter().chain(variables.closed()).collect();
        let wanted = wanted(world, &text.from, &points, text.from_span, &names, &closed);
        known_axes(world, &text.from.group, &points, text.by.iter().map(|(axis, span)| (axis.as_str(), *span)));
        let filter = text.filter.map(|node| Filter::read(world, text, node, variables, &points));
        if world.inbox.len() > before {
            return None;
        }
        let (wanted, mut filter) = (wanted?, filter.flatten());
        let mut cells = Vec::new();
        for (index, row) in points.rows().enumerate() {
            if wanted.iter().any(|(at, number)| points.axes()[*at].same(row[*at]) != *number) {
                continue;
            }
            match filter.as_mut().map_or(Some(true), |filter| filter.keeps(&points, row, &mut trial)) {
                Some(true) => cells.push(index),
                Some(false) => {}
                None => break,
            }
        }
        let failed = !trial.findings.is_empty();
        world.inbox.extend(trial.findings);
        if failed {
            return None;
        }
        if cells.is_empty() {
            let message = format!("no cell of `{}` is left to gather", text.from.group);
            world.inbox.push(Finding::new("empty-gather", message).at(text.port_span, "for this port"));
            return None;
        }
        let mut by: Vec<String> = text.by.iter().map(|(axis, _)| axis.clone()).collect();
        let frame = text.by_frame.as_ref().and_then(|frame| world.group(frame)?.points.as_ref());
        by.extend(frame.into_iter().flat_map(Points::names).map(str::to_owned));
        Some(Self { text, by, cells })
    }
}

/// The `where` of a gather: it sees the axes of the cells that are gathered, and those arguments that such a cell decides. Two tasks of one
/// template share the cells of the place that uses it, so its arguments are known in a cell of either.
struct Filter<'v, 'w> {
    form: Form<'w>,
    shared: Vec<Across>,
    stage: Stage<'v, 'w>,
    last: usize,
}

impl<'v, 'w> Filter<'v, 'w> {
    fn read(
        world: &mut World<'w, '_>,
        text: &GatherText<'_>,
        node: &Node,
        variables: &'v Variables<'w>,
        points: &Points,
    ) -> Option<Self> {
        let shared: Vec<Across> = variables.axes().iter().map_while(|axis| Across::of(points.axes(), axis)).collect();
        let (early, late) = variables.known_by(shared.len());
        let mut names: BTreeSet<&str> = world.names().into_iter().chain(early).chain(points.names()).collect();
        names.extend(late.iter().map(|(name, _)| *name));
        let form = Reader { engine: world.engine, sources: world.sources, names: &names }.form(node, world.inbox);
        let mut used = BTreeSet::new();
        form.names(&mut used);
        let hidden = |name: &str| points.position(name).is_some();
        if let Some((name, axis)) = late.iter().find(|(name, _)| used.contains(name) && !hidden(name)) {
            let group = text.from.written();
            let message = format!("`{name}` depends on the axis `{axis}`, which the cells of `{group}` do not have");
            world.inbox.push(Finding::new("late-name", message).at(form.span(), "here"));
            return None;
        }
        let stage = variables.stage(&world.scope, variables.axes().len());
        form.is_sound().then_some(Self { form, shared, stage, last: variables.last() })
    }

    /// Whether a cell of the producer passes. `None` if that cannot be said, which has been complained of.
    fn keeps(&mut self, points: &Points, row: &[u32], trial: &mut Trial<'_>) -> Option<bool> {
        let known: Option<Vec<u32>> = self.shared.iter().map(|across| across.number(row)).collect();
        let Some(known) = known else { return Some(false) }; // the consumer has no such cell
        self.stage.enter(&known, trial)?;
        let mut scope = self.stage.scope(self.last).over();
        for (axis, item) in points.axes().iter().zip(row) {
            scope.push(&axis.name, &axis.item(*item).seen);
        }
        flag(&self.form, &scope, "`where`", self.form.span(), trial)
    }
}

/// Cells that are gathered, by the axes that tell their groups apart.
pub(crate) struct Buckets {
    /// For each of those axes, where the consumer has it and what its values are called there.
    across: Vec<Across>,
    cells: HashMap<Box<[u32]>, Vec<usize>>,
}

/// An axis of a consumer and the numbers of its values in its producer.
pub(crate) struct Across {
    at: usize,
    numbers: Vec<Option<u32>>,
}

impl Across {
    /// The axis `name` of a consumer, seen from its producer.
    pub(crate) fn of(consumer: &[Arc<Axis>], producer: &Axis) -> Option<Self> {
        let at = consumer.iter().position(|axis| axis.name == producer.name)?;
        Some(Self { at, numbers: consumer[at].across(producer) })
    }

    /// The producer's number at a consumer's point.
    pub(crate) fn number(&self, row: &[u32]) -> Option<u32> {
        self.numbers[row[self.at] as usize]
    }

    /// Where the consumer has the axis.
    pub(crate) fn position(&self) -> usize {
        self.at
    }
}

impl Buckets {
    /// Sorts what is gathered for a consumer with these axes.
    pub(crate) fn of(gathered: &Gathered<'_>, producer: &Points, consumer: &[Arc<Axis>]) -> Self {
        let known = gathered.by.iter().filter_map(|axis| {
            let at = producer.position(axis)?;
            Some((at, Across::of(consumer, &producer.axes()[at])?))
        });
        let (positions, across): (Vec<usize>, Vec<Across>) = known.unzip();
        let mut cells: HashMap<Box<[u32]>, Vec<usize>> = HashMap::new();
        for index in &gathered.cells {
            cells.entry(producer.key(*index, &positions)).or_default().push(*index);
        }
        Self { across, cells }
    }

    /// The cells for a consumer's point.
    pub(crate) fn at(&self, row: &[u32]) -> Option<&[usize]> {
        let key: Option<Box<[u32]>> = self.across.iter().map(|across| across.number(row)).collect();
        self.cells.get(&key?).map(Vec::as_slice)
    }
}

/// Whether a group has these axes; those it has not are findings.
pub(crate) fn known_axes<'a>(
    world: &mut World<'_, '_>,
    group: &str,
    points: &Points,
    wanted: impl Iterator<Item = (&'a str, Span)>,
) -> bool {
    let mut sound = true;
    for (axis, span) in wanted {
        if points.position(axis).is_none() {
            let finding = Finding::new("unknown-axis", format!("`{group}` has no axis `{axis}`")).at(span, "here");
            world.inbox.push(finding.maybe_hint(suggest::hint(axis, points.names())));
            sound = false;
        }
    }
    sound
}

/// How many of a task's axes the place that uses a template sees, by level: those of the frame that it became.
pub(crate) fn visible(world: &World<'_, '_>, text: &TaskText<'_>, level: usize) -> usize {
    if level + 1 >= text.levels.len() {
        return usize::MAX;
    }
    let ends = text.name.match_indices('.').map(|(at, _)| at);
    let frame = ends.clone().nth(level).map(|end| &text.name[..end]);
    let group = frame.and_then(|frame| world.group(frame));
    let frame = group.filter(|group| matches!(group.text.role, Role::Frame { .. }));
    frame.and_then(|group| group.points.as_ref()).map_or(usize::MAX, |points| points.axes().len())
}

/// Says what is wrong with a value that must be a map of templates.
pub(crate) fn must_be_map(world: &mut World<'_, '_>, entry: &Entry) -> bool {
    let of = format!("`{}`", entry.key);
    match &entry.value.kind {
        Kind::Map(_) | Kind::Null => true,
        Kind::Text(text) if text.contains("{{") => true,
        _ => {
            FieldReader { sources: world.sources, inbox: world.inbox }.wrong(&entry.value, &of, "a map");
            false
        }
    }
}
