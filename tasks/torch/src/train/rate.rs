//! The learning rate.

use isoflop_kinds::train::Decay;

/// The learning rate at `step` (from 0) of `steps`, as a share of its peak: a linear rise over `warmup` steps, then what `decay` says.
pub fn rate(step: u64, steps: u64, warmup: u64, decay: Decay) -> f64 {
    if step < warmup {
        return (step + 1) as f64 / warmup as f64;
    }
    match decay {
        Decay::Constant => 1.0,
        Decay::Cosine => {
            let done = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
            0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these come out exactly")]
mod tests {
    use super::*;

    #[test]
    fn it_rises_stays_and_falls() {
        assert_eq!(rate(0, 100, 10, Decay::Constant), 0.1);
        assert_eq!(rate(9, 100, 10, Decay::Cosine), 1.0);
        assert_eq!(rate(10, 110, 10, Decay::Cosine), 1.0);
        assert!((rate(60, 110, 10, Decay::Cosine) - 0.5).abs() < 1e-12);
        assert!(rate(109, 110, 10, Decay::Cosine) < 3e-4);
        assert_eq!(rate(99, 100, 0, Decay::Constant), 1.0);
        assert_eq!(rate(4, 5, 5, Decay::Cosine), 1.0);
    }
}
