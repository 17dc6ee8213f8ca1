//! Quantiles of Student's t, by its incomplete beta function, and what follows from them for intervals of few resampled units.

use libm::{exp, lgamma, log, sqrt};

/// The regularised incomplete beta function, by its continued fraction (Lentz 1976).
fn beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return x.clamp(0.0, 1.0);
    }
    let front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(1.0 - x));
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - beta_front(b, a, 1.0 - x, front);
    }
    beta_front(a, b, x, front)
}

fn beta_front(a: f64, b: f64, x: f64, front: f64) -> f64 {
    let tiny = 1e-300;
    let off = |value: f64| if value.abs() < tiny { tiny } else { value };
    let (mut c, mut d) = (1.0, 1.0 / off(1.0 - (a + b) * x / (a + 1.0)));
    let mut h = d;
    for m in 1..300 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / off(1.0 + even * d);
        c = off(1.0 + even / c);
        h *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / off(1.0 + odd * d);
        c = off(1.0 + odd / c);
        let change = d * c;
        h *= change;
        if (change - 1.0).abs() < 1e-15 {
            break;
        }
    }
    front * h / a
}

/// The value that t with `freedom` degrees exceeds in size with probability `1 - level`.
pub fn two_sided(level: f64, freedom: f64) -> f64 {
    let beyond = |t: f64| beta(0.5 * freedom, 0.5, freedom / (freedom + t * t));
    let (mut low, mut high) = (0.0, 1.0);
    while beyond(high) > 1.0 - level && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if beyond(middle) > 1.0 - level { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The same of a normal distribution, as the limit.
pub fn normal(level: f64) -> f64 {
    let beyond = |z: f64| libm::erfc(z / sqrt(2.0));
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if beyond(middle) > 1.0 - level { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The share of resamples between the ends of an interval that is to cover as often as `level` says, where `units` were drawn with replacement for so
/// many `parameters` (Hesterberg 2015, "What Teachers Should Know About the Bootstrap", *The American Statistician* 69, section 4.4, for one mean).
///
/// Resamples scatter less than estimates do, by the root of 1 - parameters / units, and know nothing of how badly a few residuals tell their own size. Both
/// are made up for by taking percentiles farther out; of hundreds of rows nothing changes.
pub fn share(level: f64, units: usize, parameters: usize) -> f64 {
    let freedom = units.saturating_sub(parameters).max(1) as f64;
    heavy(level, freedom, sqrt(units.max(1) as f64 / freedom))
}

/// The same of numbers that scatter as they should and lack only the heavy tails.
pub fn heavy_share(level: f64, units: usize, parameters: usize) -> f64 {
    heavy(level, units.saturating_sub(parameters).max(1) as f64, 1.0)
}

fn heavy(level: f64, freedom: f64, factor: f64) -> f64 {
    1.0 - libm::erfc(factor * two_sided(level, freedom) / sqrt(2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against tables of Student's t.
    #[test]
    fn quantiles_agree_with_tables() {
        for (level, freedom, expected) in [
            (0.9, 1.0, 6.313_751_514_7),
            (0.95, 2.0, 4.302_652_729_7),
            (0.9, 5.0, 2.015_048_373_3),
            (0.99, 10.0, 3.169_272_672_6),
            (0.95, 235.0, 1.970_110_062_3),
        ] {
            let found = two_sided(level, freedom);
            assert!((found - expected).abs() < 2e-8, "{level} {freedom}: {found} against {expected}");
        }
        assert!((normal(0.95) - 1.959_963_984_5).abs() < 1e-9);
    }

    /// By tables of t and of the normal distribution: of one mean of 10 values, 95 % become the percentiles 0.9 and 99.1 (Hesterberg 2015 gives the
    /// tail 0.0086).
    #[test]
    fn few_units_reach_farther_out() {
        let found = share(0.95, 10, 1);
        assert!(((1.0 - found) / 2.0 - 0.0086).abs() < 1e-4, "{found}");
        assert!(share(0.9, 240, 5) - 0.9 < 0.006 && share(0.9, 24, 2) > heavy_share(0.9, 24, 2));
        assert!(share(0.9, 5, 4) > 0.999_999 && share(0.9, 4, 5) <= 1.0);
    }
}
