//! What engine and worker say to each other.
//!
//! The worker writes one [`Notice`] a line on the descriptor named by [`NOTICE_FD`], a pipe that native libraries do not know of: their
//! chatter on stdout and stderr goes to the log and cannot be taken for a message. It says [`Notice::Hello`] first. The engine then writes
//! one [`Assignment`] as a line on the worker's stdin and keeps it open: stdin closing means stop. Large data goes through files: inputs
//! are read-only folders, and what the body writes under `out` becomes the artifact. The engine commits it and writes the ledger, never
//! the worker.
//!
//! From hello to its last word a worker is never silent for longer than [`BEAT`]: a thread of its own says [`Notice::Beat`], whatever the
//! body is at. One that falls silent for much longer has been stopped or hangs in the kernel, and is ended.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cell::Cell, checkpoint::Checkpointing, digest::Digest, environment::Environment, key::Key, outcome::Failure,
    port::Given, seed::Seed,
};

/// The version of these messages.
pub const PROTOCOL: u32 = 2;

/// The variable that names the descriptor for notices.
pub const NOTICE_FD: &str = "ISOFLOP_NOTICE_FD";

/// What begins the names of series that tell of the machine (`machine.images_per_second`): they differ from one execution to the next, and
/// nothing is made of it when executions are compared.
pub const MACHINE: &str = "machine.";

/// How often a worker says that it lives.
pub const BEAT: Duration = Duration::from_secs(1);

/// The longest line either side accepts, in bytes.
pub const MAX_LINE: usize = 16 << 20;

/// One task for one worker process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Assignment {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The task's name, for messages only.
    pub task: String,
    /// The kind to run.
    pub kind: String,
    /// Its revision.
    pub revision: u32,
    /// Its `with:`, canonical.
    pub spec: Value,
    /// The task's seed, where the kind uses one.
    pub seed: Option<Seed>,
    /// The hard environment to keep to.
    pub environment: Environment,
    /// Artifacts by port.
    pub needs: BTreeMap<String, Given>,
    /// By port that gathers, the cells of which there is no artifact, by label: they diverged, or what they need did.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub absent: BTreeMap<String, BTreeMap<String, Cell>>,
    /// Files of the study by name: folders of read-only files.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, PathBuf>,
    /// An empty folder: what is in it at the end is the artifact.
    pub out: PathBuf,
    /// A folder for whatever need not be kept.
    pub scratch: PathBuf,
    /// How many processes may share the work, the worker's own included: it starts the others. The result must not depend on it.
    #[serde(default = "alone")]
    pub ranks: NonZero<u32>,
    /// How it checkpoints; without, it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saving: Option<Saving>,
}

/// A task that one process does by itself.
pub const ALONE: NonZero<u32> = NonZero::<u32>::MIN;

fn alone() -> NonZero<u32> {
    ALONE
}

/// How an attempt checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Saving {
    /// The task's key: its checkpoints are of no use to another.
    pub key: Key,
    /// The folder of this key's checkpoints. It need not be there yet.
    pub folder: PathBuf,
    /// How often, and how many are kept.
    pub how: Checkpointing,
    /// Steps at which to save instead.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub at: BTreeSet<u64>,
    /// The step of the checkpoint in `folder` to go on from, which the engine has checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<u64>,
    /// Where the worker is to kill itself, if this is a drill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub death: Option<Death>,
}

/// A death that a drill has planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Death {
    /// The first step at which it may come.
    pub step: u64,
    /// Whether it waits for a checkpoint that is being written, and comes in the midst of it.
    pub saving: bool,
}

/// One message of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Notice {
    /// Who is speaking. First, and once.
    Hello {
        /// [`PROTOCOL`].
        protocol: u32,
        /// Revisions of the kinds it can run, by name.
        kinds: BTreeMap<String, u32>,
        /// Versions of its libraries, by name.
        libraries: BTreeMap<String, String>,
    },
    /// The process lives.
    Beat,
    /// How far the body is.
    Progress {
        /// Units done.
        done: u64,
        /// Units in all.
        total: u64,
    },
    /// One point of a series.
    Metric {
        /// The series.
        name: String,
        /// The optimizer step, or whatever the series counts in.
        step: u64,
        /// Its value there.
        value: f64,
    },
    /// The body goes on from the checkpoint it was given. Before anything is measured.
    Resumed {
        /// The checkpoint's step.
        step: u64,
    },
    /// A checkpoint is being written, which may take a while.
    Saving {
        /// Its step.
        step: u64,
    },
    /// A checkpoint is there.
    Saved {
        /// Its step.
        step: u64,
        /// The digest of what was saved: see [`Checkpoint::digest`](crate::Checkpoint::digest).
        digest: Digest,
    },
    /// The body is done, and `out` holds the artifact.
    Made {
        /// Final numbers by name.
        scalars: BTreeMap<String, f64>,
    },
    /// The body found that training diverged: a result, kept like success.
    Diverged {
        /// The evidence.
        reason: String,
    },
    /// The body could not do it.
    Failed(Failure),
}
