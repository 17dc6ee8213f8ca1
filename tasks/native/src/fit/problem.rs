//! The problem a solver is given: a law, rows, an objective, and which parameters may move.
//!
//! The objective is scaled to the size of one residual (`Σ weight · rho / (Σ weight · unit)`), so that neither the units of y, nor a small
//! delta, nor a constant factor decides when a solver stops.

use isoflop_kinds::fit::{Objective, Rho};

use super::{
    dense::{Matrix, least_squares},
    law::{Block, Law, Tape},
    math::{dot, norm, sum},
    space::carry,
};

/// A law, rows, an objective, and which parameters may move.
#[derive(Debug)]
pub struct Problem<'a> {
    /// The law.
    pub law: &'a dyn Law,
    /// The rows.
    pub block: &'a Block,
    /// What is minimised. Absolute deviations are Huber's function of a delta that has no say.
    pub objective: Objective,
    /// Delta in use: the objective's, or a larger one on the way to it.
    pub delta: f64,
    /// The parameters that move.
    pub free: Vec<usize>,
    scale: f64,
}

/// A residual this small against the mean one counts as none: a slope that nearly vanishes, as evenly spaced rows make it, ends a search so near its kink.
const MET: f64 = 1e-5;

/// What evaluations overwrite.
#[derive(Debug, Clone, Default)]
pub struct Work {
    tape: Tape,
    slope: Vec<f64>,
    /// `weight · rho'` of each residual.
    score: Vec<f64>,
    seed: Vec<f64>,
    /// `weight · rho` of each residual.
    rho: Vec<f64>,
    gradient: Vec<f64>,
}

impl<'a> Problem<'a> {
    /// All parameters but declared ones move.
    pub fn new(law: &'a dyn Law, block: &'a Block, objective: Objective, delta: f64) -> Self {
        let free = (0..law.kinds().len()).filter(|i| !matches!(law.kinds()[*i], super::law::Kind::Fixed(_))).collect();
        let mut problem = Self { law, block, objective, delta, free, scale: 1.0 };
        problem.rescale();
        problem
    }

    /// The same with another delta.
    pub fn with_delta(&self, delta: f64) -> Self {
        let mut problem = Self { delta, free: self.free.clone(), ..*self };
        problem.rescale();
        problem
    }

    /// The same with parameter `pinned` held where it is.
    pub fn without(&self, pinned: usize) -> Self {
        Self { free: self.free.iter().copied().filter(|i| *i != pinned).collect(), ..*self }
    }

    fn rescale(&mut self) {
        let all = sum(&self.block.weight);
        self.scale = match self.objective.rho {
            Rho::Squared => {
                let (w, t) = (&self.block.weight, &self.block.target);
                let mean = dot(w, t) / all;
                let spread: f64 = w.iter().zip(t).map(|(w, t)| w * (t - mean) * (t - mean)).sum();
                if spread > 0.0 { 1.0 / spread } else { 1.0 / all }
            }
            Rho::Huber | Rho::Lad => 1.0 / (all * self.delta),
        };
    }

    /// The scaled objective at `theta`.
    pub fn value(&self, theta: &[f64], work: &mut Work) -> f64 {
        self.evaluate(theta, work)
    }

    /// The factor between the objective and its scaled form.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// `weight · rho'` of each residual of the last evaluation.
    pub fn scores<'w>(&self, work: &'w Work) -> &'w [f64] {
        debug_assert_eq!(work.score.len(), self.block.rows());
        &work.score
    }

    /// Sizes of the residuals of the last evaluation, which was of squares.
    pub fn sizes(&self, work: &Work) -> Vec<f64> {
        let size = |(s, w): (&f64, &f64)| if *w > 0.0 { s.abs() / (2.0 * w) } else { 0.0 };
        work.score.iter().zip(&self.block.weight).map(size).collect()
    }

    /// The objective at `theta` without its scale: what a record gives.
    pub fn loss(&self, theta: &[f64], work: &mut Work) -> f64 {
        let loss = self.evaluate(theta, work) / self.scale;
        // Far outside of delta, Huber's function is delta times the absolute deviation.
        if self.objective.rho == Rho::Lad { loss / self.delta } else { loss }
    }

    /// The scaled objective at `theta`, leaving in `work` what the derivatives need. Infinite outside the law's domain.
    fn evaluate(&self, theta: &[f64], work: &mut Work) -> f64 {
        let rows = self.block.rows();
        self.law.values(theta, self.block, &mut work.tape);
        work.slope.resize(rows, 0.0);
        work.score.resize(rows, 0.0);
        work.seed.resize(rows, 0.0);
        work.seed.copy_from_slice(&work.tape.value);
        if !carry(self.law.link(), self.objective.space, &mut work.seed, &mut work.slope) {
            return f64::INFINITY;
        }
        let n = rows;
        let (target, weight) = (&self.block.target[..n], &self.block.weight[..n]);
        let Work { slope, score, seed, rho, .. } = work;
        rho.resize(n, 0.0);
        let (slope, score, seed, rho) = (&slope[..n], &mut score[..n], &mut seed[..n], &mut rho[..n]);
        if self.objective.rho == Rho::Squared {
            for i in 0..n {
                let r = target[i] - seed[i];
                let pull = weight[i] * r;
                rho[i] = pull * r;
                score[i] = 2.0 * pull;
                seed[i] = -score[i] * slope[i];
            }
        } else {
            let delta = self.delta;
            for i in 0..n {
                let r = target[i] - seed[i];
                let c = if r > delta { delta } else { r };
                let c = if c < -delta { -delta } else { c };
                score[i] = weight[i] * c;
                rho[i] = score[i] * (r - 0.5 * c);
                seed[i] = -score[i] * slope[i];
            }
        }
        sum(rho) * self.scale
    }

    /// The scaled objective and its derivative in the free parameters.
    pub fn descend(&self, theta: &[f64], work: &mut Work, gradient: &mut [f64]) -> f64 {
        let value = self.evaluate(theta, work);
        if !value.is_finite() {
            gradient.fill(0.0);
            return value;
        }
        let Work { tape, seed, gradient: all, .. } = work;
        all.resize(theta.len(), 0.0);
        self.law.pull(theta, self.block, tape, seed, all);
        for (to, from) in gradient.iter_mut().zip(&self.free) {
            *to = all[*from] * self.scale;
        }
        value
    }

    /// The derivatives, in the objective's space, of the law in its free parameters; evaluates at `theta`.
    pub fn columns(&self, theta: &[f64], work: &mut Work) -> Vec<Vec<f64>> {
        self.evaluate(theta, work);
        let mut all = self.law.columns(theta, self.block, &work.tape);
        self.free
            .iter()
            .map(|i| {
                let mut column = std::mem::take(&mut all[*i]);
                for (value, slope) in column.iter_mut().zip(&work.slope) {
                    *value *= slope;
                }
                column
            })
            .collect()
    }

    /// Second derivatives of rho at each residual, by its score: what a row adds to the curvature.
    fn bends(&self, work: &Work) -> Vec<f64> {
        let weight = &self.block.weight;
        if self.objective.rho == Rho::Squared {
            return weight.iter().map(|w| 2.0 * w).collect();
        }
        let inside = |(w, s): (&f64, &f64)| if s.abs() < w * self.delta { *w } else { 0.0 };
        weight.iter().zip(&work.score).map(inside).collect()
    }

    /// The curvature by the law's first derivatives, where residuals beyond delta count by the chord of rho: never negative.
    pub fn gauss(&self, theta: &[f64], work: &mut Work) -> Matrix {
        let columns = self.columns(theta, work);
        let weight = &self.block.weight;
        let by_chord: Vec<f64> = match self.objective.rho {
            Rho::Squared => weight.iter().map(|w| 2.0 * w).collect(),
            Rho::Huber | Rho::Lad => {
                let mut moved = work.tape.value.clone();
                let mut slope = vec![0.0; moved.len()];
                carry(self.law.link(), self.objective.space, &mut moved, &mut slope);
                let chord = |((w, t), v): ((&f64, &f64), &f64)| w * (self.delta / (t - v).abs().max(self.delta));
                weight.iter().zip(&self.block.target).zip(&moved).map(chord).collect()
            }
        };
        self.weighted_gram(&columns, &by_chord)
    }

    fn weighted_gram(&self, columns: &[Vec<f64>], weight: &[f64]) -> Matrix {
        let weighted: Vec<Vec<f64>> =
            columns.iter().map(|column| column.iter().zip(weight).map(|(c, w)| c * w * self.scale).collect()).collect();
        weighted.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect()
    }

    /// The matrix of second derivatives of the scaled objective, symmetric by construction: the first derivatives exactly, the law's own
    /// bend by central differences of its gradient at fixed scores.
    pub fn hessian(&self, theta: &[f64], work: &mut Work) -> Matrix {
        let columns = self.columns(theta, work);
        let bends = self.bends(work);
        let mut matrix = self.weighted_gram(&columns, &bends);
        let score = work.score.clone();
        let n = self.free.len();
        let mut moved = theta.to_vec();
        let mut bend = vec![vec![0.0; n]; n];
        for (at, parameter) in self.free.iter().enumerate() {
            let h = 1e-5 * theta[*parameter].abs().max(1.0);
            let mut side = |step: f64| -> Option<Vec<f64>> {
                moved[*parameter] = theta[*parameter] + step;
                self.law.values(&moved, self.block, &mut work.tape);
                work.seed.copy_from_slice(&work.tape.value);
                let fine = carry(self.law.link(), self.objective.space, &mut work.seed, &mut work.slope);
                let seed: Vec<f64> = score.iter().zip(&work.slope).map(|(s, slope)| -s * slope).collect();
                work.gradient.resize(theta.len(), 0.0);
                self.law.pull(&moved, self.block, &work.tape, &seed, &mut work.gradient);
                fine.then(|| self.free.iter().map(|i| work.gradient[*i]).collect())
            };
            let (up, down) = (side(h), side(-h));
            moved[*parameter] = theta[*parameter];
            if let (Some(up), Some(down)) = (up, down) {
                for j in 0..n {
                    bend[at][j] = (up[j] - down[j]) / (2.0 * h) * self.scale;
                }
            }
        }
        for i in 0..n {
            for j in 0..n {
                matrix[i][j] += 0.5 * (bend[i][j] + bend[j][i]);
            }
        }
        matrix
    }

    /// The largest cosine between the scores and a column of derivatives: 0 at an optimum, whatever the units. Scores that are rounding, that
    /// is at most `floor` long, count as none.
    pub fn cosine(&self, theta: &[f64], work: &mut Work, floor: f64) -> f64 {
        let columns = self.columns(theta, work);
        let score = self.multipliers(&columns, work);
        let length = norm(&score);
        if length <= floor {
            return 0.0;
        }
        let cosines = columns.iter().map(|column| {
            let size = norm(column);
            if size > 0.0 { dot(&score, column).abs() / (length * size) } else { 0.0 }
        });
        cosines.fold(0.0, f64::max)
    }

    /// The scores that count at an optimum. Absolute deviations have a kink where a row is met exactly: there any score between those of its two sides is
    /// one, and the place is an optimum if some choice of them cancels the rest. What is left of residuals there is rounding and says nothing.
    fn multipliers(&self, columns: &[Vec<f64>], work: &Work) -> Vec<f64> {
        let mut score = work.score.clone();
        if self.objective.rho != Rho::Lad {
            return score;
        }
        let most = |row: usize| self.block.weight[row] * self.delta;
        // Of Huber's function, rho = score (r - c / 2) with score = weight c.
        let size = |row: usize| match score[row] {
            s if s.abs() < most(row) => s.abs() / self.block.weight[row].max(f64::MIN_POSITIVE),
            s => (work.rho[row] / s).abs() + 0.5 * self.delta,
        };
        let residuals: Vec<f64> = (0..score.len()).map(size).collect();
        let near = MET * sum(&residuals) / residuals.len() as f64;
        let met: Vec<usize> = (0..score.len()).filter(|row| residuals[*row] < near.max(self.delta)).collect();
        if met.is_empty() || met.len() > columns.len() {
            return score;
        }
        let sizes: Vec<f64> = columns.iter().map(|column| norm(column).max(f64::MIN_POSITIVE)).collect();
        let of_row = |row: usize| columns.iter().zip(&sizes).map(|(c, size)| c[row] / size).collect::<Vec<f64>>();
        let rows: Vec<Vec<f64>> = met.iter().map(|row| of_row(*row)).collect();
        for row in &met {
            score[*row] = 0.0;
        }
        let rest: Vec<f64> = columns.iter().zip(&sizes).map(|(c, size)| -dot(&score, c) / size).collect();
        let found = least_squares(&rows.iter().map(Vec::as_slice).collect::<Vec<_>>(), &rest).unwrap_or_default();
        for (row, value) in met.iter().zip(found) {
            score[*row] = value.clamp(-most(*row), most(*row));
        }
        score
    }

    /// How long the scores are that rounding alone leaves of a perfect fit.
    pub fn floor(&self) -> f64 {
        let largest = self.block.target.iter().map(|t| t.abs()).fold(0.0, f64::max).max(1e-300);
        let weight = self.block.weight.iter().copied().fold(0.0, f64::max);
        2e-13 * largest * weight * libm::sqrt(self.block.rows() as f64)
    }

    /// The objective, without its scale, that rounding alone leaves of a perfect fit.
    pub fn loss_floor(&self) -> f64 {
        let largest = self.block.target.iter().map(|t| t.abs()).fold(0.0, f64::max);
        let each = 1e-13 * largest;
        let all = sum(&self.block.weight);
        match self.objective.rho {
            Rho::Squared => each * each * all,
            Rho::Huber => all * if each < self.delta { 0.5 * each * each } else { self.delta * each },
            Rho::Lad => all * each,
        }
    }
}
