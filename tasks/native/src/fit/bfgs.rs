//! Dense BFGS with a weak Wolfe search by bisection (Lewis and Overton 2013), which also gets along with the kinks of robust objectives, and a
//! Newton finish.

use super::{
    dense::{cholesky, diagonal, inverse, solve},
    math::norm,
    problem::{Problem, Work},
};

/// How a search ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// The most steps.
    pub steps: u32,
    /// A gradient this small, relative to the objective, is an optimum's.
    pub gradient: f64,
    /// The longest first step, in working coordinates.
    pub first: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { steps: 400, gradient: 1e-7, first: 2.0 }
    }
}

/// How often the objective was evaluated, for benchmarks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Effort {
    /// Evaluations of objective and gradient.
    pub evaluations: u64,
}

/// Moves `theta` downhill; returns the scaled objective it reaches.
pub fn minimise(problem: &Problem<'_>, theta: &mut [f64], limits: Limits, work: &mut Work, effort: &mut Effort) -> f64 {
    let n = problem.free.len();
    let mut gradient = vec![0.0; n];
    let mut value = problem.descend(theta, work, &mut gradient);
    effort.evaluations += 1;
    if n == 0 || !value.is_finite() || limits.steps == 0 {
        return value;
    }
    let mut inverse = curvature(problem, theta, work);
    effort.evaluations += 1;
    let (mut direction, mut next, mut fresh) = (vec![0.0; n], theta.to_vec(), vec![0.0; n]);
    let (mut step, mut change, mut bent) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut idle = 0;
    for count in 0..limits.steps {
        if largest(&gradient) <= limits.gradient * value.abs() || value == 0.0 {
            break;
        }
        for (d, row) in direction.iter_mut().zip(&inverse) {
            *d = -row.iter().zip(&gradient).map(|(h, g)| h * g).sum::<f64>();
        }
        let mut slope: f64 = direction.iter().zip(&gradient).map(|(d, g)| d * g).sum();
        if slope >= 0.0 || slope.is_nan() {
            inverse = diagonal(n, 1.0);
            for (d, g) in direction.iter_mut().zip(&gradient) {
                *d = -g;
            }
            slope = -gradient.iter().map(|g| g * g).sum::<f64>();
        }
        if count == 0 {
            let length = largest(&direction);
            if length > limits.first {
                for d in &mut direction {
                    *d *= limits.first / length;
                }
                slope *= limits.first / length;
            }
        }
        let (mut t, mut low, mut high, mut found) = (1.0, 0.0, f64::INFINITY, f64::INFINITY);
        let mut fine = false;
        for _ in 0..40 {
            for (i, parameter) in problem.free.iter().enumerate() {
                next[*parameter] = theta[*parameter] + t * direction[i];
            }
            found = problem.descend(&next, work, &mut fresh);
            effort.evaluations += 1;
            let along: f64 = fresh.iter().zip(&direction).map(|(g, d)| g * d).sum();
            if found > value + 1e-4 * t * slope || found.is_nan() {
                high = t;
            } else if along < 0.9 * slope {
                low = t;
                fine = true;
            } else {
                fine = true;
                break;
            }
            t = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * t };
        }
        if !fine || found > value || found.is_nan() {
            break;
        }
        for (i, parameter) in problem.free.iter().enumerate() {
            step[i] = next[*parameter] - theta[*parameter];
            change[i] = fresh[i] - gradient[i];
            theta[*parameter] = next[*parameter];
            gradient[i] = fresh[i];
        }
        idle = if value - found <= 1e-14 * value.abs() { idle + 1 } else { 0 };
        value = found;
        if idle >= 3 {
            break;
        }
        update(&mut inverse, &step, &change, &mut bent);
    }
    value
}

/// The inverse of the curvature at a start, as far as first derivatives tell it.
fn curvature(problem: &Problem<'_>, theta: &[f64], work: &mut Work) -> Vec<Vec<f64>> {
    let mut matrix = problem.gauss(theta, work);
    let size = matrix.iter().enumerate().map(|(i, row)| row[i]).fold(0.0, f64::max);
    for (i, row) in matrix.iter_mut().enumerate() {
        row[i] += 1e-3 * row[i] + 1e-6 * size;
    }
    inverse(&matrix).unwrap_or_else(|| diagonal(theta.len().min(problem.free.len()), 1.0))
}

/// The BFGS update of an inverse curvature. Skipped where the step met no curvature.
fn update(inverse: &mut [Vec<f64>], step: &[f64], change: &[f64], bent: &mut [f64]) {
    let together: f64 = step.iter().zip(change).map(|(s, y)| s * y).sum();
    if together <= 1e-300 || together.is_nan() || together < 1e-14 * norm(step) * norm(change) {
        return;
    }
    for (b, row) in bent.iter_mut().zip(inverse.iter()) {
        *b = row.iter().zip(change).map(|(h, y)| h * y).sum();
    }
    let rho = 1.0 / together;
    let along: f64 = bent.iter().zip(change).map(|(b, y)| b * y).sum();
    let factor = rho * (1.0 + rho * along);
    for (i, row) in inverse.iter_mut().enumerate() {
        for (j, h) in row.iter_mut().enumerate() {
            *h += factor * step[i] * step[j] - rho * (bent[i] * step[j] + step[i] * bent[j]);
        }
    }
}

fn largest(a: &[f64]) -> f64 {
    a.iter().map(|x| x.abs()).fold(0.0, f64::max)
}

/// Newton steps from where a search ended, damped until the gradient shrinks, down to rounding.
pub fn polish(problem: &Problem<'_>, theta: &mut [f64], steps: u32, work: &mut Work) -> f64 {
    let n = problem.free.len();
    let mut gradient = vec![0.0; n];
    let mut value = problem.descend(theta, work, &mut gradient);
    if !value.is_finite() || n == 0 {
        return value;
    }
    let (mut next, mut fresh) = (theta.to_vec(), vec![0.0; n]);
    let mut damping = 0.0;
    for _ in 0..steps {
        if norm(&gradient) == 0.0 {
            break;
        }
        let matrix = problem.hessian(theta, work);
        let size = matrix.iter().enumerate().map(|(i, row)| row[i].abs()).fold(0.0, f64::max);
        let mut better = false;
        for _ in 0..16 {
            let mut damped = matrix.clone();
            for (i, row) in damped.iter_mut().enumerate() {
                row[i] += damping * size.max(1e-300);
            }
            if let Some(factor) = cholesky(&damped) {
                let step = solve(&factor, &gradient);
                for (i, parameter) in problem.free.iter().enumerate() {
                    next[*parameter] = theta[*parameter] - step[i];
                }
                let found = problem.descend(&next, work, &mut fresh);
                let lower = found < value && value - found > 1e-13 * value.abs();
                let level = found <= value + 1e-11 * value.abs() && norm(&fresh) < 0.9 * norm(&gradient);
                if lower || level {
                    value = found.min(value);
                    gradient.copy_from_slice(&fresh);
                    for parameter in &problem.free {
                        theta[*parameter] = next[*parameter];
                    }
                    better = true;
                    damping = if damping < 1e-12 { 0.0 } else { damping * 0.1 };
                    break;
                }
            }
            damping = if damping == 0.0 { 1e-9 } else { damping * 10.0 };
            if damping > 1e3 {
                break;
            }
        }
        if !better {
            break;
        }
    }
    value
}
