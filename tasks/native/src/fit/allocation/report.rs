//! The record of an allocation, written from what was found.

use std::collections::BTreeMap;

use isoflop_kinds::fit::{Counting, FitScaling, Method};

use super::{
    bias::bias,
    profile::{Place, Vertex, spline},
    record::{Allocation, Division, Profile, Run},
    run::{Best, Budget, Desk, Divided, Vertices, data_factor},
};
use crate::fit::{
    FittedPoint, Means, Points, Tally, VERSION,
    curve::curve,
    estimate::spread,
    law::short,
    math::{exp_any, ln_any},
    triage::{Fate, Triage},
};

/// Everything a record is written from.
pub(super) struct Report<'a> {
    pub(super) desk: &'a Desk<'a>,
    pub(super) points: &'a Points,
    pub(super) triage: &'a Triage,
    pub(super) found: &'a Vertices,
    pub(super) drawn: &'a [Vertices],
    pub(super) best: &'a [Best],
    pub(super) draws: &'a [[f64; 2]],
    pub(super) like: FitScaling,
}

const NAMES: [&str; 4] = ["a", "b", "kN", "kD"];

impl Report<'_> {
    pub(super) fn write(&self, a: f64, k: f64, means: &Means) -> Divided {
        let (spec, level) = (self.desk.spec, self.desk.spec.level);
        let estimate = |of: &dyn Fn(f64, f64) -> f64| {
            spread(of(a, k), self.draws.iter().map(|[a, k]| of(*a, *k)).filter(|v| v.is_finite()).collect(), level)
        };
        let parameters: [&dyn Fn(f64, f64) -> f64; 4] = [&|a, _| a, &|a, _| 1.0 - a, &|_, k| k, &|_, k| data_factor(k)];
        let params = NAMES.into_iter().zip(parameters).map(|(name, of)| (name, estimate(of))).collect();
        let size = |c: f64| move |a: f64, k: f64| k * exp_any(a * ln_any(c));
        let target = |c: &f64| {
            let n = estimate(&size(*c));
            let d = estimate(&|a, k| c / (6.0 * size(*c)(a, k)));
            let at = BTreeMap::from([("C".to_owned(), *c)]);
            Division { at, y: n.value, lower: n.lower, upper: n.upper, best: BTreeMap::from([("N", n), ("D", d)]) }
        };
        let weight = |one: &Best| one.stderr.filter(|_| spec.weighted).map_or(1.0, |s| 1.0 / (s * s).max(1e-12));
        let left = |one: &Best| one.ln_n - (ln_any(k) + a * one.ln_c);
        let loss: f64 = self.best.iter().map(|one| weight(one) * left(one) * left(one)).sum();
        let all: f64 = self.best.iter().map(weight).sum();
        let mean = self.best.iter().map(|one| weight(one) * one.ln_n).sum::<f64>() / all;
        let whole: f64 = self.best.iter().map(|one| weight(one) * (one.ln_n - mean) * (one.ln_n - mean)).sum();
        let (least, most) = self
            .best
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(l, m), one| (l.min(exp_any(one.ln_c)), m.max(exp_any(one.ln_c))));
        let bands: Vec<Vec<f64>> = self.draws.iter().map(|draw| draw.to_vec()).collect();
        let bias =
            if spec.method == Method::Parabola { bias(self.desk.rows, &self.groups(), (a, k), means) } else { None };
        let warnings = self.warnings(bias.as_ref());
        let allocation = Allocation {
            version: VERSION,
            form: spec.method,
            formula: format!(
                "N* = {} · C^{}, D* = {} · C^{}",
                short(k),
                short(a),
                short(data_factor(k)),
                short(1.0 - a)
            ),
            objective: self.objective(),
            x: "compute".to_owned(),
            y: "best size".to_owned(),
            inputs: spec.inputs.clone(),
            loss_column: spec.y.clone(),
            parameters: NAMES.to_vec(),
            params,
            loss,
            r2: 1.0 - loss / whole,
            n: self.best.len(),
            holdout: None,
            rows: self.tally(),
            counting: spec.counting,
            profiles: self.profiles(),
            bias,
            targets: spec.targets.iter().map(target).collect(),
            resamples: self.draws.len(),
            level,
            points_digest: self.points.digest(&self.like),
            warnings,
            points: self.account(a, k),
            curve: curve(
                &|p: &[f64], c| size(c)(p[0], p[1]),
                &[a, k],
                &bands,
                (least, most),
                spec.targets.iter().copied().max_by(f64::total_cmp),
                level,
            ),
        };
        Divided { allocation, draws: self.draws.to_vec() }
    }

    fn objective(&self) -> String {
        let spec = self.desk.spec;
        let how = match spec.method {
            Method::Parabola => "the lowest point of a parabola of the loss in ln N at each budget",
            Method::Akima => "the lowest point of Akima's spline of ln y in ln N at each budget",
            Method::Hull => "runs on the lower convex hull of ln y over ln C",
            Method::Dominance => "runs that no other beats at equal or less compute",
            Method::Bins => "the best run in each bin of ln C",
        };
        let weights = if spec.weighted { ", weighted by inverse variance" } else { "" };
        format!("{how}; least squares of ln N* on ln C{weights}")
    }

    fn groups(&self) -> Vec<(f64, Vec<usize>)> {
        self.desk.budgets.iter().map(|budget| (budget.compute, budget.rows.clone())).collect()
    }

    fn profiles(&self) -> Vec<Profile> {
        let rows = self.desk.rows;
        let one = |(i, (budget, vertex)): (usize, (&Budget, &Result<Vertex, String>))| {
            let place = |at: &usize| (ln_any(rows[*at].inputs[0]), rows[*at].y);
            let runs: Vec<(f64, f64)> = budget.rows.iter().map(place).collect();
            let named = |at: &usize| Run {
                label: self.points.rows[rows[*at].index].label.clone(),
                n: rows[*at].inputs[0],
                y: rows[*at].y,
            };
            let spread_of = |vertex: &Vertex| {
                let draws =
                    self.drawn.iter().filter_map(|one| Some(exp_any(one.get(i)?.as_ref().ok()?.ln_n))).collect();
                spread(exp_any(vertex.ln_n), draws, self.desk.spec.level)
            };
            let vertex = vertex.as_ref();
            Profile {
                label: budget.label.clone(),
                budget: budget.compute,
                off: budget.off,
                runs: budget.rows.iter().map(named).collect(),
                curve: drawn_curve(&runs, vertex.ok().copied(), self.desk.spec.method),
                n: vertex.ok().map(spread_of),
                y: vertex.ok().map(|vertex| vertex.y),
                ln_n_stderr: vertex.ok().and_then(|vertex| vertex.stderr),
                refused: vertex.err().cloned(),
            }
        };
        self.desk.budgets.iter().zip(self.found).enumerate().map(one).collect()
    }

    fn tally(&self) -> Tally {
        let count = |passes: fn(&Fate) -> bool| self.triage.fates.iter().filter(|fate| passes(fate)).count();
        let fitted = count(|fate| *fate == Fate::Fitted);
        let beaten = if self.desk.spec.method.by_budget() { 0 } else { fitted - self.best.len() };
        Tally {
            given: self.triage.fates.len(),
            fitted: fitted - beaten,
            held_out: 0,
            unusable: count(|fate| matches!(fate, Fate::Unusable(_))),
            ruled_out: count(|fate| matches!(fate, Fate::Ruled(_))),
            beaten,
        }
    }

    /// The best sizes, and the rows that were left out for a reason of their own.
    fn account(&self, a: f64, k: f64) -> Vec<FittedPoint> {
        let labels: Vec<String> = if self.desk.spec.method.by_budget() {
            let kept = self.desk.budgets.iter().zip(self.found).filter(|(_, found)| found.is_ok());
            kept.map(|(budget, _)| format!("budget {}", budget.label)).collect()
        } else {
            let losses: Vec<f64> = self.desk.rows.iter().map(|row| row.y).collect();
            let all: Vec<usize> = (0..losses.len()).collect();
            let on = self.desk.on_frontier(&all, &losses);
            on.into_iter().map(|at| self.points.rows[self.desk.rows[at].index].label.clone()).collect()
        };
        let empty = FittedPoint {
            label: String::new(),
            x: None,
            y: None,
            inputs: None,
            fitted: None,
            residual: None,
            held_out: false,
            dropped: None,
        };
        let one = |(label, best): (String, &Best)| {
            let told = ln_any(k) + a * best.ln_c;
            FittedPoint {
                label,
                x: Some(exp_any(best.ln_c)),
                y: Some(exp_any(best.ln_n)),
                fitted: Some(exp_any(told)),
                residual: Some(best.ln_n - told),
                ..empty.clone()
            }
        };
        let out = |(point, fate): (&crate::fit::Point, &Fate)| match fate {
            Fate::Unusable(reason) => Some((point.label.clone(), reason.clone())),
            Fate::Ruled(reason) => Some((point.label.clone(), format!("left out by rule: {reason}"))),
            _ => None,
        };
        let left = self.points.rows.iter().zip(&self.triage.fates).filter_map(out);
        let left = left.map(|(label, reason)| FittedPoint { label, dropped: Some(reason), ..empty.clone() });
        labels.into_iter().zip(self.best).map(one).chain(left).collect()
    }

    fn warnings(&self, bias: Option<&super::record::Bias>) -> Vec<String> {
        let mut all = Vec::new();
        if self.desk.spec.counting == Counting::Unstated {
            all.push("counting-unstated: nobody said whether N counts embeddings; exponents differ by it, so do not compare them".to_owned());
        }
        for (budget, found) in self.desk.budgets.iter().zip(self.found) {
            if let Err(why) = found {
                all.push(format!("budget {} has no best size: {why}", budget.label));
            }
            if found.as_ref().is_ok_and(|vertex| vertex.beyond) {
                all.push(format!("budget {}: the lowest point lies outside of the sizes that were run", budget.label));
            }
            if budget.off > 0.01 {
                all.push(format!(
                    "budget {}: a run's compute is {:.1} % off it; counting all as equal bends its profile",
                    budget.label,
                    100.0 * budget.off
                ));
            }
        }
        if let Some(bias) = bias {
            all.extend(super::bias::words(bias));
        }
        if self.best.len() < 4 {
            all.push(format!("{} best sizes for 2 parameters: the intervals mean little", self.best.len()));
        }
        let lost = self.desk.spec.bootstrap as usize - self.draws.len();
        if lost > 0 {
            all.push(format!("{lost} resamples gave no law"));
        }
        all
    }
}

/// The curve through runs, for a figure: 49 places of a parabola, or the spline's own.
fn drawn_curve(runs: &[(f64, f64)], vertex: Option<Vertex>, method: Method) -> Vec<Place> {
    if method == Method::Akima {
        let curve = spline(runs).unwrap_or_default();
        return curve.into_iter().step_by(5).map(|(u, v)| Place { n: exp_any(u), y: exp_any(v) }).collect();
    }
    let Some(([c0, c1, c2], mean)) = vertex.and_then(|vertex| vertex.parabola) else { return Vec::new() };
    let (least, most) = runs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), (u, _)| (l.min(*u), m.max(*u)));
    let at = |i: u32| least + (most - least) * f64::from(i) / 48.0;
    (0..=48).map(at).map(|u| Place { n: exp_any(u), y: c0 + (u - mean) * (c1 + c2 * (u - mean)) }).collect()
}
