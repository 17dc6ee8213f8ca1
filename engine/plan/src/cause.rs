//! Causes: why recipes differ from earlier ones, followed through what they need down to where the difference lies.
//!
//! A task's key takes in the keys of its needs, so a difference anywhere above reaches it. [`Causes`] compares a task's recipe with an
//! earlier one; where the keys at a port differ, it compares the recipes behind them in turn. The earlier recipes are in a ledger, so it
//! works in rounds: [`Causes::wanting`] names those that are not known yet, [`Causes::learn`] takes them in, however many at a time.
//! Nothing here depends on what is kept: a cause is found whether what lies between was made again already or not.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Key, Value};

use crate::{
    account::Account,
    difference::compare,
    plan::{Plan, Task},
    reason::{Reason, group},
    why::Why,
};

/// How many reasons of one task are told apart.
const MANY: usize = 16;

/// A task to be explained: of a plan, or of a past run.
#[derive(Debug, Clone)]
pub struct Subject<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its key.
    pub key: Key,
    /// Its recipe's canonical text.
    pub recipe_text: &'a str,
    /// The planned task, where there is one: it knows where values are written.
    pub task: Option<&'a Task>,
}

/// A task, and an earlier recipe it is compared with.
type Pair = (usize, Key);

/// What a comparison of two recipes came to.
#[derive(Debug)]
struct Compared {
    own: Vec<Why>,
    /// By port: what leads further. Of a gather also how many cells there are.
    further: Vec<(Vec<Pair>, Option<usize>)>,
}

/// See the module.
#[derive(Debug)]
pub struct Causes<'a> {
    subjects: Vec<Subject<'a>>,
    by_key: BTreeMap<Key, usize>,
    /// Recipes by key, as far as they were asked for; `None` if nobody knows them.
    earlier: BTreeMap<Key, Option<Value>>,
    /// The names that earlier keys went by.
    names: BTreeMap<Key, BTreeSet<String>>,
    compared: BTreeMap<Pair, Compared>,
    open: Vec<Pair>,
    found: BTreeMap<Pair, Vec<Reason>>,
}

impl<'a> Causes<'a> {
    /// Causes of `subjects`, each of which comes after what it needs.
    pub fn new(subjects: Vec<Subject<'a>>) -> Self {
        let mut by_key = BTreeMap::new();
        for (index, subject) in subjects.iter().enumerate() {
            by_key.entry(subject.key).or_insert(index);
        }
        Self {
            subjects,
            by_key,
            earlier: BTreeMap::new(),
            names: BTreeMap::new(),
            compared: BTreeMap::new(),
            open: Vec::new(),
            found: BTreeMap::new(),
        }
    }

    /// Causes of a plan's tasks.
    pub fn of_plan(plan: &'a Plan) -> Self {
        let subject = |task: &'a Task| Subject {
            name: &task.name,
            key: task.key,
            recipe_text: &task.recipe_text,
            task: Some(task),
        };
        Self::new(plan.tasks().iter().map(subject).collect())
    }

    /// Notes that `key` went by `name`.
    pub fn name(&mut self, key: Key, name: &str) {
        self.names.entry(key).or_default().insert(name.to_owned());
    }

    /// Takes in the text of a recipe; `None` if there is none.
    pub fn learn(&mut self, key: Key, text: Option<&str>) {
        let recipe = text.and_then(|text| serde_json::from_str(text).ok());
        self.earlier.insert(key, recipe);
    }

    /// Of several earlier recipes of the task at `subject`, latest first, the nearest: the one with the fewest fields that differ. Each is
    /// given by key and text.
    pub fn nearest(&self, subject: usize, earlier: &[(Key, &str)]) -> Option<Key> {
        if let [(only, _)] = earlier {
            return Some(*only); // nothing to choose from
        }
        let now = self.now(subject)?;
        let distance = |(key, text): &(Key, &str)| {
            let recipe: Value = serde_json::from_str(text).ok()?;
            Some((compare(&recipe, &now).len(), *key))
        };
        let mut nearest: Option<(usize, Key)> = None;
        for (fields, key) in earlier.iter().filter_map(distance) {
            if nearest.is_none_or(|(least, _)| fields < least) {
                nearest = Some((fields, key));
            }
        }
        nearest.map(|(_, key)| key)
    }

    /// Asks for the causes that set the task at `subject` apart from the recipe under `key`.
    pub fn ask(&mut self, subject: usize, key: Key) {
        self.open.push((subject, key));
    }

    /// The keys whose recipes must be learnt before the causes asked for are known; none if they are.
    pub fn wanting(&mut self) -> Vec<Key> {
        let mut wanting = BTreeSet::new();
        let mut waiting = Vec::new();
        while let Some(pair) = self.open.pop() {
            if self.compared.contains_key(&pair) {
                continue;
            }
            if self.earlier.contains_key(&pair.1) {
                let compared = self.compare(pair);
                self.open.extend(compared.further.iter().flat_map(|(pairs, _)| pairs));
                self.compared.insert(pair, compared);
            } else {
                wanting.insert(pair.1);
                waiting.push(pair);
            }
        }
        self.open = waiting;
        wanting.into_iter().collect()
    }

    /// The causes asked for: nearest first, each root once.
    pub fn reasons(&mut self, subject: usize, key: Key) -> &[Reason] {
        // Needs have smaller numbers than what needs them, so in this order whatever a pair leads to is done before it.
        if !self.found.contains_key(&(subject, key)) {
            for (pair, compared) in &self.compared {
                if !self.found.contains_key(pair) {
                    let reasons = gather(self.subjects[pair.0].name, compared, &self.found);
                    self.found.insert(*pair, reasons);
                }
            }
        }
        self.found.get(&(subject, key)).map_or(&[], Vec::as_slice)
    }

    fn now(&self, subject: usize) -> Option<Value> {
        serde_json::from_str(self.subjects[subject].recipe_text).ok()
    }

    fn compare(&self, (index, key): Pair) -> Compared {
        let subject = &self.subjects[index];
        let mut compared = Compared { own: Vec::new(), further: Vec::new() };
        let (Some(Some(old)), Some(new)) = (self.earlier.get(&key), self.now(index)) else {
            compared.own.push(Why::Unknown { port: subject.name.to_owned() });
            return compared;
        };
        let without_needs = |recipe: &Value| {
            let mut recipe = recipe.clone();
            if let Some(members) = recipe.as_object_mut() {
                members.remove("needs");
            }
            recipe
        };
        for mut difference in compare(&without_needs(old), &without_needs(&new)) {
            if let (Some(task), Some(path)) = (subject.task, difference.field.strip_prefix("spec.")) {
                difference.account = difference.new.as_ref().map(|_| Account::new(task.provenance(path)));
            }
            compared.own.push(Why::of(difference));
        }
        // What another kind reads from its `with:` has nothing to do with what this one did.
        if compared.own.iter().any(|why| matches!(why, Why::Kind(_))) {
            compared.own.retain(|why| matches!(why, Why::Kind(_)));
            return compared;
        }
        let empty = serde_json::Map::new();
        let needs = |recipe: &'_ Value| recipe["needs"].as_object().unwrap_or(&empty).clone();
        let (before, after) = (needs(old), needs(&new));
        let ports: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for port in ports {
            self.port(port, before.get(port), after.get(port), &mut compared);
        }
        compared
    }

    /// What became of one port.
    fn port(&self, port: &str, before: Option<&Value>, after: Option<&Value>, compared: &mut Compared) {
        let many = |need: Option<&Value>| need.and_then(|need| need["many"].as_object().cloned());
        if let (Some(before), Some(after)) = (many(before), many(after)) {
            let labels = |a: &serde_json::Map<String, Value>, b: &serde_json::Map<String, Value>| {
                a.keys().filter(|label| !b.contains_key(*label)).cloned().collect::<Vec<_>>()
            };
            let (came, went) = (labels(&after, &before), labels(&before, &after));
            if !came.is_empty() || !went.is_empty() {
                compared.own.push(Why::Cells { port: port.to_owned(), came, went });
            }
            let mut pairs = Vec::new();
            for (label, new) in &after {
                if let Some(old) = before.get(label) {
                    let place = || format!("{port}[{label}]");
                    pairs.extend(self.need(&place, key_of(old), key_of(new), compared));
                }
            }
            compared.further.push((pairs, Some(after.len())));
            return;
        }
        let one = |need: Option<&Value>| need.and_then(|need| key_of(&need["one"]));
        match (before, after, one(before), one(after)) {
            (None, _, _, new) => {
                let new = new.map_or_else(|| "a gather".to_owned(), |key| self.name_of(&key));
                compared.own.push(Why::Need { port: port.to_owned(), old: None, new: Some(new) });
            }
            (_, None, old, _) => {
                let old = old.and_then(|key| self.old_name(&key));
                compared.own.push(Why::Need { port: port.to_owned(), old, new: None });
            }
            (_, _, old, new) => {
                let pairs = self.need(&|| port.to_owned(), old, new, compared).into_iter().collect();
                compared.further.push((pairs, None));
            }
        }
    }

    /// What became of one need: nothing, the same task with another recipe, or another task.
    fn need(
        &self,
        place: &dyn Fn() -> String,
        old: Option<Key>,
        new: Option<Key>,
        compared: &mut Compared,
    ) -> Option<Pair> {
        if old == new {
            return None;
        }
        let (Some(old), Some(new)) = (old, new) else {
            compared.own.push(Why::Unknown { port: place() });
            return None;
        };
        let Some(&index) = self.by_key.get(&new) else {
            compared.own.push(Why::Unknown { port: place() });
            return None;
        };
        let name = self.subjects[index].name;
        match self.names.get(&old) {
            // A need by another name is another task, and its recipe is no earlier one of this.
            Some(names) if !names.contains(name) => {
                let old = names.iter().next().cloned();
                compared.own.push(Why::Need { port: place(), old, new: Some(name.to_owned()) });
                None
            }
            _ => Some((index, old)),
        }
    }

    fn name_of(&self, key: &Key) -> String {
        self.by_key
            .get(key)
            .map_or_else(|| format!("key {}", key.short()), |index| self.subjects[*index].name.to_owned())
    }

    fn old_name(&self, key: &Key) -> Option<String> {
        self.names.get(key).and_then(|names| names.iter().next().cloned())
    }
}

/// A pair's own reasons, and those of what it leads to.
fn gather(own: &str, compared: &Compared, found: &BTreeMap<Pair, Vec<Reason>>) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = compared.own.iter().map(|why| Reason::own(own, why.clone())).collect();
    let mut further: Vec<Reason> = Vec::new();
    for (pairs, cells) in &compared.further {
        let mut by_shape: BTreeMap<String, usize> = BTreeMap::new();
        for pair in pairs {
            let mut seen = BTreeSet::new();
            for reason in found.get(pair).map_or(&[][..], Vec::as_slice) {
                let shape = reason.shape();
                if !seen.insert(shape.clone()) {
                    continue;
                }
                if let Some(at) = by_shape.get(&shape) {
                    if let Some((some, _)) = &mut further[*at].cells {
                        *some += 1;
                    }
                    continue;
                }
                by_shape.insert(shape, further.len());
                let chain = std::iter::once(own.to_owned()).chain(reason.chain.iter().cloned()).collect();
                further.push(Reason { why: reason.why.clone(), chain, cells: cells.map(|all| (1, all)) });
            }
        }
    }
    // One root that is reached in several ways is one cause: the shortest way tells it.
    further.sort_by_key(|reason| reason.chain.len());
    let mut told = BTreeSet::new();
    for reason in further {
        let root = reason.chain.last().map(|name| group(name).to_owned()).unwrap_or_default();
        if told.insert((root, reason.why.to_string())) {
            reasons.push(reason);
        }
    }
    reasons.truncate(MANY);
    reasons
}

fn key_of(value: &Value) -> Option<Key> {
    value.as_str().and_then(|text| text.parse().ok())
}

#[cfg(test)]
#[path = "cause_tests.rs"]
mod tests;
