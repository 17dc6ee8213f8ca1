//! Arguments of the verbs that read what was recorded, and look after it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use isoflop_contract::quantity::Seconds;

use super::StudyArgs;

/// Arguments of `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
    /// How many, newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    pub number: u32,
}

/// Arguments of `get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// A task's name, as `plan` prints it, or the first digits, six at least, of its key or of its artifact's digest
    pub name: String,
    /// Only these files, and those in these folders, as `show` prints them [default: all]
    #[arg(value_name = "FILE")]
    pub files: Vec<String>,
    /// Where to copy them [default: a folder named after the task, here]
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
    /// Replace files that are there with other bytes
    #[arg(long)]
    pub force: bool,
    /// List what would be copied, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Which way `trace` walks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// To everything it rests on
    Up,
    /// To everything that rests on it
    Down,
}

/// Arguments of `trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// Which way
    pub way: Way,
    /// A task's name, or the first digits, six at least, of its key or of its artifact's digest
    pub name: String,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
    /// How many needs far [default: all the way]
    #[arg(long, value_name = "N")]
    pub depth: Option<u32>,
    /// Show every cell of a wide gather
    #[arg(long)]
    pub all: bool,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// A run: the first digits of its id, `latest`, or `latest~1` for the one before
    #[arg(value_name = "RUN")]
    pub old: String,
    /// The run to compare it with
    #[arg(value_name = "RUN")]
    pub new: String,
    /// Count `latest` among the runs of this study only
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
    /// Exit with 1 if they differ
    #[arg(long)]
    pub exit_code: bool,
}

/// Arguments of `audit`.
#[derive(Debug, Args)]
pub struct AuditArgs {
    /// The run: the first digits of its id, `latest`, or `latest~1`; or a crate, a folder or zip file that `export` wrote
    #[arg(value_name = "RUN|CRATE", default_value = "latest", conflicts_with = "all")]
    pub run: String,
    /// Audit every run, recipe, artifact and blob
    #[arg(long)]
    pub all: bool,
    /// Leave the bytes of the store, or the blobs of the crate, unread
    #[arg(long)]
    pub no_bytes: bool,
    /// Compare the crate with what was made here, too: which keys have the same digest
    #[arg(long, conflicts_with = "all")]
    pub here: bool,
}

/// Which bytes of artifacts go into a crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Bits {
    /// None: digests and final numbers alone
    None,
    /// Those of artifacts that claims ask for or nothing else needs, and every file below 1 MiB
    Results,
    /// All
    All,
}

/// Arguments of `export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The study.
    #[command(flatten)]
    pub study: StudyArgs,
    /// Where to write it: a zip file if the name ends in `.zip`, else a new folder [default: the study's name and `.crate.zip`]
    #[arg(long, value_name = "PATH")]
    pub into: Option<PathBuf>,
    /// Which bytes of artifacts it has; digests and final numbers are always there
    #[arg(long, value_enum, value_name = "WHICH", default_value_t = Bits::Results)]
    pub bytes: Bits,
    /// Under which licence the results are given: an address, or a sentence [default: the study's LICENSE file]
    #[arg(long, value_name = "TEXT")]
    pub license: Option<String>,
    /// Whose results they are
    #[arg(long, value_name = "NAME")]
    pub author: Option<String>,
    /// Show what it would hold, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Arguments of `pin`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags, as typed; clap keeps those apart that exclude each other")]
pub struct PinArgs {
    /// A run (first digits of its id, `latest`, `latest~1`), a task's name, or the first digits, six at least, of a key or an artifact
    #[arg(required_unless_present = "list")]
    pub names: Vec<String>,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
    /// Keep everything that a task rests on, too
    #[arg(long, conflicts_with_all = ["list", "remove"])]
    pub lineage: bool,
    /// Why, for whoever reads the list
    #[arg(long, value_name = "TEXT", default_value = "", conflicts_with_all = ["list", "remove"])]
    pub note: String,
    /// List the pins
    #[arg(long, conflicts_with = "names")]
    pub list: bool,
    /// Take pins out
    #[arg(long, conflicts_with = "list")]
    pub remove: bool,
    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Arguments of `gc`.
#[derive(Debug, Args)]
pub struct GcArgs {
    /// Show what would go and what stays, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Leave alone what was written or counted on within this time
    #[arg(long, value_name = "TIME", default_value = "7d")]
    pub grace: Seconds,
    /// How many of the latest runs of each study, with each profile, to keep whole
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub keep_runs: u32,
    /// Take out artifacts that this ledger does not know, too
    #[arg(long)]
    pub unknown: bool,
}
