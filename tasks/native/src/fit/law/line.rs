//! Laws that are a straight line in ln x once y has gone through their own space.

use isoflop_kinds::fit::{Form, Space};

use super::{Block, Kind, Law, Tape, short, signed};
use crate::fit::math::{dot, exp_any, ln_any, sum};

/// `level + slope · u`, where u is ln x about its mean.
#[derive(Debug)]
pub struct Line {
    form: Form,
    link: Space,
    mean: f64,
}

const KINDS: [Kind; 2] = [Kind::Free, Kind::Free];

impl Line {
    /// A form that is a line, about this mean of ln x.
    pub fn new(form: Form, mean: f64) -> Self {
        let link = match form {
            Form::Power => Space::Log,
            Form::Logit => Space::Logit,
            Form::ErrorPower => Space::LogError,
            _ => Space::Linear,
        };
        Self { form, link, mean }
    }

    /// Level and slope of the weighted least squares line of `v` on the first input.
    fn through(block: &Block, v: &[f64]) -> Option<[f64; 2]> {
        let (u, w) = (&block.inputs[0], &block.weight);
        let all = sum(w);
        let (centre, level) = (dot(w, u) / all, dot(w, v) / all);
        let moved: Vec<f64> = u.iter().zip(w).map(|(u, w)| w * (u - centre)).collect();
        let spread: f64 = moved.iter().zip(u).map(|(m, u)| m * (u - centre)).sum();
        let together: f64 = moved.iter().zip(v).map(|(m, v)| m * (v - level)).sum();
        let slope = together / spread;
        (slope.is_finite() && level.is_finite()).then_some([level - slope * centre, slope])
    }
}

impl Law for Line {
    fn names(&self) -> &[&'static str] {
        self.form.parameters()
    }

    fn kinds(&self) -> &[Kind] {
        &KINDS
    }

    fn link(&self) -> Space {
        self.link
    }

    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape) {
        tape.fit(block.rows(), 0);
        for (value, u) in tape.value.iter_mut().zip(&block.inputs[0]) {
            *value = theta[0] + theta[1] * u;
        }
    }

    fn pull(&self, _theta: &[f64], block: &Block, _tape: &Tape, seed: &[f64], gradient: &mut [f64]) {
        gradient[0] = sum(seed);
        gradient[1] = dot(seed, &block.inputs[0]);
    }

    fn columns(&self, _theta: &[f64], block: &Block, _tape: &Tape) -> Vec<Vec<f64>> {
        vec![vec![1.0; block.rows()], block.inputs[0].clone()]
    }

    fn report(&self, theta: &[f64]) -> Vec<f64> {
        let intercept = theta[0] - theta[1] * self.mean;
        match self.form {
            Form::Power => vec![exp_any(intercept), theta[1]],
            Form::ErrorPower => vec![exp_any(intercept), -theta[1]],
            _ => vec![intercept, theta[1]],
        }
    }

    fn working(&self, reported: &[f64]) -> Vec<f64> {
        let (intercept, slope) = match self.form {
            Form::Power => (ln_any(reported[0]), reported[1]),
            Form::ErrorPower => (ln_any(reported[0]), -reported[1]),
            _ => (reported[0], reported[1]),
        };
        vec![intercept + slope * self.mean, slope]
    }

    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64 {
        let ln = ln_any(inputs[0]);
        match self.form {
            Form::Power => ln_any(reported[0]) + reported[1] * ln,
            Form::ErrorPower => ln_any(reported[0]) - reported[1] * ln,
            _ => reported[0] + reported[1] * ln,
        }
    }

    /// The least-squares line, and lines through pairs of points a third, a half and two thirds of the way apart: a robust objective may have
    /// an optimum at any line that enough points lie on.
    fn starts(&self, block: &Block, _space: Space) -> Vec<Vec<f64>> {
        let v: Vec<f64> = block.y.iter().map(|y| crate::fit::space::into(self.link, *y)).collect();
        // A point that has no place in the law's own space tells nothing about where to start.
        let level = v.iter().copied().filter(|v| v.is_finite()).fold((0.0, 0.0), |(n, s), v| (n + 1.0, s + v));
        let level = if level.0 > 0.0 { level.1 / level.0 } else { 0.0 };
        let v: Vec<f64> = v.iter().map(|v| if v.is_finite() { *v } else { level }).collect();
        let u = &block.inputs[0];
        let mut order: Vec<usize> = (0..u.len()).collect();
        order.sort_by(|a, b| u[*a].total_cmp(&u[*b]).then(a.cmp(b)));
        let mut starts: Vec<Vec<f64>> = Self::through(block, &v).map(Vec::from).into_iter().collect();
        for (numerator, denominator) in [(1, 3), (1, 2), (2, 3)] {
            let stride = (u.len() * numerator / denominator).max(1);
            let pairs = u.len().saturating_sub(stride);
            let every = pairs.div_ceil(8).max(1);
            for first in (0..pairs).step_by(every) {
                let (a, b) = (order[first], order[first + stride]);
                let slope = (v[b] - v[a]) / (u[b] - u[a]);
                if slope.is_finite() {
                    starts.push(vec![v[a] - slope * u[a], slope]);
                }
            }
        }
        starts
    }

    fn formula(&self, reported: &[f64], inputs: &[&str], y: &str) -> String {
        let (first, second, x) = (short(reported[0]), reported[1], inputs[0]);
        match self.form {
            Form::Power => format!("{y} = {first} · {x}^{}", short(second)),
            Form::ErrorPower => format!("1 - {y} = {first} · {x}^{}", short(-second)),
            Form::Logit => format!("logit {y} = {first} {} · ln {x}", signed(second)),
            _ => format!("{y} = {first} {} · ln {x}", signed(second)),
        }
    }
}
