//! The curve: the law on a grid that reaches one decade beyond the points, with the band of its resamples.

use libm::{exp, log};
use serde::Serialize;

use super::{bootstrap::interval, law::Law};

/// The law and its band at one x.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Band {
    /// Where.
    pub x: f64,
    /// The law there.
    pub y: f64,
    /// The lower bound of the resampled laws.
    pub lower: f64,
    /// Their upper bound.
    pub upper: f64,
}

/// Points of the grid, evenly spaced in ln x.
const STEPS: u32 = 64;
/// How far the grid reaches beyond the largest x.
const BEYOND: f64 = 10.0;

/// The curve from `least` to ten times `most`.
pub fn curve(law: &Law, resampled: &[Law], (least, most): (f64, f64), level: f64) -> Vec<Band> {
    let (from, to) = (log(least), log(most * BEYOND));
    let at = |k: u32| match k {
        0 => least,
        STEPS => most * BEYOND,
        k => exp(from + (to - from) * f64::from(k) / f64::from(STEPS)),
    };
    let band = |x: f64| {
        let (lower, upper) = interval(resampled.iter().map(|law| law.at(x)).collect(), level);
        Band { x, y: law.at(x), lower, upper }
    };
    (0..=STEPS).map(at).map(band).collect()
}
