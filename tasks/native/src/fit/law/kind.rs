//! What a parameter may be, and the coordinate that a solver moves instead.

use super::super::math::{exp, exp_any, ln_any};

/// A working coordinate as far from a bound as this is on it.
pub const ON_BOUND: f64 = 700.0;

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Any number: the coordinate is the parameter.
    Free,
    /// No less than 0: the coordinate is its logarithm.
    Positive,
    /// Between two numbers: the coordinate is the logit of its place.
    Between(f64, f64),
    /// Between two positive numbers, its logarithm evenly.
    Geometric(f64, f64),
    /// Declared.
    Fixed(f64),
}

fn logistic(theta: f64) -> f64 {
    if theta >= 0.0 { 1.0 / (1.0 + exp(-theta)) } else { exp(theta) / (1.0 + exp(theta)) }
}

impl Kind {
    /// The parameter at a coordinate.
    pub fn value(self, theta: f64) -> f64 {
        match self {
            Self::Free => theta,
            Self::Positive if theta <= -ON_BOUND => 0.0,
            Self::Positive => exp_any(theta),
            Self::Between(low, high) | Self::Geometric(low, high) if theta.abs() >= ON_BOUND => {
                if theta < 0.0 {
                    low
                } else {
                    high
                }
            }
            Self::Between(low, high) => low + (high - low) * logistic(theta),
            Self::Geometric(low, high) => low * exp_any(ln_any(high / low) * logistic(theta)),
            Self::Fixed(value) => value,
        }
    }

    /// The parameter's derivative in its coordinate.
    pub fn slope(self, theta: f64) -> f64 {
        let share = |theta: f64| logistic(theta) * logistic(-theta);
        match self {
            Self::Free => 1.0,
            Self::Positive => self.value(theta),
            Self::Between(low, high) => (high - low) * share(theta),
            Self::Geometric(low, high) => self.value(theta) * ln_any(high / low) * share(theta),
            Self::Fixed(_) => 0.0,
        }
    }

    /// The coordinate of a parameter, kept off the bounds.
    pub fn coordinate(self, value: f64) -> f64 {
        let logit = |share: f64| {
            let share = share.clamp(1e-6, 1.0 - 1e-6);
            ln_any(share / (1.0 - share))
        };
        match self {
            Self::Free => value,
            Self::Positive => ln_any(value.max(1e-300)),
            Self::Between(low, high) => logit((value - low) / (high - low)),
            Self::Geometric(low, high) => logit(ln_any(value.max(low) / low) / ln_any(high / low)),
            Self::Fixed(_) => 0.0,
        }
    }

    /// The coordinates of its bounds.
    pub const fn bounds(self) -> &'static [f64] {
        match self {
            Self::Free | Self::Fixed(_) => &[],
            Self::Positive => &[-ON_BOUND],
            Self::Between(..) | Self::Geometric(..) => &[-ON_BOUND, ON_BOUND],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_lead_back_and_have_the_right_slope() {
        for (kind, value) in [
            (Kind::Free, -3.5),
            (Kind::Positive, 0.02),
            (Kind::Between(-1.0, 2.0), 0.25),
            (Kind::Geometric(1e-3, 50.0), 0.3),
        ] {
            let theta = kind.coordinate(value);
            assert!((kind.value(theta) - value).abs() < 1e-12 * value.abs());
            let numeric = (kind.value(theta + 1e-6) - kind.value(theta - 1e-6)) / 2e-6;
            assert!((kind.slope(theta) / numeric - 1.0).abs() < 1e-8, "{kind:?}");
        }
        assert!(Kind::Positive.value(-ON_BOUND).abs() < f64::MIN_POSITIVE);
        assert!((Kind::Between(0.0, 1.0).value(ON_BOUND) - 1.0).abs() < f64::MIN_POSITIVE);
    }
}
