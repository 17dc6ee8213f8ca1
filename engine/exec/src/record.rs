//! The record: what the reactor knows of each task by now, and the summary made of it.

use std::{collections::BTreeMap, path::PathBuf};

use isoflop_contract::{Digest, Key, Manifest};
use isoflop_ledger::{AttemptId, Past, PastOutcome, RunId};
use isoflop_plan::Plan;

use crate::{
    summary::{Outcome, Summary, TaskSummary, Totals},
    survey::{State, Survey},
};

/// What is known of one task.
#[derive(Debug, Clone, Default)]
pub(crate) struct Entry {
    /// How it came out, if it has.
    pub(crate) outcome: Option<Outcome>,
    /// Its artifact.
    pub(crate) made: Option<(Digest, Manifest)>,
    pub(crate) reason: Option<String>,
    pub(crate) seconds: Option<f64>,
    pub(crate) adopted: bool,
    /// The artifact that stood under its key before.
    pub(crate) before: Option<Digest>,
    /// The digest of its recipe with needs by digest, once these are known.
    pub(crate) trace: Option<Digest>,
    pub(crate) attempt: Option<AttemptId>,
    pub(crate) log: Option<PathBuf>,
}

impl Entry {
    /// The artifact that stood before, where one with other bits stands now.
    pub(crate) fn replaces(&self) -> Option<Digest> {
        let now = self.made.as_ref().map(|(digest, _)| *digest)?;
        self.before.filter(|before| *before != now)
    }
}

/// What is known of all tasks, in the plan's order.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) entries: Vec<Entry>,
    /// Artifacts by key, for traces.
    digests: BTreeMap<Key, Digest>,
    /// Whether each task has to do with what was asked for.
    concerned: Vec<bool>,
}

impl Record {
    pub(crate) fn of(plan: &Plan, survey: &Survey) -> Self {
        let mut record = Self {
            entries: (0..plan.tasks().len())
                .map(|index| Entry { before: survey.before(index), ..Entry::default() })
                .collect(),
            digests: BTreeMap::new(),
            concerned: (0..plan.tasks().len()).map(|index| survey.is_concerned(index)).collect(),
        };
        for (index, state) in survey.states().iter().enumerate() {
            if let State::Kept(past) = state {
                record.keep(index, plan.tasks()[index].key, past, false);
            }
        }
        record
    }

    /// A result of an earlier run, or of another engine, stands.
    pub(crate) fn keep(&mut self, task: usize, key: Key, past: &Past, adopted: bool) {
        let before = self.entries[task].before;
        let entry = Entry { outcome: Some(Outcome::Kept), adopted, before, trace: past.trace, ..Entry::default() };
        self.entries[task] = match &past.outcome {
            PastOutcome::Made { digest, manifest } => {
                self.digests.insert(key, *digest);
                Entry { made: Some((*digest, manifest.clone())), ..entry }
            }
            PastOutcome::Diverged { reason } => Entry { reason: Some(reason.clone()), ..entry },
        };
    }

    /// This run made an artifact.
    pub(crate) fn make(&mut self, task: usize, key: Key, digest: Digest, manifest: Manifest) {
        self.digests.insert(key, digest);
        let entry = &mut self.entries[task];
        entry.outcome = Some(Outcome::Made);
        entry.made = Some((digest, manifest));
        entry.reason = None;
    }

    /// This run ended the task without an artifact.
    pub(crate) fn miss(&mut self, task: usize, key: Key, outcome: Outcome, reason: String) {
        self.digests.remove(&key);
        let entry = &mut self.entries[task];
        entry.outcome = Some(outcome);
        entry.made = None;
        entry.reason = Some(reason);
    }

    /// The artifact under `key`, if there is one.
    pub(crate) fn digest(&self, key: &Key) -> Option<Digest> {
        self.digests.get(key).copied()
    }

    /// The summary. Tasks that nobody asked for are left out.
    pub(crate) fn summary(self, plan: &Plan, run: RunId, seconds: f64, interrupted: bool) -> Summary {
        let tasks: Vec<TaskSummary> = plan
            .tasks()
            .iter()
            .zip(self.entries)
            .zip(self.concerned)
            .filter_map(|((task, entry), concerned)| {
                // What stands from before counts only if it was asked for; what was made anew in any case.
                let outcome = entry.outcome.filter(|outcome| concerned || *outcome != Outcome::Kept)?;
                let replaces = entry.replaces();
                Some(TaskSummary {
                    name: task.name.clone(),
                    key: task.key,
                    outcome,
                    digest: entry.made.map(|(digest, _)| digest),
                    seconds: entry.seconds,
                    reason: entry.reason,
                    adopted: entry.adopted,
                    replaces,
                    trace: entry.trace,
                    attempt: entry.attempt,
                    log: entry.log,
                })
            })
            .collect();
        let totals = Totals::of(tasks.iter().map(|task| (task.outcome, task.adopted)));
        Summary { version: 1, run, study: plan.study.name.clone(), tasks, totals, seconds, interrupted }
    }
}
