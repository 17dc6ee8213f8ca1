//! Arguments of the verbs that explain a plan, and of selections.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use isoflop_contract::quantity::unprefixed;
use isoflop_plan::Selection;

use super::{Cache, SetArgs, StudyArgs};
use crate::budget::Limit;

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

/// Of what a graph has a node each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Each {
    /// Of the groups of tasks, as `train`
    Groups,
    /// Of the tasks, as `train[size=s]`
    Tasks,
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
    /// Print the plan as a graph for Graphviz (`dot -Tsvg`): a node for each group of tasks, or with `--graph=tasks` for each task
    #[arg(
        long,
        value_enum,
        value_name = "EACH",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "groups",
        conflicts_with_all = ["json", "all", "output", "budget"]
    )]
    pub graph: Option<Each>,
    /// Save the plan there, for `run --plan`
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Which way the cache would be used
    #[arg(long, value_enum, default_value_t, conflicts_with = "output")]
    pub cache: Cache,
    /// How many processor slots to reckon with [default: all processors]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<u32>,
    /// Reckon with a device that does so many FLOP a second, as `400T` or `4e14`, where tasks count theirs, and give the hours of such devices
    #[arg(long, value_name = "FLOP/S", value_parser = rate)]
    pub rate: Option<f64>,
    /// Exit with 7 if what must run takes more, as `run` would: `3h` of work, `40gpu-h` of devices, `2.5EFLOP`; may be given again
    #[arg(long, value_name = "AMOUNT")]
    pub budget: Vec<Limit>,
}

/// A number of operations a second, with or without a decimal prefix and `FLOP/s`.
fn rate(text: &str) -> Result<f64, String> {
    unprefixed(text.trim().trim_end_matches("/s").trim_end_matches("FLOP"))
        .ok_or_else(|| "write a number of operations a second, as `400T` or `4e14`".to_owned())
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

#[cfg(test)]
mod tests {
    use super::rate;

    #[test]
    fn rates_are_read_with_and_without_prefix() {
        for (text, expected) in
            [("400T", 4e14), ("4e14", 4e14), ("989 TFLOP/s", 9.89e14), ("1.5P", 1.5e15), ("12 G", 1.2e10)]
        {
            assert!((rate(text).unwrap() / expected - 1.0).abs() < 1e-12, "{text}");
        }
        for text in ["", "T", "fast", "-4T", "0", "inf", "nan"] {
            assert!(rate(text).is_err(), "{text} was read");
        }
    }
}
