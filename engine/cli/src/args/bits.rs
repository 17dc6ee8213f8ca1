//! Arguments of the verbs that make tasks again, to compare bits.

use std::{path::PathBuf, str::FromStr};

use clap::Args;

use super::{Progress, SetArgs};

/// How many tasks to draw: a number, or a share of all in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Draw {
    /// So many.
    Number(usize),
    /// So many in a hundred.
    Percent(f64),
}

impl FromStr for Draw {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let complaint = || "write a number of tasks, or a share as in `10%`".to_owned();
        match text.strip_suffix('%') {
            Some(share) => {
                let share: f64 = share.trim().parse().map_err(|_| complaint())?;
                if share > 0.0 && share <= 100.0 { Ok(Self::Percent(share)) } else { Err(complaint()) }
            }
            None => match text.parse() {
                Ok(number) if number > 0 => Ok(Self::Number(number)),
                _ => Err(complaint()),
            },
        }
    }
}

impl Draw {
    /// How many of `all` that are.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Number(number) => number.min(all),
            Self::Percent(share) => ((all as f64 * share / 100.0).ceil() as usize).clamp(usize::from(all > 0), all),
        }
    }
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Tasks as `plan` prints them, `train[size=s]`, 'train*'; a study's folder before them is the study
    #[arg(value_name = "TASK", required_unless_present = "rerun")]
    pub tasks: Vec<String>,
    /// A study's folder or its YAML file [default: the study here, or that of the latest run]
    #[arg(short, long, value_name = "STUDY")]
    pub study: Option<PathBuf>,
    /// How it is set.
    #[command(flatten)]
    pub set: SetArgs,
    /// Only so many of them, drawn by the seed: a number, or a share as in `10%`
    #[arg(long, value_name = "N|P%")]
    pub rerun: Option<Draw>,
    /// Seed of the draw [default: the study's]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// How many processor slots to fill [default: all processors]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<u32>,
    /// Show what would be made again, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// How to show progress
    #[arg(long, value_enum, default_value_t)]
    pub progress: Progress,
}

/// Arguments of `drill`.
#[derive(Debug, Args)]
pub struct DrillArgs {
    /// A task as `plan` prints it, `train[size=s,seed=0]`; a study's folder before it is the study
    #[arg(value_name = "TASK", required = true, num_args = 1..=2)]
    pub tasks: Vec<String>,
    /// A study's folder or its YAML file [default: the study here, or that of the latest run]
    #[arg(short, long, value_name = "STUDY")]
    pub study: Option<PathBuf>,
    /// How it is set.
    #[command(flatten)]
    pub set: SetArgs,
    /// How often to kill it
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub kills: u32,
    /// Seed of the steps at which it is killed
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How to show progress
    #[arg(long, value_enum, default_value_t)]
    pub progress: Progress,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_is_a_number_or_a_share() {
        let of = |text: &str, all| text.parse::<Draw>().unwrap().of(all);
        assert_eq!((of("3", 10), of("3", 2), of("3", 0)), (3, 2, 0));
        assert_eq!((of("10%", 22), of("100%", 22), of("0.1%", 22), of("5%", 0)), (3, 22, 1, 0));
        for bad in ["0", "-1", "0%", "101%", "some", "%", ""] {
            assert!(bad.parse::<Draw>().is_err(), "{bad}");
        }
    }
}
