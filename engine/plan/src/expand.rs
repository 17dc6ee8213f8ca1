//! Expansion: from a task's text to its cells.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Cell, Value};

use crate::{
    fields::FieldReader,
    finding::{Finding, Inbox},
    form::{Form, Reader, first_line},
    reference::plain,
    seal::{Group, World},
    source::Span,
    study::{GatherText, TaskText},
    suggest,
    template::Scope,
    yaml::{Entry, Kind, what},
};

/// How many cells all tasks of a study may have together.
pub const CELL_LIMIT: usize = 100_000;

/// The cells of a task. `None` if they are not known, which has been said.
pub(crate) fn cells(world: &mut World<'_, '_>, text: &TaskText<'_>, gathers: &[Gathered<'_>]) -> Option<Vec<Cell>> {
    let mut cells = match &text.each {
        None => vec![Cell::default()],
        Some((name, _)) => world.group(name)?.cells.clone()?,
    };
    let mut taken: BTreeSet<String> =
        cells.first().into_iter().flat_map(Cell::iter).map(|(axis, _)| axis.to_owned()).collect();
    for gathered in gathers {
        let new: Vec<&str> = gathered.by.iter().map(String::as_str).filter(|axis| !taken.contains(*axis)).collect();
        if new.is_empty() {
            continue;
        }
        let points = gathered.points(world, &new)?;
        taken.extend(new.into_iter().map(str::to_owned));
        cells = product(world, text, text.span, &cells, &points)?;
    }
    let mut sound = true;
    let axes: Vec<Option<Vec<Cell>>> = text
        .matrix
        .iter()
        .map(|entry| {
            if taken.contains(&entry.key) {
                let message = format!("`{}` inherits the axis `{}` already", text.name, entry.key);
                world.inbox.push(
                    Finding::new("axis-twice", message).at(entry.key_span, "again here").hint("give it another name"),
                );
                return None;
            }
            let values = axis(world, entry)?;
            Some(values.into_iter().map(|value| Cell::new([(entry.key.clone(), value)])).collect())
        })
        .collect();
    for (entry, axis) in text.matrix.iter().zip(axes) {
        match axis {
            Some(points) if sound => match product(world, text, entry.key_span, &cells, &points) {
                Some(more) => cells = more,
                None => sound = false,
            },
            Some(_) => {}
            None => sound = false,
        }
    }
    if !sound {
        return None;
    }
    world.cells = world.cells.saturating_add(cells.len());
    if world.cells > CELL_LIMIT {
        too_many(world.inbox, text, text.span, world.cells as u128);
        return None;
    }
    Some(cells)
}

/// Every cell with every point.
fn product(
    world: &mut World<'_, '_>,
    text: &TaskText<'_>,
    span: Span,
    cells: &[Cell],
    points: &[Cell],
) -> Option<Vec<Cell>> {
    let size = cells.len() as u128 * points.len() as u128;
    if size > CELL_LIMIT as u128 {
        too_many(world.inbox, text, span, size);
        return None;
    }
    let join = |cell: &Cell, point: &Cell| {
        Cell::new(cell.iter().chain(point.iter()).map(|(axis, value)| (axis.to_owned(), value.clone())))
    };
    Some(cells.iter().flat_map(|cell| points.iter().map(move |point| join(cell, point))).collect())
}

fn too_many(inbox: &mut Inbox, text: &TaskText<'_>, span: Span, size: u128) {
    let message = format!("with `{}` the study has at least {size} cells; it may have {CELL_LIMIT}", text.name);
    inbox.push(Finding::new("too-many-cells", message).at(span, "the limit is passed here"));
}

/// The values of one axis.
fn axis(world: &mut World<'_, '_>, entry: &Entry) -> Option<Vec<Value>> {
    let of = format!("the axis `{}`", entry.key);
    if let Kind::Map(map) = &entry.value.kind {
        let key = map.first().map_or("", |entry| entry.key.as_str());
        let finding = if matches!(key, "linspace" | "geomspace") {
            Finding::new("not-yet", format!("an axis written as `{key}` is reserved and not yet supported"))
                .hint(format!("write \"{{{{ {key}(first, last, n) }}}}\""))
        } else {
            Finding::new("wrong-type", format!("{of} must be a list, and is a map"))
        };
        world.inbox.push(finding.at(entry.key_span, "this axis"));
        return None;
    }
    let names = world.names();
    let reader = Reader { engine: world.engine, sources: world.sources, names: &names };
    let form = reader.form(&entry.value, world.inbox);
    if !form.is_sound() {
        return None;
    }
    let mut findings = Vec::new();
    let value = form.evaluate(&world.scope, world.sources, &mut findings);
    world.inbox.extend(findings);
    let place = first_line(world.sources, entry.value.span);
    let Value::Array(values) = value? else {
        let found = what(&form.evaluate(&world.scope, world.sources, &mut Vec::new())?);
        let finding = Finding::new("wrong-type", format!("{of} must be a list, and is {found}")).at(place, "here");
        world.inbox.push(finding.hint("write its values in brackets, as in [0, 1, 2]"));
        return None;
    };
    if values.is_empty() {
        let finding = Finding::new("empty-matrix", format!("{of} has no values, so the task has no cells"));
        world.inbox.push(finding.at(place, "this list is empty"));
        return None;
    }
    let mut seen = BTreeMap::new();
    let mut sound = true;
    for (index, value) in values.iter().enumerate() {
        let place = form.place(&[isoflop_contract::catalog::Segment::Index(index)], world.sources).unwrap_or(place);
        if let Some(message) = complaint(value) {
            world.inbox.push(Finding::new("bad-axis-value", format!("{of}: {message}")).at(place, "this value"));
            sound = false;
        } else if let Some(first) = seen.insert(plain(value), place) {
            let message = format!("{of} has the value `{}` twice", plain(value));
            world.inbox.push(Finding::new("axis-value-twice", message).at(place, "again here").at(first, "first here"));
            sound = false;
        }
    }
    sound.then_some(values)
}

/// Why a value cannot be in a cell's name.
fn complaint(value: &Value) -> Option<String> {
    match value {
        Value::Number(_) | Value::Bool(_) => None,
        Value::String(text) if text.trim().is_empty() => Some("a value may not be empty".to_owned()),
        Value::String(text) if text.trim() != text => Some(format!("the value `{text}` begins or ends in a space")),
        Value::String(text) => text.chars().find(|c| ",=[]*".contains(*c) || c.is_control()).map(|c| {
            format!("the value `{}` holds {}, which the names of tasks have no room for", text.escape_debug(), shown(c))
        }),
        other => Some(format!("a value must be a text, a number or a flag, and is {}", what(other))),
    }
}

fn shown(c: char) -> String {
    if c.is_control() { "a control character".to_owned() } else { format!("`{c}`") }
}

/// A gather whose producer is known.
pub(crate) struct Gathered<'n> {
    pub(crate) text: &'n GatherText<'n>,
    pub(crate) by: Vec<String>,
    /// The producer's cells that pass reference and filter.
    pub(crate) cells: Vec<usize>,
}

impl<'n> Gathered<'n> {
    /// Finds the cells that `text` gathers. `None` if they are not known, which has been said.
    pub(crate) fn read(world: &mut World<'_, '_>, text: &'n GatherText<'n>) -> Option<Self> {
        let group = world.index(&text.from.group)?;
        let axes = world.groups[group].as_ref()?.axes()?;
        let mut sound = known_axes(
            world,
            &text.from.group,
            &axes,
            text.from.axes.iter().map(|(axis, _)| (axis.as_str(), text.from_span)),
        );
        sound &= known_axes(world, &text.from.group, &axes, text.by.iter().map(|(axis, span)| (axis.as_str(), *span)));
        let mut names = world.names();
        names.extend(axes.iter().map(String::as_str));
        let reader = Reader { engine: world.engine, sources: world.sources, names: &names };
        let filter = text.filter.map(|node| reader.form(node, world.inbox));
        sound &= filter.as_ref().is_none_or(Form::is_sound);
        if !sound {
            return None;
        }
        let cells = world.groups[group].as_ref()?.cells.clone()?;
        let mut kept = Vec::new();
        for (index, cell) in cells.iter().enumerate() {
            if text.from.holds(cell) && passes(world, filter.as_ref(), cell)? {
                kept.push(index);
            }
        }
        if kept.is_empty() {
            let message = format!("no cell of `{}` is left to gather", text.from.group);
            world.inbox.push(Finding::new("empty-gather", message).at(text.port_span, "for this port"));
            return None;
        }
        Some(Self { text, by: text.by.iter().map(|(axis, _)| axis.clone()).collect(), cells: kept })
    }

    /// The combinations of these axes that the gathered cells have.
    fn points(&self, world: &World<'_, '_>, axes: &[&str]) -> Option<Vec<Cell>> {
        let cells = world.group(&self.text.from.group)?.cells.as_ref()?;
        let mut seen = BTreeSet::new();
        let point = |index: &usize| restrict(&cells[*index], axes);
        Some(self.cells.iter().map(point).filter(|point| seen.insert(point.label())).collect())
    }

    /// The gathered cells by the label of their `by` axes.
    pub(crate) fn by_label(&self, group: &Group<'_, '_>) -> BTreeMap<String, Vec<usize>> {
        let axes: Vec<&str> = self.by.iter().map(String::as_str).collect();
        let mut buckets: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for index in &self.cells {
            let cell = group.cells.as_ref().map(|cells| restrict(&cells[*index], &axes)).unwrap_or_default();
            buckets.entry(cell.label()).or_default().push(*index);
        }
        buckets
    }

    /// The label of a consumer's cell among [`Gathered::by_label`].
    pub(crate) fn label(&self, cell: &Cell) -> String {
        let axes: Vec<&str> = self.by.iter().map(String::as_str).collect();
        restrict(cell, &axes).label()
    }
}

/// The cell with these of its axes.
fn restrict(cell: &Cell, axes: &[&str]) -> Cell {
    Cell::new(cell.iter().filter(|(axis, _)| axes.contains(axis)).map(|(axis, value)| (axis.to_owned(), value.clone())))
}

fn passes(world: &mut World<'_, '_>, filter: Option<&Form<'_>>, cell: &Cell) -> Option<bool> {
    let Some(filter) = filter else { return Some(true) };
    let mut findings = Vec::new();
    let scope = in_cell(&world.scope, cell);
    let value = filter.evaluate(&scope, world.sources, &mut findings);
    world.inbox.extend(findings);
    match value? {
        Value::Bool(flag) => Some(flag),
        other => {
            let message = format!("`where` must be true or false, and is {}", what(&other));
            let place = first_line(world.sources, filter.span());
            world.inbox.push(Finding::new("wrong-type", message).at(place, "here"));
            None
        }
    }
}

/// The variables of a cell: axes hide parameters.
pub(crate) fn in_cell(scope: &Scope, cell: &Cell) -> Scope {
    let mut scope = scope.clone();
    for (axis, value) in cell.iter() {
        scope.set(axis, value);
    }
    scope
}

/// Whether a group has these axes; those it has not are findings.
pub(crate) fn known_axes<'a>(
    world: &mut World<'_, '_>,
    group: &str,
    axes: &[String],
    wanted: impl Iterator<Item = (&'a str, Span)>,
) -> bool {
    let mut sound = true;
    for (axis, span) in wanted {
        if !axes.iter().any(|name| name == axis) {
            let finding = Finding::new("unknown-axis", format!("`{group}` has no axis `{axis}`")).at(span, "here");
            world.inbox.push(finding.maybe_hint(suggest::hint(axis, axes.iter().map(String::as_str))));
            sound = false;
        }
    }
    sound
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
