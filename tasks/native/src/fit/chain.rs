//! Two laws in a chain: the second foretells a score from what the first foretells. Each resample fits both, so that the first one's errors
//! are carried into the second's (as in the task ladder of Bhagia et al. 2024).
//!
//! The second law is fitted to the measured pairs of first and second y, as its authors do, and applied to foretold values of the first.

use std::sync::Arc;

use isoflop_contract::Seed;
use isoflop_kinds::fit::{Form, Objective, Space, Then, ThenForm};

use super::{
    bfgs::Limits,
    bootstrap,
    error::FitError,
    fitting::{Fitting, Request},
    law::{Kind, Own},
    points::Points,
    problem::{Problem, Work},
    solve::{Settings, again},
    triage::{Row, left_out},
};

/// The second law, and which rows of the first it was fitted to.
#[derive(Debug)]
pub struct Chain {
    /// The law.
    pub fitting: Fitting,
    /// Its rows.
    pub rows: Vec<Row>,
    /// For each of its rows, the place of the first law's row; none if it has rows of its own.
    pub from: Option<Vec<usize>>,
}

impl Chain {
    /// Fits the second law to those of `rows` that have both y; or, if it has a rule of its own, to those of `all` that it keeps.
    pub fn of(points: &Points, rows: &[Row], all: &[Row], then: &Then, settings: &Settings) -> Result<Self, FitError> {
        let form = match then.form {
            ThenForm::Sigmoid => Form::Sigmoid,
            ThenForm::Exponential => Form::Exponential,
        };
        let own = Own::built_in(form, &std::collections::BTreeMap::new()).map(Arc::new);
        let objective = Objective::squared(Space::Linear);
        let request = Request { ends: then.ends, log: false, own, ..Request::form(form) }.by(objective);
        let kept: Vec<Row> =
            all.iter().filter(|row| left_out(&points.rows[row.index], &then.keep).is_none()).cloned().collect();
        let rows = if then.keep.is_empty() { rows } else { &kept };
        let second = |(at, row): (usize, &Row)| {
            let y = *points.rows[row.index].numbers.get(&then.y)?;
            y.is_finite().then(|| (at, Row { inputs: vec![row.y], x: row.y, y, weight: 1.0, index: row.index }))
        };
        let (from, rows): (Vec<usize>, Vec<Row>) = rows.iter().enumerate().filter_map(second).unzip();
        let declared = usize::from(then.ends.lo.is_some()) + usize::from(then.ends.hi.is_some());
        let needed = form.parameters().len() + 1 - declared;
        let from = then.keep.is_empty().then_some(from);
        let usable = super::triage::distinct(&rows);
        if usable < needed {
            let (x, y) = ("y".to_owned(), then.y.clone());
            let unusable = Vec::new();
            return Err(FitError::TooFew { form, x, y, needed, usable, unusable, beaten: 0 });
        }
        Ok(Self { fitting: Fitting::of(&rows, request, None, settings)?, rows, from })
    }

    /// The second law's parameters on resample `b`, in which the first one's rows were drawn so often.
    pub fn again(&self, counts: &[u32], seed: Seed, b: usize, work: &mut Work) -> Option<Vec<f64>> {
        let moving = self.fitting.law.kinds().iter().filter(|kind| !matches!(kind, Kind::Fixed(_))).count();
        let own: Vec<u32> = match &self.from {
            Some(from) => from.iter().map(|at| counts[*at]).collect(),
            None => bootstrap::counts(&bootstrap::Urns::plain(self.rows.len()), &self.rows, moving, ("then", seed), b)?,
        };
        let block = self.fitting.block.drawn(&own);
        if block.rows() < moving {
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
