//! A law: a form bound to the place of its data.
//!
//! A solver moves in *working* coordinates, where logarithms are centred at the data's means, scale factors stand by their logarithm and
//! bounded parameters by their logit: there a fit is well conditioned, and no step leaves the law's domain. What is *reported* are the
//! parameters a paper prints. Values come in the law's own space ([`Law::link`]), in which it is simplest.
//!
//! To add a form: its facts in `isoflop_kinds::fit::Form`, a line in [`build`](build::build); a new sort of law implements [`Law`].

mod broken;
mod build;
mod dual;
mod formula;
mod interaction;
mod kind;
mod line;
mod renamed;
mod sigmoid;
mod sum;

use std::{collections::BTreeSet, fmt::Debug, sync::Mutex};

use isoflop_kinds::fit::Space;

pub use self::{
    build::{Axis, Shape, build},
    formula::Own,
    kind::{Kind, ON_BOUND},
};

/// Rows as a solver sees them.
#[derive(Debug, Clone)]
pub struct Block {
    /// One column an input, in the law's coordinates.
    pub inputs: Vec<Vec<f64>>,
    /// y in the objective's space.
    pub target: Vec<f64>,
    /// How much each row counts.
    pub weight: Vec<f64>,
    /// y itself.
    pub y: Vec<f64>,
}

impl Block {
    /// How many rows.
    pub fn rows(&self) -> usize {
        self.target.len()
    }

    /// The rows that `counts` draws, each counted as often as it was drawn.
    #[must_use]
    pub fn drawn(&self, counts: &[u32]) -> Self {
        let kept: Vec<usize> = (0..self.rows()).filter(|row| counts[*row] > 0).collect();
        let take = |column: &[f64]| kept.iter().map(|row| column[*row]).collect::<Vec<f64>>();
        Self {
            inputs: self.inputs.iter().map(|column| take(column)).collect(),
            target: take(&self.target),
            weight: kept.iter().map(|row| self.weight[*row] * f64::from(counts[*row])).collect(),
            y: take(&self.y),
        }
    }
}

/// What one evaluation leaves for its derivatives.
#[derive(Debug, Clone, Default)]
pub struct Tape {
    /// The law on each row, in its own space.
    pub value: Vec<f64>,
    /// Parts of it, as the law likes.
    pub parts: Vec<Vec<f64>>,
}

impl Tape {
    /// A tape of this many rows and parts; what it holds is the law's to overwrite.
    pub fn fit(&mut self, rows: usize, parts: usize) {
        self.value.resize(rows, 0.0);
        self.parts.resize_with(parts, Vec::new);
        for part in &mut self.parts {
            part.resize(rows, 0.0);
        }
    }
}

/// Something else worth knowing that follows from the parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Derived {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// What it is.
    pub about: &'static str,
}

/// A form bound to the place of its data.
pub trait Law: Debug + Send + Sync {
    /// The parameters, in the order of every slice below.
    fn names(&self) -> &[&'static str];

    /// What each may be.
    fn kinds(&self) -> &[Kind];

    /// The space of [`values`](Self::values).
    fn link(&self) -> Space;

    /// The law on every row at working parameters.
    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape);

    /// The derivative, in working parameters, of the sum of `seed` times the values on the tape.
    fn pull(&self, theta: &[f64], block: &Block, tape: &Tape, seed: &[f64], gradient: &mut [f64]);

    /// The derivatives of the values on the tape, a column a parameter.
    fn columns(&self, theta: &[f64], block: &Block, tape: &Tape) -> Vec<Vec<f64>> {
        let mut columns = vec![vec![0.0; block.rows()]; theta.len()];
        let (mut seed, mut gradient) = (vec![0.0; block.rows()], vec![0.0; theta.len()]);
        for row in 0..block.rows() {
            seed[row] = 1.0;
            self.pull(theta, block, tape, &seed, &mut gradient);
            seed[row] = 0.0;
            for (column, value) in columns.iter_mut().zip(&gradient) {
                column[row] = *value;
            }
        }
        columns
    }

    /// Reported parameters.
    fn report(&self, theta: &[f64]) -> Vec<f64>;

    /// Working parameters.
    fn working(&self, reported: &[f64]) -> Vec<f64>;

    /// The law at inputs as they are measured, in its own space, from reported parameters: what a reader of the record works out.
    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64;

    /// Where a search starts, from the data alone.
    fn starts(&self, block: &Block, space: Space) -> Vec<Vec<f64>>;

    /// The law in a line, its numbers rounded for people.
    fn formula(&self, reported: &[f64], inputs: &[&str], y: &str) -> String;

    /// The size and the data that make the most of compute `c`, of a law by which some division is best.
    fn best(&self, _reported: &[f64], _c: f64) -> Option<(f64, f64)> {
        None
    }

    /// What follows from the parameters.
    fn derived(&self, _reported: &[f64]) -> Vec<Derived> {
        Vec::new()
    }

    /// The sum it is, if it is one: then squares of y can be minimised by variable projection.
    fn separable(&self) -> Option<&sum::Sum> {
        None
    }
}

pub use self::sum::Sum;

/// A name that lasts as long as the process: names in specs become keys of records, as the names of built-in parameters are.
pub fn name(text: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = names.get(text) {
        return known;
    }
    let kept: &'static str = Box::leak(text.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}

/// Four significant digits.
pub fn short(value: f64) -> String {
    let plain = if (1e-3..1e4).contains(&value.abs()) || value == 0.0 {
        let rounded: f64 = format!("{value:.3e}").parse().expect("a number reads back");
        format!("{rounded}")
    } else {
        format!("{value:.3e}")
    };
    plain.replace("-0e0", "0")
}

/// A term behind others: `+ 1.5`, `- 1.5`.
fn signed(value: f64) -> String {
    format!("{} {}", if value < 0.0 { "-" } else { "+" }, short(value.abs()))
}
