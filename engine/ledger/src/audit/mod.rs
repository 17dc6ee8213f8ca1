//! The audit: what the ledger says, held against itself.
//!
//! Everything about a run and about what it rests on is read in one snapshot (`rows`); the checks are pure. Each event chain is walked
//! (`chain`), the run's row, its plan and how each task came out are held against the chain (`run`), keys against recipes (`recipe`),
//! attempts, series, results and artifacts against the events that recorded them, and each result's trace against the results it rests on
//! (`result`). Bytes are the store's: whoever calls has [`Audit::manifests`] to compare them with. [`Books`] can be written as text and read
//! again (`lines`), and are then judged by the same checks without a database.
//!
//! What an audit cannot find is written down in `engine/decisions/0009-audit-and-garbage.md`.

mod books;
mod chain;
mod lines;
mod recipe;
mod result;
mod rows;
mod run;
mod touch;
mod views;

use std::{collections::BTreeMap, fmt};

use isoflop_contract::{Digest, Key};
use serde::Serialize;

use crate::{
    bytes,
    error::LedgerError,
    id::{AttemptId, RunId},
    ledger::Ledger,
};

pub use books::Books;
pub use lines::Written;
pub use touch::Touched;
pub use views::Head;

/// What to audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// One run, and whatever its results rest on in others.
    Run(RunId),
    /// Every run, recipe and artifact there is.
    Everything,
}

/// Something that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// What does not hold, for a person: one sentence.
    pub what: String,
    /// What it is about.
    #[serde(skip)]
    pub subject: Subject,
}

/// The sort of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A chain of events is broken.
    Chain,
    /// A run's row does not agree with its events.
    Run,
    /// A run's list of tasks, or how one came out, does not agree with its events.
    Plan,
    /// A recipe is not what its key names, or its recorded needs are others.
    Recipe,
    /// An attempt's row does not agree with its events.
    Attempt,
    /// A series is not what was measured.
    Metric,
    /// What stands under a key was recorded by no event.
    Result,
    /// A manifest's text in the ledger is not what its digest names.
    Artifact,
    /// A result does not rest on what stands under the keys it needs.
    Provenance,
    /// A manifest in the store is not what its digest names.
    Manifest,
    /// A blob in the store is not what its digest names.
    Blob,
    /// A file of a crate is not what the crate says of it, or cannot be read.
    File,
    /// The study in a crate does not plan what was recorded.
    Study,
    /// A claim in a crate is not what its numbers give.
    Claim,
    /// What was made here has other bits.
    Bits,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chain => "chain",
            Self::Run => "run",
            Self::Plan => "plan",
            Self::Recipe => "recipe",
            Self::Attempt => "attempt",
            Self::Metric => "metric",
            Self::Result => "result",
            Self::Artifact => "artifact",
            Self::Provenance => "provenance",
            Self::Manifest => "manifest",
            Self::Blob => "blob",
            Self::File => "file",
            Self::Study => "study",
            Self::Claim => "claim",
            Self::Bits => "bits",
        })
    }
}

/// What a finding is about: from here on it is followed to tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A whole run.
    Run(RunId),
    /// Tasks of a run, by name.
    Tasks(RunId, Vec<String>),
    /// A recipe or its result.
    Key(Key),
    /// An attempt.
    Attempt(AttemptId),
    /// An artifact.
    Artifact(Digest),
    /// A claim, by name.
    Claim(String),
    /// No task in particular.
    Nothing,
}

/// What an audit found.
#[derive(Debug)]
pub struct Audit {
    /// The runs that were asked for, newest first.
    pub runs: Vec<RunId>,
    /// Events whose chains were walked, those of earlier runs that results come from included.
    pub events: u64,
    /// Recipes whose keys were recomputed.
    pub recipes: u64,
    /// What does not hold, in order of the checks.
    pub findings: Vec<Finding>,
    books: Books,
}

impl Audit {
    /// The manifests of all artifacts that the audited runs rest on, as the ledger has their texts. Those whose text is not what their digest
    /// names are left out: they are findings.
    pub fn manifests(&self) -> BTreeMap<Digest, &str> {
        let sound = self.books.artifacts.iter().filter(|(digest, row)| Digest::of(&row.text) == **digest);
        sound.map(|(digest, row)| (*digest, row.text.as_str())).collect()
    }

    /// How many artifacts the audited runs rest on.
    pub fn artifacts(&self) -> u64 {
        self.books.artifacts.len() as u64
    }

    /// What `subject` touches: its tasks in the audited runs, and all tasks there that rest on them.
    pub fn touched(&self, subject: &Subject) -> Touched {
        touch::touched(&self.books, &self.runs, subject)
    }
}

impl Ledger {
    /// Audits a run or everything. Reads only, in one snapshot: a run under way is seen as it stood at one moment.
    pub async fn audit(&self, reach: Reach) -> Result<Audit, LedgerError> {
        let books = self.with_much("audit", |pool| async move { rows::load(&pool, reach).await }).await?;
        Ok(judge(books))
    }

    /// The books of a study as it stands: the latest run of this plan (or else the latest that has a task of it), what stands under `keys`,
    /// every attempt at them, and the chains of all runs that recorded any of that. Reads only, in one snapshot.
    pub async fn books_of(&self, study: &str, plan: Digest, keys: &[Key]) -> Result<Books, LedgerError> {
        let keys = &bytes::keys(keys);
        self.with_much("read a study's books", |pool| async move { rows::of_study(&pool, study, plan, keys).await })
            .await
    }
}

impl Audit {
    /// Audits books that were read from elsewhere.
    pub fn of(books: Books) -> Self {
        judge(books)
    }

    /// The books that were audited.
    pub fn books(&self) -> &Books {
        &self.books
    }
}

/// All checks.
fn judge(books: Books) -> Audit {
    let mut findings = Vec::new();
    let mut chains = BTreeMap::new();
    for (id, row) in &books.runs {
        chains.insert(*id, chain::walk(row, books.events_of(*id), &mut findings));
    }
    for (id, row) in &books.runs {
        run::check_row(row, &chains[id], &mut findings);
    }
    for id in &books.audited {
        run::check_plan(&books, *id, &chains[id], &mut findings);
    }
    for run in &books.strangers {
        let what = format!("there are events of run {run}, and the run itself is not in the ledger");
        findings.push(Finding { kind: FindingKind::Run, what, subject: Subject::Run(*run) });
    }
    recipe::check(&books, &mut findings);
    result::check(&books, &chains, &mut findings);
    let mut runs: Vec<RunId> = books.audited.iter().copied().collect();
    runs.reverse();
    let events = chains.values().map(|chain| chain.lines.len() as u64).sum();
    Audit { runs, events, recipes: books.recipes.len() as u64, findings, books }
}
