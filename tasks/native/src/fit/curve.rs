//! The curve: the law on a grid that reaches one decade beyond the points, or to the farthest target, with the band of its resamples. Of a surface it is
//! the least loss that each amount of compute can buy.

use serde::Serialize;

use super::math::{exp_any, interval, ln_any};

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
/// The most points of the grid from there to the farthest target.
const MORE: u32 = 64;

/// The curve from `least` to ten times `most`, and on to `farthest` if that lies beyond; `at` is the law of given parameters at x.
pub fn curve(
    at: &dyn Fn(&[f64], f64) -> f64,
    parameters: &[f64],
    resampled: &[Vec<f64>],
    (least, most): (f64, f64),
    farthest: Option<f64>,
    level: f64,
) -> Vec<Band> {
    let (from, to) = (ln_any(least), ln_any(most * BEYOND));
    let place = |k: u32| match k {
        0 => least,
        STEPS => most * BEYOND,
        k => exp_any(from + (to - from) * f64::from(k) / f64::from(STEPS)),
    };
    let band = |x: f64| {
        let values: Vec<f64> = resampled.iter().map(|draw| at(draw, x)).filter(|value| value.is_finite()).collect();
        let y = at(parameters, x);
        let (lower, upper) = if values.is_empty() { (y, y) } else { interval(values, level) };
        Band { x, y, lower, upper }
    };
    let end = most * BEYOND;
    let further = farthest.filter(|farthest| *farthest > end).map_or_else(Vec::new, |farthest| {
        let (step, reach) = ((to - from) / f64::from(STEPS), ln_any(farthest) - to);
        let count = (reach / step).ceil().clamp(1.0, f64::from(MORE)) as u32;
        let place = |k: u32| if k == count { farthest } else { exp_any(to + reach * f64::from(k) / f64::from(count)) };
        (1..=count).map(place).collect()
    });
    (0..=STEPS).map(place).chain(further).map(band).filter(|band| band.y.is_finite()).collect()
}
