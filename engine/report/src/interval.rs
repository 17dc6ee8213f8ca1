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

    /// Spearman's rank correlation of `pairs` with Fisher's interval at `level`, of the variance (1 + r²/2)/(n − 3) that ranks have (Bonett & Wright 2000). Where
    /// ranks agree wholly, the other end is that of the next lesser agreement, two neighbours swapped. Three pairs have no interval; `None` where there is no
    /// correlation.
    pub fn correlation(pairs: &[(f64, f64)], level: f64) -> Option<Self> {
        let (estimate, n) = (stats::spearman(pairs)?, pairs.len());
        let end = |r: f64, sign: f64| {
            let deviation = ((1.0 + r * r / 2.0) / (n as f64 - 3.0)).sqrt();
            libm::tanh(libm::atanh(r) + sign * normal(level) * deviation)
        };
        let nearly = 1.0 - 12.0 / (n as f64 * (n as f64 * n as f64 - 1.0));
        let ends = if estimate > nearly {
            (end(nearly, -1.0), 1.0)
        } else if estimate < -nearly {
            (-1.0, end(-nearly, 1.0))
        } else {
            (end(estimate, -1.0), end(estimate, 1.0))
        };
        Some(Self { estimate, ends: (n > 3).then_some(ends), n })
    }

    /// How much more strongly the first of `threes` ranks with the second than with the third: the difference of two Spearman correlations, each by its
    /// size. Its interval is Zou's for correlations that share a variable (Zou 2007, *Psychological Methods* 12, pp. 399 to 413, equations 3 and 11), of the
    /// ends that [`correlation`](Self::correlation) has. `None` where there is no correlation.
    pub fn stronger(threes: &[[f64; 3]], level: f64) -> Option<Self> {
        let pairs = |a: usize, b: usize| threes.iter().map(|three| (three[a], three[b])).collect::<Vec<_>>();
        let between = stats::spearman(&pairs(1, 2))?;
        let (first, second) = (Self::correlation(&pairs(0, 1), level)?, Self::correlation(&pairs(0, 2), level)?);
        let sign = first.estimate.signum() * second.estimate.signum();
        Some(apart(first.sized(), second.sized(), sign * between))
    }

    /// Turned round where it is negative.
    fn sized(self) -> Self {
        if self.estimate >= 0.0 {
            return self;
        }
        Self { estimate: -self.estimate, ends: self.ends.map(|(lower, upper)| (-upper, -lower)), n: self.n }
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

/// The difference of two correlations with one variable, whose others correlate by `between`.
fn apart(first: Interval, second: Interval, between: f64) -> Interval {
    let (a, b) = (first.estimate, second.estimate);
    let ends = first.ends.zip(second.ends).map(|((a_lower, a_upper), (b_lower, b_upper))| {
        let rest = 1.0 - a * a - b * b - between * between;
        let together = ((between - 0.5 * a * b) * rest + between.powi(3)) / ((1.0 - a * a) * (1.0 - b * b));
        // Where ranks agree wholly nothing is left to go together.
        let together = if together.is_finite() { together.clamp(-1.0, 1.0) } else { 0.0 };
        let half = |x: f64, y: f64| (x * x + y * y - 2.0 * together * x * y).max(0.0).sqrt();
        (a - b - half(a - a_lower, b_upper - b), a - b + half(a_upper - a, b - b_lower))
    });
    Interval { estimate: a - b, ends, n: first.n }
}

/// The value that a standard normal number exceeds in size with probability `1 - level`.
fn normal(level: f64) -> f64 {
    let (mut low, mut high) = (0.0, 40.0);
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if libm::erf(middle / std::f64::consts::SQRT_2) < level { low = middle } else { high = middle }
    }
    0.5 * (low + high)
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

    /// The worked example of Zou 2007 for correlations that overlap: 0.396 and 0.179 of 66, their others at 0.088, at 95 %.
    #[test]
    fn two_correlations_are_compared_as_zou_does() {
        let fisher = |r: f64| {
            let half = normal(0.95) / 63_f64.sqrt();
            let ends = Some((libm::tanh(libm::atanh(r) - half), libm::tanh(libm::atanh(r) + half)));
            Interval { estimate: r, ends, n: 66 }
        };
        let found = apart(fisher(0.396), fisher(0.179), 0.088);
        let (lower, upper) = found.ends.unwrap();
        assert!((found.estimate - 0.217).abs() < 1e-12, "{found:?}");
        assert!((lower + 0.093).abs() < 5e-4 && (upper - 0.517).abs() < 5e-4, "{found:?}");
    }

    /// Signs do not count, what is compared with itself is no stronger, and the better of two is.
    #[test]
    fn one_ranks_more_strongly_than_another() {
        let waver = |k: f64| (1.7 * k * k).sin();
        let threes: Vec<[f64; 3]> =
            (0..30).map(f64::from).map(|k| [k, k + 2.0 * waver(k), 20.0 * waver(k + 0.3) + k]).collect();
        let found = Interval::stronger(&threes, 0.9).unwrap();
        assert!(found.above(0.0) == Some(true) && found.n == 30, "{found:?}");
        let turned: Vec<[f64; 3]> = threes.iter().map(|[y, a, b]| [*y, -a, *b]).collect();
        assert_eq!(Interval::stronger(&turned, 0.9).unwrap(), found);
        let same: Vec<[f64; 3]> = threes.iter().map(|[y, a, _]| [*y, *a, *a]).collect();
        let (lower, upper) = Interval::stronger(&same, 0.9).unwrap().ends.unwrap();
        assert!((upper + lower).abs() < 1e-12 && upper < 0.01, "{lower} {upper}"); // Fisher's ends lie unevenly
        let flat: Vec<[f64; 3]> = threes.iter().map(|[y, a, _]| [*y, *a, 1.0]).collect();
        assert_eq!(Interval::stronger(&flat, 0.9), None);
        assert_eq!(Interval::stronger(&threes[..3], 0.9).unwrap().ends, None);
    }

    /// By `scipy.stats.norm.ppf(0.5 + level / 2)` and `NumPy`'s `tanh` and `arctanh`.
    #[test]
    fn correlations_have_fishers_interval() {
        let xs = [1.0, 2.0, 3.0, 4.0, 5.0];
        let at = |ys: &[f64]| {
            let pairs: Vec<(f64, f64)> = xs.iter().copied().zip(ys.iter().copied()).collect();
            Interval::correlation(&pairs, 0.9)
        };
        let some = at(&[5.0, 6.0, 7.0, 8.0, 7.0]).unwrap();
        let (lower, upper) = some.ends.unwrap();
        assert!((some.estimate - 0.820_782_681_668_123_3).abs() < 1e-12, "{some:?}");
        assert!(
            (lower + 0.183_470_791_843_492_4).abs() < 1e-9 && (upper - 0.986_720_106_598_722_6).abs() < 1e-9,
            "{some:?}"
        );
        let pairs: Vec<(f64, f64)> = (0..6).map(|k| (f64::from(k), f64::from(k * k))).collect();
        let whole = Interval::correlation(&pairs, 0.9).unwrap();
        assert!(
            (whole.ends.unwrap().0 - 0.552_391_900_474_786_8).abs() < 1e-9 && whole.ends.unwrap().1 > 0.999,
            "{whole:?}"
        );
        let (down, against) = (at(&[5.0, 4.0, 3.0, 2.0, 1.0]).unwrap(), at(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap());
        assert!((down.ends.unwrap().1 + against.ends.unwrap().0).abs() < 1e-12);
        assert_eq!((at(&[1.0, 1.0, 1.0, 1.0, 1.0]), at(&[1.0, 2.0, 4.0]).unwrap().ends), (None, None));
    }
}
