//! What a person types, as typed: nothing here looks at files or the environment.

mod bits;
mod cache;
mod explain;
mod fit;
mod present;
mod records;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use isoflop_contract::quantity::Bytes;
use serde::{Deserialize, Serialize};

pub use self::bits::{DrillArgs, VerifyArgs};
pub use self::cache::{CacheArgs, Transfer};
pub use self::explain::{Each, ExpandArgs, NarrowArgs, PlanArgs, WhyArgs};
use crate::budget::Limit;
pub use fit::FitArgs;
pub use present::{LogsArgs, ServeArgs, StatusArgs};
pub use records::{AuditArgs, Bits, DiffArgs, ExportArgs, GcArgs, GetArgs, PinArgs, RunsArgs, TraceArgs, Way};

/// Reproducible scaling studies: plan, run, cache, record and check them.
#[derive(Debug, Parser)]
#[command(name = "isoflop", version, arg_required_else_help = true, propagate_version = true)]
pub struct Arguments {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Args)]
pub struct Global {
    /// Print data as JSON on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Folder of the store, the private ledger and the logs [default: the nearest .isoflop, else ./.isoflop]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Global options")]
    pub home: Option<PathBuf>,
    /// Postgres ledger shared with others [default: `$DATABASE_URL`, else a private server in the home folder]
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    pub database: Option<String>,
    /// Store elsewhere, from which bytes come that are not here, and to which a run sends what it makes: `s3://bucket/prefix`, `gs://…`, `az://…`, or the absolute path of a folder [default: `$ISOFLOP_REMOTE`]
    #[arg(long, global = true, value_name = "URL", help_heading = "Global options")]
    pub remote: Option<String>,
    /// Send nothing to the remote store [default: `$ISOFLOP_REMOTE_READ_ONLY`]
    #[arg(long, global = true, help_heading = "Global options")]
    pub remote_read_only: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value_t, help_heading = "Global options")]
    pub color: Color,
}

/// When to colour output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How to show progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Progress {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// One line for each change
    Plain,
    /// Nothing
    None,
}

/// Which way the cache is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Cache {
    /// Make everything anew, and keep nothing of it
    Off,
    /// Use what is kept, and keep nothing of what is made
    Read,
    /// Make everything again, and keep it
    Write,
    /// Use what is kept, keep what is made
    #[default]
    ReadWrite,
}

impl Cache {
    /// Whether what is kept is used.
    pub const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether what is made is kept.
    pub const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// The study a verb works on, and how it is set.
#[derive(Debug, Clone, Args)]
pub struct StudyArgs {
    /// A study's folder or its YAML file
    #[arg(value_name = "STUDY", default_value = ".")]
    pub study: PathBuf,
    /// How it is set.
    #[command(flatten)]
    pub set: SetArgs,
}

/// How a study is set.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
pub struct SetArgs {
    /// Override a parameter; may be given again
    #[arg(short = 'p', long = "param", value_name = "NAME=VALUE", value_parser = name_and_value)]
    pub params: Vec<(String, String)>,
    /// Use one of the study's profiles
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
}

fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Find every mistake in a study, without running anything
    Check(StudyArgs),
    /// Print the study with everything resolved: every task, and where each value comes from
    Expand(ExpandArgs),
    /// Show what is kept, what would run and why, and what that would cost
    Plan(PlanArgs),
    /// Make what is missing, and record it
    Run(RunArgs),
    /// Show what is under way, or how the latest run came out
    Status(StatusArgs),
    /// Follow a run until it ends, from another terminal; exit as it does
    Watch(StatusArgs),
    /// Print what a task's worker printed
    Logs(LogsArgs),
    /// Show one task: recipe, digest, inputs, environment, attempts, metrics
    Show(ShowArgs),
    /// Copy the files of what a task made out of the store, each held against its digest on the way
    Get(GetArgs),
    /// Say why tasks would run or are kept, or why they ran: field by field, down to the line that says so
    Why(WhyArgs),
    /// List the runs: what, when, how they came out, from which commit
    Runs(RunsArgs),
    /// Show everything that a task rests on, or that rests on it, with digest, seed, place and time
    Trace(TraceArgs),
    /// Compare two runs: recipes field by field, environments, metrics beyond their spread
    Diff(DiffArgs),
    /// Check a run's events, keys, bytes and provenance against each other; or those of a crate, which needs no ledger
    Audit(AuditArgs),
    /// Make tasks again on the inputs that stand, and compare the bits: equal ones are a witness
    Verify(VerifyArgs),
    /// Make a task in a scratch home, uninterrupted and with `kill -9` at random steps, and compare the bits
    Drill(DrillArgs),
    /// Keep runs and tasks whatever `gc` takes away
    Pin(PinArgs),
    /// Take artifacts out of the store that no root holds; their records stay, and they are made again when needed
    Gc(GcArgs),
    /// Send artifacts to the remote store, fetch them from it, or see which are where
    Cache(CacheArgs),
    /// Write a study, its record and its results as one RO-Crate, to be checked and run again anywhere
    Export(ExportArgs),
    /// Write a study's results as one self-contained HTML page
    Report(ReportArgs),
    /// Show runs, tasks, claims and reports in a browser: read-only, live while something runs
    Serve(ServeArgs),
    /// Judge the claims of studies by their results
    Claims(ClaimsArgs),
    /// Fit a law to two columns of a CSV file
    Fit(Box<FitArgs>),
    /// Count a model's parameters and multiply-accumulates
    Model(ModelArgs),
    /// Check what isoflop needs on this machine, and that the store and the ledger are sound
    Doctor(DoctorArgs),
    /// Write a small study to begin with
    Init(InitArgs),
    /// List the kinds of tasks, or print the JSON Schema of a kind or of a study
    Schema(SchemaArgs),
    /// Print the script that completes isoflop's command line in a shell
    #[command(after_help = crate::completion::SETUP)]
    Completions(CompletionsArgs),
    /// Print what may come next; called by the scripts of `completions`
    #[command(hide = true)]
    Complete(CompleteArgs),
    /// Run one task; started by isoflop itself
    #[command(hide = true)]
    Worker,
    /// Stop the private ledger server when nobody has used it for a while; started by isoflop itself
    #[command(hide = true)]
    Keep,
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags, as typed")]
pub struct RunArgs {
    /// The study.
    #[command(flatten)]
    pub study: StudyArgs,
    /// Only these tasks, and what they need if that is missing: a name, `train[size=s]`, 'train*'
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// What narrows them.
    #[command(flatten)]
    pub narrow: NarrowArgs,
    /// Run exactly the plan that `plan -o FILE` saved; exit with 9 if it is out of date
    #[arg(long, value_name = "FILE", conflicts_with_all = ["study", "params", "profile", "tasks", "from", "until", "failed", "missing", "cache"])]
    pub plan: Option<PathBuf>,
    /// How many processor slots to fill [default: all processors]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<u32>,
    /// Memory that tasks with `on: memory` may use together, as in `64GiB` [default: that of the machine]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Bytes>,
    /// Go on with independent tasks after a failure
    #[arg(long)]
    pub keep_going: bool,
    /// Go on after a failure, but start nothing more after the N-th
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_fails: Option<u32>,
    /// Try a task again up to N times after it crashed or ran out of resources [default: 0; `on: retries` says it for one task]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub retries: u32,
    /// Keep the folders of attempts that fail in `.isoflop/failed`, to look at what they left and try again there by hand; `gc` takes them with age
    #[arg(long)]
    pub keep_failed: bool,
    /// Start nothing and exit with 7 if this takes more: `3h` of work, `40gpu-h` of devices, `2.5EFLOP`; stop when as much has been taken. May be given again
    #[arg(long, value_name = "AMOUNT", conflicts_with = "frozen")]
    pub budget: Vec<Limit>,
    /// Do nothing; exit with 5 and a list if anything would have to be made
    #[arg(long)]
    pub frozen: bool,
    /// Which way the cache is used
    #[arg(long, value_enum, default_value_t)]
    pub cache: Cache,
    /// Show what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Write the report there at the end
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// How to show progress
    #[arg(long, value_enum, default_value_t)]
    pub progress: Progress,
}

/// Arguments of `show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// A task's name, as `plan` prints it, or the first digits, six at least, of its key or of its artifact's digest
    pub name: String,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
}

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The study.
    #[command(flatten)]
    pub study: StudyArgs,
    /// Where to write it
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// Write every figure into this folder too: SVG, PDF, PNG, Vega-Lite, CSV
    #[arg(long, value_name = "DIR")]
    pub figures: Option<PathBuf>,
    /// Write every table into this folder too: CSV, Markdown, LaTeX
    #[arg(long, value_name = "DIR")]
    pub tables: Option<PathBuf>,
}

/// Arguments of `claims`.
#[derive(Debug, Args)]
pub struct ClaimsArgs {
    /// Studies: their folders or YAML files
    #[arg(value_name = "STUDY", default_value = ".")]
    pub studies: Vec<PathBuf>,
    /// How they are set.
    #[command(flatten)]
    pub set: SetArgs,
    /// Print one Markdown table, with effects, intervals and digests; contradictions are told and no failure
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
}

/// Arguments of `model`.
#[derive(Debug, Args)]
pub struct ModelArgs {
    /// A preset's name, or a YAML or JSON file with a model's config
    #[arg(required_unless_present_any = ["list", "compare"])]
    pub model: Option<String>,
    /// List the presets
    #[arg(long)]
    pub list: bool,
    /// Set two models side by side, part by part
    #[arg(long, num_args = 2, value_names = ["A", "B"], conflicts_with_all = ["model", "list"])]
    pub compare: Option<Vec<String>>,
    /// Height and width of the input: latents of a denoiser, 32 where nothing is said
    #[arg(long, value_name = "N", conflicts_with = "list")]
    pub size: Option<u64>,
    /// Text tokens, 77 where nothing is said
    #[arg(long, value_name = "N", conflicts_with = "list")]
    pub tokens: Option<u64>,
}

/// Arguments of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Stop the private ledger server; it starts again when it is needed
    #[arg(long)]
    pub stop_server: bool,
    /// Say what would be stopped, and stop nothing
    #[arg(short = 'n', long, requires = "stop_server")]
    pub dry_run: bool,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// Where to write it; made if it is not there
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// What to begin with
    #[arg(long, value_name = "NAME", default_value = crate::init::TEMPLATES[0].name, value_parser = crate::init::names())]
    pub template: String,
    /// List what would be written, and write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Arguments of `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// A kind, or `study` for the schema of whole studies [default: list the kinds]
    pub kind: Option<String>,
}

/// A shell that can be taught to complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    /// Bash
    Bash,
    /// Zsh
    Zsh,
    /// Fish
    Fish,
}

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: Shell,
}

/// Arguments of `complete`.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// The shell that asks
    pub shell: Shell,
    /// Characters at which the shell breaks words besides blanks (bash: `$COMP_WORDBREAKS`)
    #[arg(long, default_value = "", allow_hyphen_values = true)]
    pub breaks: String,
    /// The words so far, the last being the one to complete; for bash, the line up to the cursor
    #[arg(last = true, allow_hyphen_values = true)]
    pub words: Vec<std::ffi::OsString>,
}
