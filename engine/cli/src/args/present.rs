//! Arguments of the verbs that look at what is under way.

use clap::Args;

/// Arguments of `status` and `watch`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A run: the first digits of its id, `latest`, or `latest~1` [default: what is under way, else the latest]
    #[arg(value_name = "RUN")]
    pub run: Option<String>,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// A task's name, or the first digits of its key or of its artifact's digest
    pub name: String,
    /// Only the study of this name
    #[arg(short, long, value_name = "NAME")]
    pub study: Option<String>,
    /// Which attempt, counted back from the latest
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub back: usize,
    /// Only the last lines
    #[arg(short = 'n', long, value_name = "LINES")]
    pub lines: Option<usize>,
    /// Go on printing until the attempt ends
    #[arg(short, long, conflicts_with = "json")]
    pub follow: bool,
}
