//! The record of a fit: `fit.json`, and what `isoflop fit --json` prints. Numbers stand in full; only prose is rounded.

use std::collections::BTreeMap;

use isoflop_kinds::fit::Form;
use serde::Serialize;

use super::{certificate::Certificate, curve::Band};

/// The version of the record: fields may be added under one version, none removed.
pub const VERSION: u32 = 1;

/// A fitted law and everything that is known of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Fit {
    /// [`VERSION`].
    pub version: u32,
    /// The form.
    pub form: Form,
    /// The law in a line, rounded.
    pub formula: String,
    /// What was minimised.
    pub objective: &'static str,
    /// The name of x.
    pub x: String,
    /// The name of y.
    pub y: String,
    /// Parameters by name.
    pub params: BTreeMap<&'static str, Estimate>,
    /// The objective at the optimum.
    pub loss: f64,
    /// The share of the variance that the law explains, in the space it is fitted in. Says little: laws far apart reach 0.99.
    pub r2: f64,
    /// How many points were fitted.
    pub n: usize,
    /// How well the law foretells the points held out.
    pub holdout: Option<HeldOut>,
    /// Laws of other forms on the same points. What they disagree on, the points do not settle.
    pub alternatives: Vec<Alternative>,
    /// Evidence that this is an optimum.
    pub certificate: Certificate,
    /// How many resamples the intervals are made of.
    pub resamples: usize,
    /// The share of resamples inside an interval.
    pub level: f64,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// Every point and what became of it.
    pub points: Vec<FittedPoint>,
    /// The law from the smallest x to ten times the largest.
    pub curve: Vec<Band>,
}

/// One parameter.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// At the optimum.
    pub value: f64,
    /// The lower percentile of the resamples.
    pub lower: f64,
    /// The upper one.
    pub upper: f64,
    /// The standard deviation over the resamples.
    pub stderr: f64,
}

/// How well a law foretells points it has not seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct HeldOut {
    /// How many points.
    pub n: usize,
    /// The mean of |y - law|.
    pub mean_abs_error: f64,
    /// The mean of |ln y - ln law|, where both are positive throughout.
    pub mean_abs_log_error: Option<f64>,
}

/// A law of another form on the same points.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Alternative {
    /// Its form.
    pub form: Form,
    /// It in a line, rounded.
    pub formula: String,
    /// Its own objective; not to be compared across forms.
    pub loss: f64,
    /// Its mean |y - law| on the fitted points: to be compared.
    pub mean_abs_error: f64,
    /// How well it foretells the points held out.
    pub holdout: Option<HeldOut>,
    /// What it says at ten times the largest x.
    pub at_ten_times: f64,
}

/// One point and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FittedPoint {
    /// What it is called.
    pub label: String,
    /// Where it lies.
    pub x: Option<f64>,
    /// What was measured there.
    pub y: Option<f64>,
    /// What the law says there.
    pub fitted: Option<f64>,
    /// Whether it only judged.
    pub held_out: bool,
    /// Why it was left out.
    pub dropped: Option<String>,
}

impl Fit {
    /// The final numbers that a task records: parameters with their intervals, `r2`, `n` and `holdout_error` (in ln y where that can be).
    pub fn scalars(&self) -> BTreeMap<String, f64> {
        let mut scalars = BTreeMap::from([("r2".to_owned(), self.r2), ("n".to_owned(), self.n as f64)]);
        for (name, estimate) in &self.params {
            scalars.insert((*name).to_owned(), estimate.value);
            scalars.insert(format!("{name}_lower"), estimate.lower);
            scalars.insert(format!("{name}_upper"), estimate.upper);
        }
        if let Some(held_out) = self.holdout {
            let error = held_out.mean_abs_log_error.unwrap_or(held_out.mean_abs_error);
            scalars.insert("holdout_error".to_owned(), error);
        }
        scalars
    }
}
