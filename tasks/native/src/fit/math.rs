//! `exp` and `ln` of our own, and sums in a fixed order: the same bits on every machine, and fast over slices.
//!
//! Both are branch-free sequences of IEEE additions, multiplications and one division without contraction, so that a compiler may do two or
//! four at a time and change no bit. They are within 1.5 units in the last place of the true value. `exp` saturates at the ends of its range,
//! `exp(±708)`, so that a solver that wanders off meets no infinity; `ln` is for positive normal numbers.

use std::f64::consts::{LN_2, LOG2_E};

/// The largest exponent whose power is used.
const FAR: f64 = 708.0;
/// Adding and subtracting this rounds to a whole number, and leaves it in the low bits.
const ROUND: f64 = 6_755_399_441_055_744.0;
/// ln 2 in two parts; the first has 32 trailing zeros, so that whole multiples of it are exact.
const LN2_HIGH: f64 = f64::from_bits(0x3FE6_2E42_FEE0_0000);
/// `ln 2 - LN2_HIGH`.
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
/// Bits of the square root of one half, where a mantissa's range begins.
const ROOT_HALF: u64 = 0x3FE6_A09E_667F_3BCD;

/// e to the `x`.
#[inline(always)]
#[expect(clippy::inline_always, reason = "loops over slices are vectorised only if this is part of them")]
pub fn exp(x: f64) -> f64 {
    let x = if x > -FAR { x } else { -FAR };
    let x = if x < FAR { x } else { FAR };
    let shifted = x * LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    // Taylor's series to the 13th power on |r| <= ln 2 / 2: the rest is below 5e-18.
    let r2 = r * r;
    let r4 = r2 * r2;
    let low = (1.0 / 2.0 + r * (1.0 / 6.0)) + r2 * (1.0 / 24.0 + r * (1.0 / 120.0));
    let middle = (1.0 / 720.0 + r * (1.0 / 5_040.0)) + r2 * (1.0 / 40_320.0 + r * (1.0 / 362_880.0));
    let high =
        (1.0 / 3_628_800.0 + r * (1.0 / 39_916_800.0)) + r2 * (1.0 / 479_001_600.0 + r * (1.0 / 6_227_020_800.0));
    let p = 1.0 + (r + r2 * (low + r4 * (middle + r4 * high)));
    f64::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 52))
}

/// The natural logarithm of a positive normal number; of others, nothing that means anything.
#[inline(always)]
#[expect(clippy::inline_always, reason = "loops over slices are vectorised only if this is part of them")]
pub fn ln(x: f64) -> f64 {
    let bits = x.to_bits();
    let biased = bits.wrapping_sub(ROOT_HALF).wrapping_add(1023 << 52) >> 52;
    // The integer as a float, through the mantissa of 2^52.
    let k = f64::from_bits(biased | 0x4330_0000_0000_0000) - (4_503_599_627_370_496.0 + 1023.0);
    let m = f64::from_bits(bits.wrapping_sub(biased.wrapping_sub(1023) << 52));
    // ln m = 2 artanh(s) with s = (m - 1) / (m + 1), |s| < 0.1716.
    let f = m - 1.0;
    let s = f / (2.0 + f);
    let z = s * s;
    let z2 = z * z;
    let z4 = z2 * z2;
    let low = (2.0 / 3.0 + z * (2.0 / 5.0)) + z2 * (2.0 / 7.0 + z * (2.0 / 9.0));
    let middle = (2.0 / 11.0 + z * (2.0 / 13.0)) + z2 * (2.0 / 15.0 + z * (2.0 / 17.0));
    let high = 2.0 / 19.0 + z * (2.0 / 21.0);
    let tail = z * (low + z4 * (middle + z4 * high));
    // 2s = f - s f exactly in real numbers; written so, the rounding of s does not count.
    let lead = s * (f - tail);
    k * LN2_HIGH + (f - (lead - k * LN2_LOW))
}

/// `ln(1 + x)` for x above -1, exact where x is small.
pub fn ln_1p(x: f64) -> f64 {
    libm::log1p(x)
}

/// ln of positive numbers of any size, for numbers that come from outside.
pub fn ln_any(x: f64) -> f64 {
    if x >= f64::MIN_POSITIVE && x.is_finite() { ln(x) } else { libm::log(x) }
}

/// `exp` that overflows and underflows as a power should, for numbers that go outside.
pub fn exp_any(x: f64) -> f64 {
    if x.abs() < FAR { exp(x) } else { libm::exp(x) }
}

/// `a . b`, in eight interleaved partial sums.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    let mut lanes = [0.0; 8];
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            lanes[i] += x[i] * y[i];
        }
    }
    gather(&lanes) + rest
}

/// The sum of `a`, in eight interleaved partial sums.
pub fn sum(a: &[f64]) -> f64 {
    let chunks = a.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    let mut lanes = [0.0; 8];
    for x in chunks {
        for i in 0..8 {
            lanes[i] += x[i];
        }
    }
    gather(&lanes) + rest
}

fn gather(l: &[f64; 8]) -> f64 {
    ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]))
}

/// The Euclidean length of `a`.
pub fn norm(a: &[f64]) -> f64 {
    libm::sqrt(dot(a, a))
}

/// The value below which the share `q` of `sorted` lies, between neighbours in proportion; `sorted` must not be empty.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = at.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (at - below as f64) * (sorted[above] - sorted[below])
}

/// The bounds of the middle share `level` of `values`.
pub fn interval(mut values: Vec<f64>, level: f64) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (quantile(&values, 0.5 - level / 2.0), quantile(&values, 0.5 + level / 2.0))
}

/// Mean and standard deviation.
pub fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = sum(values) / n;
    let square: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
    (mean, libm::sqrt(square / (n - 1.0).max(1.0)))
}

const _: () = assert!(LN2_HIGH < LN_2);

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance in units in the last place.
    fn apart(found: f64, expected: f64) -> f64 {
        let unit = f64::from_bits(expected.abs().to_bits() + 1) - expected.abs();
        ((found - expected) / unit).abs()
    }

    #[test]
    fn exp_and_ln_are_right_to_the_last_place() {
        let (mut exps, mut lns) = (0.0_f64, 0.0_f64);
        for k in -70_000..70_000 {
            let x = f64::from(k) * 0.010_037;
            exps = exps.max(apart(exp(x), libm::exp(x)));
            let y = libm::exp(x * 0.9 + 0.001);
            lns = lns.max(apart(ln(y), libm::log(y)));
            let near = 1.0 + f64::from(k) * 1e-6;
            lns = lns.max(if k == 0 { ln(near).abs() } else { apart(ln(near), libm::log(near)) });
        }
        println!("exp {exps}, ln {lns} units in the last place");
        assert!(exps <= 1.5 && lns <= 2.0, "exp {exps}, ln {lns} units in the last place");
        assert_eq!((exp(0.0).to_bits(), ln(1.0).to_bits()), (1_f64.to_bits(), 0_f64.to_bits()));
        assert!(exp(1e9).is_finite() && exp(-1e9) > 0.0);
        assert!((exp_any(-745.0) - 5e-324).abs() < 1e-323 && exp_any(1e3) == f64::INFINITY);
    }

    /// These bits are the promise: a compiler or a machine that changes one of them breaks every record.
    #[test]
    fn bits_are_pinned() {
        let bits: Vec<u64> = [0.1, -1.7, 33.3, -600.0].map(|x| exp(x).to_bits()).to_vec();
        let logs: Vec<u64> = [0.1, 1.000_001, 33.3, 1e300].map(|x| ln(x).to_bits()).to_vec();
        let series: Vec<f64> = (1..100).map(|k| 1.0 / f64::from(k)).collect();
        let found = format!("{bits:x?} {logs:x?} {:x}", dot(&series, &series).to_bits());
        assert_eq!(
            found,
            "[3ff1aec7b35a00d4, 3fc7622c78a98a07, 42f078401f5a3ec8, 9d4dd4d0d12c071] [c0026bb1bbb55515, 3eb0c6f713f33a1d, \
             400c0b61ad3275b2, 4085963447f87fb5] 3ffa287c0540d114"
        );
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these quarters are exact")]
    fn quantiles_lie_between_neighbours() {
        let values = [1.0, 2.0, 4.0, 8.0, 16.0];
        assert_eq!([0.0, 0.25, 0.375, 1.0].map(|q| quantile(&values, q)), [1.0, 2.0, 3.0, 16.0]);
        assert_eq!(interval(vec![3.0, 1.0, 2.0], 0.5), (1.5, 2.5));
    }
}
