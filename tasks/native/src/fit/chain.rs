//! Two laws in a chain: the second foretells a score from what the first foretells. Each resample fits both, so that the first one's errors
//! are carried into the second's (as in the task ladder of Bhagia et al. 2024).
//!
//! The second law is fitted to the measured pairs of first and second y, as its authors do, and applied to foretold values of the first.

use isoflop_kinds::fit::{Form, Objective, Space, Then};

use super::{
    bfgs::Limits,
    bootstrap,
    error::FitError,
    fitting::{Fitting, Request},
    points::Points,
    problem::{Problem, Work},
    solve::{Settings, again},
    triage::Row,
};

/// The second law, and which rows of the first it was fitted to.
#[derive(Debug)]
pub struct Chain {
    /// The law.
    pub fitting: Fitting,
    /// Its rows.
    pub rows: Vec<Row>,
    /// For each of its rows, the place of the first law's row.
    pub from: Vec<usize>,
}

impl Chain {
    /// Fits the second law to those of `rows` that have both y.
    pub fn of(points: &Points, rows: &[Row], then: &Then, settings: &Settings) -> Result<Self, FitError> {
        let request =
            Request { form: Form::Sigmoid, objective: Objective::squared(Space::Linear), ends: then.ends, log: false };
        let second = |(at, row): (usize, &Row)| {
            let y = *points.rows[row.index].numbers.get(&then.y)?;
            y.is_finite().then(|| (at, Row { inputs: vec![row.y], x: row.y, y, weight: 1.0, index: row.index }))
        };
        let (from, rows): (Vec<usize>, Vec<Row>) = rows.iter().enumerate().filter_map(second).unzip();
        let needed = 5 - usize::from(then.ends.lo.is_some()) - usize::from(then.ends.hi.is_some());
        let usable = super::triage::distinct(&rows);
        if usable < needed {
            let (x, y) = ("y".to_owned(), then.y.clone());
            let unusable = Vec::new();
            return Err(FitError::TooFew { form: Form::Sigmoid, x, y, needed, usable, unusable, beaten: 0 });
        }
        Ok(Self { fitting: Fitting::of(&rows, request, None, settings)?, rows, from })
    }

    /// The second law's parameters on a resample of the first one's rows.
    pub fn again(&self, counts: &[u32], work: &mut Work) -> Option<Vec<f64>> {
        let own: Vec<u32> = self.from.iter().map(|at| counts[*at]).collect();
        let block = self.fitting.block.drawn(&own);
        if block.rows() < self.fitting.parameters.len() {
            return None;
        }
        let (law, objective) = (self.fitting.law.as_ref(), self.fitting.request.objective);
        let problem = Problem::new(law, &block, objective, self.fitting.solution.coarse);
        let starts = bootstrap::starts(&self.fitting);
        let starts: Vec<&[f64]> = starts.iter().map(Vec::as_slice).collect();
        let (theta, _) = again(&problem, &starts, Limits::default(), work)?;
        let reported = law.report(&theta);
        reported.iter().all(|value| value.is_finite()).then_some(reported)
    }
}
