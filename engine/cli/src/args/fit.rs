//! Arguments of `fit`.

use std::path::PathBuf;

use clap::Args;

const EXAMPLES: &str = "\
Examples:
  isoflop fit runs.csv --form power --x compute --y loss
  isoflop fit runs.csv --form chinchilla --x N=params --x D=tokens --y loss --at C=1e24
  isoflop fit runs.csv --form chinchilla --x N=params --x C=flops --y loss --drop loss:largest:5
  isoflop fit runs.csv --form logit --x compute --y score --range 0,1 --holdout factor:8
  isoflop fit runs.csv --form power-offset --x compute --y loss --then score --chance 0.25 --at x=1e22
  isoflop fit runs.csv --form formula --law 'E + A * x^-p' --param E=0: --param A=0: --param p=0:2 --x compute --y loss
  isoflop fit runs.csv --form chinchilla --x N=params --x C=flops --y loss --suggest --budget 1e21 --narrow a --into parts/next.yaml
  isoflop fit runs.csv --form parabola --x N=params --x C=flops --y loss --at C=1e24";

/// Arguments of `fit`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct FitArgs {
    /// A CSV file with a header line
    #[arg(value_name = "DATA.csv")]
    pub data: PathBuf,
    /// The law's form; `isoflop schema fit-scaling` tells what each is. Or how compute is best divided between size and data, without a law for the loss:
    /// parabola, akima (at each budget), hull, dominance or bins (of the envelope)
    #[arg(long, value_name = "FORM")]
    pub form: String,
    /// The column of x; of a surface, two of N=COL (parameters), D=COL (tokens or samples) and C=COL (compute); of a formula, NAME=COL for each input
    #[arg(long, value_name = "COL", required = true)]
    pub x: Vec<String>,
    /// The column to fit
    #[arg(long, value_name = "COL")]
    pub y: String,
    /// The formula of `--form formula`: + - * / ^, brackets, exp, ln, log10, sqrt, min, max
    #[arg(long, value_name = "FORMULA")]
    pub law: Option<String>,
    /// A parameter of the formula, and its range: NAME, NAME=0: (positive) or NAME=MIN:MAX; once for each
    #[arg(long, value_name = "NAME=MIN:MAX")]
    pub param: Vec<String>,
    /// A parameter that is known: NAME=VALUE, of the forms formula, repeated-data and exponential
    #[arg(long, value_name = "NAME=VALUE")]
    pub fix: Vec<String>,
    /// One fit for each value of this column
    #[arg(long, value_name = "COL")]
    pub group: Option<String>,
    /// What is minimised: SPACE:squared, SPACE:lad or SPACE:huber:DELTA, where SPACE is linear, log, logit, log-error or log1p [default: the form's]
    #[arg(long, value_name = "OBJECTIVE")]
    pub objective: Option<String>,
    /// A column of standard deviations: each row counts by 1 / sigma²
    #[arg(long, value_name = "COL", conflicts_with = "weight")]
    pub sigma: Option<String>,
    /// A column of weights
    #[arg(long, value_name = "COL")]
    pub weight: Option<String>,
    /// Keep only rows with one of these names in a column: COL=NAME,NAME,…; may be given again
    #[arg(long, value_name = "COL=NAMES")]
    pub keep: Vec<String>,
    /// Leave rows out by rule: COL>NUMBER, COL<NUMBER, COL:largest:N or COL:smallest:N; may be given again
    #[arg(long, value_name = "RULE")]
    pub drop: Vec<String>,
    /// Fit only points that no other beats at an equal or smaller x, where this is the better y: higher or lower
    #[arg(long, value_name = "BETTER")]
    pub frontier: Option<String>,
    /// Hold points out of the fit and report the error on them: N (those at the N largest x), factor:F (above the largest x / F), above:X or COL>=X
    /// [default: a fit of its own below an eighth of the largest x judges the form]
    #[arg(long, value_name = "RULE")]
    pub holdout: Option<String>,
    /// Foretell at x=VALUE, at N=VALUE,D=VALUE, or at the best use of compute C=VALUE; may be given again
    #[arg(long, value_name = "PLACE")]
    pub at: Vec<String>,
    /// The range y cannot leave, as 0,1 for a score
    #[arg(long, value_name = "LOW,HIGH")]
    pub range: Option<String>,
    /// What N counts on a surface: total, non-embedding or active
    #[arg(long, value_name = "WHAT")]
    pub counting: Option<String>,
    /// A column of compute to hold against 6 N D
    #[arg(long, value_name = "COL")]
    pub compute: Option<String>,
    /// A second law: this column as a sigmoid of y
    #[arg(long, value_name = "COL")]
    pub then: Option<String>,
    /// What the second law looks like: sigmoid, or exponential
    #[arg(long, value_name = "FORM", requires = "then", default_value = "sigmoid")]
    pub then_form: String,
    /// The known lower end of a sigmoid
    #[arg(long, value_name = "SCORE")]
    pub chance: Option<f64>,
    /// The known upper end of a sigmoid
    #[arg(long, value_name = "SCORE")]
    pub ceiling: Option<f64>,
    /// Start the solver from NAME=VALUE,VALUE,… instead of its own starts, in all combinations; may be given again
    #[arg(long, value_name = "GRID")]
    pub start: Vec<String>,
    /// Bootstrap resamples behind each interval
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub bootstrap: u32,
    /// Draw rows with one value of this column together, as checkpoints of a run
    #[arg(long, value_name = "COL")]
    pub together: Option<String>,
    /// Draw rows within each value of this column, as the budgets of an iso-FLOP study
    #[arg(long, value_name = "COL")]
    pub within: Option<String>,
    /// Do not draw rows but add noise to each: its standard deviation, or `replicates` to take it from rows with the same inputs
    #[arg(long, value_name = "SIGMA", conflicts_with_all = ["together", "within"])]
    pub noise: Option<String>,
    /// The column that names a run's budget, for parabola and akima [default: compute as it was spent]
    #[arg(long, value_name = "COL")]
    pub budgets: Option<String>,
    /// Let a budget count by the inverse variance of its best size, for parabola and akima
    #[arg(long)]
    pub weighted: bool,
    /// Bins in a tenfold of compute, for bins
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub bins: u32,
    /// Instead of the fit, print what to run next: the runs that narrow a quantity's interval most for a budget
    #[arg(long, requires = "budget", conflicts_with = "group")]
    pub suggest: bool,
    /// FLOP for all suggested runs together
    #[arg(long, value_name = "FLOP", requires = "suggest")]
    pub budget: Option<f64>,
    /// What suggested runs should narrow: a parameter, what follows from parameters, or the law at a place (C=1e24) [default: a, or the exponent]
    #[arg(long, value_name = "QUANTITY", requires = "suggest")]
    pub narrow: Option<String>,
    /// The most runs to suggest
    #[arg(long, value_name = "N", requires = "suggest", default_value_t = 8)]
    pub runs: usize,
    /// Write the suggested runs as a part of a study to this file
    #[arg(long, value_name = "FILE.yaml", requires = "suggest")]
    pub into: Option<PathBuf>,
    /// Level of the intervals
    #[arg(long, value_name = "P", default_value_t = 0.9)]
    pub level: f64,
    /// Seed of the bootstrap
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Threads; no bit of the result depends on it [default: as many as there are processors]
    #[arg(long, value_name = "N")]
    pub threads: Option<usize>,
    /// Print a fit without a certificate, with a warning, instead of failing
    #[arg(long)]
    pub allow_unconverged: bool,
}
