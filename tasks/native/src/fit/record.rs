//! The record of a fit: `fit.json`, and what `isoflop fit --json` prints. Numbers stand in full; only prose is rounded.

use std::collections::BTreeMap;

use isoflop_contract::Digest;
use isoflop_kinds::fit::{Better, Form, Objective, Target};
use serde::Serialize;

use super::{certificate::Certificate, counting::Counted, curve::Band};

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
    /// What was minimised, in words.
    pub objective: String,
    /// What was minimised, exactly.
    pub objective_exactly: Objective,
    /// The name of x; `compute`, which is 6 N D, where the law is a surface.
    pub x: String,
    /// The name of y.
    pub y: String,
    /// The columns of a surface's inputs.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The names of the parameters in the order of the law, which is that of the columns of its draws.
    pub parameters: Vec<&'static str>,
    /// Parameters by name.
    pub params: BTreeMap<&'static str, Estimate>,
    /// What follows from the parameters, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub derived: BTreeMap<&'static str, Estimate>,
    /// The objective at the optimum, worked out from the parameters above on the points below.
    pub loss: f64,
    /// The share of the variance that the law explains, in the space it is fitted in. Says little: laws far apart reach 0.99.
    pub r2: f64,
    /// Akaike's criterion for few points, by the residuals of y: to be compared with other forms', after the hold-out.
    pub aicc: Option<f64>,
    /// How many points were fitted.
    pub n: usize,
    /// Points less parameters.
    pub degrees_of_freedom: usize,
    /// How many points there were and what became of them.
    pub rows: Tally,
    /// Which y is better, where only points that no other beats were fitted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontier: Option<Better>,
    /// How well the law foretells the points held out.
    pub holdout: Option<HeldOut>,
    /// Laws of other forms on the same points. What they disagree on, the points do not settle.
    pub alternatives: Vec<Alternative>,
    /// The same law by other objectives and with the points that rules left out.
    pub sensitivity: Vec<Sensitive>,
    /// Evidence that this is an optimum.
    pub certificate: Certificate,
    /// Other local optima, the best first.
    pub optima: Vec<Optimum>,
    /// What the law foretells where it was asked.
    pub targets: Vec<Foretold>,
    /// The second law.
    pub then: Option<Second>,
    /// How things were counted, where the law is a surface.
    pub counting: Option<Counted>,
    /// How many resamples the intervals are made of.
    pub resamples: usize,
    /// How often an interval is to cover.
    pub level: f64,
    /// The share of resamples inside an interval: more than the level where few rows were drawn from.
    pub share_of_resamples: f64,
    /// The digest of the points, as the fit read them.
    pub points_digest: Digest,
    /// What a reader should know.
    pub warnings: Vec<String>,
    /// Every point and what became of it.
    pub points: Vec<FittedPoint>,
    /// What the law says at ten times the largest x, as [`alternatives`](Self::alternatives) have it.
    pub at_ten_times: f64,
    /// The law from the smallest x to ten times the largest, or to the farthest target; of a surface, along the best use of compute.
    pub curve: Vec<Band>,
}

/// One parameter, or one number that follows from them.
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
    /// The standard error by the curvature at the optimum; for least squares alone.
    pub wald: Option<f64>,
    /// The standard error by the sandwich, which also holds where variances differ.
    pub sandwich: Option<f64>,
    /// The interval that Wald's error makes, by Student's t.
    pub wald_interval: Option<(f64, f64)>,
    /// The interval that the sandwich's error makes, by Student's t.
    pub sandwich_interval: Option<(f64, f64)>,
    /// The interval by the parameter's profile; for least squares alone, and an end that the data leave open is absent.
    pub profile: Option<(Option<f64>, Option<f64>)>,
}

/// How many points there were and what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// All.
    pub given: usize,
    /// Fitted.
    pub fitted: usize,
    /// Held out.
    pub held_out: usize,
    /// Without a number, or outside the law's domain.
    pub unusable: usize,
    /// Left out by rule.
    pub ruled_out: usize,
    /// Not on the frontier.
    pub beaten: usize,
}

/// How well a law foretells points it has not seen.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HeldOut {
    /// How many points.
    pub n: usize,
    /// The mean of |y - law|.
    pub mean_abs_error: f64,
    /// The mean of |ln y - ln law|, where both are positive throughout.
    pub mean_abs_log_error: Option<f64>,
    /// What was held out.
    pub rule: String,
    /// Whether the law judged is one of its own, fitted to fewer points than the law of this record.
    pub refit: bool,
    /// How many points the law judged was fitted to.
    pub fitted: usize,
    /// The mean of |y - law| on those.
    pub train_mean_abs_error: f64,
    /// The mean of |ln y - ln law| on those.
    pub train_mean_abs_log_error: Option<f64>,
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
    /// Akaike's criterion for few points, by the residuals of y: less is better.
    pub aicc: Option<f64>,
    /// What it says at ten times the largest x.
    pub at_ten_times: f64,
    /// Of scores: whether it is outside of [0, 1] at a hundred times the largest x.
    pub leaves_range: Option<bool>,
}

/// The same law by another objective or on other rows.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sensitive {
    /// How many rows.
    pub rows: usize,
    /// Whether the rows that rules left out are among them.
    pub ruled_out_too: bool,
    /// The objective, as the command line has it.
    pub objective: String,
    /// Parameters and what follows from them.
    pub params: BTreeMap<&'static str, f64>,
    /// The objective's value.
    pub loss: f64,
    /// Whether it has a certificate.
    pub converged: bool,
}

/// Another local optimum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Optimum {
    /// Its parameters.
    pub params: BTreeMap<&'static str, f64>,
    /// Its objective.
    pub loss: f64,
    /// By how much that is above the best, as a share of it.
    pub above: f64,
    /// What it foretells at each target; without targets, at ten times the largest x.
    pub foretells: Vec<f64>,
}

/// What a law foretells somewhere.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Foretold {
    /// Where, by input.
    pub at: Target,
    /// The law there.
    pub y: f64,
    /// The lower bound of the resampled laws.
    pub lower: f64,
    /// Their upper bound.
    pub upper: f64,
    /// The lower bound of a new observation: resampled laws with a resampled residual each.
    pub observed_lower: f64,
    /// Its upper bound.
    pub observed_upper: f64,
    /// The best use of that compute, where only compute was asked: N and D with their intervals.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub best: BTreeMap<&'static str, Estimate>,
    /// What the second law makes of it.
    pub then: Option<Chained>,
}

/// What two chained laws foretell.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Chained {
    /// The value.
    pub y: f64,
    /// The lower bound over resamples, in each of which both laws are fitted.
    pub lower: f64,
    /// The upper one.
    pub upper: f64,
    /// The lower bound if only the second law were uncertain: what the first one's errors add shows beside it.
    pub second_alone_lower: f64,
    /// The upper one.
    pub second_alone_upper: f64,
}

/// The second of two chained laws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Second {
    /// What it foretells.
    pub y: String,
    /// It in a line, rounded.
    pub formula: String,
    /// Its parameters.
    pub params: BTreeMap<&'static str, Estimate>,
    /// Its sum of squares.
    pub loss: f64,
    /// How many points it was fitted to.
    pub n: usize,
    /// Evidence that it is an optimum.
    pub certificate: Certificate,
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
    /// N and D, where the law is a surface; every input of a formula of several.
    pub inputs: Option<BTreeMap<&'static str, f64>>,
    /// What the law says there.
    pub fitted: Option<f64>,
    /// The residual, in the objective's space.
    pub residual: Option<f64>,
    /// Whether it only judged.
    pub held_out: bool,
    /// Why it was left out.
    pub dropped: Option<String>,
}

impl Fit {
    /// The final numbers that a task records: parameters and derived values with their intervals, `r2`, `n`, the objective, and
    /// `holdout_error` (in ln y where that can be).
    pub fn scalars(&self) -> BTreeMap<String, f64> {
        let mut scalars = BTreeMap::from([
            ("r2".to_owned(), self.r2),
            ("n".to_owned(), self.n as f64),
            ("objective".to_owned(), self.loss),
        ]);
        let second = self.then.iter().flat_map(|then| then.params.iter().map(|(name, e)| (format!("then_{name}"), e)));
        let own = self.params.iter().chain(&self.derived).map(|(name, estimate)| ((*name).to_owned(), estimate));
        for (name, estimate) in own.chain(second) {
            scalars.insert(format!("{name}_lower"), estimate.lower);
            scalars.insert(format!("{name}_upper"), estimate.upper);
            scalars.insert(format!("{name}_stderr"), estimate.stderr);
            scalars.insert(name, estimate.value);
        }
        if let Some(held_out) = &self.holdout {
            let error = held_out.mean_abs_log_error.unwrap_or(held_out.mean_abs_error);
            scalars.insert("holdout_error".to_owned(), error);
        }
        scalars.retain(|_, value| value.is_finite());
        scalars
    }
}
