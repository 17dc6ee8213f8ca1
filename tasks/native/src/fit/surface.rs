//! The best use of compute on a surface `E + A / N^alpha + B / D^beta` with `C = 6 N D`: in closed form (Hoffmann et al. 2022, equation 4).

use super::math::{exp_any, ln_any};

/// The N and D that give the least loss for compute `c`.
pub fn best([a, b, alpha, beta]: [f64; 4], c: f64) -> (f64, f64) {
    let all = alpha + beta;
    let ln_g = ln_any(alpha * a / (beta * b)) / all;
    let ln_c = ln_any(c / 6.0);
    (exp_any(ln_g + beta / all * ln_c), exp_any(alpha / all * ln_c - ln_g))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the law itself: no split of the same compute does better.
    #[test]
    fn no_other_split_is_better() {
        let parameters = [1.69, 406.4, 410.7, 0.34, 0.28];
        let loss = |n: f64, d: f64| {
            parameters[0] + parameters[1] * exp_any(-0.34 * ln_any(n)) + parameters[2] * exp_any(-0.28 * ln_any(d))
        };
        let (n, d) = best([406.4, 410.7, 0.34, 0.28], 5.76e23);
        assert!((6.0 * n * d / 5.76e23 - 1.0).abs() < 1e-12);
        for shift in [0.9, 0.99, 1.01, 1.1] {
            assert!(loss(n, d) < loss(n * shift, d / shift));
        }
    }
}
