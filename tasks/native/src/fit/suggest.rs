//! The next runs: of all that a budget could buy, those that narrow a chosen quantity's interval most, by optimal design on the fitted law.
//!
//! Near the optimum a quantity's variance is `g' M^-1 g`, where M adds up what each row tells (its derivatives in the space of the fit) and g is the
//! quantity's own derivative; a further run adds its share to M wherever its result will lie. Candidates stand on a logarithmic grid over the sizes and
//! data that were run and somewhat beyond. Single candidates are ranked by what they narrow per FLOP; a set for the whole budget is grown run by run,
//! under several rules, of which the best set counts.

use std::collections::BTreeMap;

use isoflop_contract::Kind;
use isoflop_kinds::fit::{FitScaling, Target};
use serde::Serialize;

use super::{
    dense::{Matrix, inverse, quadratic},
    error::FitError,
    fitting::{Fitting, Request},
    law::Block,
    math::{dot, exp_any, ln_any},
    points::Points,
    problem::{Problem, Work},
    run::Means,
    triage::{Row, Triage, input_names},
};

/// What to narrow, and what it may cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// FLOP for all runs together.
    pub budget: f64,
    /// The quantity: a parameter, what follows from parameters, or the law at a target. If none, the best size's exponent, or the first parameter that
    /// is an exponent.
    pub quantity: Option<Quantity>,
    /// The most runs.
    pub runs: usize,
}

/// Something whose interval can be narrowed.
#[derive(Debug, Clone, PartialEq)]
pub enum Quantity {
    /// A parameter or what follows from parameters, by name.
    Named(String),
    /// The law at a target.
    At(Target),
}

/// A run that could be made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// Its inputs by name.
    pub at: BTreeMap<&'static str, f64>,
    /// What it costs, in FLOP: 6 N D, or x.
    pub compute: f64,
    /// The quantity's standard error with it, as a share of that without.
    pub narrows_to: f64,
    /// The share of the variance that it takes away, per FLOP.
    pub per_flop: f64,
    /// Which run of these inputs it is, from 1: a second one is worth its compute as another seed.
    pub again: u32,
}

/// What is best done next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// The quantity.
    pub quantity: String,
    /// The quantity at the optimum.
    pub value: f64,
    /// Its standard error now.
    pub stderr: f64,
    /// Its standard error, as foreseen, with the runs of `runs`.
    pub foreseen: f64,
    /// What may be spent.
    pub budget: f64,
    /// What the runs cost.
    pub compute: f64,
    /// The runs, in the order in which they help.
    pub runs: Vec<Candidate>,
    /// Single candidates, those first that narrow most per FLOP.
    pub ranked: Vec<Candidate>,
}

/// Candidates an input.
const STEPS: u32 = 17;
/// How far candidates reach beyond what was run, of each input.
const BEYOND: f64 = 4.0;
/// Single candidates that are told.
const TOLD: usize = 10;

/// What to run next, given `points` and the fit that `spec` asks of them.
pub fn suggest(points: &Points, spec: &FitScaling, means: &Means, wish: &Wish) -> Result<Suggestion, FitError> {
    let refused = |field: &str, problem: String| FitError::Request { field: field.to_owned(), problem };
    spec.check().map_err(|complaint| refused(&complaint.field, complaint.problem))?;
    if !(wish.budget > 0.0 && wish.budget.is_finite() && wish.runs > 0) {
        return Err(refused("budget", "must be positive, and at least one run asked for".to_owned()));
    }
    let request = Request::of(spec);
    let rows = Triage::of(points, spec, request.objective.space)?.fitted();
    let fitting = Fitting::of(&rows, request, None, &means.settings)?;
    if let Some(complaint) = fitting.solution.certificate.complaint() {
        return Err(FitError::Unconverged { form: spec.form, complaint });
    }
    let (quantity, of) = quantity(&fitting, spec, wish).map_err(|problem| refused("narrow", problem))?;
    let desk = Desk::of(&fitting, &of).ok_or_else(|| {
        refused("narrow", format!("cannot be judged: the points do not tell `{quantity}` apart from the rest"))
    })?;
    let places = grid(&rows, wish.budget);
    let names = input_names(spec);
    let columns = derivatives(&fitting, &places.iter().map(|(inputs, _)| inputs.clone()).collect::<Vec<_>>());
    if places.is_empty() {
        let least = rows.iter().map(|row| row.x).fold(f64::INFINITY, f64::min);
        return Err(refused(
            "budget",
            format!("buys no run like those there are, of which the least took {least:.3e} FLOP"),
        ));
    }
    let told = |at: usize, before: &Matrix| {
        let (inputs, compute) = &places[at];
        let share = desk.gain(before, &columns[at]);
        Candidate {
            at: names.iter().copied().zip(inputs.iter().copied()).collect(),
            compute: *compute,
            narrows_to: libm::sqrt((1.0 - share).max(0.0)),
            per_flop: share / compute,
            again: 1,
        }
    };
    let mut ranked: Vec<Candidate> = (0..places.len()).map(|at| told(at, &desk.inverse)).collect();
    ranked.sort_by(|a, b| b.per_flop.total_cmp(&a.per_flop).then(a.compute.total_cmp(&b.compute)));
    ranked.truncate(TOLD);
    let chosen = desk.best_set(&places, &columns, wish);
    let mut before = desk.inverse.clone();
    let mut runs = Vec::new();
    for at in &chosen {
        let again = 1 + chosen.iter().take(runs.len()).filter(|other| *other == at).count() as u32;
        runs.push(Candidate { again, ..told(*at, &before) });
        before = added(&before, &columns[*at]);
    }
    let foreseen = desk.error(&before);
    let compute = runs.iter().map(|run| run.compute).sum();
    let (value, stderr) = (of(&fitting.solution.theta), desk.error(&desk.inverse));
    Ok(Suggestion { quantity, value, stderr, foreseen, budget: wish.budget, compute, runs, ranked })
}

type Of<'a> = Box<dyn Fn(&[f64]) -> f64 + 'a>;

/// The name of what is to be narrowed, and it as a function of working parameters.
fn quantity<'a>(fitting: &'a Fitting, spec: &'a FitScaling, wish: &Wish) -> Result<(String, Of<'a>), String> {
    let law = fitting.law.as_ref();
    let derived: Vec<&str> = law.derived(&fitting.parameters).iter().map(|derived| derived.name).collect();
    if let Some(Quantity::At(target)) = &wish.quantity {
        let names = input_names(spec);
        let all = names.iter().all(|name| target.contains_key(*name));
        let divided = spec.form.divides() && target.contains_key("C");
        if !(all || divided) {
            return Err(format!("must name {}", names.join(" and ")));
        }
        let target = target.clone();
        let told: Vec<String> = target.iter().map(|(name, value)| format!("{name} = {value:e}")).collect();
        let at = move |theta: &[f64]| {
            let parameters = law.report(theta);
            let inputs = match target.get("C").filter(|_| !all) {
                Some(c) => law.best(&parameters, *c).map_or_else(Vec::new, |(n, d)| vec![n, d]),
                None => names.iter().map(|name| target[*name]).collect(),
            };
            fitting.with(&parameters, &inputs)
        };
        return Ok((format!("{} at {}", spec.y, told.join(", ")), Box::new(at)));
    }
    let usual = || {
        let known = |name: &&&str| ["a", "p", "alpha", "eta", "b", "c0"].contains(*name);
        derived.iter().find(|name| **name == "a").or_else(|| law.names().iter().find(known)).or(law.names().first())
    };
    let name = match &wish.quantity {
        Some(Quantity::Named(name)) => name.clone(),
        _ => usual().map_or_else(String::new, |name| (*name).to_owned()),
    };
    if let Some(at) = law.names().iter().position(|other| *other == name) {
        return Ok((name, Box::new(move |theta: &[f64]| law.report(theta)[at])));
    }
    if let Some(at) = derived.iter().position(|other| *other == name) {
        return Ok((name, Box::new(move |theta: &[f64]| law.derived(&law.report(theta))[at].value)));
    }
    let all: Vec<&str> = law.names().iter().copied().chain(derived).collect();
    Err(format!("names no quantity of the law: there is no `{name}`; there are {}", all.join(", ")))
}

/// Places of runs and what each costs.
fn grid(rows: &[Row], budget: f64) -> Vec<(Vec<f64>, f64)> {
    let inputs = rows[0].inputs.len();
    let span = |i: usize| {
        let fold = |(l, m): (f64, f64), row: &Row| (l.min(row.inputs[i]), m.max(row.inputs[i]));
        let (least, most) = rows.iter().fold((f64::INFINITY, 0.0_f64), fold);
        let (from, to) = (ln_any(least), ln_any(BEYOND * most));
        (0..STEPS).map(|k| exp_any(from + (to - from) * f64::from(k) / f64::from(STEPS - 1))).collect::<Vec<f64>>()
    };
    let mut all: Vec<Vec<f64>> = vec![Vec::new()];
    for i in 0..inputs {
        let values = span(i);
        all = all.iter().flat_map(|one| values.iter().map(|v| [one.as_slice(), &[*v]].concat())).collect();
    }
    let cost = |inputs: &Vec<f64>| if let [n, d, ..] = inputs[..] { 6.0 * n * d } else { inputs[0] };
    all.into_iter().map(|inputs| (inputs.clone(), cost(&inputs))).filter(|(_, cost)| *cost <= budget).collect()
}

/// The law's derivatives at inputs, in its free working parameters and the space of the fit.
fn derivatives(fitting: &Fitting, places: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let column = |(i, axis): (usize, &super::law::Axis)| places.iter().map(|p| axis.coordinate(p[i])).collect();
    let n = places.len();
    let block = Block {
        inputs: fitting.axes.iter().enumerate().map(column).collect(),
        target: vec![0.0; n],
        weight: vec![1.0; n],
        y: vec![0.0; n],
    };
    let mut problem = Problem::new(fitting.law.as_ref(), &block, fitting.request.objective, 1.0);
    problem.free.clone_from(&fitting.solution.free);
    let columns = problem.columns(&fitting.solution.theta, &mut Work::default());
    (0..n).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
}

/// The inverse with one more row.
fn added(inverse: &Matrix, row: &[f64]) -> Matrix {
    let bent: Vec<f64> = inverse.iter().map(|line| dot(line, row)).collect();
    let all = 1.0 + dot(row, &bent);
    inverse.iter().zip(&bent).map(|(line, b)| line.iter().zip(&bent).map(|(v, c)| v - b * c / all).collect()).collect()
}

struct Desk {
    /// What is known, inverted.
    inverse: Matrix,
    /// The quantity's derivative.
    gradient: Vec<f64>,
    /// The residuals' standard deviation.
    noise: f64,
}

impl Desk {
    fn of(fitting: &Fitting, of: &Of<'_>) -> Option<Self> {
        let problem = fitting.problem();
        let theta = &fitting.solution.theta;
        let columns = problem.columns(theta, &mut Work::default());
        let weight = &fitting.block.weight;
        let rows = fitting.block.rows();
        let mean = weight.iter().sum::<f64>() / rows as f64;
        let scaled: Vec<Vec<f64>> =
            columns.iter().map(|column| column.iter().zip(weight).map(|(c, w)| c * w / mean).collect()).collect();
        let told: Matrix = scaled.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
        let mut moved = theta.clone();
        let mut gradient = Vec::new();
        for parameter in &fitting.solution.free {
            let h = 1e-5 * theta[*parameter].abs().max(1.0);
            moved[*parameter] = theta[*parameter] + h;
            let up = of(&moved);
            moved[*parameter] = theta[*parameter] - h;
            gradient.push((up - of(&moved)) / (2.0 * h));
            moved[*parameter] = theta[*parameter];
        }
        let freedom = rows.saturating_sub(fitting.solution.free.len()).max(1) as f64;
        // The middle residual stands for their size where an objective is robust: outliers say little of what a run will tell.
        let mut sizes = fitting.sizes();
        sizes.sort_by(f64::total_cmp);
        let noise = if fitting.request.objective.is_robust() {
            1.4826 * super::math::quantile(&sizes, 0.5)
        } else {
            libm::sqrt(sizes.iter().map(|r| r * r).sum::<f64>() / freedom)
        };
        let inverse = inverse(&told)?;
        let variance = quadratic(&inverse, &gradient);
        (variance > 0.0 && variance.is_finite()).then_some(Self { inverse, gradient, noise })
    }

    /// The quantity's standard error where so much is known.
    fn error(&self, inverse: &Matrix) -> f64 {
        self.noise * libm::sqrt(quadratic(inverse, &self.gradient).max(0.0))
    }

    /// The share of the variance that a row takes away.
    fn gain(&self, inverse: &Matrix, row: &[f64]) -> f64 {
        let bent: Vec<f64> = inverse.iter().map(|line| dot(line, row)).collect();
        let along = dot(&bent, &self.gradient);
        along * along / (1.0 + dot(row, &bent)) / quadratic(inverse, &self.gradient).max(f64::MIN_POSITIVE)
    }

    /// Runs for the whole budget: grown by what each takes away, by what it takes away per FLOP, and by the first among runs of at most a half, a
    /// quarter and so on of the budget; the set that takes most away.
    fn best_set(&self, places: &[(Vec<f64>, f64)], columns: &[Vec<f64>], wish: &Wish) -> Vec<usize> {
        let grow = |most: f64, per_flop: bool| {
            let (mut left, mut inverse, mut set) = (wish.budget, self.inverse.clone(), Vec::new());
            while set.len() < wish.runs {
                let worth = |at: &usize| {
                    let gain = self.gain(&inverse, &columns[*at]);
                    if per_flop { gain / places[*at].1 } else { gain }
                };
                let affordable = (0..places.len()).filter(|at| places[*at].1 <= left.min(most));
                let Some(best) = affordable.max_by(|a, b| worth(a).total_cmp(&worth(b)).then(b.cmp(a))) else { break };
                inverse = added(&inverse, &columns[best]);
                left -= places[best].1;
                set.push(best);
            }
            (quadratic(&inverse, &self.gradient), set)
        };
        let rules = [1.0, 2.0, 3.0, 4.0, 6.0, 8.0].map(|parts| (wish.budget / parts, false));
        let sets = rules.into_iter().chain([(wish.budget, true)]).map(|(most, per_flop)| grow(most, per_flop));
        sets.min_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, set)| set).unwrap_or_default()
    }
}

impl Suggestion {
    /// The runs as a part of a study: `include` it, and let a matrix go over `suggested`.
    pub fn yaml(&self) -> String {
        let short = |value: f64| format!("{value:.3e}");
        let run = |(k, run): (usize, &Candidate)| {
            let inputs = run.at.iter().map(|(name, value)| format!("{name}: {}", short(*value)));
            let inputs = inputs.collect::<Vec<_>>().join(", ");
            let first = self.runs.iter().position(|other| other.at == run.at).unwrap_or(k);
            let seed = if run.again > 1 { format!(", as next-{} but for its seed", first + 1) } else { String::new() };
            let (name, again) = (k + 1, run.again);
            format!("    - {{ as: next-{name}, {inputs}, seed: {again} }}   # {} FLOP{seed}\n", short(run.compute))
        };
        let runs: Vec<String> = self.runs.iter().enumerate().map(run).collect();
        format!(
            "# {} runs for {} FLOP of {}, which should narrow the standard error of {} from {} to {}.\n# In the study: `include: [this file]`, and \
             `matrix: {{ run: \"{{{{ suggested }}}}\" }}` over tasks that take run.{} and run.seed.\nparams:\n  suggested:\n{}",
            self.runs.len(),
            short(self.compute),
            short(self.budget),
            self.quantity,
            short(self.stderr),
            short(self.foreseen),
            self.runs
                .first()
                .map_or_else(String::new, |run| { run.at.keys().copied().collect::<Vec<_>>().join(", run.") }),
            runs.concat()
        )
    }
}
