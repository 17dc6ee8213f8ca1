//! A difference between paired cells with its interval, and what may be told from it: yes, no, or not at this scale.

use isoflop_contract::Value;
use serde_json::json;

use crate::stats;

/// A mean with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean.
    pub estimate: f64,
    /// Its ends; `None` where one value alone says nothing of the spread.
    pub ends: Option<(f64, f64)>,
    /// Values behind it.
    pub n: usize,
}

impl Interval {
    /// The mean of `values` with Student's interval at `level` (0.9: nine in ten such intervals hold the true mean, if the values are normal).
    /// `None` without values.
    pub fn of(values: &[f64], level: f64) -> Option<Self> {
        let estimate = stats::mean(values)?;
        let ends = stats::std(values).map(|std| {
            let half = quantile(level, values.len() - 1) * std / (values.len() as f64).sqrt();
            (estimate - half, estimate + half)
        });
        Some(Self { estimate, ends, n: values.len() })
    }

    /// As templates see it: `estimate`, `lower`, `upper` (`null` without a spread), `n`.
    pub fn to_value(self) -> Value {
        json!({
            "estimate": self.estimate,
            "lower": self.ends.map(|(lower, _)| lower),
            "upper": self.ends.map(|(_, upper)| upper),
            "n": self.n,
        })
    }

    /// Reads what [`to_value`](Self::to_value) gives.
    pub fn read(value: &Value) -> Option<Self> {
        let number = |name: &str| value.get(name)?.as_f64();
        let ends = number("lower").zip(number("upper"));
        let n = usize::try_from(value.get("n")?.as_u64()?).ok()?;
        Some(Self { estimate: number("estimate")?, ends, n })
    }

    /// Whether it lies above `bound` wholly (yes), below it wholly (no), or across it (`None`: it cannot be told).
    pub fn above(self, bound: f64) -> Option<bool> {
        let (lower, upper) = self.ends?;
        if lower > bound {
            Some(true)
        } else if upper < bound {
            Some(false)
        } else {
            None
        }
    }

    /// Whether it lies within `margin` of zero wholly (yes), beyond it wholly (no), or across its edge (`None`).
    pub fn within(self, margin: f64) -> Option<bool> {
        let (lower, upper) = self.ends?;
        if -margin < lower && upper < margin {
            Some(true)
        } else if lower > margin || upper < -margin {
            Some(false)
        } else {
            None
        }
    }
}

/// The value that Student's t with `freedom` degrees exceeds in size with probability `1 - level`.
fn quantile(level: f64, freedom: usize) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while below(high, freedom) < level && high < 1e12 {
        high *= 2.0;
    }
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if below(middle, freedom) < level { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// The probability that Student's t is below `t` in size: the finite sums for whole degrees of freedom (Abramowitz & Stegun 26.7.3 and 26.7.4).
fn below(t: f64, freedom: usize) -> f64 {
    let angle = (t / (freedom as f64).sqrt()).atan();
    let (sin, cos) = angle.sin_cos();
    let odd = freedom % 2 == 1;
    // Of an odd number the powers of the cosine are odd, too: 1, 3, 5, …, below `freedom`.
    let (mut term, mut power) = if odd { (cos, 1) } else { (1.0, 0) };
    let mut sum = 0.0;
    while power + 2 <= freedom {
        sum += term;
        term *= cos * cos * (power + 1) as f64 / (power + 2) as f64;
        power += 2;
    }
    if odd { std::f64::consts::FRAC_2_PI * (angle + sin * sum) } else { sin * sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `scipy.stats.t.ppf(0.5 + level / 2, freedom)`, `SciPy` 1.17.1.
    #[test]
    fn quantiles_are_scipys() {
        for (level, freedom, expected) in [
            (0.9, 1, 6.313_751_514_675_04),
            (0.9, 2, 2.919_985_580_353_726),
            (0.95, 3, 3.182_446_305_284_263),
            (0.9, 4, 2.131_846_786_326_649),
            (0.9, 5, 2.015_048_373_333_023),
            (0.99, 10, 3.169_272_672_616_953),
            (0.95, 235, 1.970_110_062_238_9),
        ] {
            let found = quantile(level, freedom);
            assert!((found - expected).abs() < 1e-9, "{level} {freedom}: {found} against {expected}");
        }
    }

    #[test]
    fn an_interval_tells_or_does_not() {
        let at = |values: &[f64]| Interval::of(values, 0.9).unwrap();
        assert_eq!(Interval::of(&[], 0.9), None);
        let one = at(&[0.3]);
        assert_eq!((one.ends, one.above(0.0), one.within(1.0)), (None, None, None));
        let three = at(&[0.02, 0.03, 0.04]);
        let (lower, upper) = three.ends.unwrap();
        // 0.03 ± 2.919986 · 0.01 / √3
        assert!((lower - 0.013_141_455_4).abs() < 1e-9 && (upper - 0.046_858_544_6).abs() < 1e-9, "{lower} {upper}");
        assert_eq!((three.above(0.0), three.above(0.03), three.above(0.05)), (Some(true), None, Some(false)));
        assert_eq!((three.within(0.05), three.within(0.03), three.within(0.01)), (Some(true), None, Some(false)));
        assert_eq!(Interval::read(&three.to_value()), Some(three));
        assert_eq!(Interval::read(&one.to_value()), Some(one));
        assert_eq!(Interval::read(&json!(0.3)), None);
    }
}
