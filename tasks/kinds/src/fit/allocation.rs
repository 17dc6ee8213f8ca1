//! `fit-allocation`: how compute is best divided between size and data, read off runs at equal compute (approach 2 of Hoffmann et al. 2022) or off
//! the envelope of all runs (approach 1), without a law for the loss.

use std::{collections::BTreeMap, fmt, str::FromStr};

use isoflop_contract::{Complaint, Kind, Runtime};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Counting, Drop, FitNeeds, Keep};
use crate::artifact::Fit;

/// How the best size at a budget is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The lowest point of a parabola of the loss in ln N, at each budget.
    Parabola,
    /// The lowest point of an Akima spline of ln y in ln N, at each budget (Porian et al. 2024).
    Akima,
    /// The runs on the lower convex hull of ln y over ln C.
    Hull,
    /// The runs that no other beats at equal or less compute.
    Dominance,
    /// The best run in each bin of ln C.
    Bins,
}

const METHODS: [(Method, &str); 5] = [
    (Method::Parabola, "parabola"),
    (Method::Akima, "akima"),
    (Method::Hull, "hull"),
    (Method::Dominance, "dominance"),
    (Method::Bins, "bins"),
];

impl Method {
    /// As it is written in a study.
    pub fn name(self) -> &'static str {
        METHODS.iter().find(|(method, _)| *method == self).map_or("", |(_, name)| name)
    }

    /// Whether it looks at one budget at a time.
    pub fn by_budget(self) -> bool {
        matches!(self, Self::Parabola | Self::Akima)
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A method nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownMethod;

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        METHODS.iter().find(|(_, name)| *name == text).map(|(method, _)| *method).ok_or(UnknownMethod)
    }
}

/// What `fit-allocation` is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FitAllocation {
    /// The final numbers that are known of a run: two of `N` (parameters), `D` (tokens or samples) and `C` (compute, 6 N D).
    pub inputs: BTreeMap<String, String>,
    /// The loss.
    #[schemars(length(min = 1))]
    pub y: String,
    /// How the best size is found.
    pub method: Method,
    /// What N counts.
    pub counting: Counting,
    /// The final number or axis that names a run's budget, if it is not compute as it was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<String>,
    /// Runs whose compute differs by no more than this share belong to one budget.
    #[serde(default = "snap")]
    #[schemars(range(min = 0.0, max = 0.5))]
    pub snap: f64,
    /// Whether a budget counts by the inverse variance of its best size, rather than all alike.
    #[serde(default)]
    pub weighted: bool,
    /// Whether a lowest point of a parabola outside of the sizes that were run counts, with a warning, instead of being refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// Bins in a tenfold of compute, of `method: bins`.
    #[serde(default = "bins")]
    #[schemars(range(min = 1, max = 100))]
    pub bins: u32,
    /// The standard deviation of a loss between seeds: resamples then add noise of this size instead of drawing runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<f64>,
    /// Points that count: in each of these columns, one of these names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keep: Keep,
    /// Points left out by rule.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<Drop>,
    /// Compute to divide.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<f64>,
    /// How many resamples the intervals are made of.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u32,
    /// The share of resamples inside an interval.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
}

fn snap() -> f64 {
    0.02
}

fn bins() -> u32 {
    8
}

fn bootstrap() -> u32 {
    1000
}

fn level() -> f64 {
    0.9
}

impl FitAllocation {
    /// By `method`, over two of N, D and C, each with its column.
    pub fn of(method: Method, inputs: &[(&str, &str)], y: &str) -> Self {
        Self {
            inputs: inputs.iter().map(|(name, column)| ((*name).to_owned(), (*column).to_owned())).collect(),
            y: y.to_owned(),
            method,
            counting: Counting::Unstated,
            budget: None,
            snap: snap(),
            weighted: false,
            outside: false,
            bins: bins(),
            noise: None,
            keep: Keep::new(),
            drop: Vec::new(),
            targets: Vec::new(),
            bootstrap: bootstrap(),
            level: level(),
        }
    }
}

impl Kind for FitAllocation {
    const NAME: &'static str = "fit-allocation";
    // 2: the curve reaches the farthest target.
    const REVISION: u32 = 2;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true; // the resamples
    const ABOUT: &'static str =
        "Finds the best size and data by compute, from runs at equal compute or from their envelope.";
    const EXAMPLE: &'static str = "\
inputs: { N: params, C: compute }
y: loss
method: parabola
counting: total
weighted: true
";
    type Needs = FitNeeds;
    type Makes = Fit;

    fn check(&self) -> Result<(), Complaint> {
        let known = self.inputs.keys().all(|name| ["N", "D", "C"].contains(&name.as_str()));
        let two = "must name the columns of two of N (parameters), D (tokens or samples) and C (compute)";
        Complaint::unless(known && self.inputs.len() == 2, "inputs", two)?;
        Complaint::unless(!self.y.is_empty(), "y", "must name a final number")?;
        Complaint::unless(self.inputs.values().all(|column| *column != self.y), "y", "must not be an input")?;
        Complaint::unless((0.0..=0.5).contains(&self.snap), "snap", "must be between 0 and 0.5")?;
        Complaint::unless((1..=100).contains(&self.bins), "bins", "must be between 1 and 100")?;
        let noise = self.noise.is_none_or(|noise| noise > 0.0 && noise.is_finite());
        Complaint::unless(noise, "noise", "must be positive")?;
        let budgets = self.method.by_budget() || (self.budget.is_none() && !self.weighted);
        Complaint::unless(budgets, "method", "looks at no budgets, so `budget` and `weighted` have no place")?;
        let parabola = self.method == Method::Parabola || !self.outside;
        Complaint::unless(parabola, "outside", "belongs to `method: parabola` alone")?;
        for (i, rule) in self.drop.iter().enumerate() {
            let one = "must have one of largest, smallest, above and below";
            Complaint::unless(rule.given() == 1, &format!("drop.{i}"), one)?;
        }
        let targets = self.targets.iter().all(|target| *target > 0.0 && target.is_finite());
        Complaint::unless(targets, "targets", "must be positive")?;
        Complaint::unless(
            (100..=100_000).contains(&self.bootstrap),
            "bootstrap",
            "must be between 100 and 100,000: fewer resamples make no interval",
        )?;
        Complaint::unless((0.5..=0.999).contains(&self.level), "level", "must be between 0.5 and 0.999")
    }
}
