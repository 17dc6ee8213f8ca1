//! `y = e + c · x^-p` with `e ≥ 0` and `p > 0` by variable projection: for a given p the best e and c are a straight line, which leaves a
//! search in one unknown.
//!
//! With `u = ln x - mean` and `h = (1 - exp(-p u)) / p` the line is `y = a + b h`, well conditioned down to p = 0, where h is u. The search
//! runs in `t = ln(p · spread)` and stops where the derivative of the projected objective changes sign.

use libm::{exp, expm1, log};

use super::line::Line;

/// The range of `t`: from a curve that is straight in ln x to one that drops within a fiftieth of the data's range.
const RANGE: (f64, f64) = (-7.0, 3.9);
/// Starts, evenly spaced in `t`.
const STARTS: u32 = 24;
/// Halvings after the derivative's change of sign is bracketed: enough for every bit.
const HALVINGS: u32 = 64;

/// The points with their logarithms centred.
#[derive(Debug)]
pub struct Projected {
    rows: Vec<(f64, f64)>,
    mean: f64,
    spread: f64,
    range: (f64, f64),
}

/// The best e and c at one p.
#[derive(Debug, Clone, Copy)]
struct Best {
    e: f64,
    /// c at the mean of ln x.
    scale: f64,
    loss: f64,
    /// The derivative of the loss in t.
    slope: f64,
}

/// Where a search ended.
#[derive(Debug, Clone)]
pub struct Found {
    /// e, c and p.
    pub parameters: Vec<f64>,
    /// Where it ended, for searches that start there.
    pub t: f64,
    /// The objective.
    pub loss: f64,
    /// Whether it ended on the bound of e.
    pub e_bound: bool,
    /// Whether it ended on a bound of p: below (`Some(false)`) or above (`Some(true)`).
    pub p_bound: Option<bool>,
}

impl Projected {
    /// The points, which lie at two different x at least.
    pub fn of(points: &[(f64, f64)]) -> Self {
        let logs: Vec<f64> = points.iter().map(|(x, _)| log(*x)).collect();
        let mean = logs.iter().sum::<f64>() / logs.len() as f64;
        let (least, most) = logs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), v| (l.min(*v), m.max(*v)));
        let spread = most - least;
        // c = scale · exp(p · mean) must stay a number.
        let top = RANGE.1.min(log(600.0 * spread / mean.abs().max(1e-9)));
        let rows = logs.iter().zip(points).map(|(ln, (_, y))| (ln - mean, *y)).collect();
        Self { rows, mean, spread, range: (RANGE.0, top.max(RANGE.0 + 1.0)) }
    }

    /// The best of all starts, how many there were, and how many reached it.
    pub fn search(&self) -> (Found, u32, u32) {
        let (low, high) = self.range;
        let start = |k: u32| low + (high - low) * (f64::from(k) + 0.5) / f64::from(STARTS);
        let found: Vec<Found> = (0..STARTS).map(|k| self.descend(start(k))).collect();
        let best = found.iter().min_by(|a, b| a.loss.total_cmp(&b.loss)).expect("there are starts").clone();
        let reached = found.iter().filter(|other| other.loss <= best.loss * (1.0 + 1e-9) + self.floor()).count();
        (best, STARTS, reached as u32)
    }

    /// The local optimum that lies downhill of `start`.
    pub fn descend(&self, start: f64) -> Found {
        let (low, high) = self.range;
        let mut here = start.clamp(low, high);
        let downhill = if self.best(here).slope > 0.0 { -1.0 } else { 1.0 };
        let mut step = 0.05;
        let there = loop {
            let next = (here + downhill * step).clamp(low, high);
            if self.best(next).slope * downhill >= 0.0 {
                break next;
            }
            if next <= low || next >= high {
                return self.found(next, Some(next >= high));
            }
            (here, step) = (next, step * 1.6);
        };
        let (mut near, mut far) = (here, there);
        for _ in 0..HALVINGS {
            let middle = 0.5 * (near + far);
            if self.best(middle).slope * downhill >= 0.0 { far = middle } else { near = middle }
        }
        self.found(0.5 * (near + far), None)
    }

    /// Residuals smaller than this are rounding.
    pub fn floor(&self) -> f64 {
        let largest = self.rows.iter().map(|(_, y)| y.abs()).fold(0.0, f64::max);
        (1e-13 * largest) * (1e-13 * largest) * self.rows.len() as f64
    }

    fn best(&self, t: f64) -> Best {
        let p = exp(t) / self.spread;
        let bent: Vec<(f64, f64)> = self.rows.iter().map(|(u, y)| (-expm1(-p * u) / p, *y)).collect();
        let line = Line::through(&bent);
        let e = line.intercept() + line.slope / p;
        let (e, scale) = if e >= 0.0 {
            (e, -line.slope / p)
        } else {
            let (top, bottom) = self.rows.iter().fold((0.0, 0.0), |(top, bottom), (u, y)| {
                let g = exp(-p * u);
                (top + y * g, bottom + g * g)
            });
            (0.0, top / bottom)
        };
        let (mut loss, mut slope) = (0.0, 0.0);
        for ((u, y), (h, _)) in self.rows.iter().zip(&bent) {
            let g = exp(-p * u);
            let r = if e > 0.0 { y - line.level - line.slope * (h - line.centre) } else { y - scale * g };
            loss += r * r;
            // d fit / dp, up to what e or the level absorbs.
            slope += r * if e > 0.0 { -line.slope * (u * g - h) / p } else { scale * u * g };
        }
        Best { e, scale, loss, slope: 2.0 * slope * p }
    }

    fn found(&self, t: f64, p_bound: Option<bool>) -> Found {
        let (best, p) = (self.best(t), exp(t) / self.spread);
        let parameters = vec![best.e, best.scale * exp(p * self.mean), p];
        Found { parameters, t, loss: best.loss, e_bound: best.e == 0.0, p_bound }
    }

    /// The derivatives of the law in its free parameters, logarithms centred.
    pub fn columns(&self, found: &Found) -> Vec<Vec<f64>> {
        let p = found.parameters[2];
        let scale = self.best(found.t).scale;
        let column = |of: &dyn Fn(f64) -> f64| self.rows.iter().map(|(u, _)| of(*u)).collect::<Vec<f64>>();
        let mut columns = vec![column(&|u| exp(-p * u))];
        if !found.e_bound {
            columns.push(column(&|_| 1.0));
        }
        if found.p_bound.is_none() {
            columns.push(column(&|u| -scale * u * exp(-p * u)));
        }
        columns
    }
}
