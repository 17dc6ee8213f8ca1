//! From points to the record of an allocation.

use std::collections::BTreeMap;

use isoflop_contract::Kind;
use isoflop_kinds::fit::{Counting, FitAllocation, FitScaling, Form, Method, Space};

use super::{
    bias::bias,
    envelope::frontier,
    profile::{Place, Vertex, akima, parabola, spline},
    record::{Allocation, Division, Profile, Run},
};
use crate::{
    fit::{
        FittedPoint, Means, Points, Tally, VERSION,
        bootstrap::Urns,
        curve::curve,
        law::short,
        math::{exp_any, ln_any, moments},
        parallel::each,
        run::spread,
        triage::{Fate, Row, Triage},
    },
    random::Stream,
};

/// Why there is no allocation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AllocationError {
    /// The request contradicts itself.
    #[error("`{field}` {problem}")]
    Request {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Fewer than two best sizes.
    #[error(
        "{there} best sizes make no law, which needs 2 at different compute, and {wanted}{}{}",
        if .reasons.is_empty() { "" } else { "; " },
        .reasons.join("; ")
    )]
    TooFew {
        /// How many there are.
        there: usize,
        /// What they come from, in words.
        wanted: String,
        /// Why others are not there.
        reasons: Vec<String>,
    },
}

/// A record, and what its intervals were made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Divided {
    /// The record.
    pub allocation: Allocation,
    /// a and kN of every resample.
    pub draws: Vec<[f64; 2]>,
}

impl Divided {
    /// The draws as CSV.
    pub fn draws_csv(&self) -> String {
        let line = |[a, k]: &[f64; 2]| format!("{a:?},{:?},{k:?},{:?}\n", 1.0 - a, data_factor(*k));
        "a,b,kN,kD\n".to_owned() + &self.draws.iter().map(line).collect::<String>()
    }
}

/// The factor of D* = C / (6 N*).
fn data_factor(k: f64) -> f64 {
    1.0 / (6.0 * k)
}

/// A fit's spec over the same columns, for what reads rows.
pub fn columns_of(spec: &FitAllocation) -> FitScaling {
    let mut like = FitScaling::of(Form::Chinchilla, "", &spec.y);
    (like.x, like.inputs, like.counting) = (None, spec.inputs.clone(), Some(spec.counting));
    (like.keep, like.drop, like.compute) = (spec.keep.clone(), spec.drop.clone(), spec.budget.clone());
    like
}

/// Runs of one budget.
#[derive(Debug, Clone)]
struct Budget {
    label: String,
    compute: f64,
    off: f64,
    rows: Vec<usize>,
}

/// A best size: ln C, ln N and its standard error.
#[derive(Debug, Clone, Copy)]
struct Best {
    ln_c: f64,
    ln_n: f64,
    stderr: Option<f64>,
}

/// Divides compute as `spec` asks.
pub fn allocate(points: &Points, spec: &FitAllocation, means: &Means) -> Result<Divided, AllocationError> {
    spec.check().map_err(|c| AllocationError::Request { field: c.field, problem: c.problem })?;
    let like = columns_of(spec);
    let triage = Triage::sorted(points, &like, Space::Linear);
    let rows = triage.fitted();
    let budgets = if spec.method.by_budget() { budgets(points, &rows, spec) } else { Vec::new() };
    let desk = Desk { spec, rows: &rows, budgets: &budgets };
    let losses: Vec<f64> = rows.iter().map(|row| row.y).collect();
    let all: Vec<usize> = (0..rows.len()).collect();
    let found = desk.vertices(&all, &losses);

    let threads = means.settings.threads;
    let drawn = desk.resamples(means, threads);
    // What a budget's best size scatters by over resamples stands in where a method has no error of its own.
    let scatter: Vec<Option<f64>> = (0..budgets.len())
        .map(|i| {
            let values: Vec<f64> =
                drawn.iter().filter_map(|one| one.get(i)?.as_ref().ok().map(|vertex| vertex.ln_n)).collect();
            (values.len() > 1).then(|| moments(&values).1)
        })
        .collect();
    let best = desk.best(&found, &all, &losses, &scatter);
    let reasons =
        || budgets.iter().zip(&found).filter_map(|(b, f)| Some(format!("{}: {}", b.label, f.as_ref().err()?)));
    let too_few = |there| AllocationError::TooFew {
        there,
        wanted: format!("{} runs gave no more by {}", rows.len(), spec.method),
        reasons: reasons().collect(),
    };
    let (a, k) = line(&best, spec.weighted).ok_or_else(|| too_few(best.len()))?;
    let draws: Vec<[f64; 2]> = desk.lines(&drawn, means, &scatter, threads);
    Ok(Report { desk: &desk, points, triage: &triage, found: &found, drawn: &drawn, best: &best, draws: &draws, like }
        .write(a, k, means))
}

/// Runs sorted by budget, the least first.
fn budgets(points: &Points, rows: &[Row], spec: &FitAllocation) -> Vec<Budget> {
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|i, j| rows[*i].x.total_cmp(&rows[*j].x).then(i.cmp(j)));
    let mut groups: Vec<(Option<String>, Vec<usize>)> = Vec::new();
    for at in order {
        let word = spec.budget.as_ref().and_then(|column| points.rows[rows[at].index].word(column));
        let known = match &word {
            Some(word) => groups.iter_mut().find(|(name, _)| name.as_ref() == Some(word)),
            None => groups
                .last_mut()
                .filter(|(name, group)| name.is_none() && rows[at].x <= rows[group[0]].x * (1.0 + spec.snap)),
        };
        match known {
            Some((_, group)) => group.push(at),
            None => groups.push((word, vec![at])),
        }
    }
    let budget = |(name, group): (Option<String>, Vec<usize>)| {
        let mean = exp_any(group.iter().map(|at| ln_any(rows[*at].x)).sum::<f64>() / group.len() as f64);
        let exact = group.iter().all(|at| rows[*at].x.to_bits() == rows[group[0]].x.to_bits());
        let compute = if exact { rows[group[0]].x } else { mean };
        let off = group.iter().map(|at| (rows[*at].x / compute - 1.0).abs()).fold(0.0, f64::max);
        Budget { label: name.unwrap_or_else(|| format!("{compute:.3e}")), compute, off, rows: group }
    };
    groups.into_iter().map(budget).collect()
}

/// The line ln N* = ln k + a ln C: a and k. None from fewer than two different computes.
fn line(best: &[Best], weighted: bool) -> Option<(f64, f64)> {
    let weight = |one: &Best| match one.stderr {
        Some(stderr) if weighted => 1.0 / (stderr * stderr).max(1e-12),
        _ => 1.0,
    };
    let all: f64 = best.iter().map(weight).sum();
    let (x, y) = (
        best.iter().map(|one| weight(one) * one.ln_c).sum::<f64>() / all,
        best.iter().map(|one| weight(one) * one.ln_n).sum::<f64>() / all,
    );
    let spread: f64 = best.iter().map(|one| weight(one) * (one.ln_c - x) * (one.ln_c - x)).sum();
    let together: f64 = best.iter().map(|one| weight(one) * (one.ln_c - x) * (one.ln_n - y)).sum();
    let a = together / spread;
    (best.len() > 1 && spread > 1e-12 * all && a.is_finite()).then(|| (a, exp_any(y - a * x)))
}

/// What a method works on.
struct Desk<'a> {
    spec: &'a FitAllocation,
    rows: &'a [Row],
    budgets: &'a [Budget],
}

type Vertices = Vec<Result<Vertex, String>>;

impl Desk<'_> {
    /// The best size of each budget from the rows in `drawn`, which may repeat, with these losses.
    fn vertices(&self, drawn: &[usize], losses: &[f64]) -> Vertices {
        let mut counts = vec![0; self.rows.len()];
        for at in drawn {
            counts[*at] += 1;
        }
        let of = |budget: &Budget| {
            let runs: Vec<(f64, f64)> = budget
                .rows
                .iter()
                .flat_map(|at| std::iter::repeat_n(*at, counts[*at]))
                .map(|at| (ln_any(self.rows[at].inputs[0]), losses[at]))
                .collect();
            if self.spec.method == Method::Akima { akima(&runs) } else { parabola(&runs, self.spec.outside) }
        };
        self.budgets.iter().map(of).collect()
    }

    /// The best sizes that a line goes through.
    fn best(&self, found: &Vertices, drawn: &[usize], losses: &[f64], scatter: &[Option<f64>]) -> Vec<Best> {
        if self.spec.method.by_budget() {
            let one = |((budget, vertex), scatter): ((&Budget, &Result<Vertex, String>), &Option<f64>)| {
                let vertex = vertex.as_ref().ok()?;
                let stderr = vertex.stderr.or(*scatter);
                Some(Best { ln_c: ln_any(budget.compute), ln_n: vertex.ln_n, stderr })
            };
            return self.budgets.iter().zip(found).zip(scatter).filter_map(one).collect();
        }
        self.on_frontier(drawn, losses)
            .into_iter()
            .map(|at| &self.rows[at])
            .map(|row| Best { ln_c: ln_any(row.x), ln_n: ln_any(row.inputs[0]), stderr: None })
            .collect()
    }

    fn on_frontier(&self, drawn: &[usize], losses: &[f64]) -> Vec<usize> {
        let runs: Vec<(f64, f64)> = drawn.iter().map(|at| (self.rows[*at].x, losses[*at])).collect();
        frontier(&runs, self.spec.method, self.spec.bins).into_iter().map(|i| drawn[i]).collect()
    }

    /// Rows and losses of resample `b`: runs drawn anew, within their budgets where there are any, or noise on every loss.
    fn draw(&self, means: &Means, b: usize) -> (Vec<usize>, Vec<f64>) {
        let mut losses: Vec<f64> = self.rows.iter().map(|row| row.y).collect();
        if let Some(noise) = self.spec.noise {
            let mut stream = Stream::of(means.seed, "noise", b as u64);
            for loss in &mut losses {
                *loss += noise * stream.normal();
            }
            return ((0..self.rows.len()).collect(), losses);
        }
        let mut stream = Stream::of(means.seed, "bootstrap", b as u64);
        let counts = if self.budgets.is_empty() {
            Urns::plain(self.rows.len()).draw(&mut stream)
        } else {
            let mut counts = vec![0; self.rows.len()];
            for budget in self.budgets {
                for _ in &budget.rows {
                    counts[stream.one_of(&budget.rows)] += 1;
                }
            }
            counts
        };
        let drawn = counts.iter().enumerate().flat_map(|(at, count)| std::iter::repeat_n(at, *count as usize));
        (drawn.collect(), losses)
    }

    fn resamples(&self, means: &Means, threads: usize) -> Vec<Vertices> {
        let one = |b: usize, (): &mut ()| {
            let (drawn, losses) = self.draw(means, b);
            self.vertices(&drawn, &losses)
        };
        if self.budgets.is_empty() {
            return vec![Vec::new(); self.spec.bootstrap as usize];
        }
        each(self.spec.bootstrap as usize, threads, || (), one)
    }

    /// The line of each resample that has one.
    fn lines(&self, all: &[Vertices], means: &Means, scatter: &[Option<f64>], threads: usize) -> Vec<[f64; 2]> {
        let one = |b: usize, (): &mut ()| {
            let (drawn, losses) = self.draw(means, b);
            let (a, k) = line(&self.best(&all[b], &drawn, &losses, scatter), self.spec.weighted)?;
            Some([a, k])
        };
        each(all.len(), threads, || (), one).into_iter().flatten().collect()
    }
}

/// Everything a record is written from.
struct Report<'a> {
    desk: &'a Desk<'a>,
    points: &'a Points,
    triage: &'a Triage,
    found: &'a Vertices,
    drawn: &'a [Vertices],
    best: &'a [Best],
    draws: &'a [[f64; 2]],
    like: FitScaling,
}

const NAMES: [&str; 4] = ["a", "b", "kN", "kD"];

impl Report<'_> {
    fn write(&self, a: f64, k: f64, means: &Means) -> Divided {
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

/// The same line through best sizes that have no error of their own: for what checks a method.
pub fn plain_line(best: &[(f64, f64)]) -> Option<(f64, f64)> {
    let best: Vec<Best> = best.iter().map(|(ln_c, ln_n)| Best { ln_c: *ln_c, ln_n: *ln_n, stderr: None }).collect();
    line(&best, false)
}
