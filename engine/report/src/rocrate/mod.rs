//! A study as an RO-Crate: what its `ro-crate-metadata.json`, its in-toto statement, its list of digests and its README say, from plain facts.
//! Nothing here reads a clock or a file, so the same facts give the same bytes, and whoever has a crate can render them again to compare.
//!
//! The metadata is RO-Crate 1.1 and conforms to the Process, Workflow and Provenance Run Crate profiles 0.5 and to Workflow RO-Crate 1.0
//! (<https://www.researchobject.org/workflow-run-crate/>):
//!
//! | of a study | entity |
//! |---|---|
//! | its YAML | `ComputationalWorkflow`, which is the main entity |
//! | a parameter | `FormalParameter`, and the `PropertyValue` it was given |
//! | a kind | `SoftwareApplication`, with a `FormalParameter` for each port and each number of `with:` |
//! | a task | `HowToStep` |
//! | a run | `CreateAction` of the workflow, and the `OrganizeAction` of the engine |
//! | a task in a run | `ControlAction` |
//! | an attempt | `CreateAction` of the kind |
//! | an artifact | `Collection` of files, its manifest the main one |
//! | a file of the crate | `File`, with its digests |

mod actions;
mod data;
mod graph;
mod head;
mod readme;
mod statement;
mod study;
mod sums;

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Key, Manifest};
use isoflop_plan::Plan;

pub use graph::pretty;
pub use head::{Head, Set, Which};
pub use readme::readme;
pub use statement::{PREDICATE, statement, subjects};
pub use sums::{NotSums, read as read_sums, write as write_sums};

use graph::Graph;

/// The metadata's file, by which a crate is known.
pub const METADATA: &str = "ro-crate-metadata.json";
/// The crate's own head.
pub const HEAD: &str = "isoflop.json";
/// The record, but for recipes and manifests.
pub const LEDGER: &str = "ledger.jsonl";
/// The recipes.
pub const RECIPES: &str = "recipes.jsonl";
/// The claims, judged.
pub const CLAIMS: &str = "claims.json";
/// The page.
pub const REPORT: &str = "report.html";
/// What to do with the crate, for a person.
pub const README: &str = "README.md";
/// The SHA-256 of every file but itself and the statement.
pub const SUMS: &str = "SHA256SUMS";
/// The in-toto statement, which names the list of digests.
pub const STATEMENT: &str = "statement.json";

/// Everything a crate is rendered from.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The crate's head.
    pub head: &'a Head,
    /// The study in the crate, planned.
    pub plan: &'a Plan,
    /// Every run in the record, oldest first.
    pub runs: Vec<RunRecord>,
    /// Every attempt in the record, oldest first.
    pub executions: Vec<Execution>,
    /// What stands under each key.
    pub results: BTreeMap<Key, Standing>,
    /// Manifests by artifact.
    pub manifests: BTreeMap<Digest, Manifest>,
    /// Every file of the crate that is named in the list of digests, but for the metadata itself.
    pub files: BTreeMap<String, Stamp>,
}

/// A run, as the metadata tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunRecord {
    /// Its id.
    pub id: String,
    /// The digest of its plan.
    pub plan: Digest,
    /// When it began, RFC 3339.
    pub began: String,
    /// When it ended, RFC 3339; none if it is under way, or was left.
    pub ended: Option<String>,
    /// Whether a task of it failed.
    pub failed: bool,
    /// The engine's version; empty where nobody knows.
    pub engine: String,
    /// The commit of the study's repository.
    pub commit: Option<String>,
    /// Whether the crate's results are those of this run.
    pub audited: bool,
}

/// An attempt, as the metadata tells of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: String,
    /// Its run's id.
    pub run: String,
    /// The task's name in that run.
    pub task: String,
    /// The key.
    pub key: Key,
    /// What for: `make`, `remake` or `witness`.
    pub purpose: String,
    /// When it began, RFC 3339.
    pub began: String,
    /// When it ended, RFC 3339.
    pub ended: Option<String>,
    /// `made`, `diverged`, `failed` or `lost`; none while it runs.
    pub outcome: Option<String>,
    /// What it made.
    pub artifact: Option<Digest>,
    /// Why it diverged or failed.
    pub reason: Option<String>,
    /// How long its body ran, in seconds.
    pub seconds: Option<f64>,
    /// Host, processor and device; empty where nobody knows.
    pub machine: String,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The artifact; none if it diverged.
    pub artifact: Option<Digest>,
    /// The attempt that made it.
    pub attempt: Option<String>,
}

/// Digests and size of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// SHA-256, which every tool computes.
    pub sha256: Digest,
    /// BLAKE3, which isoflop names bytes by.
    pub blake3: Digest,
    /// In bytes.
    pub size: u64,
}

/// The text of `ro-crate-metadata.json`.
pub fn metadata(contents: &Contents<'_>) -> String {
    let mut graph = Graph::default();
    let tools = study::tools(contents);
    let actions = actions::actions(contents, &mut graph);
    study::workflow(contents, &tools, &mut graph);
    data::artifacts(contents, &mut graph);
    data::files(contents, &mut graph);
    study::root(contents, &actions, &mut graph);
    graph.text()
}

/// Where the blob of this digest lies in a crate.
pub fn blob_path(blob: &Digest) -> String {
    let name = blob.to_string();
    format!("blobs/{}/{name}", &name[..2])
}

/// Where the manifest of this artifact lies in a crate.
pub fn manifest_path(artifact: &Digest) -> String {
    let name = artifact.to_string();
    format!("manifests/{}/{name}", &name[..2])
}
