//! Picked points of a matrix: those that `exclude` takes away, and those that `include` adds.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use isoflop_contract::{Value, cell::plain};

use crate::{
    axis,
    engine::TOO_LONG,
    expand::{CELL_LIMIT, too_many},
    fields::FieldReader,
    finding::Finding,
    form::{Reader, Trial, first_line},
    inner::ROOM,
    matrix::Step,
    points::Points,
    product::{Product, Rows},
    seal::World,
    source::Span,
    study::TaskText,
    suggest,
    variables::Variables,
    yaml::{Entry, Kind, what},
};

/// How many different sets of axes the excluded points may name: each costs a look at every cell.
const SETS: usize = 256;

/// A point as it is written: the values of some axes.
struct Pick<'w> {
    span: Span,
    values: Vec<(&'w str, Span, Value, Span)>,
    /// Whether all of it could be read.
    whole: bool,
}

impl<'w> Product<'_, 'w> {
    /// Takes the excluded points away. Says whether all is well.
    pub(crate) fn exclude(
        &mut self,
        world: &mut World<'w, '_>,
        text: &TaskText<'w>,
        entry: &'w Entry,
        variables: &Variables<'w>,
        rows: &mut Rows,
    ) -> bool {
        let Some(picks) = picks(world, entry, variables) else { return false };
        let before = world.inbox.len();
        let mut sets: BTreeMap<Vec<usize>, HashMap<Box<[u32]>, usize>> = BTreeMap::new();
        let mut matched = vec![true; picks.len()];
        for (index, pick) in picks.iter().enumerate() {
            if pick.values.is_empty() && pick.whole {
                let message = "a point without axes would exclude every cell".to_owned();
                world.inbox.push(Finding::new("bad-exclude", message).at(pick.span, "this point"));
                continue;
            }
            let Some(mut wanted) = self.positions(world, text, pick) else { continue };
            wanted.sort_unstable();
            let (positions, key): (Vec<usize>, Vec<u32>) = wanted.into_iter().unzip();
            let first = *sets.entry(positions).or_default().entry(key.into()).or_insert(index);
            if first != index {
                let finding = Finding::new("exclude-twice", "the same points are excluded twice");
                world.inbox.push(finding.at(pick.span, "again here").at(picks[first].span, "first here"));
                continue;
            }
            matched[index] = false;
        }
        if sets.len() > SETS {
            let message = format!("the excluded points name more than {SETS} different sets of axes");
            world.inbox.push(Finding::new("too-many-excludes", message).at(entry.key_span, "here").hint("use `where`"));
            return false;
        }
        let mut kept = Rows::with_capacity(rows.len());
        for row in rows.drain(..) {
            let key = self.key(&row);
            let mut keep = true;
            for (positions, points) in &sets {
                let part: Box<[u32]> = positions.iter().map(|at| key[*at]).collect();
                if let Some(pick) = points.get(&part) {
                    matched[*pick] = true;
                    keep = false;
                }
            }
            if keep {
                kept.push(row);
            }
        }
        *rows = kept;
        for (pick, _) in picks.iter().zip(&matched).filter(|(_, matched)| !**matched) {
            let finding = Finding::new("exclude-nothing", format!("no cell of `{}` is at this point", text.name));
            world.inbox.push(finding.at(pick.span, "excludes nothing"));
        }
        world.inbox.len() == before && picks.iter().all(|pick| pick.whole)
    }

    /// The axes and values of a pick by number. `None` if it names what is not there, which has been said.
    fn positions(&self, world: &mut World<'w, '_>, text: &TaskText<'_>, pick: &Pick<'_>) -> Option<Vec<(usize, u32)>> {
        let mut wanted = Vec::new();
        for (name, name_span, value, span) in &pick.values {
            let Some(at) = self.position(name) else {
                self.unknown(world, text, name, *name_span);
                continue;
            };
            match axis::number(&self.axes[at], &format!("`{}`", text.name), &plain(value), *span, world.sources) {
                Ok(item) => wanted.push((at, item)),
                Err(finding) => world.inbox.push(*finding),
            }
        }
        (pick.whole && wanted.len() == pick.values.len()).then_some(wanted)
    }

    fn position(&self, name: &str) -> Option<usize> {
        self.axes.iter().position(|axis| *axis.name == *name)
    }

    fn unknown(&self, world: &mut World<'_, '_>, text: &TaskText<'_>, name: &str, span: Span) {
        let finding = Finding::new("unknown-axis", format!("`{}` has no axis `{name}`", text.name)).at(span, "here");
        world.inbox.push(finding.maybe_hint(suggest::hint(name, self.axes.iter().map(|axis| &*axis.name))));
    }

    /// Adds the included points. Says whether all is well.
    #[expect(clippy::too_many_arguments, reason = "one line of a study has all of these")]
    pub(crate) fn include(
        &mut self,
        world: &mut World<'w, '_>,
        text: &TaskText<'w>,
        entry: &'w Entry,
        steps: &[Step<'w>],
        inherited: &Points,
        variables: &Variables<'w>,
        rows: &mut Rows,
    ) -> bool {
        let Some(picks) = picks(world, entry, variables) else { return false };
        let mut keys = self.keys(rows);
        let mut sound = true;
        for pick in &picks {
            world.engine.spend(inherited.len() as u64);
            if world.engine.is_spent() {
                let finding = Finding::new("templates-too-long", TOO_LONG).at(pick.span, "the limit is passed here");
                world.inbox.push(finding);
                return false;
            }
            let Some(more) = self.included(world, text, pick, steps, inherited) else {
                sound = false;
                continue;
            };
            if more.is_empty() && !inherited.is_empty() {
                let message = format!("no cell that `{}` inherits is at this point", text.name);
                world.inbox.push(Finding::new("include-nothing", message).at(pick.span, "includes nothing"));
                sound = false;
            }
            for row in more {
                if !keys.insert(self.key(&row)) {
                    let message = format!("`{}` has this point already", text.name);
                    world.inbox.push(Finding::new("include-twice", message).at(pick.span, "this point"));
                    sound = false;
                    break;
                }
                rows.push(row);
            }
            if rows.len() > CELL_LIMIT {
                too_many(world.inbox, text, pick.span, rows.len() as u128);
                return false;
            }
        }
        sound
    }

    /// The rows of one included point: one for each inherited cell that it leaves open.
    fn included(
        &mut self,
        world: &mut World<'w, '_>,
        text: &TaskText<'_>,
        pick: &Pick<'w>,
        steps: &[Step<'w>],
        inherited: &Points,
    ) -> Option<Rows> {
        let before = world.inbox.len();
        let mut given: BTreeMap<usize, u32> = BTreeMap::new();
        let width = inherited.axes().len();
        let mut trial = Trial::new(world.sources);
        for (name, name_span, value, span) in &pick.values {
            let Some(at) = self.position(name) else {
                self.unknown(world, text, name, *name_span);
                continue;
            };
            let of = format!("the axis `{name}`");
            let known = if value.is_object() { None } else { self.axes[at].find(&plain(value)) };
            let maps = self.axes[at].has_maps;
            let number = match known {
                Some(number) => Some(number),
                None if at < width || (maps && !value.is_object()) => {
                    let of = format!("`{}`", text.name);
                    match axis::number(&self.axes[at], &of, &plain(value), *span, world.sources) {
                        Ok(number) => Some(number),
                        Err(finding) => {
                            trial.findings.push(*finding);
                            None
                        }
                    }
                }
                None => {
                    axis::item(&of, name, value.clone(), *span, &mut trial).map(|item| item.add_to(&mut self.axes[at]))
                }
            };
            given.extend(number.map(|number| (at, number)));
        }
        world.inbox.extend(std::mem::take(&mut trial.findings));
        if !pick.whole {
            return None;
        }
        let mut at = width;
        for step in steps {
            let axes = at..at + step.axes.len();
            at = axes.end;
            for (axis, (name, _)) in axes.zip(&step.axes) {
                if !given.contains_key(&axis) && !step.is_derived() && world.inbox.len() == before {
                    let message = format!("the included point lacks the axis `{name}`");
                    world.inbox.push(Finding::new("include-lacks", message).at(pick.span, "this point"));
                }
            }
        }
        if world.inbox.len() > before {
            return None;
        }
        let fits = |row: &&[u32]| {
            row.iter().enumerate().all(|(at, item)| {
                given.get(&at).is_none_or(|wanted| self.axes[at].same(*item) == self.axes[at].same(*wanted))
            })
        };
        let mut rows: Rows = inherited.rows().filter(fits).map(<[u32]>::to_vec).collect();
        let mut at = width;
        for step in steps {
            let wanted: Option<Vec<u32>> = (at..at + step.axes.len()).map(|axis| given.get(&axis).copied()).collect();
            let mut more = Rows::new();
            for row in &rows {
                let points = match &wanted {
                    Some(point) => Some(vec![point.clone()]),
                    None => self.scope(row, &mut trial).and_then(|scope| self.step(step, at, &scope, &mut trial)),
                };
                more.extend(points.into_iter().flatten().map(|point| [row.as_slice(), &point].concat()));
            }
            rows = more;
            at += step.axes.len();
        }
        let failed = !trial.findings.is_empty();
        world.inbox.extend(trial.findings);
        (!failed).then_some(rows)
    }
}

/// Points as they are written, evaluated. `None` if they cannot be, which has been said.
fn picks<'w>(world: &mut World<'w, '_>, entry: &'w Entry, variables: &Variables<'w>) -> Option<Vec<Pick<'w>>> {
    let Kind::List(items) = &entry.value.kind else {
        let of = format!("`{}`", entry.key);
        FieldReader { sources: world.sources, inbox: world.inbox }.wrong(&entry.value, &of, "a list of points");
        return None;
    };
    let others = world.names();
    let mut trial = Trial::new(world.sources);
    trial.room = 8 * ROOM;
    let scope = variables.closed_scope(&world.scope, &mut trial)?;
    let names: BTreeSet<&str> = others.into_iter().chain(variables.closed()).collect();
    let mut picks = Vec::new();
    for item in items {
        let of = format!("a point of `{}`", entry.key);
        let mut fields = FieldReader { sources: world.sources, inbox: world.inbox };
        let Some(entries) = fields.map(item, &of) else {
            picks.push(Pick { span: first_line(world.sources, item.span), values: Vec::new(), whole: false });
            continue;
        };
        let mut values = Vec::new();
        let mut whole = true;
        for entry in entries {
            let reader = Reader { engine: world.engine, sources: world.sources, names: &names };
            let form = reader.form(&entry.value, world.inbox);
            let value = if form.is_sound() { form.evaluate(&scope, &mut trial) } else { None };
            let Some(value) = value else {
                whole = false;
                continue;
            };
            let place = first_line(world.sources, entry.value.span);
            if matches!(value, Value::Null | Value::Array(_)) {
                let message = format!("the axis `{}` of a point must be one value, and is {}", entry.key, what(&value));
                trial.findings.push(Finding::new("wrong-type", message).at(place, "here"));
                whole = false;
                continue;
            }
            values.push((entry.key.as_str(), entry.key_span, value, entry.value.span));
        }
        picks.push(Pick { span: first_line(world.sources, item.span), values, whole });
    }
    world.inbox.extend(trial.findings);
    Some(picks)
}
