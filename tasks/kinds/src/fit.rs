//! `fit-scaling`: a law fitted to final numbers of other tasks, with intervals, a hold-out, the fits it could be confused with, and a
//! certificate that the optimum is one.

use std::{fmt, str::FromStr};

use isoflop_contract::{Complaint, Kind, Runtime, ports, shape::Any};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::Fit;

/// What a law looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// `y = c · x^p`, least squares of ln y on ln x. On scores it has no ceiling, and so is always shown beside forms that have.
    Power,
    /// `y = e + c · x^-p` with `e ≥ 0` and `p > 0`, least squares of y.
    PowerOffset,
    /// `y = a + b · ln x`, least squares of y.
    LogLinear,
    /// `logit(y) = a + b · ln x` for scores between 0 and 1, least squares of the logit.
    Logit,
    /// `1 - y = c · x^-p` for scores between 0 and 1, least squares of ln(1 - y).
    ErrorPower,
}

impl Form {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Power, Self::PowerOffset, Self::LogLinear, Self::Logit, Self::ErrorPower];

    /// As it is written in a study.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::PowerOffset => "power-offset",
            Self::LogLinear => "log-linear",
            Self::Logit => "logit",
            Self::ErrorPower => "error-power",
        }
    }

    /// The names of its parameters, in order.
    pub const fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Power | Self::ErrorPower => &["c", "p"],
            Self::PowerOffset => &["e", "c", "p"],
            Self::LogLinear | Self::Logit => &["a", "b"],
        }
    }

    /// What is minimised.
    pub const fn objective(self) -> &'static str {
        match self {
            Self::Power => "sum of squared residuals of ln y",
            Self::PowerOffset | Self::LogLinear => "sum of squared residuals of y",
            Self::Logit => "sum of squared residuals of logit y",
            Self::ErrorPower => "sum of squared residuals of ln(1 - y)",
        }
    }
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A form nobody knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownForm(String);

impl fmt::Display for UnknownForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = Form::ALL.iter().map(|form| form.name()).collect();
        write!(f, "there is no form `{}`; there are {}", self.0, known.join(", "))
    }
}

impl std::error::Error for UnknownForm {}

impl FromStr for Form {
    type Err = UnknownForm;

    fn from_str(text: &str) -> Result<Self, UnknownForm> {
        Self::ALL.iter().copied().find(|form| form.name() == text).ok_or_else(|| UnknownForm(text.to_owned()))
    }
}

/// Which of two values of y is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// The higher, as of scores.
    Higher,
    /// The lower, as of losses.
    Lower,
}

/// Which points are kept out of the fit, to see how well it foretells them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holdout {
    /// All points at this many largest values of x.
    #[schemars(range(min = 1))]
    pub largest: u32,
}

/// What `fit-scaling` is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FitScaling {
    /// The final number, or the axis, that is known.
    #[schemars(length(min = 1))]
    pub x: String,
    /// The final number that is foretold.
    #[schemars(length(min = 1))]
    pub y: String,
    /// What the law looks like.
    pub form: Form,
    /// Whether only points count that no other beats at an equal or smaller x.
    #[serde(default)]
    pub frontier: bool,
    /// What beating means.
    #[serde(default = "higher")]
    pub better: Better,
    /// Points that only judge.
    #[serde(default)]
    pub holdout: Option<Holdout>,
    /// How many resamples the intervals are made of.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u32,
    /// The share of resamples inside an interval.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
}

fn higher() -> Better {
    Better::Higher
}

fn bootstrap() -> u32 {
    1000
}

fn level() -> f64 {
    0.9
}

ports! {
    /// What a fit needs.
    pub struct FitNeeds {
        /// The points: all cells of a gather, each with x and y among its final numbers or axes.
        points: Many<Any>,
    }
}

impl Kind for FitScaling {
    const NAME: &'static str = "fit-scaling";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true; // the resamples
    const ABOUT: &'static str =
        "Fits a scaling law to gathered final numbers, with bootstrap intervals and a hold-out.";
    const EXAMPLE: &'static str = "\
x: compute
y: alignment
form: power
frontier: true
better: higher
holdout: { largest: 1 }
bootstrap: 1000
level: 0.9
";
    type Needs = FitNeeds;
    type Makes = Fit;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless(!self.x.is_empty(), "x", "must name a final number or an axis")?;
        Complaint::unless(!self.y.is_empty(), "y", "must name a final number")?;
        Complaint::unless(self.x != self.y, "y", "must not be x")?;
        Complaint::unless(
            (100..=100_000).contains(&self.bootstrap),
            "bootstrap",
            "must be between 100 and 100,000: fewer resamples make no interval",
        )?;
        Complaint::unless(self.level >= 0.5 && self.level <= 0.999, "level", "must be between 0.5 and 0.999")?;
        Complaint::unless(self.holdout.is_none_or(|h| h.largest > 0), "holdout.largest", "must be at least 1")
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Entry;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_short_spec_reads_and_a_wrong_one_is_refused_by_field() {
        let entry = Entry::of::<FitScaling>();
        let spec = entry.read(&json!({"x": "compute", "y": "loss", "form": "power-offset"})).unwrap().spec;
        assert_eq!((&spec["bootstrap"], &spec["better"], spec.get("holdout")), (&json!(1000), &json!("higher"), None));
        for (field, value) in
            [("bootstrap", json!(10)), ("level", json!(1.0)), ("y", json!("compute")), ("form", json!("cubic"))]
        {
            let mut with = json!({"x": "compute", "y": "loss", "form": "power"});
            with[field] = value;
            let error = entry.read(&with).unwrap_err();
            assert!(format!("{:?}", error.path).contains(field), "{error:?}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for form in Form::ALL {
            assert_eq!(form.name().parse(), Ok(*form));
            assert_eq!(serde_json::to_value(form).unwrap(), form.name());
        }
        assert!("cubic".parse::<Form>().unwrap_err().to_string().contains("power-offset"));
    }
}
