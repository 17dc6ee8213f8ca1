//! A power law that bends once: `a + b x^-c0 (1 + (x / d)^(1 / f))^(-c1 f)` (Caballero et al. 2022).

use isoflop_kinds::fit::{Form, Space};

use super::{Axis, Block, Kind, Law, Tape, short, signed};
use crate::fit::{
    dense::positive_least_squares,
    math::{dot, exp, exp_any, ln_1p, ln_any, sum},
};

/// The law about the mean of ln x: the working parameters are ln a, ln of the power term's factor there, c0, c1, the bend's place and its width.
#[derive(Debug)]
pub struct Broken {
    kinds: [Kind; 6],
    axis: Axis,
    /// From the least to the largest coordinate.
    ends: (f64, f64),
}

/// How sharp and how slow a bend may be, in ln x.
const WIDTH: (f64, f64) = (0.02, 20.0);

/// `ln(1 + e^z)` and its derivative.
fn softplus(z: f64) -> (f64, f64) {
    if z > 0.0 {
        let e = exp(-z);
        (z + ln_1p(e), 1.0 / (1.0 + e))
    } else {
        let e = exp(z);
        (ln_1p(e), e / (1.0 + e))
    }
}

impl Broken {
    /// Over this axis; `least` is the least of its coordinates.
    pub fn new(axis: Axis, least: f64) -> Self {
        let ends = (least, least + axis.spread.max(1e-9));
        let place = Kind::Between(ends.0, ends.1);
        let width = Kind::Geometric(WIDTH.0, WIDTH.1);
        Self { kinds: [Kind::Positive, Kind::Positive, Kind::Free, Kind::Free, place, width], axis, ends }
    }

    fn bend(&self, theta: &[f64]) -> (f64, f64) {
        (self.kinds[4].value(theta[4]), self.kinds[5].value(theta[5]))
    }
}

impl Law for Broken {
    fn names(&self) -> &[&'static str] {
        Form::Broken.parameters()
    }

    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn link(&self) -> Space {
        Space::Linear
    }

    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape) {
        tape.fit(block.rows(), 4);
        let (place, f) = self.bend(theta);
        let a = self.kinds[0].value(theta[0]);
        for (row, u) in block.inputs[0].iter().enumerate() {
            let z = (u - place) / f;
            let (soft, share) = softplus(z);
            let power = exp(theta[1] - theta[2] * u - theta[3] * f * soft);
            tape.value[row] = a + power;
            tape.parts[0][row] = power;
            tape.parts[1][row] = power * f * soft;
            tape.parts[2][row] = power * share;
            tape.parts[3][row] = power * (soft - z * share);
        }
    }

    fn pull(&self, theta: &[f64], block: &Block, tape: &Tape, seed: &[f64], gradient: &mut [f64]) {
        gradient[0] = self.kinds[0].slope(theta[0]) * sum(seed);
        gradient[1] = dot(seed, &tape.parts[0]);
        let moved: Vec<f64> = tape.parts[0].iter().zip(&block.inputs[0]).map(|(p, u)| p * u).collect();
        gradient[2] = -dot(seed, &moved);
        gradient[3] = -dot(seed, &tape.parts[1]);
        // d/dplace of f soft(z) is -share; d/df of it is soft - z share.
        gradient[4] = theta[3] * self.kinds[4].slope(theta[4]) * dot(seed, &tape.parts[2]);
        gradient[5] = -theta[3] * self.kinds[5].slope(theta[5]) * dot(seed, &tape.parts[3]);
    }

    fn report(&self, theta: &[f64]) -> Vec<f64> {
        let (place, f) = self.bend(theta);
        let b = exp_any(theta[1] + theta[2] * self.axis.mean);
        vec![self.kinds[0].value(theta[0]), b, theta[2], theta[3], exp_any(place + self.axis.mean), f]
    }

    fn working(&self, reported: &[f64]) -> Vec<f64> {
        let [a, b, c0, c1, d, f] = reported else { return Vec::new() };
        vec![
            self.kinds[0].coordinate(*a),
            ln_any(b.max(1e-300)) - c0 * self.axis.mean,
            *c0,
            *c1,
            self.kinds[4].coordinate(ln_any(*d) - self.axis.mean),
            self.kinds[5].coordinate(*f),
        ]
    }

    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64 {
        let [a, b, c0, c1, d, f] = reported else { return f64::NAN };
        let ln = ln_any(inputs[0]);
        let (soft, _) = softplus((ln - ln_any(*d)) / f);
        a + b * exp_any(-c0 * ln - c1 * f * soft)
    }

    /// Five places of the bend, two widths, five slopes before and five changes, with the best a and b of each.
    fn starts(&self, block: &Block, _space: Space) -> Vec<Vec<f64>> {
        let u = &block.inputs[0];
        let spread = self.ends.1 - self.ends.0;
        let size = block.y.iter().map(|y| y.abs()).sum::<f64>() / block.rows() as f64;
        let mut starts = Vec::new();
        for place in [0.15, 0.35, 0.5, 0.65, 0.85] {
            let place = self.ends.0 + place * spread;
            for f in [0.05 * spread, 0.2 * spread].map(|f| f.clamp(2.0 * WIDTH.0, 0.5 * WIDTH.1)) {
                for c0 in [-0.1, 0.0, 0.1, 0.3, 0.8] {
                    for c1 in [-0.5, -0.1, 0.1, 0.3, 0.8] {
                        let power: Vec<f64> =
                            u.iter().map(|u| exp(-c0 * u - c1 * f * softplus((u - place) / f).0)).collect();
                        let ones = vec![1.0; u.len()];
                        let Some(best) = positive_least_squares(&[ones, power], &block.y, &[true, true]) else {
                            continue;
                        };
                        let log = |value: f64| ln_any(value.max(1e-3 * size));
                        let (place, f) = (self.kinds[4].coordinate(place), self.kinds[5].coordinate(f));
                        starts.push(vec![log(best[0]), log(best[1]), c0, c1, place, f]);
                    }
                }
            }
        }
        starts
    }

    fn formula(&self, reported: &[f64], inputs: &[&str], y: &str) -> String {
        let [a, b, c0, c1, d, f] = reported else { return String::new() };
        let x = inputs[0];
        format!(
            "{y} = {} {} · {x}^{} · (1 + ({x} / {})^{})^{}",
            short(*a),
            signed(*b),
            short(-c0),
            short(*d),
            short(1.0 / f),
            short(-c1 * f)
        )
    }
}
