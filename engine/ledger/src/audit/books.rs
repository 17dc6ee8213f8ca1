//! The books: every row that an audit looks at, wherever it was read.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key};
use serde::{Deserialize, Serialize};

use super::lines::{hex, hex_or_none};
use crate::{
    at::At,
    attempt::Points,
    bytes,
    id::{AttemptId, RunId},
};

/// Everything an audit looks at.
#[derive(Debug, Default)]
pub struct Books {
    /// Whether these are all books there are.
    pub(super) everything: bool,
    /// The runs that were asked for.
    pub(super) audited: BTreeSet<RunId>,
    /// These, and all that recorded what they rest on.
    pub(super) runs: BTreeMap<RunId, RunRow>,
    /// Events of all these runs, in the order of their place.
    pub(super) events: BTreeMap<RunId, Vec<EventRow>>,
    /// Runs that have events and no row.
    pub(super) strangers: Vec<RunId>,
    /// The plans of the audited runs.
    pub(super) tasks: BTreeMap<RunId, Vec<TaskRow>>,
    pub(super) recipes: BTreeMap<Key, RecipeRow>,
    pub(super) needs: BTreeMap<Key, BTreeSet<(String, String, Key)>>,
    pub(super) attempts: BTreeMap<AttemptId, AttemptRow>,
    pub(super) points: BTreeMap<AttemptId, Points>,
    pub(super) results: BTreeMap<Key, ResultRow>,
    pub(super) artifacts: BTreeMap<Digest, ArtifactRow>,
    pub(super) traces: BTreeSet<(Digest, Key)>,
    /// Recipes whose first run has no task of that key.
    pub(super) misplaced: BTreeSet<Key>,
    /// Traces that events of runs elsewhere name.
    pub(super) traces_elsewhere: BTreeSet<Digest>,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct RunRow {
    pub id: RunId,
    pub study: String,
    pub file: String,
    #[serde(with = "hex")]
    pub plan: [u8; 32],
    pub soft: String,
    pub holder: String,
    pub state: String,
    pub tasks: i64,
    pub began: At,
    pub ended: Option<At>,
    pub events: i64,
    #[serde(with = "hex")]
    pub head: [u8; 32],
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct EventRow {
    pub run: RunId,
    pub seq: i64,
    pub at: At,
    pub body: String,
    #[serde(with = "hex")]
    pub prev: [u8; 32],
    #[serde(with = "hex")]
    pub hash: [u8; 32],
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct TaskRow {
    pub run: RunId,
    pub position: i64,
    pub name: String,
    #[serde(with = "hex")]
    pub key: [u8; 32],
    pub outcome: Option<String>,
    #[serde(with = "hex_or_none")]
    pub artifact: Option<[u8; 32]>,
    pub attempt: Option<AttemptId>,
    pub reason: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct RecipeRow {
    #[serde(with = "hex")]
    pub key: [u8; 32],
    pub kind: String,
    pub revision: i64,
    pub text: String,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct AttemptRow {
    pub id: AttemptId,
    pub run: RunId,
    pub task: String,
    #[serde(with = "hex")]
    pub key: [u8; 32],
    pub fence: i64,
    pub purpose: String,
    pub holder: String,
    pub soft: String,
    pub began: At,
    pub ended: Option<At>,
    pub outcome: Option<String>,
    #[serde(with = "hex_or_none")]
    pub artifact: Option<[u8; 32]>,
    pub reason: Option<String>,
    pub class: Option<String>,
    pub seconds: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct ResultRow {
    #[serde(with = "hex")]
    pub key: [u8; 32],
    pub outcome: String,
    #[serde(with = "hex_or_none")]
    pub artifact: Option<[u8; 32]>,
    pub reason: Option<String>,
    pub attempt: Option<AttemptId>,
    pub run: RunId,
    pub at: At,
    /// In the event that recorded it, too: a crate does without.
    #[serde(skip)]
    pub trace: Option<[u8; 32]>,
}

#[derive(Debug, Serialize, Deserialize, sqlx::FromRow)]
pub(super) struct ArtifactRow {
    #[serde(with = "hex")]
    pub digest: [u8; 32],
    pub shape: String,
    #[serde(skip)]
    pub text: String,
    pub bytes: i64,
    pub first_run: RunId,
}

impl Books {
    /// The events of a run.
    pub(super) fn events_of(&self, run: RunId) -> &[EventRow] {
        self.events.get(&run).map_or(&[], Vec::as_slice)
    }

    /// The artifact that stands under `key`, if one does.
    pub(super) fn standing(&self, key: &Key) -> Option<Digest> {
        bytes::digest(self.results.get(key)?.artifact)
    }
}
