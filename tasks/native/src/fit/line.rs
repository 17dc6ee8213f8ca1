//! A straight line by least squares, on centred abscissas: the closed form, without the loss of digits that `Σx²` has.

/// `v = level + slope · (u - centre)`.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    /// The mean of u.
    pub centre: f64,
    /// The mean of v.
    pub level: f64,
    /// The slope.
    pub slope: f64,
}

impl Line {
    /// The line through `points`, which lie at two different u at least.
    pub fn through(points: &[(f64, f64)]) -> Self {
        let n = points.len() as f64;
        let centre = points.iter().map(|(u, _)| u).sum::<f64>() / n;
        let level = points.iter().map(|(_, v)| v).sum::<f64>() / n;
        let spread: f64 = points.iter().map(|(u, _)| (u - centre) * (u - centre)).sum();
        let together: f64 = points.iter().map(|(u, v)| (u - centre) * (v - level)).sum();
        Self { centre, level, slope: together / spread }
    }

    /// The value at zero.
    pub fn intercept(&self) -> f64 {
        self.level - self.slope * self.centre
    }
}
