//! `fit-scaling`: a law fitted to final numbers of other tasks, with intervals, a hold-out, the fits it could be confused with, and a
//! certificate that the optimum is one. What it records is described at [`Fit`].

mod allocation;
mod form;
mod formula;
mod objective;
mod rules;

use std::collections::BTreeMap;

use isoflop_contract::{Complaint, Kind, Runtime, ports, shape::Any};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{
    allocation::{FitAllocation, Method, UnknownMethod},
    form::{Form, UnknownForm},
    formula::{Formula, MOST, Op, Parameter, Unread, read},
    objective::{Objective, Rho, Space, UnknownObjective},
    rules::{
        Better, Counting, Drop, Ends, Holdout, Keep, Noise, Resample, Target, Then, ThenForm, UnknownDrop, WeightOf,
        Weights,
    },
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
    /// The final numbers that a surface is fitted over: two of `N` (parameters), `D` (tokens or samples) and `C` (compute, 6 N D), and `U` (unique
    /// tokens) where data are repeated; of a formula of several inputs, the final number for each of its names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, String>,
    /// The final number that is foretold.
    #[schemars(length(min = 1))]
    pub y: String,
    /// What the law looks like.
    pub form: Form,
    /// The law, where `form` is `formula`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<Formula>,
    /// Parameters that are known and not fitted: of the forms `formula`, `repeated-data` and `exponential`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, f64>,
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
    /// Points that count: in each of these columns, one of these names. All others are left out by rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub keep: Keep,
    /// Points left out by rule. The record lists them, and the fit with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<Drop>,
    /// Whether trainings among the points give a point for each time that held-out loss was measured instead of one for their end: `loss`, `train_loss` and
    /// `step` of then, and of `compute` and `images_seen` what was spent by then. With `frontier`, a law of the best loss that any training had at a compute
    /// (Li et al. 2024, Fig. 11a, in loss). Where the learning rate falls, what is measured before the end is not what a shorter training would end with.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub histories: bool,
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
    /// How often an interval is to cover: the share of resamples inside it, and somewhat more where few rows were drawn from.
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
        /// The points: all cells of a gather, each with x and y among its final numbers or axes. One with a file `table.csv` gives a point a row.
        points: Many<Any>,
        /// Other cells, whose final numbers points have too: of each point, those of the cell that is at the same values of all axes that both have.
        beside: MaybeMany<Any>,
    }
}

impl Kind for FitScaling {
    const NAME: &'static str = "fit-scaling";
    // 2: every objective and surfaces; certificates that refuse; hold-outs, sensitivity and derived values in the record.
    // 3: more forms, formulas, tables as points, noise resamples, AICc; forms of surfaces are compared, too.
    // 4: curves to the farthest target, the value at ten times x, the frontier's direction, warnings by reason, copies of rows; kinks of absolute
    // deviations are certified, resamples stand on their bounds, missing values in the spellings of public tables.
    // 5: intervals of few rows reach farther out; absolute deviations of evenly spaced rows are certified; tables may say 1.4B, and a file's commas mean one
    // thing throughout.
    const REVISION: u32 = 5;
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
        self.check_formula()?;
        self.check_names()?;
        if let Some(Noise::Sigma(sigma)) = self.resample.as_ref().and_then(|resample| resample.noise) {
            Complaint::unless(sigma > 0.0 && sigma.is_finite(), "resample.noise", "must be positive")?;
        }
        let starts = self.grid.values().map(Vec::len).try_fold(1_usize, usize::checked_mul);
        Complaint::unless(starts.is_some_and(|n| (1..=100_000).contains(&n)), "grid", "must make 1 to 100,000 starts")?;
        for (i, target) in self.targets.iter().enumerate() {
            let names: Vec<&str> = target.keys().map(String::as_str).collect();
            let mut all = self.input_names();
            let or = if self.form.divides() { ", or C" } else { "" };
            let needed = format!("must name {}{or}", all.join(" and "));
            all.sort_unstable();
            let there = names == all || (self.form.divides() && names == ["C"]);
            Complaint::unless(there, &format!("targets.{i}"), &needed)?;
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
            formula: None,
            fixed: BTreeMap::new(),
            objective: None,
            weights: None,
            counting: None,
            compute: None,
            range: None,
            ends: None,
            keep: Keep::new(),
            drop: Vec::new(),
            histories: false,
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

    /// A formula over inputs, each with its column.
    pub fn own(law: &str, parameters: &[(&str, Parameter)], inputs: &[(&str, &str)], y: &str) -> Self {
        let parameters = parameters.iter().map(|(name, one)| ((*name).to_owned(), one.clone())).collect();
        let formula = Some(Formula { law: law.to_owned(), parameters });
        let inputs = inputs.iter().map(|(name, column)| ((*name).to_owned(), (*column).to_owned())).collect();
        Self { x: None, inputs, formula, ..Self::of(Form::Formula, "", y) }
    }

    /// The names of the parameters, in order.
    pub fn parameters(&self) -> Vec<&str> {
        match &self.formula {
            Some(formula) => formula.parameters.keys().map(String::as_str).collect(),
            None => self.form.parameters().to_vec(),
        }
    }

    /// The names of the law's inputs, in order.
    pub fn input_names(&self) -> Vec<&str> {
        match &self.formula {
            Some(_) if self.x.is_some() => vec!["x"],
            Some(formula) => formula.ordered(self.inputs.keys().map(String::as_str).collect()),
            None => self.form.inputs().to_vec(),
        }
    }

    fn check_formula(&self) -> Result<(), Complaint> {
        let Some(formula) = &self.formula else {
            return Complaint::unless(self.form != Form::Formula, "formula", "must be given with `form: formula`");
        };
        Complaint::unless(self.form == Form::Formula, "formula", "belongs to `form: formula` alone")?;
        formula.read(&self.input_names()).map(|_| ())
    }

    fn check_names(&self) -> Result<(), Complaint> {
        let parameters = self.parameters();
        let named = self.grid.keys().map(|name| (name, "grid")).chain(self.fixed.keys().map(|name| (name, "fixed")));
        for (name, field) in named {
            let known = format!("has no parameter `{name}`: form {} has {}", self.form, parameters.join(", "));
            Complaint::unless(parameters.contains(&name.as_str()), field, &known)?;
        }
        if self.fixed.is_empty() {
            return Ok(());
        }
        let plain = "belongs to the forms formula, repeated-data and exponential";
        Complaint::unless(self.form.is_plain(), "fixed", plain)?;
        Complaint::unless(self.fixed.len() < parameters.len(), "fixed", "must leave a parameter to fit")?;
        Complaint::unless(self.fixed.values().all(|value| value.is_finite()), "fixed", "must be finite numbers")
    }

    fn check_columns(&self) -> Result<(), Complaint> {
        Complaint::unless(!self.y.is_empty(), "y", "must name a final number")?;
        if self.form == Form::Formula {
            let one = "must name x, or the inputs of the formula by their names in it, and not both";
            Complaint::unless(self.x.is_some() == self.inputs.is_empty(), "x", one)?;
            let mut all = self.x.iter().chain(self.inputs.values());
            let apart = all.all(|column| !column.is_empty() && *column != self.y);
            return Complaint::unless(apart, "y", "must not be an input");
        }
        if self.form.is_surface() {
            let message = format!("has no place in form {}, which has `inputs`", self.form);
            Complaint::unless(self.x.is_none(), "x", &message)?;
            let repeats = self.form == Form::RepeatedData;
            let two = self.inputs.keys().filter(|name| ["N", "D", "C"].contains(&name.as_str())).count() == 2;
            let unique = usize::from(repeats && self.inputs.contains_key("U"));
            let asked = if repeats {
                "must name the columns of U (unique tokens) and of two of N (parameters), D (tokens seen) and C (compute)"
            } else {
                "must name the columns of two of N (parameters), D (tokens or samples) and C (compute)"
            };
            let all = two && self.inputs.len() == 2 + unique && (unique == 1) == repeats;
            Complaint::unless(all, "inputs", asked)?;
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
