//! The pairs bootstrap: points drawn with replacement and fitted again.
//!
//! Resample `b` depends on (seed, `b`) alone. Points are drawn one by one, also where several share one x (seeds of one cell): drawing
//! whole x would leave the few sizes of a study too few different resamples. A spec may say which rows are drawn together (checkpoints of a
//! run) and within which groups (budgets). A resample at too few different x to be fitted is drawn anew from the same stream. Each search
//! starts from the optimum and from one other place.

use std::collections::BTreeMap;

use isoflop_contract::Seed;
use isoflop_kinds::fit::{Noise, Resample};

use super::{
    bfgs::Limits,
    fitting::Fitting,
    law::{Kind, ON_BOUND},
    math::moments,
    parallel::each,
    points::Points,
    problem::{Problem, Work},
    solve::again,
    space,
    triage::Row,
};
use crate::random::Stream;

/// How often one resample is drawn anew before it is given up.
const TRIES: u32 = 100;

/// How rows are drawn: groups, in each of which units of rows are drawn with replacement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Urns {
    groups: Vec<Vec<Vec<usize>>>,
    rows: usize,
}

impl Urns {
    /// Every row by itself.
    pub fn plain(rows: usize) -> Self {
        Self { groups: vec![(0..rows).map(|row| vec![row]).collect()], rows }
    }

    /// As a spec says. A row without a value for a column is a unit, or a group, of its own name.
    pub fn of(points: &Points, rows: &[Row], rule: Option<&Resample>) -> Self {
        let Some(rule) = rule else { return Self::plain(rows.len()) };
        let word = |row: &Row, column: &Option<String>, missing: String| match column {
            Some(column) => points.rows[row.index].word(column).unwrap_or(missing),
            None => missing,
        };
        let mut groups: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for (at, row) in rows.iter().enumerate() {
            let group = groups.entry(word(row, &rule.within, String::new())).or_default();
            group.entry(word(row, &rule.together, format!("{at:09}"))).or_default().push(at);
        }
        Self { groups: groups.into_values().map(|group| group.into_values().collect()).collect(), rows: rows.len() }
    }

    /// How many units are drawn in all.
    pub fn units(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// How often each row is drawn.
    pub fn draw(&self, stream: &mut Stream) -> Vec<u32> {
        let mut counts = vec![0; self.rows];
        for group in &self.groups {
            for _ in group {
                for row in &group[stream.below(group.len())] {
                    counts[*row] += 1;
                }
            }
        }
        counts
    }
}

/// How often each row is in resample `b`, if it can be fitted.
pub fn counts(urns: &Urns, rows: &[Row], needed: usize, (name, seed): (&str, Seed), b: usize) -> Option<Vec<u32>> {
    let mut stream = Stream::of(seed, name, b as u64);
    (0..TRIES).map(|_| urns.draw(&mut stream)).find(|counts| {
        let mut seen: Vec<&[f64]> = Vec::with_capacity(needed + 1);
        for (row, count) in rows.iter().zip(counts) {
            if *count > 0 && seen.len() < needed && !seen.iter().any(|other| same(other, &row.inputs)) {
                seen.push(&row.inputs);
            }
        }
        seen.len() >= needed
    })
}

fn same(a: &[f64], b: &[f64]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits())
}

/// Where the searches of resamples start: the optimum, off its bounds, and elsewhere.
pub fn starts(fitting: &Fitting) -> Vec<Vec<f64>> {
    let kinds = fitting.law.kinds();
    let size = fitting.block.y.iter().map(|y| y.abs()).sum::<f64>() / fitting.block.rows() as f64;
    let off = |theta: &Vec<f64>| {
        let coordinate = |(theta, kind): (&f64, &Kind)| {
            if theta.abs() < ON_BOUND {
                *theta
            } else if *kind == Kind::Positive {
                super::math::ln_any(1e-2 * size)
            } else {
                4.0 * theta.signum()
            }
        };
        theta.iter().zip(kinds).map(coordinate).collect::<Vec<f64>>()
    };
    std::iter::once(&fitting.solution.theta).chain(&fitting.solution.elsewhere).map(off).collect()
}

/// How far a logit runs before what is left to its bound is rounding to anyone who reads it.
const FAR: f64 = 18.0;

/// Reported parameters of a resample. What ran so far towards a bound that the rest no longer counts is on it, as it would be in a fit.
fn reported(fitting: &Fitting, mut theta: Vec<f64>) -> Vec<f64> {
    let size = fitting.block.y.iter().map(|y| y.abs()).sum::<f64>() / fitting.block.rows() as f64;
    // In a sum of power terms every positive coordinate is a share of y at the data's middle; elsewhere it may be small for its units.
    let shares = fitting.law.separable().is_some();
    for (theta, kind) in theta.iter_mut().zip(fitting.law.kinds()) {
        match kind {
            Kind::Positive if shares && kind.value(*theta) < 1e-9 * size => *theta = -ON_BOUND,
            Kind::Between(..) | Kind::Geometric(..) if theta.abs() > FAR => *theta = ON_BOUND.copysign(*theta),
            _ => {}
        }
    }
    fitting.law.report(&theta)
}

/// The standard deviation of each row's noise in the space of the fit: known of y, or as rows of the same inputs differ.
pub fn noise(fitting: &Fitting, rows: &[Row], rule: Noise) -> Option<Vec<f64>> {
    let space = fitting.request.objective.space;
    match rule {
        Noise::Sigma(sigma) => {
            let step = |row: &Row| {
                let (h, y) = (1e-6 * row.y.abs().max(1e-300), row.y);
                sigma * ((space::into(space, y + h) - space::into(space, y - h)) / (2.0 * h)).abs()
            };
            Some(rows.iter().map(step).collect())
        }
        Noise::Replicates => {
            let mut groups: BTreeMap<Vec<u64>, Vec<f64>> = BTreeMap::new();
            for row in rows {
                let place = row.inputs.iter().map(|value| value.to_bits()).collect();
                groups.entry(place).or_default().push(space::into(space, row.y));
            }
            let (mut squares, mut freedom) = (0.0, 0_usize);
            for values in groups.values().filter(|values| values.len() > 1) {
                let (_, deviation) = moments(values);
                squares += deviation * deviation * (values.len() - 1) as f64;
                freedom += values.len() - 1;
            }
            (freedom > 0).then(|| vec![libm::sqrt(squares / freedom as f64); rows.len()])
        }
    }
}

/// The reported parameters of `count` fits to the same rows with noise of these sizes.
pub fn shaken(
    fitting: &Fitting,
    sizes: &[f64],
    seed: Seed,
    count: u32,
    threads: usize,
) -> Vec<Option<(Vec<u32>, Vec<f64>)>> {
    let starts = starts(fitting);
    let starts: Vec<&[f64]> = starts.iter().map(Vec::as_slice).collect();
    let refit = |b: usize, work: &mut Work| {
        let mut stream = Stream::of(seed, "noise", b as u64);
        let mut block = fitting.block.clone();
        for (target, size) in block.target.iter_mut().zip(sizes) {
            *target += size * stream.normal();
        }
        let problem = Problem::new(fitting.law.as_ref(), &block, fitting.request.objective, fitting.solution.coarse);
        let (theta, _) = again(&problem, &starts, Limits::default(), work)?;
        let reported = reported(fitting, theta);
        reported.iter().all(|value| value.is_finite()).then(|| (vec![1; sizes.len()], reported))
    };
    each(count as usize, threads, Work::default, refit)
}

/// The reported parameters of `count` resamples, in their order; None where a resample could not be fitted.
pub fn draws(
    fitting: &Fitting,
    rows: &[Row],
    urns: &Urns,
    seed: Seed,
    count: u32,
    threads: usize,
) -> Vec<Option<(Vec<u32>, Vec<f64>)>> {
    let starts = starts(fitting);
    let starts: Vec<&[f64]> = starts.iter().map(Vec::as_slice).collect();
    let needed = fitting.law.kinds().iter().filter(|kind| !matches!(kind, Kind::Fixed(_))).count();
    let refit = |b: usize, work: &mut Work| {
        let counts = counts(urns, rows, needed, ("bootstrap", seed), b)?;
        let block = fitting.block.drawn(&counts);
        let problem = Problem::new(fitting.law.as_ref(), &block, fitting.request.objective, fitting.solution.coarse);
        let (theta, _) = again(&problem, &starts, Limits::default(), work)?;
        let reported = reported(fitting, theta);
        reported.iter().all(|value| value.is_finite()).then_some((counts, reported))
    };
    each(count as usize, threads, Work::default, refit)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A fitter once seeded its resamples so that each was a shifted copy of the one before, and its errors came out up to half too large.
    #[test]
    fn resamples_are_unrelated() {
        let rows = 240;
        let urns = Urns::plain(rows);
        let seed = Seed::from_number(5);
        let sound = |b: u64| urns.draw(&mut Stream::of(seed, "bootstrap", b));
        assert!(worst(rows, sound) < 5.0, "{}", worst(rows, sound));
        // The same test finds the mistake: resample b begins one draw after resample b - 1.
        let shifted = |b: u64| {
            let mut stream = Stream::of(seed, "bootstrap", 0);
            for _ in 0..b {
                stream.bits();
            }
            urns.draw(&mut stream)
        };
        assert!(worst(rows, shifted) > 10.0);
    }

    /// The largest correlation of the row counts of any two of 100 resamples, in its standard error.
    fn worst(rows: usize, of: impl Fn(u64) -> Vec<u32>) -> f64 {
        let drawn: Vec<Vec<f64>> =
            (0..100).map(|b| of(b).iter().map(|count| f64::from(*count) - 1.0).collect()).collect();
        let mut worst = 0.0_f64;
        for (i, a) in drawn.iter().enumerate() {
            for b in &drawn[..i] {
                let together: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let lengths: f64 = a.iter().map(|a| a * a).sum::<f64>() * b.iter().map(|b| b * b).sum::<f64>();
                worst = worst.max((together / libm::sqrt(lengths)).abs() * libm::sqrt(rows as f64));
            }
        }
        worst
    }

    #[test]
    fn rows_are_drawn_together_and_within() {
        let mut points = Points::of("x", "y", (0..12).map(|k| (f64::from(k) + 1.0, 1.0)));
        for (k, point) in points.rows.iter_mut().enumerate() {
            point.words.insert("run".into(), format!("run {}", k / 3));
            point.numbers.insert("budget".into(), (k / 6) as f64);
        }
        let rows: Vec<Row> = (0..12)
            .map(|index| Row { index, inputs: vec![index as f64], x: index as f64, y: 1.0, weight: 1.0 })
            .collect();
        let rule = Resample { together: Some("run".into()), within: Some("budget".into()), noise: None };
        let urns = Urns::of(&points, &rows, Some(&rule));
        for b in 0..50 {
            let counts = urns.draw(&mut Stream::of(Seed::from_number(1), "bootstrap", b));
            assert!(counts.chunks(3).all(|run| run.iter().all(|count| *count == run[0])), "{counts:?}");
            assert_eq!((counts[..6].iter().sum::<u32>(), counts[6..].iter().sum::<u32>()), (6, 6));
        }
    }
}
