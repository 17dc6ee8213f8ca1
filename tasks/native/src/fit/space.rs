//! The spaces a law and a residual live in, and the ways between them.

use isoflop_kinds::fit::Space;

use super::math::{exp, exp_any, ln, ln_1p, ln_any};

/// y taken into a space. NaN where it cannot be.
pub fn into(space: Space, y: f64) -> f64 {
    match space {
        Space::Linear => y,
        Space::Log => ln_any(y),
        Space::Logit => ln_any(y) - ln_1p(-y),
        Space::LogError => ln_1p(-y),
        Space::Log1p => ln_1p(y),
    }
}

/// The y whose value in a space is `v`.
pub fn out_of(space: Space, v: f64) -> f64 {
    match space {
        Space::Linear => v,
        Space::Log => exp_any(v),
        Space::Logit => 1.0 / (1.0 + exp_any(-v)),
        Space::LogError => 1.0 - exp_any(v),
        Space::Log1p => exp_any(v) - 1.0,
    }
}

/// Whether a space can look at this value of y.
pub fn admits(space: Space, y: f64) -> Result<(), &'static str> {
    match space {
        Space::Log if y <= 0.0 => Err("and its logarithm needs a positive value"),
        Space::Logit if y <= 0.0 || y >= 1.0 => Err("and a logit needs a value between 0 and 1"),
        Space::LogError if y >= 1.0 => Err("and ln(1 - y) needs a value below 1"),
        Space::Log1p if y <= -1.0 => Err("and ln(1 + y) needs a value above -1"),
        _ => Ok(()),
    }
}

/// Takes values of a law in the space `from` into the space `to`, and leaves in `slope` the derivatives. False if one has no place there.
pub fn carry(from: Space, to: Space, values: &mut [f64], slope: &mut [f64]) -> bool {
    match (from, to) {
        (from, to) if from == to => slope.fill(1.0),
        (Space::Linear, Space::Log) => {
            // Three plain loops: each is vectorised.
            let outside = values.iter().fold(0_u64, |any, v| any | u64::from(*v < f64::MIN_POSITIVE));
            for (v, s) in values.iter().zip(slope) {
                *s = 1.0 / *v;
            }
            for v in values.iter_mut() {
                *v = ln(*v);
            }
            return outside == 0;
        }
        (Space::Log, Space::Linear) => {
            for (v, s) in values.iter_mut().zip(slope) {
                *v = exp(*v);
                *s = *v;
            }
        }
        (from, to) => {
            for (v, s) in values.iter_mut().zip(slope) {
                let y = out_of(from, *v);
                if admits(to, y).is_err() {
                    return false;
                }
                *s = step_out(from, y) * step_in(to, y);
                *v = into(to, y);
            }
        }
    }
    values.iter().all(|value| value.is_finite())
}

/// dy/dv at y.
fn step_out(space: Space, y: f64) -> f64 {
    match space {
        Space::Linear => 1.0,
        Space::Log => y,
        Space::Logit => y * (1.0 - y),
        Space::LogError => y - 1.0,
        Space::Log1p => 1.0 + y,
    }
}

/// dv/dy at y.
fn step_in(space: Space, y: f64) -> f64 {
    match space {
        Space::Linear => 1.0,
        Space::Log => 1.0 / y,
        Space::Logit => 1.0 / (y * (1.0 - y)),
        Space::LogError => -1.0 / (1.0 - y),
        Space::Log1p => 1.0 / (1.0 + y),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Space; 5] = [Space::Linear, Space::Log, Space::Logit, Space::LogError, Space::Log1p];

    #[test]
    fn every_way_there_has_a_way_back_and_the_right_slope() {
        for from in ALL {
            assert!((out_of(from, into(from, 0.37)) - 0.37).abs() < 1e-15);
            for to in ALL {
                let at = |v: f64| {
                    let (mut values, mut slope) = ([v], [0.0]);
                    assert!(carry(from, to, &mut values, &mut slope), "{from:?} {to:?}");
                    (values[0], slope[0])
                };
                let v = into(from, 0.37);
                let (there, slope) = at(v);
                assert!((there - into(to, 0.37)).abs() < 1e-14, "{from:?} {to:?}");
                let h = 1e-6;
                let numeric = (at(v + h).0 - at(v - h).0) / (2.0 * h);
                assert!((slope - numeric).abs() < 1e-8 * slope.abs().max(1.0), "{from:?} {to:?}: {slope} {numeric}");
            }
        }
        assert!(!carry(Space::Linear, Space::Log, &mut [-1.0], &mut [0.0]));
        assert!(!carry(Space::Linear, Space::LogError, &mut [2.0], &mut [0.0]));
    }
}
