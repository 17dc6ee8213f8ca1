//! `ln y = d + a ln N + b ln D + c ln N ln D`: what one input buys depends on how much there is of the other.

use isoflop_kinds::fit::{Form, Space};

use super::{Block, Kind, Law, Tape, short, signed};
use crate::fit::{
    dense::least_squares,
    math::{dot, ln_any, sum},
};

/// The law about the means of both logarithms.
#[derive(Debug)]
pub struct Interaction {
    means: [f64; 2],
}

const KINDS: [Kind; 4] = [Kind::Free; 4];

impl Interaction {
    /// About these means of ln N and ln D.
    pub fn new(means: [f64; 2]) -> Self {
        Self { means }
    }
}

impl Law for Interaction {
    fn names(&self) -> &[&'static str] {
        Form::Interaction.parameters()
    }

    fn kinds(&self) -> &[Kind] {
        &KINDS
    }

    fn link(&self) -> Space {
        Space::Log
    }

    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape) {
        tape.fit(block.rows(), 0);
        for (value, (u, v)) in tape.value.iter_mut().zip(block.inputs[0].iter().zip(&block.inputs[1])) {
            *value = theta[0] + theta[1] * u + theta[2] * v + theta[3] * u * v;
        }
    }

    fn pull(&self, _theta: &[f64], block: &Block, _tape: &Tape, seed: &[f64], gradient: &mut [f64]) {
        let (u, v) = (&block.inputs[0], &block.inputs[1]);
        let both: Vec<f64> = u.iter().zip(v).map(|(u, v)| u * v).collect();
        gradient[0] = sum(seed);
        gradient[1] = dot(seed, u);
        gradient[2] = dot(seed, v);
        gradient[3] = dot(seed, &both);
    }

    fn report(&self, theta: &[f64]) -> Vec<f64> {
        let [m, k] = self.means;
        let c = theta[3];
        vec![theta[0] - theta[1] * m - theta[2] * k + c * m * k, theta[1] - c * k, theta[2] - c * m, c]
    }

    fn working(&self, reported: &[f64]) -> Vec<f64> {
        let [d, a, b, c] = reported else { return Vec::new() };
        let [m, k] = self.means;
        vec![d + a * m + b * k + c * m * k, a + c * k, b + c * m, *c]
    }

    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64 {
        let [d, a, b, c] = reported else { return f64::NAN };
        let (u, v) = (ln_any(inputs[0]), ln_any(inputs[1]));
        d + a * u + b * v + c * u * v
    }

    /// The least squares of ln y, and a plane through the same points without the last term.
    fn starts(&self, block: &Block, _space: Space) -> Vec<Vec<f64>> {
        let target: Vec<f64> = block.y.iter().map(|y| ln_any(y.max(1e-300))).collect();
        let (u, v) = (&block.inputs[0], &block.inputs[1]);
        let both: Vec<f64> = u.iter().zip(v).map(|(u, v)| u * v).collect();
        let ones = vec![1.0; u.len()];
        let full = least_squares(&[&ones, u, v, &both], &target);
        let plane = least_squares(&[&ones, u, v], &target).map(|mut plane| {
            plane.push(0.0);
            plane
        });
        full.into_iter().chain(plane).collect()
    }

    fn formula(&self, reported: &[f64], inputs: &[&str], y: &str) -> String {
        let [d, a, b, c] = reported else { return String::new() };
        let (n, m) = (inputs[0], inputs[1]);
        format!("ln {y} = {} {} · ln {n} {} · ln {m} {} · ln {n} ln {m}", short(*d), signed(*a), signed(*b), signed(*c))
    }
}
