//! A fitting: rows, a law and an objective solved for. The main fit is one, and so is every fit it is compared with.

use std::sync::Arc;

use isoflop_kinds::fit::{Ends, FitScaling, Form, Objective, Rho};

use super::{
    error::FitError,
    law::{Axis, Block, Law, Own, Shape, build},
    math::{dot, ln_any, sum},
    problem::{Problem, Work},
    solve::{Settings, Solution, solve},
    space,
    triage::Row,
};

/// What is fitted, apart from the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// The form.
    pub form: Form,
    /// The objective.
    pub objective: Objective,
    /// Declared ends of a sigmoid.
    pub ends: Ends,
    /// Whether the law is over logarithms of its inputs, as all are but formulas and the second of two chained ones.
    pub log: bool,
    /// The formula, of a form that is one.
    pub own: Option<Arc<Own>>,
}

impl Request {
    /// What a spec asks.
    pub fn of(spec: &FitScaling) -> Self {
        let objective = spec.objective.unwrap_or_else(|| spec.form.objective());
        let own = Own::of(spec).map(Arc::new);
        Self { ends: spec.ends.unwrap_or_default(), own, ..Self::form(spec.form) }.by(objective)
    }

    /// The same with another form, by its own objective.
    pub fn form(form: Form) -> Self {
        Self { form, objective: form.objective(), ends: Ends::default(), log: true, own: None }
    }

    /// The same by another objective.
    #[must_use]
    pub fn by(&self, objective: Objective) -> Self {
        Self { objective, ..self.clone() }
    }

    /// How the law sees an input.
    fn axis(&self, values: &[f64]) -> Axis {
        let twin = self.own.as_ref().is_some_and(|own| own.twin.is_some());
        if self.form.is_plain() && !twin { Axis::plain() } else { Axis::of(values, self.log) }
    }
}

/// A law solved for.
#[derive(Debug)]
pub struct Fitting {
    /// What was asked.
    pub request: Request,
    /// The law.
    pub law: Box<dyn Law>,
    /// The rows, as the solver saw them.
    pub block: Block,
    /// What it found.
    pub solution: Solution,
    /// Where its inputs lie.
    pub axes: Vec<Axis>,
    /// Reported parameters.
    pub parameters: Vec<f64>,
}

impl Fitting {
    /// Solves `request` on `rows`, of which there are enough. `starts` are reported parameters.
    pub fn of(
        rows: &[Row],
        request: Request,
        starts: Option<&[Vec<f64>]>,
        settings: &Settings,
    ) -> Result<Self, FitError> {
        let form = request.form;
        let inputs = rows[0].inputs.len();
        let column = |i: usize| rows.iter().map(|row| row.inputs[i]).collect::<Vec<f64>>();
        let axes: Vec<Axis> = (0..inputs).map(|i| request.axis(&column(i))).collect();
        let rises = along(rows, request.log) > 0.0;
        let own = request.own.as_deref().cloned();
        let law = build(&Shape { form, axes: axes.clone(), rises, ends: request.ends, own });
        let block = Block {
            inputs: axes
                .iter()
                .enumerate()
                .map(|(i, axis)| column(i).iter().map(|x| axis.coordinate(*x)).collect())
                .collect(),
            target: rows.iter().map(|row| space::into(request.objective.space, row.y)).collect(),
            weight: rows.iter().map(|row| row.weight).collect(),
            y: rows.iter().map(|row| row.y).collect(),
        };
        let mut settings = settings.clone();
        if let Some(starts) = starts {
            settings.starts = Some(starts.iter().map(|start| law.working(start)).collect());
        }
        let solution = solve(law.as_ref(), &block, request.objective, &settings).ok_or(FitError::NoStart { form })?;
        let parameters = law.report(&solution.theta);
        for (parameter, value) in law.names().iter().zip(&parameters) {
            // A factor that underflowed to 0 has lost the law.
            let lost = *parameter == "c" && *value == 0.0 && matches!(form, Form::Power | Form::ErrorPower);
            if !value.is_finite() || lost {
                return Err(FitError::NotFinite { form, parameter, value: *value });
            }
        }
        Ok(Self { request, law, block, solution, axes, parameters })
    }

    /// The problem as it was at the end: parameters on a bound stay there.
    pub fn problem(&self) -> Problem<'_> {
        let mut problem = Problem::new(self.law.as_ref(), &self.block, self.request.objective, self.solution.delta);
        problem.free.clone_from(&self.solution.free);
        problem
    }

    /// The law at inputs.
    pub fn at(&self, inputs: &[f64]) -> f64 {
        self.with(&self.parameters, inputs)
    }

    /// The law of other parameters at inputs.
    pub fn with(&self, parameters: &[f64], inputs: &[f64]) -> f64 {
        space::out_of(self.law.link(), self.law.at(parameters, inputs))
    }

    /// The objective on rows, worked out from the reported parameters.
    pub fn loss(&self, rows: &[Row]) -> f64 {
        loss(self.law.as_ref(), &self.parameters, self.request.objective, rows)
    }

    /// The sizes of the residuals of the fitted rows, in the objective's space.
    pub fn sizes(&self) -> Vec<f64> {
        let mut work = Work::default();
        let squares = Objective::squared(self.request.objective.space);
        let problem = Problem::new(self.law.as_ref(), &self.block, squares, 1.0);
        problem.loss(&self.solution.theta, &mut work);
        problem.sizes(&work)
    }

    /// The residual of a row in the objective's space.
    pub fn residual(&self, row: &Row) -> f64 {
        residual(self.law.as_ref(), &self.parameters, self.request.objective, row)
    }

    /// The share of the variance that the law explains, in the objective's space.
    pub fn r2(&self, rows: &[Row]) -> f64 {
        let weight = &self.block.weight;
        let target = &self.block.target;
        let mean = dot(weight, target) / sum(weight);
        let all: f64 = weight.iter().zip(target).map(|(w, t)| w * (t - mean) * (t - mean)).sum();
        let left: f64 = rows.iter().map(|row| row.weight * self.residual(row) * self.residual(row)).sum();
        1.0 - left / all
    }
}

/// The sign of y's covariance with its first input.
fn along(rows: &[Row], log: bool) -> f64 {
    let n = rows.len() as f64;
    let x = |row: &Row| if log { ln_any(row.inputs[0]) } else { row.inputs[0] };
    let (mean, level) = (rows.iter().map(x).sum::<f64>() / n, rows.iter().map(|row| row.y).sum::<f64>() / n);
    rows.iter().map(|row| (x(row) - mean) * (row.y - level)).sum()
}

/// The residual of a row in the objective's space.
pub fn residual(law: &dyn Law, parameters: &[f64], objective: Objective, row: &Row) -> f64 {
    let value = law.at(parameters, &row.inputs);
    let value = if law.link() == objective.space {
        value
    } else {
        space::into(objective.space, space::out_of(law.link(), value))
    };
    space::into(objective.space, row.y) - value
}

/// The objective on rows, row by row in their order.
pub fn loss(law: &dyn Law, parameters: &[f64], objective: Objective, rows: &[Row]) -> f64 {
    let rho = |r: f64| match (objective.rho, objective.delta) {
        (Rho::Huber, Some(delta)) if r.abs() > delta => delta * (r.abs() - 0.5 * delta),
        (Rho::Huber, _) => 0.5 * r * r,
        (Rho::Squared, _) => r * r,
        (Rho::Lad, _) => r.abs(),
    };
    rows.iter().map(|row| row.weight * rho(residual(law, parameters, objective, row))).sum()
}
