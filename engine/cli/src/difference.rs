//! The difference between two runs: tasks that came or went, recipes field by field, bits, outcomes, environments, and final numbers that
//! moved beyond their spread over seeds. Pure; a run compared with its own re-run differs in nothing.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key, Manifest, Value};
use isoflop_ledger::{AttemptId, TaskOutcome, view::TaskView};
use isoflop_plan::difference;
use serde::Serialize;

/// What is known of one run.
#[derive(Debug, Default)]
pub struct Side {
    /// Its tasks.
    pub tasks: Vec<TaskView>,
    /// Recipes by key.
    pub recipes: BTreeMap<Key, String>,
    /// Manifests by artifact.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Soft environments by attempt.
    pub environments: BTreeMap<AttemptId, String>,
}

/// How two runs differ.
#[derive(Debug, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Tasks that only the new run has.
    pub added: Vec<String>,
    /// Tasks that only the old run has.
    pub removed: Vec<String>,
    /// Fields of recipes that differ, each with the tasks in which it does.
    pub recipes: Vec<Change>,
    /// Tasks whose own recipe is the same and that rest on others.
    pub upstream: Vec<String>,
    /// Tasks that came out with other bits from the same recipe.
    pub bits: Vec<String>,
    /// Tasks that came out another way.
    pub outcomes: Vec<Change>,
    /// Members of the environment that differ, where a task was run anew.
    pub environments: Vec<Change>,
    /// Final numbers that moved.
    pub metrics: Vec<Moved>,
    /// How many final numbers moved within their spread.
    pub within_spread: usize,
}

/// One value that differs alike in some tasks.
#[derive(Debug, PartialEq, Serialize)]
pub struct Change {
    /// What differs.
    pub field: String,
    /// What it was; none if it was not there.
    pub old: Option<Value>,
    /// What it is; none if it is gone.
    pub new: Option<Value>,
    /// In which tasks.
    pub tasks: Vec<String>,
}

/// A final number that moved.
#[derive(Debug, PartialEq, Serialize)]
pub struct Moved {
    /// The tasks, without the axis of seeds.
    pub group: String,
    /// The number's name.
    pub metric: String,
    /// What it was.
    pub old: Spread,
    /// What it is.
    pub new: Spread,
    /// Whether it moved beyond its spread; none if there is but one value and nothing to judge it by.
    pub beyond: Option<bool>,
}

/// Values of one number over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// Their mean.
    pub mean: f64,
    /// Their sample standard deviation; none of one value.
    pub deviation: Option<f64>,
    /// How many there are.
    pub n: usize,
}

impl Difference {
    /// Whether the runs differ in nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a task came out, whoever made it.
fn state(task: &TaskView) -> &'static str {
    match task.outcome {
        None => "open",
        Some(TaskOutcome::Failed) => "failed",
        Some(TaskOutcome::Blocked) => "blocked",
        Some(TaskOutcome::Diverged) => "diverged",
        Some(TaskOutcome::Kept | TaskOutcome::Adopted | TaskOutcome::Made) => {
            if task.artifact.is_some() {
                "made"
            } else {
                "diverged"
            }
        }
    }
}

/// Changes by what they are, so that a field changed alike in a hundred tasks is one line.
#[derive(Default)]
struct Changes(BTreeMap<(String, String), Change>);

impl Changes {
    fn add(&mut self, field: &str, old: Option<Value>, new: Option<Value>, task: &str) {
        let key = (field.to_owned(), format!("{old:?} {new:?}"));
        let change =
            self.0.entry(key).or_insert_with(|| Change { field: field.to_owned(), old, new, tasks: Vec::new() });
        change.tasks.push(task.to_owned());
    }

    fn list(self) -> Vec<Change> {
        self.0.into_values().collect()
    }
}

/// Compares two runs.
pub fn between(old: &Side, new: &Side) -> Difference {
    let by_name = |side: &Side| -> BTreeMap<String, TaskView> {
        side.tasks.iter().map(|task| (task.name.clone(), task.clone())).collect()
    };
    let (before, after) = (by_name(old), by_name(new));
    let only = |a: &BTreeMap<String, TaskView>, b: &BTreeMap<String, TaskView>| {
        a.keys().filter(|name| !b.contains_key(*name)).cloned().collect()
    };
    let mut difference =
        Difference { added: only(&after, &before), removed: only(&before, &after), ..Difference::default() };
    let (mut recipes, mut outcomes, mut environments) = (Changes::default(), Changes::default(), Changes::default());
    for (name, task) in &after {
        let Some(past) = before.get(name) else { continue };
        if past.key != task.key {
            let fields = changed_fields(old.recipes.get(&past.key), new.recipes.get(&task.key));
            if fields.is_empty() {
                difference.upstream.push(name.clone());
            }
            for field in fields {
                recipes.add(&field.field, field.old, field.new, name);
            }
        } else if past.artifact != task.artifact && past.artifact.is_some() && task.artifact.is_some() {
            difference.bits.push(name.clone());
        }
        if state(past) != state(task) {
            outcomes.add("outcome", Some(state(past).into()), Some(state(task).into()), name);
        }
        if let (Some(a), Some(b)) = (past.attempt, task.attempt)
            && a != b
        {
            for field in changed_environment(old.environments.get(&a), new.environments.get(&b)) {
                environments.add(&field.field, field.old, field.new, name);
            }
        }
    }
    difference.recipes = recipes.list();
    difference.outcomes = outcomes.list();
    difference.environments = environments.list();
    for moved in moved(old, new, &before, &after) {
        match moved.beyond {
            Some(false) => difference.within_spread += 1,
            _ => difference.metrics.push(moved),
        }
    }
    difference
}

/// Fields in which two recipes differ; a need that is there in both under another key says nothing of its own.
fn changed_fields(old: Option<&String>, new: Option<&String>) -> Vec<difference::Difference> {
    let (Some(old), Some(new)) = (old.and_then(|text| json(text)), new.and_then(|text| json(text))) else {
        return Vec::new();
    };
    let mut changed = difference::compare(&old, &new);
    changed.retain(|field| !field.field.starts_with("needs.") || field.old.is_none() || field.new.is_none());
    changed
}

/// Members in which two soft environments differ, but for how the study was set: that is in the recipes.
fn changed_environment(old: Option<&String>, new: Option<&String>) -> Vec<difference::Difference> {
    let (Some(old), Some(new)) = (old.and_then(|text| json(text)), new.and_then(|text| json(text))) else {
        return Vec::new();
    };
    let mut changed = difference::compare(&old, &new);
    changed.retain(|field| !(field.field == "set" || field.field.starts_with("set.")));
    changed
}

fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// A task's name without its axis `seed`: what its values are spread over.
fn group(name: &str) -> String {
    let Some((head, cell)) = name.strip_suffix(']').and_then(|name| name.split_once('[')) else {
        return name.to_owned();
    };
    let axes: Vec<&str> = cell.split(',').filter(|axis| !axis.starts_with("seed=")).collect();
    if axes.is_empty() { head.to_owned() } else { format!("{head}[{}]", axes.join(",")) }
}

/// Values by group and name.
type Numbers = BTreeMap<(String, String), Vec<f64>>;

fn numbers(side: &Side, tasks: &BTreeMap<String, TaskView>) -> Numbers {
    let mut numbers = Numbers::new();
    for task in tasks.values() {
        let Some(manifest) = task.artifact.and_then(|artifact| side.manifests.get(&artifact)) else { continue };
        for (name, value) in &manifest.scalars {
            numbers.entry((group(&task.name), name.clone())).or_default().push(*value);
        }
    }
    numbers
}

fn spread(values: &[f64]) -> Spread {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Spread { mean, deviation: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()), n }
}

/// All numbers that both runs have and that are not the same in both.
fn moved(
    old: &Side,
    new: &Side,
    before: &BTreeMap<String, TaskView>,
    after: &BTreeMap<String, TaskView>,
) -> Vec<Moved> {
    // Groups in which nothing has other bits need no look: a large study's re-run is compared in no time.
    let touched: BTreeSet<String> = after
        .iter()
        .filter(|(name, task)| before.get(*name).is_none_or(|past| past.artifact != task.artifact))
        .map(|(name, _)| group(name))
        .chain(before.keys().filter(|name| !after.contains_key(*name)).map(|name| group(name)))
        .collect();
    let (old, new) = (numbers(old, before), numbers(new, after));
    let mut moved = Vec::new();
    for ((group, metric), values) in new {
        let key = (group, metric);
        let Some(past) = old.get(&key).filter(|_| touched.contains(&key.0)) else { continue };
        if *past != values {
            let (old, new) = (spread(past), spread(&values));
            let (group, metric) = key;
            moved.push(Moved { group, metric, beyond: beyond(old, new), old, new });
        }
    }
    moved
}

/// Whether two means lie further apart than twice the standard error of their difference (Welch's, unequal variances). With one value on one
/// side, that side is given the other's deviation.
fn beyond(old: Spread, new: Spread) -> Option<bool> {
    let (a, b) = match (old.deviation, new.deviation) {
        (None, None) => return if old.mean.total_cmp(&new.mean).is_eq() { Some(false) } else { None },
        (a, b) => (a.or(b)?, b.or(a)?),
    };
    let error = (a * a / old.n as f64 + b * b / new.n as f64).sqrt();
    Some((old.mean - new.mean).abs() > 2.0 * error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn side(tasks: &[(&str, u32, f64, &str)]) -> Side {
        let mut side = Side::default();
        for (name, steps, loss, host) in tasks {
            let text = json!({"kind": "train", "spec": {"steps": steps}, "needs": {"data": {"one": "k"}}}).to_string();
            let scalars = BTreeMap::from([("loss".to_owned(), *loss)]);
            let manifest = Manifest { shape: "checkpoint".into(), files: BTreeMap::new(), scalars };
            let digest = Digest::of(format!("{name} {loss}"));
            let attempt = AttemptId::new();
            let key = Key::of_text(&format!("{name} {text}"));
            side.environments.insert(attempt, json!({"host": host, "set": {"profile": host}}).to_string());
            side.recipes.insert(key, text);
            side.manifests.insert(digest, manifest);
            side.tasks.push(TaskView {
                run: "01890a5d-ac96-774b-bcce-b302099a8057".parse().expect("an id"),
                study: "s".into(),
                name: (*name).to_owned(),
                key,
                kind: "train".into(),
                outcome: Some(TaskOutcome::Made),
                artifact: Some(digest),
                attempt: Some(attempt),
                reason: None,
                seconds: None,
            });
        }
        side
    }

    #[test]
    fn a_rerun_differs_in_nothing() {
        let old = side(&[("train[size=s,seed=0]", 5, 1.0, "a"), ("law", 5, 2.0, "a")]);
        let mut again = side(&[]);
        again.tasks = old.tasks.clone();
        again.tasks.iter_mut().for_each(|task| task.outcome = Some(TaskOutcome::Kept));
        (again.recipes, again.manifests) = (old.recipes.clone(), old.manifests.clone());
        assert!(between(&old, &again).is_empty(), "{:?}", between(&old, &again));
    }

    #[test]
    fn what_differs_alike_is_said_once() {
        let old = side(&[("train[seed=0]", 5, 1.0, "a"), ("train[seed=1]", 5, 1.1, "a"), ("gone", 1, 0.0, "a")]);
        let new = side(&[("train[seed=0]", 6, 3.0, "b"), ("train[seed=1]", 6, 3.1, "b"), ("came", 1, 0.0, "b")]);
        let found = between(&old, &new);
        assert_eq!((found.added, found.removed), (vec!["came".to_owned()], vec!["gone".to_owned()]));
        assert_eq!(found.recipes.len(), 1);
        let change = &found.recipes[0];
        assert_eq!((change.field.as_str(), change.tasks.len()), ("spec.steps", 2));
        assert_eq!((change.old.as_ref(), change.new.as_ref()), (Some(&json!(5)), Some(&json!(6))));
        assert_eq!(found.environments.len(), 1);
        assert_eq!((found.environments[0].field.as_str(), found.environments[0].tasks.len()), ("host", 2));
        assert_eq!((found.metrics.len(), found.metrics[0].beyond), (1, Some(true)));
        assert_eq!((found.metrics[0].group.as_str(), found.metrics[0].old.n), ("train", 2));
    }

    #[test]
    fn a_number_moves_beyond_its_spread_or_within_it() {
        let of = |values: &[f64]| spread(values);
        // Means 1 and 2, deviations 0.1: the difference has a standard error of 0.1.
        assert_eq!(beyond(of(&[0.9, 1.1]), of(&[1.9, 2.1])), Some(true));
        assert_eq!(beyond(of(&[0.5, 1.5]), of(&[1.0, 2.0])), Some(false));
        assert_eq!(beyond(of(&[1.0, 1.0]), of(&[1.0, 1.0])), Some(false));
        assert_eq!(beyond(of(&[1.0]), of(&[2.0])), None);
        assert_eq!(beyond(of(&[1.0]), of(&[1.9, 2.1])), Some(true));
        let sample = of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
        assert!((sample.deviation.unwrap() - 2.138_089_935_299_395).abs() < 1e-12, "as R's sd() has it: {sample:?}");
    }

    #[test]
    fn seeds_are_what_values_are_spread_over() {
        assert_eq!(group("train[size=s,seed=0]"), "train[size=s]");
        assert_eq!(group("train[seed=0]"), "train");
        assert_eq!(group("law"), "law");
    }

    #[test]
    fn other_bits_from_one_recipe_are_told_apart() {
        let old = side(&[("a", 1, 1.0, "x")]);
        let mut new = side(&[("a", 1, 2.0, "x")]);
        new.tasks[0].outcome = Some(TaskOutcome::Made);
        let found = between(&old, &new);
        assert_eq!((found.bits.as_slice(), found.recipes.len()), (["a".to_owned()].as_slice(), 0));
        assert_eq!(found.metrics[0].beyond, None);
        new.tasks[0].outcome = Some(TaskOutcome::Failed);
        new.tasks[0].artifact = None;
        let found = between(&old, &new);
        assert_eq!((found.outcomes.len(), found.bits.len()), (1, 0));
    }
}
