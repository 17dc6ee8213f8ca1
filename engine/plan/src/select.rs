//! A selection: which tasks of a plan a person means.
//!
//! Names are a task's name, a group, a glob (`train*`), part of a cell (`train[variant=td4]`), or a frame, which stands for all its members.
//! Several names are united; `--from`, `--until`, `--failed` and `--missing` narrow what they leave.

use std::collections::BTreeSet;

use isoflop_contract::cell::{plain, spelt};
use serde::{Deserialize, Serialize};

use crate::{
    plan::{Plan, Task},
    reference::Reference,
    suggest,
};

/// What a person asks for, as it was typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Tasks by name, group, glob or part of a cell; all if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<String>,
    /// Of these, those that are one of these tasks or rest on one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// Of these, those that are one of these tasks or are needed by one, directly or through others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub until: Vec<String>,
    /// Of these, those whose last attempt failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// Of these, those that have no kept result, or whose bytes are gone from the store.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub missing: bool,
}

/// Why nothing was selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The text is not a selection.
    #[error("{0}")]
    Unreadable(String),
    /// No task is meant.
    #[error("no task is called `{name}`{}", tail(.hint.as_ref()))]
    Nothing {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// The group has no such axis.
    #[error("`{name}` asks for the axis `{axis}`, which `{group}` does not have{}", tail(.hint.as_ref()))]
    Axis {
        /// What was asked for.
        name: String,
        /// The group.
        group: String,
        /// The axis.
        axis: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// The group has no such cell.
    #[error("`{name}` is no cell of `{group}`{}", tail(.hint.as_ref()))]
    Cell {
        /// What was asked for.
        name: String,
        /// The group.
        group: String,
        /// What may have been meant.
        hint: Option<String>,
    },
    /// Each part selects something, and nothing is in all of them.
    #[error("no task {0}")]
    Disjoint(String),
}

fn tail(hint: Option<&String>) -> String {
    hint.map(|hint| format!("; {hint}")).unwrap_or_default()
}

impl Selection {
    /// Tasks by these names.
    pub fn of(tasks: impl IntoIterator<Item = String>) -> Self {
        Self { tasks: tasks.into_iter().collect(), ..Self::default() }
    }

    /// Whether everything is meant.
    pub fn is_everything(&self) -> bool {
        *self == Self::default()
    }

    /// The tasks meant by names and by where they lie in the plan, by index; or everything that is wrong with the names. `failed` and
    /// `missing` depend on the past, which the caller knows: see [`Selection::narrow`].
    pub fn tasks(&self, plan: &Plan) -> Result<BTreeSet<usize>, Vec<SelectError>> {
        let mut errors = Vec::new();
        let mut named = |names: &[String]| {
            let mut found = BTreeSet::new();
            for name in names {
                match select(plan, name) {
                    Ok(tasks) => found.extend(tasks),
                    Err(error) => errors.push(error),
                }
            }
            found
        };
        let (tasks, from, until) = (named(&self.tasks), named(&self.from), named(&self.until));
        if !errors.is_empty() {
            return Err(errors);
        }
        let mut chosen = if self.tasks.is_empty() { (0..plan.tasks().len()).collect() } else { tasks };
        if !self.from.is_empty() {
            chosen = &chosen & &downstream(plan, from);
        }
        if !self.until.is_empty() {
            chosen = &chosen & &upstream(plan, until);
        }
        if chosen.is_empty() {
            return Err(vec![SelectError::Disjoint(self.in_words())]);
        }
        Ok(chosen)
    }

    /// What `failed` and `missing` leave of `chosen`.
    #[must_use]
    pub fn narrow(
        &self,
        chosen: BTreeSet<usize>,
        has_failed: impl Fn(usize) -> bool,
        is_missing: impl Fn(usize) -> bool,
    ) -> BTreeSet<usize> {
        chosen
            .into_iter()
            .filter(|task| (!self.failed || has_failed(*task)) && (!self.missing || is_missing(*task)))
            .collect()
    }

    /// What every task that is meant is, in words.
    pub fn in_words(&self) -> String {
        let list = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        let mut parts = Vec::new();
        if !self.tasks.is_empty() {
            parts.push(format!("is among {}", list(&self.tasks)));
        }
        if !self.from.is_empty() {
            parts.push(format!("is downstream of {}", list(&self.from)));
        }
        if !self.until.is_empty() {
            parts.push(format!("is upstream of {}", list(&self.until)));
        }
        if self.failed {
            parts.push("failed at its last attempt".to_owned());
        }
        if self.missing {
            parts.push("is missing".to_owned());
        }
        parts.join(" and ")
    }
}

/// These tasks and all that rest on one.
fn downstream(plan: &Plan, mut found: BTreeSet<usize>) -> BTreeSet<usize> {
    // Needs come before what needs them, so one pass forward sees every way.
    for index in 0..plan.tasks().len() {
        if plan.producers(index).any(|producer| found.contains(&producer)) {
            found.insert(index);
        }
    }
    found
}

/// These tasks and all that one needs.
fn upstream(plan: &Plan, mut found: BTreeSet<usize>) -> BTreeSet<usize> {
    for index in (0..plan.tasks().len()).rev() {
        if found.contains(&index) {
            found.extend(plan.producers(index));
        }
    }
    found
}

/// The indices into [`Plan::tasks`] that `text` selects, ascending; never none.
pub fn select(plan: &Plan, text: &str) -> Result<Vec<usize>, SelectError> {
    if let Some(index) = plan.index_of(text) {
        return Ok(vec![index]);
    }
    let wanted = Reference::parse(text).map_err(SelectError::Unreadable)?;
    let tasks = plan.tasks().iter().enumerate();
    let found: Vec<usize> = tasks
        .filter(|(_, task)| {
            is_meant(&wanted.group, &task.group)
                && wanted
                    .axes
                    .iter()
                    .all(|(axis, value)| task.cell.get(axis).is_some_and(|has| is_value(value, &plain(has))))
        })
        .map(|(index, _)| index)
        .collect();
    if found.is_empty() { Err(nothing(plan, text, &wanted)) } else { Ok(found) }
}

/// Whether `text`, as a person types it, means the task `name`, where no plan is at hand.
pub fn matches(text: &str, name: &str) -> bool {
    if text == name {
        return true;
    }
    let (Ok(wanted), Ok(has)) = (Reference::parse(text), Reference::parse(name)) else { return false };
    is_meant(&wanted.group, &has.group)
        && wanted.axes.iter().all(|(axis, value)| has.value(axis).is_some_and(|has| is_value(value, has)))
}

/// Whether the value of an axis is what `pattern` names: by glob, or as another spelling of one number.
fn is_value(pattern: &str, value: &str) -> bool {
    glob(pattern, value) || spelt(pattern) == value
}

/// Whether a group is what `pattern` names: by name, by glob, or as a member of the frame of that name.
fn is_meant(pattern: &str, group: &str) -> bool {
    glob(pattern, group) || group.strip_prefix(pattern).is_some_and(|rest| rest.starts_with('.'))
}

/// Why nothing is called `text`, and what may have been meant.
fn nothing(plan: &Plan, text: &str, wanted: &Reference) -> SelectError {
    let meant: Vec<&Task> = plan.tasks().iter().filter(|task| is_meant(&wanted.group, &task.group)).collect();
    let name = text.to_owned();
    if meant.is_empty() {
        let groups: BTreeSet<&str> = plan.tasks().iter().map(|task| task.group.as_str()).collect();
        return SelectError::Nothing { name, hint: suggest::hint(&wanted.group, groups) };
    }
    let group = wanted.group.clone();
    for (axis, value) in &wanted.axes {
        let axes: BTreeSet<&str> = meant.iter().flat_map(|task| task.cell.iter().map(|(axis, _)| axis)).collect();
        if !axes.contains(axis.as_str()) {
            return SelectError::Axis { name, group, axis: axis.clone(), hint: suggest::hint(axis, axes) };
        }
        let mut values: Vec<String> = Vec::new();
        for has in meant.iter().filter_map(|task| task.cell.get(axis)).map(plain) {
            if !values.contains(&has) {
                values.push(has);
            }
        }
        if !values.iter().any(|has| is_value(value, has)) {
            let hint =
                suggest::hint(value, values.iter().map(String::as_str)).map(|hint| format!("of `{axis}`, {hint}"));
            return SelectError::Cell { name, group, hint };
        }
    }
    // Every value is there, and not together.
    let mut names: Vec<&str> = meant.iter().map(|task| task.name.as_str()).collect();
    names.sort_by_key(|name| strsim::damerau_levenshtein(name, text));
    let hint = names.first().map(|name| format!("did you mean `{name}`?"));
    SelectError::Cell { name, group, hint }
}

/// Whether `text` matches `pattern`, where `*` stands for anything. Linear in both: the last star alone is tried again.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p) == Some(&text[t]) {
            (p, t) = (p + 1, t + 1);
        } else if let Some((at, from)) = star {
            (p, t) = (at + 1, from + 1);
            star = Some((at, t));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, text, matches) in [
            ("train", "train", true),
            ("train", "trains", false),
            ("tr*", "train", true),
            ("*", "", true),
            ("*ai*", "train", true),
            ("t*n*x", "train", false),
            ("", "", true),
        ] {
            assert_eq!(glob(pattern, text), matches, "{pattern} {text}");
        }
    }

    #[test]
    fn a_frame_stands_for_its_members() {
        for (pattern, group, meant) in [
            ("eval", "eval.scores", true),
            ("eval.scores", "eval.scores", true),
            ("eval", "evaluate", false),
            ("outer", "outer.eval.scores", true),
            ("scores", "eval.scores", false),
        ] {
            assert_eq!(is_meant(pattern, group), meant, "{pattern} {group}");
        }
    }
}
