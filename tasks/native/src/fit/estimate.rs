//! Estimates made of resamples: percentiles and standard deviation.

use super::{
    math::{interval, moments},
    record::Estimate,
};

impl Estimate {
    /// With errors by the curvature and the sandwich, `reach` of which make an interval.
    pub(super) fn with(self, wald: Option<f64>, sandwich: Option<f64>, reach: f64) -> Self {
        let interval = |error: f64| (self.value - reach * error, self.value + reach * error);
        let (wald_interval, sandwich_interval) = (wald.map(interval), sandwich.map(interval));
        Self { wald, sandwich, wald_interval, sandwich_interval, ..self }
    }
}

/// The middle share of values, or the value itself where there are none.
pub(super) fn bounds(values: Vec<f64>, level: f64, value: f64) -> (f64, f64) {
    let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
    if values.is_empty() { (value, value) } else { interval(values, level) }
}

/// A value with the percentiles and the standard deviation of its resamples.
pub(super) fn spread(value: f64, draws: Vec<f64>, level: f64) -> Estimate {
    let stderr = if draws.len() > 1 { moments(&draws).1 } else { 0.0 };
    let (lower, upper) = bounds(draws, level, value);
    Estimate {
        value,
        lower,
        upper,
        stderr,
        wald: None,
        sandwich: None,
        wald_interval: None,
        sandwich_interval: None,
        profile: None,
    }
}
