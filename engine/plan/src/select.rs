//! Selecting tasks by what a person types: a task's name, a group, a glob (`train*`), part of a cell (`train[variant=td4]`).

use crate::{plan::Plan, reference::Reference, suggest};

/// Why nothing was selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectError {
    /// The text is not a selection.
    #[error("{0}")]
    Unreadable(String),
    /// No task is meant.
    #[error("no task is called `{name}`{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    Nothing {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        hint: Option<String>,
    },
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
            glob(&wanted.group, &task.group)
                && wanted.axes.iter().all(|(axis, value)| {
                    task.cell.get(axis).is_some_and(|has| glob(value, &crate::reference::plain(has)))
                })
        })
        .map(|(index, _)| index)
        .collect();
    if found.is_empty() {
        let groups: std::collections::BTreeSet<&str> = plan.tasks().iter().map(|task| task.group.as_str()).collect();
        let near = if groups.contains(wanted.group.as_str()) {
            let cells = plan.tasks().iter().filter(|task| task.group == wanted.group);
            let mut names: Vec<&str> = cells.map(|task| task.name.as_str()).collect();
            names.sort_by_key(|name| strsim::damerau_levenshtein(name, text));
            names.first().map(|name| format!("did you mean `{name}`?"))
        } else {
            suggest::hint(&wanted.group, groups)
        };
        return Err(SelectError::Nothing { name: text.to_owned(), hint: near });
    }
    Ok(found)
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
}
