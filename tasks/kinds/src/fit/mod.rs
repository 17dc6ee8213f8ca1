//! `fit-scaling`: a law fitted to final numbers of other tasks, with intervals, a hold-out, the fits it could be confused with, and a
//! certificate that the optimum is one. What it records is described at [`Fit`].

mod form;
mod objective;
mod rules;

use std::collections::BTreeMap;

use isoflop_contract::{Complaint, Kind, Runtime, ports, shape::Any};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    form::{Form, UnknownForm},
    objective::{Objective, Rho, Space, UnknownObjective},
    rules::{Better, Counting, Drop, Ends, Holdout, Resample, Target, Then, UnknownDrop, WeightOf, Weights},
};
use crate::artifact::Fit;

/// What `fit-scaling` is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FitScaling {
    /// The final number, or the axis, that is known. Surfaces have `inputs` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub x: Option<String>,
    /// The final numbers that a surface is fitted over: two of `N` (parameters), `D` (tokens or samples) and `C` (compute, 6 N D).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The final number that is foretold.
    #[schemars(length(min = 1))]
    pub y: String,
    /// What the law looks like.
    pub form: Form,
    /// What is minimised, if not the form's own objective.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objective>,
    /// How much each point counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// What N counts: a surface must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counting: Option<Counting>,
    /// A column of compute held against 6 N D.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compute: Option<String>,
    /// The range y cannot leave: `[0, 1]` for a score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<[f64; 2]>,
    /// Known ends of a sigmoid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends: Option<Ends>,
    /// Points left out by rule. The record lists them, and the fit with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<Drop>,
    /// Whether only points count that no other beats at an equal or smaller x.
    #[serde(default)]
    pub frontier: bool,
    /// What beating means.
    #[serde(default = "higher")]
    pub better: Better,
    /// Points that only judge. Without a rule, the fit is judged by one of its own to the points below an eighth of the largest x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holdout: Option<Holdout>,
    /// Where to foretell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<Target>,
    /// A second law on top of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// How many resamples the intervals are made of.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u32,
    /// What a resample is drawn of, if not single points.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resample: Option<Resample>,
    /// The share of resamples inside an interval.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
    /// Starting values by parameter instead of our own starts: all combinations are tried.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub grid: BTreeMap<String, Vec<f64>>,
    /// Whether a fit without a certificate is kept, with a warning, rather than failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_unconverged: bool,
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
    // 2: every objective and surfaces; certificates that refuse; hold-outs, sensitivity and derived values in the record.
    const REVISION: u32 = 2;
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
        self.check_columns()?;
        if let Some(objective) = &self.objective {
            objective.check()?;
        }
        Complaint::unless(
            (100..=100_000).contains(&self.bootstrap),
            "bootstrap",
            "must be between 100 and 100,000: fewer resamples make no interval",
        )?;
        Complaint::unless(self.level >= 0.5 && self.level <= 0.999, "level", "must be between 0.5 and 0.999")?;
        if let Some(holdout) = &self.holdout {
            check_holdout(holdout)?;
        }
        for (i, rule) in self.drop.iter().enumerate() {
            let one = "must have one of largest, smallest, above and below";
            Complaint::unless(rule.given() == 1, &format!("drop.{i}"), one)?;
        }
        if let Some([low, high]) = self.range {
            Complaint::unless(low < high, "range", "must be two numbers, the lower one first")?;
        }
        if let Some(ends) = &self.ends {
            Complaint::unless(self.form == Form::Sigmoid, "ends", "belongs to `form: sigmoid` alone")?;
            check_ends(ends, "ends")?;
        }
        if let Some(then) = &self.then {
            Complaint::unless(then.y != self.y, "then.y", "must not be y: the second law foretells something else")?;
            check_ends(&then.ends, "then.ends")?;
        }
        for name in self.grid.keys() {
            let known =
                format!("has no parameter `{name}`: form {} has {}", self.form, self.form.parameters().join(", "));
            Complaint::unless(self.form.parameters().contains(&name.as_str()), "grid", &known)?;
        }
        let starts = self.grid.values().map(Vec::len).try_fold(1_usize, usize::checked_mul);
        Complaint::unless(starts.is_some_and(|n| (1..=100_000).contains(&n)), "grid", "must make 1 to 100,000 starts")?;
        for (i, target) in self.targets.iter().enumerate() {
            let places: &[&[&str]] = if self.form.is_surface() { &[&["D", "N"], &["C"]] } else { &[&["x"]] };
            let names: Vec<&str> = target.keys().map(String::as_str).collect();
            let needed = if self.form.is_surface() { "must name N and D, or C" } else { "must name x" };
            Complaint::unless(places.contains(&names.as_slice()), &format!("targets.{i}"), needed)?;
            let positive = target.values().all(|value| *value > 0.0 && value.is_finite());
            Complaint::unless(positive, &format!("targets.{i}"), "must be positive")?;
        }
        Ok(())
    }
}

impl FitScaling {
    /// What a person has to say of a fit; everything else has its default.
    pub fn of(form: Form, x: &str, y: &str) -> Self {
        Self {
            x: Some(x.to_owned()),
            inputs: BTreeMap::new(),
            y: y.to_owned(),
            form,
            objective: None,
            weights: None,
            counting: None,
            compute: None,
            range: None,
            ends: None,
            drop: Vec::new(),
            frontier: false,
            better: higher(),
            holdout: None,
            targets: Vec::new(),
            then: None,
            bootstrap: bootstrap(),
            resample: None,
            level: level(),
            grid: BTreeMap::new(),
            allow_unconverged: false,
        }
    }

    /// The same of a surface over two of N, D and C, each with its column.
    pub fn surface(form: Form, inputs: &[(&str, &str)], y: &str) -> Self {
        let inputs = inputs.iter().map(|(name, column)| ((*name).to_owned(), (*column).to_owned())).collect();
        Self { x: None, inputs, counting: Some(Counting::Unstated), ..Self::of(form, "", y) }
    }

    fn check_columns(&self) -> Result<(), Complaint> {
        Complaint::unless(!self.y.is_empty(), "y", "must name a final number")?;
        if self.form.is_surface() {
            let message = format!("has no place in form {}, which has `inputs`", self.form);
            Complaint::unless(self.x.is_none(), "x", &message)?;
            let known = self.inputs.keys().all(|name| ["N", "D", "C"].contains(&name.as_str()));
            Complaint::unless(
                known && self.inputs.len() == 2,
                "inputs",
                "must name the columns of two of N (parameters), D (tokens or samples) and C (compute)",
            )?;
            Complaint::unless(self.inputs.values().all(|column| *column != self.y), "y", "must not be an input")?;
            let asked = "must say what N counts: total, non-embedding, active or unstated";
            return Complaint::unless(self.counting.is_some(), "counting", asked);
        }
        let message = format!("have no place in form {}, which has `x`", self.form);
        Complaint::unless(self.inputs.is_empty(), "inputs", &message)?;
        let x = self.x.as_deref().unwrap_or_default();
        Complaint::unless(!x.is_empty(), "x", "must name a final number or an axis")?;
        Complaint::unless(x != self.y, "y", "must not be x")
    }
}

fn check_holdout(holdout: &Holdout) -> Result<(), Complaint> {
    let given = [holdout.largest.is_some(), holdout.factor.is_some(), holdout.above.is_some()];
    let one = given.into_iter().filter(|given| *given).count() == 1;
    Complaint::unless(one, "holdout", "must have one of largest, factor and above")?;
    Complaint::unless(holdout.largest != Some(0), "holdout.largest", "must be at least 1")?;
    Complaint::unless(holdout.factor.is_none_or(|factor| factor > 1.0), "holdout.factor", "must be above 1")
}

fn check_ends(ends: &Ends, field: &str) -> Result<(), Complaint> {
    let within = [ends.lo, ends.hi].into_iter().flatten().all(|end| (0.0..=1.0).contains(&end));
    Complaint::unless(within, field, "must lie between 0 and 1")?;
    Complaint::unless(ends.lo.unwrap_or(0.0) < ends.hi.unwrap_or(1.0), field, "must be ordered: lo below hi")
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
    fn a_surface_says_its_inputs_and_what_it_counts() {
        let entry = Entry::of::<FitScaling>();
        let good =
            json!({"inputs": {"N": "params", "D": "tokens"}, "y": "loss", "form": "chinchilla", "counting": "total"});
        assert!(entry.read(&good).is_ok());
        let refused = |field: &str, value: serde_json::Value| {
            let mut with = good.clone();
            with[field] = value;
            format!("{:?}", entry.read(&with).unwrap_err())
        };
        assert!(refused("counting", json!(null)).contains("must say what N counts"));
        assert!(refused("inputs", json!({"N": "params"})).contains("two of N"));
        assert!(refused("x", json!("compute")).contains("which has `inputs`"));
        assert!(refused("targets", json!([{"N": 1e9}])).contains("must name N and D, or C"));
        assert!(refused("grid", json!({"gamma": [1.0]})).contains("no parameter `gamma`"));
        assert!(refused("holdout", json!({"largest": 1, "above": 1e20})).contains("one of largest"));
        assert!(refused("drop", json!([{"column": "loss"}])).contains("one of largest"));
        assert!(refused("objective", json!({"space": "log", "rho": "huber"})).contains("must be given"));
    }
}
