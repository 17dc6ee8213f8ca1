//! From points to the record of an allocation.

use isoflop_contract::Kind;
use isoflop_kinds::fit::{FitAllocation, FitScaling, Form, Method, Space};

use super::{
    envelope::frontier,
    profile::{Vertex, akima, parabola},
    record::Allocation,
    report::Report,
};
use crate::{
    fit::{
        Means, Points,
        bootstrap::Urns,
        math::{exp_any, ln_any, moments},
        parallel::each,
        triage::{Row, Triage},
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
pub(super) fn data_factor(k: f64) -> f64 {
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
pub(super) struct Budget {
    pub(super) label: String,
    pub(super) compute: f64,
    pub(super) off: f64,
    pub(super) rows: Vec<usize>,
}

/// A best size: ln C, ln N and its standard error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Best {
    pub(super) ln_c: f64,
    pub(super) ln_n: f64,
    pub(super) stderr: Option<f64>,
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
pub(super) struct Desk<'a> {
    pub(super) spec: &'a FitAllocation,
    pub(super) rows: &'a [Row],
    pub(super) budgets: &'a [Budget],
}

pub(super) type Vertices = Vec<Result<Vertex, String>>;

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

    pub(super) fn on_frontier(&self, drawn: &[usize], losses: &[f64]) -> Vec<usize> {
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

/// The same line through best sizes that have no error of their own: for what checks a method.
pub fn plain_line(best: &[(f64, f64)]) -> Option<(f64, f64)> {
    let best: Vec<Best> = best.iter().map(|(ln_c, ln_n)| Best { ln_c: *ln_c, ln_n: *ln_n, stderr: None }).collect();
    line(&best, false)
}
