//! Arguments of `cache`.

use clap::{Args, ValueEnum};

use super::{NarrowArgs, StudyArgs};

/// What `cache` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Transfer {
    /// List what is here and what is in the remote store
    Status,
    /// Send what the remote store does not have
    Push,
    /// Fetch what is not here
    Pull,
}

/// Arguments of `cache`.
#[derive(Debug, Args)]
pub struct CacheArgs {
    /// What to do
    #[arg(value_name = "DO")]
    pub transfer: Transfer,
    /// The study.
    #[command(flatten)]
    pub study: StudyArgs,
    /// Only what these tasks made: a name, `train[size=s]`, 'train*'
    #[arg(value_name = "TASK")]
    pub tasks: Vec<String>,
    /// What narrows them.
    #[command(flatten)]
    pub narrow: NarrowArgs,
    /// Show what would be moved, and move nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}
