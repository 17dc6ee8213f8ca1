//! Products: the rows of a matrix under way, while it is multiplied onto what a task inherits.

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use isoflop_contract::{Value, cell::plain};

use crate::{
    expand::CELL_LIMIT,
    finding::Finding,
    form::{Form, Trial, Written, first_line},
    inner::Scope,
    matrix::Step,
    points::{Axis, Points},
    seal::World,
    source::Span,
    study::TaskText,
    variables::{Kept, Stage, Variables},
    yaml::what,
};

/// Rows of numbers under way.
pub(crate) type Rows = Vec<Vec<u32>>;

/// Axes and rows under way: the inherited axes, then those of the steps so far.
pub(crate) struct Product<'v, 'w> {
    pub(crate) axes: Vec<Axis>,
    shared: Vec<Arc<Axis>>,
    stage: Stage<'v, 'w>,
    last: usize,
    /// What templates see before any axis is known.
    closed: Scope,
    /// What is wrong at a point, with the point and how many there are.
    said: Vec<(String, usize, Finding)>,
}

impl<'v, 'w> Product<'v, 'w> {
    /// What is inherited, before the first step; templates that use no axis see `closed`.
    pub(crate) fn new(inherited: &Points, variables: &'v Variables<'w>, base: &Scope, closed: Scope) -> Self {
        Self {
            axes: inherited.axes().iter().map(|axis| (**axis).clone()).collect(),
            shared: inherited.axes().to_vec(),
            stage: variables.stage(base, inherited.axes().len()),
            last: variables.last(),
            closed,
            said: Vec::new(),
        }
    }

    /// Every inherited point with the values of every step. `None` if they are not known.
    pub(crate) fn multiplied(
        &mut self,
        steps: &[Step<'w>],
        inherited: &Points,
        trial: &mut Trial<'_>,
        mut too_many: impl FnMut(Span, u128),
    ) -> Option<Rows> {
        let mut rows: Rows = inherited.rows().map(<[u32]>::to_vec).collect();
        let mut sound = true;
        for step in steps {
            match self.multiply(step, sound.then_some(&rows), trial) {
                Ok(Some(more)) if sound => rows = more,
                Ok(Some(_)) => {}
                Ok(None) => sound = false,
                Err(size) => {
                    too_many(step.span, size);
                    return None;
                }
            }
        }
        sound.then_some(rows)
    }

    /// Every row with every value of a step, if there are rows yet. `None` if the values are not known; an error says how many rows there
    /// would be.
    fn multiply(&mut self, step: &Step<'w>, rows: Option<&Rows>, trial: &mut Trial<'_>) -> Result<Option<Rows>, u128> {
        let width = self.axes.len();
        self.axes.extend(step.axes.iter().map(|(name, _)| Axis::made(name, &step.made_of)));
        if step.axes.iter().any(|(_, values)| values.is_none()) || step.uses.iter().any(|name| self.is_bare(name)) {
            return Ok(None);
        }
        if !step.is_derived() {
            let closed = self.closed.clone();
            let Some((points, rows)) = self.step(step, width, &closed, trial).zip(rows) else { return Ok(None) };
            let size = rows.len() as u128 * points.len() as u128;
            if size > CELL_LIMIT as u128 {
                return Err(size);
            }
            let joined = rows.iter().flat_map(|row| points.iter().map(move |point| [row.as_slice(), point].concat()));
            return Ok(Some(joined.collect()));
        }
        let Some(rows) = rows else { return Ok(None) };
        let mut more = Rows::new();
        let on = self.axes[..width].iter().enumerate().filter(|(_, axis)| step.uses.contains(&*axis.name));
        let mut kept: Kept<Arc<Rows>> = Kept::new(on.map(|(at, _)| at).collect(), width);
        for row in rows {
            let points = kept.get(row, trial, |trial| {
                let scope = self.scope(row, trial)?;
                self.step(step, width, &scope, trial).map(Arc::new)
            });
            let Some(points) = points else {
                if self.blame(row, rows.len(), trial) {
                    return Ok(None);
                }
                continue;
            };
            if more.len() + points.len() > CELL_LIMIT {
                return Err((more.len() + points.len()) as u128);
            }
            more.extend(points.iter().map(|point| [row.as_slice(), point].concat()));
        }
        Ok(self.said.is_empty().then_some(more))
    }

    /// What templates see at a point of the axes so far.
    pub(crate) fn scope(&mut self, row: &[u32], trial: &mut Trial<'_>) -> Option<Scope> {
        self.stage.enter(&row[..self.shared.len()], trial)?;
        let mut scope = self.stage.scope(self.last).over();
        for (axis, index) in self.axes.iter().zip(row).skip(self.shared.len()) {
            scope.push(&axis.name, &axis.item(*index).seen);
        }
        Some(scope)
    }

    /// The points that a step has with these variables.
    pub(crate) fn step(&mut self, step: &Step<'w>, at: usize, scope: &Scope, trial: &mut Trial<'_>) -> Option<Rows> {
        let derived = step.is_derived();
        let mut columns: Vec<Vec<u32>> = Vec::new();
        for (index, (_, values)) in step.axes.iter().enumerate() {
            let items = values.as_ref()?.evaluate(scope, derived, !step.zip, trial)?;
            columns.push(items.into_iter().map(|item| item.add_to(&mut self.axes[at + index])).collect());
        }
        let lengths: Vec<usize> = columns.iter().map(Vec::len).collect();
        if lengths.iter().any(|length| *length != lengths[0]) {
            let said = |(name, length): (&&str, &usize)| format!("`{name}` has {length}");
            let names: Vec<&str> = step.axes.iter().map(|(name, _)| *name).collect();
            let said: Vec<String> = names.iter().zip(&lengths).map(said).collect();
            let message = format!("the axes of a zip must have equally many values: {}", said.join(", "));
            trial.findings.push(Finding::new("unequal-zip", message).at(step.span, "this zip"));
            return None;
        }
        let rows: Rows = (0..lengths[0]).map(|row| columns.iter().map(|column| column[row]).collect()).collect();
        let mut seen = BTreeMap::new();
        for (index, row) in rows.iter().enumerate() {
            let key: Vec<u32> = row.iter().enumerate().map(|(n, item)| self.axes[at + n].same(*item)).collect();
            if let Some(first) = seen.insert(key, index) {
                let message = format!("rows {} and {} of a zip are the same", first + 1, index + 1);
                trial.findings.push(Finding::new("zip-row-twice", message).at(step.span, "this zip"));
                return None;
            }
        }
        Some(rows)
    }

    /// The rows for which `filter` is true.
    pub(crate) fn keep(&mut self, filter: &Form<'w>, span: Span, rows: &Rows, trial: &mut Trial<'_>) -> Option<Rows> {
        let mut kept = Rows::new();
        for row in rows {
            let scope = self.scope(row, trial);
            match scope.and_then(|scope| flag(filter, &scope, "`where`", span, trial)) {
                Some(true) => kept.push(row.clone()),
                None if self.blame(row, rows.len(), trial) => return None,
                Some(false) | None => {}
            }
        }
        self.said.is_empty().then_some(kept)
    }

    /// Whether an axis has no values, which has been said.
    fn is_bare(&self, name: &str) -> bool {
        self.axes.iter().any(|axis| *axis.name == *name && axis.items().is_empty())
    }

    /// Keeps what is wrong at a point, one of `of`. Says whether that is enough.
    fn blame(&mut self, row: &[u32], of: usize, trial: &mut Trial<'_>) -> bool {
        const ENOUGH: usize = 500;
        let value = |(axis, item): (&Axis, &u32)| format!("{}={}", axis.name, plain(&axis.item(*item).shown));
        let point = self.axes.iter().zip(row).map(value).collect::<Vec<_>>().join(",");
        self.said.extend(trial.findings.drain(..).map(|finding| (point.clone(), of, finding)));
        self.said.len() > ENOUGH
    }

    /// Says what is wrong at points.
    pub(crate) fn say(&mut self, world: &mut World<'w, '_>, text: &TaskText<'_>) {
        for (point, of, finding) in self.said.drain(..) {
            world.inbox.push_in(&format!("{}[{point}]", text.name), of, finding);
        }
    }

    /// What tells a row from others.
    pub(crate) fn key(&self, row: &[u32]) -> Box<[u32]> {
        row.iter().zip(&self.axes).map(|(item, axis)| axis.same(*item)).collect()
    }

    /// The keys of all rows.
    pub(crate) fn keys(&self, rows: &Rows) -> HashSet<Box<[u32]>> {
        rows.iter().map(|row| self.key(row)).collect()
    }

    /// The points, the axes as they are written.
    pub(crate) fn finish(self, names: &[&str], inherited: usize, rows: &Rows) -> Points {
        let written = names.iter().filter_map(|name| self.axes.iter().position(|axis| *axis.name == **name));
        let order: Vec<usize> = (0..inherited).chain(written).collect();
        let flat = rows.iter().flat_map(|row| order.iter().map(|at| row[*at])).collect();
        let mut axes: Vec<Option<Arc<Axis>>> = self.shared.into_iter().map(Some).collect();
        axes.extend(self.axes.into_iter().skip(inherited).map(|axis| Some(Arc::new(axis))));
        let axes = order.iter().filter_map(|at| axes[*at].take()).collect();
        Points::new(axes, flat, rows.len())
    }
}

/// A value that must be true or false.
pub(crate) fn flag(form: &Form<'_>, scope: &Scope, of: &str, span: Span, trial: &mut Trial<'_>) -> Option<bool> {
    match form.evaluate(scope, trial)? {
        Value::Bool(flag) => Some(flag),
        other => {
            let finding = Finding::new("wrong-type", format!("{of} must be true or false, and is {}", what(&other)));
            let hint = other.as_str().map(|text| match form.written() {
                Written::Plain => format!("write \"{{{{ {text} }}}}\""),
                Written::Expression(expression) if is_word(expression) => {
                    format!("compare it, as in \"{{{{ {expression} == '{text}' }}}}\"")
                }
                Written::Expression(_) => {
                    "an expression is true or false where it compares, as in `a == 'x'`".to_owned()
                }
                Written::Mixed => "write all of it as one expression, as in \"{{ a == 'x' }}\"".to_owned(),
            });
            trial.findings.push(finding.at(first_line(trial.sources, span), "here").maybe_hint(hint));
            None
        }
    }
}

/// Whether an expression is a name, or a member of one, and no more.
fn is_word(expression: &str) -> bool {
    expression.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'))
}
