//! The numbers there are, in the form in which checks ask for them.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Value, cell::alike};
use isoflop_plan::nearest;

use crate::{
    facts::{Facts, State, TaskFacts},
    variant::{plain, trained},
};

/// The facts in the form calls ask for them: functions of a template outlive any borrow.
pub(super) struct Table {
    groups: BTreeMap<String, Vec<Row>>,
}

pub(super) struct Row {
    pub(super) task: TaskFacts,
    scalars: BTreeMap<String, f64>,
}

impl Table {
    pub(super) fn of(facts: &Facts) -> Self {
        let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        let index = facts.index();
        for task in &facts.tasks {
            let mut scalars = task.scalars.clone();
            if let Some(trained) = trained(&index, task) {
                let known = [
                    ("compute", Some(trained.cost.flops)),
                    ("params", trained.cost.params.map(|n| n as f64)),
                    ("macs", trained.cost.macs.map(|n| n as f64)),
                ];
                for (name, value) in known {
                    if let Some(value) = value {
                        scalars.entry(name.to_owned()).or_insert(value);
                    }
                }
            }
            let task = TaskFacts { series: BTreeMap::new(), ..task.clone() };
            groups.entry(task.group.clone()).or_default().push(Row { task, scalars });
        }
        Self { groups }
    }

    /// The rows of `group` at these values of axes.
    pub(super) fn rows(&self, group: &str, axes: &BTreeMap<String, Value>) -> Result<Vec<&Row>, String> {
        let rows =
            self.groups.get(group).ok_or_else(|| match nearest(group, self.groups.keys().map(String::as_str)) {
                Some(near) => format!("there is no group named `{group}`; did you mean `{near}`?"),
                None => {
                    format!("no task of `{group}` is there; `when`, or an axis without values, leaves out all of them")
                }
            })?;
        self.axes(group, axes.keys())?;
        let fits =
            |row: &&Row| axes.iter().all(|(axis, want)| row.task.cell.get(axis).is_some_and(|have| alike(have, want)));
        let found: Vec<&Row> = rows.iter().filter(fits).collect();
        if found.is_empty() {
            return Err(format!("no task of `{group}` is at {}", written(axes)));
        }
        Ok(found)
    }

    /// Whether the cells of `group` have these axes.
    pub(super) fn axes<'n>(&self, group: &str, names: impl IntoIterator<Item = &'n String>) -> Result<(), String> {
        let rows = self.groups.get(group).into_iter().flatten();
        let known: BTreeSet<&str> = rows.flat_map(|row| row.task.cell.iter().map(|(axis, _)| axis)).collect();
        match names.into_iter().find(|name| !known.contains(name.as_str())) {
            Some(axis) => Err(unknown(&format!("axis of `{group}`"), axis, known)),
            None => Ok(()),
        }
    }

    /// The number `scalar` of `row`, or why it has none.
    pub(super) fn scalar(&self, row: &Row, scalar: &str) -> Result<f64, String> {
        let task = &row.task;
        if !task.state.has_artifact() {
            let why = task.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
            let how = match task.state {
                State::Waiting => "has not run",
                State::Diverged => "diverged",
                State::Failed => "failed",
                _ => "was blocked",
            };
            return Err(format!("`{}` {how}{why}", task.name));
        }
        row.scalars.get(scalar).copied().ok_or_else(|| {
            let others = self.groups.get(&task.group).into_iter().flatten().flat_map(|row| row.scalars.keys());
            unknown(&format!("scalar of `{}`", task.name), scalar, others.map(String::as_str).collect::<BTreeSet<_>>())
        })
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("there is no {what} named `{name}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("there is no {what} named `{name}`; there are none"),
        None => format!("there is no {what} named `{name}`; there are {}", known.join(", ")),
    }
}

pub(super) fn written(axes: &BTreeMap<String, Value>) -> String {
    let parts: Vec<String> = axes.iter().map(|(axis, value)| format!("{axis}={}", plain(value))).collect();
    parts.join(", ")
}
