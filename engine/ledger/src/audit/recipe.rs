//! Keys against recipes: each key recomputed from its text, each column and each recorded need from what the text says.

use std::collections::BTreeSet;

use isoflop_contract::{Key, Need, Recipe};

use super::{Finding, FindingKind, Subject, books::Books};

/// The needs that a recipe's text names: port, label, key.
pub(super) fn edges(recipe: Recipe) -> BTreeSet<(String, String, Key)> {
    let mut edges = BTreeSet::new();
    for (port, need) in recipe.needs {
        match need {
            Need::One(key) => {
                edges.insert((port, String::new(), key));
            }
            Need::Many(cells) => {
                edges.extend(cells.into_iter().filter_map(|(label, key)| Some((port.clone(), label, key?))));
            }
        }
    }
    edges
}

pub(super) fn check(books: &Books, findings: &mut Vec<Finding>) {
    let mut found = |key: &Key, what: String| {
        findings.push(Finding { kind: FindingKind::Recipe, what, subject: Subject::Key(*key) });
    };
    let none = BTreeSet::new();
    for (key, row) in &books.recipes {
        let short = key.short();
        if Key::of_text(&row.text) != *key {
            found(key, format!("the recipe under key {short} is not the text that the key was computed from"));
            continue;
        }
        let recipe: Recipe = match serde_json::from_str(&row.text) {
            Ok(recipe) => recipe,
            Err(error) => {
                found(key, format!("the recipe under key {short} cannot be read: {error}"));
                continue;
            }
        };
        if (recipe.kind.as_str(), i64::from(recipe.revision)) != (row.kind.as_str(), row.revision) {
            let (kind, revision) = (&row.kind, row.revision);
            found(
                key,
                format!(
                    "key {short} is listed as {kind} revision {revision}, and its recipe says {} revision {}",
                    recipe.kind, recipe.revision
                ),
            );
        }
        let (named, recorded) = (edges(recipe), books.needs.get(key).unwrap_or(&none));
        if let Some((port, label, _)) = named.symmetric_difference(recorded).next() {
            let cell = if label.is_empty() { String::new() } else { format!("[{label}]") };
            found(key, format!("the needs listed for key {short} are not those of its recipe: `{port}{cell}`"));
        }
        for (port, _, need) in &named {
            if !books.recipes.contains_key(need) {
                let need = need.short();
                found(key, format!("key {short} needs key {need} as `{port}`, whose recipe is not there"));
            }
        }
    }
    for (key, needs) in &books.needs {
        if !books.recipes.contains_key(key) {
            found(key, format!("{} needs are listed for key {}, which has no recipe", needs.len(), key.short()));
        }
    }
    for key in &books.misplaced {
        found(key, format!("the run that is said to have planned key {} first has no task of it", key.short()));
    }
    for task in books.tasks.values().flatten() {
        let key = Key::from_bytes(task.key);
        if !books.recipes.contains_key(&key) {
            let what = format!("task `{}` has key {}, whose recipe is not there", task.name, key.short());
            let subject = Subject::Tasks(task.run, vec![task.name.clone()]);
            findings.push(Finding { kind: FindingKind::Recipe, what, subject });
        }
    }
}
