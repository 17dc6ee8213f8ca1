//! A built-in law under other names: what a formula is that is one but for its names.

use isoflop_kinds::fit::Space;

use super::{Block, Kind, Law, Tape};

/// A built-in law under other names.
#[derive(Debug)]
pub struct Renamed {
    law: Box<dyn Law>,
    names: Vec<&'static str>,
}

impl Renamed {
    /// `law` with these names in the order of its parameters.
    pub fn new(law: Box<dyn Law>, names: Vec<&'static str>) -> Self {
        Self { law, names }
    }
}

impl Law for Renamed {
    fn names(&self) -> &[&'static str] {
        &self.names
    }

    fn kinds(&self) -> &[Kind] {
        self.law.kinds()
    }

    fn link(&self) -> Space {
        self.law.link()
    }

    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape) {
        self.law.values(theta, block, tape);
    }

    fn pull(&self, theta: &[f64], block: &Block, tape: &Tape, seed: &[f64], gradient: &mut [f64]) {
        self.law.pull(theta, block, tape, seed, gradient);
    }

    fn columns(&self, theta: &[f64], block: &Block, tape: &Tape) -> Vec<Vec<f64>> {
        self.law.columns(theta, block, tape)
    }

    fn report(&self, theta: &[f64]) -> Vec<f64> {
        self.law.report(theta)
    }

    fn working(&self, reported: &[f64]) -> Vec<f64> {
        self.law.working(reported)
    }

    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64 {
        self.law.at(reported, inputs)
    }

    fn starts(&self, block: &Block, space: Space) -> Vec<Vec<f64>> {
        self.law.starts(block, space)
    }

    fn formula(&self, reported: &[f64], inputs: &[&str], y: &str) -> String {
        self.law.formula(reported, inputs, y)
    }

    fn separable(&self) -> Option<&super::Sum> {
        self.law.separable()
    }
}
