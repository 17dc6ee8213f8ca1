//! The record of an allocation. Its members have the names of those of a fit where they mean the same, so that a report reads both.

use std::collections::BTreeMap;

use isoflop_contract::Digest;
use isoflop_kinds::fit::{Counting, Method, Target};
use serde::Serialize;

use super::profile::Place;
use crate::fit::{Band, Estimate, FittedPoint, Tally};

/// The best division of compute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Allocation {
    /// The version of the record.
    pub version: u32,
    /// How best sizes were found.
    pub form: Method,
    /// The law in a line, rounded.
    pub formula: String,
    /// What was done, in words.
    pub objective: String,
    /// `compute`, which is 6 N D.
    pub x: String,
    /// `best size`.
    pub y: String,
    /// The columns of the inputs.
    pub inputs: BTreeMap<String, String>,
    /// The column of the loss.
    pub loss_column: String,
    /// The names of the parameters in the order of the columns of draws.
    pub parameters: Vec<&'static str>,
    /// `a`, `b`, `kN`, `kD` of `N* = kN C^a` and `D* = kD C^b`.
    pub params: BTreeMap<&'static str, Estimate>,
    /// The weighted sum of squares of ln N* about the line.
    pub loss: f64,
    /// The share of the variance of ln N* that the line explains.
    pub r2: f64,
    /// How many best sizes the line goes through.
    pub n: usize,
    /// There is none: hold budgets out with `drop`.
    pub holdout: Option<()>,
    /// How many runs there were and what became of them.
    pub rows: Tally,
    /// What N counts.
    pub counting: Counting,
    /// The budgets, of methods that look at them.
    pub profiles: Vec<Profile>,
    /// What parabolas at these sizes would miss without any noise, by a surface fitted to the same runs.
    pub bias: Option<Bias>,
    /// The best division of compute where it was asked.
    pub targets: Vec<Division>,
    /// How many resamples the intervals are made of.
    pub resamples: usize,
    /// The share of resamples inside an interval.
    pub level: f64,
    /// The digest of the points, as they were read.
    pub points_digest: Digest,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// The best size by budget, or by run of the envelope, and the runs that were left out.
    pub points: Vec<FittedPoint>,
    /// The best size from the least compute to ten times the most.
    pub curve: Vec<Band>,
}

/// One budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// What it is called.
    pub label: String,
    /// Its compute.
    pub budget: f64,
    /// The largest share by which a run's compute differs from it.
    pub off: f64,
    /// Its runs.
    pub runs: Vec<Run>,
    /// The parabola or spline through them.
    pub curve: Vec<Place>,
    /// The best size.
    #[serde(rename = "N")]
    pub n: Option<Estimate>,
    /// The loss there.
    pub y: Option<f64>,
    /// The standard error of ln N by the parabola.
    pub ln_n_stderr: Option<f64>,
    /// Why there is no best size.
    pub refused: Option<String>,
}

/// One run of a budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// What it is called.
    pub label: String,
    /// Parameters.
    #[serde(rename = "N")]
    pub n: f64,
    /// The loss.
    pub y: f64,
}

/// What a method misses without noise.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bias {
    /// The error of the exponent a.
    pub exponent: f64,
    /// The relative error of N* at ten times the largest budget.
    pub size_at_ten_times: f64,
    /// The relative error of D* there.
    pub data_at_ten_times: f64,
    /// By what factor sizes reach to either side of the best one.
    pub width: f64,
    /// By what factor the middle of the sizes moves against the best one from the least to the largest budget.
    pub drift: f64,
}

/// The best division of some compute.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Division {
    /// `C`.
    pub at: Target,
    /// The best size.
    pub y: f64,
    /// Its lower bound.
    pub lower: f64,
    /// Its upper bound.
    pub upper: f64,
    /// N and D.
    pub best: BTreeMap<&'static str, Estimate>,
}

impl Allocation {
    /// The final numbers that a task records.
    pub fn scalars(&self) -> BTreeMap<String, f64> {
        let mut scalars = BTreeMap::from([("r2".to_owned(), self.r2), ("n".to_owned(), self.n as f64)]);
        for (name, estimate) in &self.params {
            scalars.insert(format!("{name}_lower"), estimate.lower);
            scalars.insert(format!("{name}_upper"), estimate.upper);
            scalars.insert(format!("{name}_stderr"), estimate.stderr);
            scalars.insert((*name).to_owned(), estimate.value);
        }
        scalars.retain(|_, value| value.is_finite());
        scalars
    }
}
