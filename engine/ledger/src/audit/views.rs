//! What books say, as plain views: for whoever renders them or judges by them. A row that says what none can is left out; the audit names it.

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Key, Manifest};

use super::books::Books;
use crate::{
    bytes,
    id::RunId,
    past::{Past, PastOutcome},
    run::TaskOutcome,
    view::{AttemptView, RunView},
};

/// The end of a run's chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The run.
    pub run: RunId,
    /// Its events.
    pub events: u64,
    /// The hash of the last one.
    pub hash: Digest,
}

impl Books {
    /// The runs that were asked for, oldest first.
    pub fn audited(&self) -> impl DoubleEndedIterator<Item = RunId> + '_ {
        self.audited.iter().copied()
    }

    /// The ends of all chains, by run.
    pub fn heads(&self) -> Vec<Head> {
        let head = |(run, row): (&RunId, &super::books::RunRow)| Head {
            run: *run,
            events: row.events.unsigned_abs(),
            hash: Digest::from_bytes(row.head),
        };
        self.runs.iter().map(head).collect()
    }

    /// All runs, oldest first.
    pub fn run_views(&self) -> Vec<RunView> {
        let mut views = Vec::new();
        for row in self.runs.values() {
            let Ok(state) = row.state.parse() else { continue };
            let mut outcomes: BTreeMap<String, u64> = BTreeMap::new();
            for outcome in self.tasks.get(&row.id).into_iter().flatten().filter_map(|task| task.outcome.clone()) {
                *outcomes.entry(outcome).or_default() += 1;
            }
            views.push(RunView {
                id: row.id,
                study: row.study.clone(),
                file: row.file.clone(),
                plan: Digest::from_bytes(row.plan),
                soft: serde_json::from_str(&row.soft).unwrap_or_default(),
                holder: row.holder.clone(),
                holder_dead: false,
                state,
                began: row.began.0,
                ended: row.ended.map(|at| at.0),
                tasks: row.tasks.unsigned_abs(),
                outcomes,
            });
        }
        views
    }

    /// All attempts, oldest first.
    pub fn attempt_views(&self) -> Vec<AttemptView> {
        let view = |row: &super::books::AttemptRow| AttemptView {
            id: row.id,
            run: row.run,
            task: row.task.clone(),
            key: Key::from_bytes(row.key),
            fence: row.fence,
            purpose: row.purpose.clone(),
            holder: row.holder.clone(),
            soft: serde_json::from_str(&row.soft).unwrap_or_default(),
            began: row.began.0,
            ended: row.ended.map(|at| at.0),
            outcome: row.outcome.clone(),
            artifact: bytes::digest(row.artifact),
            reason: row.reason.clone(),
            class: row.class.clone(),
            seconds: row.seconds,
        };
        let mut views: Vec<AttemptView> = self.attempts.values().map(view).collect();
        views.sort_by_key(|view| (view.began, view.id));
        views
    }

    /// What stands under each key. A result whose manifest is not there, or is not what its digest names, is left out.
    pub fn past(&self) -> BTreeMap<Key, Past> {
        let mut past = BTreeMap::new();
        for (key, row) in &self.results {
            let outcome = match bytes::digest(row.artifact) {
                None => PastOutcome::Diverged { reason: row.reason.clone().unwrap_or_default() },
                Some(digest) => match self.manifest(digest) {
                    Some(manifest) => PastOutcome::Made { digest, manifest },
                    None => continue,
                },
            };
            let trace = bytes::digest(row.trace);
            past.insert(*key, Past { outcome, run: row.run, attempt: row.attempt, at: row.at.0, trace });
        }
        past
    }

    /// How each task came out in the latest run that was asked for, and why, by name.
    pub fn outcomes(&self) -> BTreeMap<String, (Key, TaskOutcome, Option<String>)> {
        let tasks = self.audited.last().and_then(|run| self.tasks.get(run)).into_iter().flatten();
        let known = tasks.filter_map(|task| {
            let outcome = task.outcome.as_deref()?.parse().ok()?;
            Some((task.name.clone(), (Key::from_bytes(task.key), outcome, task.reason.clone())))
        });
        known.collect()
    }

    /// The tasks of the latest run that was asked for, with their keys.
    pub fn planned(&self) -> impl Iterator<Item = (&str, Key)> {
        let tasks = self.audited.last().and_then(|run| self.tasks.get(run)).into_iter().flatten();
        tasks.map(|task| (task.name.as_str(), Key::from_bytes(task.key)))
    }

    /// The recipes' texts by key.
    pub fn recipe_texts(&self) -> BTreeMap<Key, &str> {
        self.recipes.iter().map(|(key, row)| (*key, row.text.as_str())).collect()
    }

    /// How many events of all runs.
    pub fn events(&self) -> u64 {
        self.events.values().map(|events| events.len() as u64).sum()
    }

    /// The manifests of all artifacts, those left out that are not what their digest names.
    pub fn manifests(&self) -> BTreeMap<Digest, Manifest> {
        self.artifacts.keys().filter_map(|digest| Some((*digest, self.manifest(*digest)?))).collect()
    }

    fn manifest(&self, digest: Digest) -> Option<Manifest> {
        let text = &self.artifacts.get(&digest)?.text;
        if Digest::of(text) == digest { serde_json::from_str(text).ok() } else { None }
    }
}
