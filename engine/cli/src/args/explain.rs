//! Arguments of the verbs that explain a plan, and of selections.

use std::path::PathBuf;

use clap::Args;
use isoflop_plan::Selection;

use super::{SetArgs, StudyArgs};

/// What narrows a selection.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct NarrowArgs {
    /// Only these tasks and what rests on them; may be given again
    #[arg(long, value_name = "TASK")]
    pub from: Vec<String>,
    /// Only these tasks and what they need; may be given again
    #[arg(long, value_name = "TASK")]
    pub until: Vec<String>,
    /// Only tasks whose last attempt failed
    #[arg(long)]
    pub failed: bool,
    /// Only tasks without a kept result, or whose bytes are gone from the store
    #[arg(long)]
    pub missing: bool,
}

impl NarrowArgs {
    /// The selection of `tasks`, so narrowed.
    pub fn selection(&self, tasks: &[String]) -> Selection {
        Selection {
            tasks: tasks.to_vec(),
            from: self.from.clone(),
            until: self.until.clone(),
            failed: self.failed,
            missing: self.missing,
        }
    }
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The study.
    #[command(flatten)]
    pub study: StudyArgs,
    /// Only these tasks and what they need: a name, `train[size=s]`, 'train*'
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// What narrows them.
    #[command(flatten)]
    pub narrow: NarrowArgs,
    /// A line for every task, however many there are
    #[arg(long)]
    pub all: bool,
    /// Save the plan there, for `run --plan`
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// How many processor slots to reckon with [default: all processors]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<u32>,
}

/// Arguments of `expand`.
#[derive(Debug, Args)]
pub struct ExpandArgs {
    /// The study.
    #[command(flatten)]
    pub study: StudyArgs,
    /// Only these tasks: a name, `train[size=s]`, 'train*'
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// What narrows them.
    #[command(flatten)]
    pub narrow: NarrowArgs,
    /// Only the task of exactly this name
    #[arg(long, value_name = "NAME", conflicts_with = "tasks")]
    pub cell: Option<String>,
    /// Say of every value where it comes from
    #[arg(long)]
    pub origin: bool,
}

/// Arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// Tasks as `plan` prints them, `train[size=s]`, 'train*'; quotes keep the shell off brackets and stars
    #[arg(value_name = "TASK", required_unless_present_any = ["all", "run", "from", "until", "failed", "missing"])]
    pub tasks: Vec<String>,
    /// A study's folder or its YAML file [default: the study here, or that of the latest run]
    #[arg(short, long, value_name = "STUDY")]
    pub study: Option<PathBuf>,
    /// How it is set.
    #[command(flatten)]
    pub set: SetArgs,
    /// What narrows the tasks.
    #[command(flatten)]
    pub narrow: NarrowArgs,
    /// The whole plan, what many tasks share said once
    #[arg(long)]
    pub all: bool,
    /// Why each task ran, or did not, in a past run: its id, the beginning or end of it, or `latest`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["study", "params", "profile", "from", "until", "failed", "missing"])]
    pub run: Option<String>,
}
