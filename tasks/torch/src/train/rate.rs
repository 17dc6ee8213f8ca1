//! The learning rate.

use isoflop_kinds::train::Decay;

/// The learning rate at `step` (from 0) of `steps`, as a share of its peak: a linear rise over `warmup` steps, then what `decay` says, where a fall
/// at the end takes `falls` steps.
pub fn rate(step: u64, steps: u64, warmup: u64, decay: Decay, falls: u64) -> f64 {
    if step < warmup {
        return (step + 1) as f64 / warmup as f64;
    }
    match decay {
        Decay::Constant => 1.0,
        Decay::Cosine => {
            let done = (step - warmup) as f64 / (steps - warmup).max(1) as f64;
            0.5 * (1.0 + (std::f64::consts::PI * done).cos())
        }
        Decay::Wsd => {
            let fallen = (step + falls).saturating_sub(steps) as f64 / falls.max(1) as f64;
            1.0 - fallen.sqrt()
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these come out exactly")]
mod tests {
    use super::*;

    #[test]
    fn it_rises_stays_and_falls() {
        let rate = |step, steps, warmup, decay| super::rate(step, steps, warmup, decay, 20);
        assert_eq!(rate(4, 100, 10, Decay::Wsd), 0.5);
        assert_eq!(rate(80, 100, 10, Decay::Wsd), 1.0);
        assert_eq!(rate(85, 100, 10, Decay::Wsd), 0.5); // a quarter of the fall: 1 − √¼
        assert!((rate(99, 100, 10, Decay::Wsd) - (1.0 - 0.95_f64.sqrt())).abs() < 1e-12);
        assert_eq!(rate(0, 100, 10, Decay::Constant), 0.1);
        assert_eq!(rate(9, 100, 10, Decay::Cosine), 1.0);
        assert_eq!(rate(10, 110, 10, Decay::Cosine), 1.0);
        assert!((rate(60, 110, 10, Decay::Cosine) - 0.5).abs() < 1e-12);
        assert!(rate(109, 110, 10, Decay::Cosine) < 3e-4);
        assert_eq!(rate(99, 100, 0, Decay::Constant), 1.0);
        assert_eq!(rate(4, 5, 5, Decay::Cosine), 1.0);
    }
}
