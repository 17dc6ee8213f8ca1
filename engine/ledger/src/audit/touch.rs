//! What a finding touches: tasks of the audited runs, and everything there that rests on them.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Key;
use serde::Serialize;

use super::{
    Subject,
    books::{Books, TaskRow},
};
use crate::id::RunId;

/// Tasks that a finding touches, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// Those it is about.
    pub tasks: BTreeSet<String>,
    /// Those that rest on them.
    pub downstream: BTreeSet<String>,
}

/// What `subject` touches in `runs`.
pub(super) fn touched(books: &Books, runs: &[RunId], subject: &Subject) -> Touched {
    let is_about = |task: &TaskRow| match subject {
        Subject::Run(run) => task.run == *run,
        Subject::Tasks(run, names) => task.run == *run && names.contains(&task.name),
        Subject::Key(key) => task.key == *key.as_bytes(),
        Subject::Attempt(id) => {
            let attempt = books.attempts.get(id);
            task.attempt == Some(*id) || attempt.is_some_and(|row| row.run == task.run && row.task == task.name)
        }
        Subject::Artifact(digest) => {
            task.artifact == Some(*digest.as_bytes()) || books.standing(&Key::from_bytes(task.key)) == Some(*digest)
        }
        Subject::Claim(_) | Subject::Nothing => false,
    };
    let mut touched = Touched::default();
    let planned: Vec<&TaskRow> = runs.iter().filter_map(|run| books.tasks.get(run)).flatten().collect();
    let mut keys: BTreeSet<Key> = BTreeSet::new();
    for task in planned.iter().filter(|task| is_about(task)) {
        touched.tasks.insert(task.name.clone());
        keys.insert(Key::from_bytes(task.key));
    }
    if let (Subject::Run(run), true) = (subject, touched.tasks.is_empty()) {
        // An earlier run: what it made and the audited ones kept.
        for task in &planned {
            let key = Key::from_bytes(task.key);
            if books.results.get(&key).is_some_and(|result| result.run == *run) {
                touched.tasks.insert(task.name.clone());
                keys.insert(key);
            }
        }
    }
    let below = below(books, keys);
    for task in planned {
        if below.contains(&Key::from_bytes(task.key)) && !touched.tasks.contains(&task.name) {
            touched.downstream.insert(task.name.clone());
        }
    }
    touched
}

/// `keys` and all keys that rest on them.
fn below(books: &Books, keys: BTreeSet<Key>) -> BTreeSet<Key> {
    let mut consumers: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
    for (key, needs) in &books.needs {
        for (_, _, need) in needs {
            consumers.entry(*need).or_default().push(*key);
        }
    }
    let mut open: Vec<Key> = keys.iter().copied().collect();
    let mut below = keys;
    while let Some(key) = open.pop() {
        for consumer in consumers.get(&key).into_iter().flatten() {
            if below.insert(*consumer) {
                open.push(*consumer);
            }
        }
    }
    below
}
