//! Laws that are a sum of power terms: `constant + Σ sign · c · Π x^(factor · exponent)`.
//!
//! For given exponents the coefficients are a linear problem with non-negative unknowns, which makes starting values, and for squares of y
//! the whole fit, a search in the exponents alone (variable projection, Golub and Pereyra 1973).

use isoflop_kinds::fit::{Form, Space};

use super::{Block, Derived, Kind, Law, Tape, short, signed};
use crate::fit::{
    dense::positive_least_squares,
    math::{exp, exp_any, ln_any, sum},
    surface,
};

/// One power term.
#[derive(Debug)]
pub struct Term {
    /// The parameter that is its coefficient.
    pub coefficient: usize,
    /// The sign it has in this fit.
    pub sign: f64,
    /// The sign that the formula writes before a positive coefficient.
    pub shown: f64,
    /// Its exponents: parameter, input, and what the parameter is multiplied with.
    pub exponents: Vec<(usize, usize, f64)>,
    /// Known numbers raised to parameters: parameter, number, and what the parameter is multiplied with.
    pub factors: Vec<(usize, f64, f64)>,
}

/// A sum of power terms.
#[derive(Debug)]
pub struct Sum {
    /// The form.
    pub form: Form,
    /// What each parameter may be; coefficients and the constant are [`Kind::Positive`] up to their sign.
    pub kinds: Vec<Kind>,
    /// The parameter that is the constant.
    pub constant: usize,
    /// The terms.
    pub terms: Vec<Term>,
    /// Means of the inputs' logarithms.
    pub means: Vec<f64>,
    /// Exponents to start from, by parameter.
    pub grid: Vec<(usize, Vec<f64>)>,
}

/// Shares of the least y that the constant starts from, besides its best.
const SHARES: [f64; 2] = [0.5, 0.9];

impl Sum {
    /// The logarithm of a term's coefficient at inputs of 1, from that at the means.
    fn shift(&self, term: &Term, exponent: impl Fn(usize) -> f64) -> f64 {
        let powers = term.exponents.iter().map(|(p, input, factor)| factor * exponent(*p) * self.means[*input]);
        let known = term.factors.iter().map(|(p, number, factor)| factor * exponent(*p) * ln_any(*number));
        powers.sum::<f64>() + known.sum::<f64>()
    }

    /// The columns whose combination the law is at these exponents: the constant's and each term's, signs included.
    pub fn basis(&self, exponents: &dyn Fn(usize) -> f64, block: &Block) -> Vec<Vec<f64>> {
        let mut columns = vec![vec![1.0; block.rows()]];
        for term in &self.terms {
            let power = |row: usize| {
                let z: f64 =
                    term.exponents.iter().map(|(p, input, f)| f * exponents(*p) * block.inputs[*input][row]).sum();
                term.sign * exp(z)
            };
            columns.push((0..block.rows()).map(power).collect());
        }
        columns
    }

    /// Working parameters from exponents (by parameter) and non-negative coefficients in the order of [`basis`](Self::basis).
    pub fn assemble(&self, exponents: &dyn Fn(usize) -> f64, coefficients: &[f64], floor: f64) -> Vec<f64> {
        let mut theta: Vec<f64> = (0..self.kinds.len()).map(|i| self.kinds[i].coordinate(exponents(i))).collect();
        theta[self.constant] = ln_any(coefficients[0].max(floor));
        for (term, value) in self.terms.iter().zip(&coefficients[1..]) {
            theta[term.coefficient] = ln_any(value.max(floor));
        }
        theta
    }

    /// The parameters that are exponents.
    pub fn nonlinear(&self) -> Vec<usize> {
        self.grid.iter().map(|(parameter, _)| *parameter).collect()
    }

    /// Every combination of the grid's exponents, by parameter.
    pub fn combinations(&self) -> Vec<Vec<f64>> {
        let mut all = vec![vec![0.0; self.kinds.len()]];
        for (parameter, values) in &self.grid {
            let extend = |one: &Vec<f64>| {
                values
                    .iter()
                    .map(|value| {
                        let mut one = one.clone();
                        one[*parameter] = *value;
                        one
                    })
                    .collect::<Vec<_>>()
            };
            all = all.iter().flat_map(extend).collect();
        }
        all
    }
}

/// `Σ a b c`, in four interleaved partial sums.
fn dot3(a: &[f64], b: &[f64], c: &[f64]) -> (f64, f64) {
    let n = a.len() - a.len() % 4;
    let (mut plain, mut moment) = ([0.0; 4], [0.0; 4]);
    for ((a, b), c) in a[..n].chunks_exact(4).zip(b[..n].chunks_exact(4)).zip(c[..n].chunks_exact(4)) {
        for i in 0..4 {
            let q = a[i] * b[i];
            plain[i] += q;
            moment[i] += q * c[i];
        }
    }
    let (mut p, mut m) =
        ((plain[0] + plain[2]) + (plain[1] + plain[3]), (moment[0] + moment[2]) + (moment[1] + moment[3]));
    for i in n..a.len() {
        p += a[i] * b[i];
        m += a[i] * b[i] * c[i];
    }
    (p, m)
}

impl Law for Sum {
    fn names(&self) -> &[&'static str] {
        self.form.parameters()
    }

    fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    fn link(&self) -> Space {
        Space::Linear
    }

    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape) {
        let rows = block.rows();
        tape.fit(rows, self.terms.len());
        tape.value.fill(self.kinds[self.constant].value(theta[self.constant]));
        for (term, part) in self.terms.iter().zip(&mut tape.parts) {
            let offset = theta[term.coefficient];
            if let [(parameter, input, factor)] = term.exponents.as_slice() {
                let slope = factor * self.kinds[*parameter].value(theta[*parameter]);
                for (part, u) in part.iter_mut().zip(&block.inputs[*input]) {
                    *part = offset + slope * u;
                }
            } else {
                part.fill(offset);
                for (parameter, input, factor) in &term.exponents {
                    let slope = factor * self.kinds[*parameter].value(theta[*parameter]);
                    for (part, u) in part.iter_mut().zip(&block.inputs[*input]) {
                        *part += slope * u;
                    }
                }
            }
            for (part, value) in part.iter_mut().zip(&mut tape.value) {
                *part = term.sign * exp(*part);
                *value += *part;
            }
        }
    }

    fn pull(&self, theta: &[f64], block: &Block, tape: &Tape, seed: &[f64], gradient: &mut [f64]) {
        gradient.fill(0.0);
        gradient[self.constant] = self.kinds[self.constant].slope(theta[self.constant]) * sum(seed);
        for (term, part) in self.terms.iter().zip(&tape.parts) {
            for (at, (parameter, input, factor)) in term.exponents.iter().enumerate() {
                let (plain, moment) = dot3(seed, part, &block.inputs[*input]);
                if at == 0 {
                    gradient[term.coefficient] += plain;
                }
                gradient[*parameter] += factor * self.kinds[*parameter].slope(theta[*parameter]) * moment;
            }
        }
    }

    fn columns(&self, theta: &[f64], block: &Block, tape: &Tape) -> Vec<Vec<f64>> {
        let rows = block.rows();
        let mut columns = vec![vec![0.0; rows]; theta.len()];
        columns[self.constant].fill(self.kinds[self.constant].slope(theta[self.constant]));
        for (term, part) in self.terms.iter().zip(&tape.parts) {
            columns[term.coefficient].copy_from_slice(part);
            for (parameter, input, factor) in &term.exponents {
                let scale = factor * self.kinds[*parameter].slope(theta[*parameter]);
                for ((value, part), u) in columns[*parameter].iter_mut().zip(part).zip(&block.inputs[*input]) {
                    *value += scale * part * u;
                }
            }
        }
        columns
    }

    fn report(&self, theta: &[f64]) -> Vec<f64> {
        let mut reported: Vec<f64> = self.kinds.iter().zip(theta).map(|(kind, theta)| kind.value(*theta)).collect();
        for term in &self.terms {
            let shift = self.shift(term, |parameter| self.kinds[parameter].value(theta[parameter]));
            let size = if reported[term.coefficient] == 0.0 { 0.0 } else { exp_any(theta[term.coefficient] - shift) };
            reported[term.coefficient] = term.sign * term.shown * size;
        }
        reported
    }

    fn working(&self, reported: &[f64]) -> Vec<f64> {
        let mut theta: Vec<f64> =
            self.kinds.iter().zip(reported).map(|(kind, value)| kind.coordinate(*value)).collect();
        for term in &self.terms {
            let size = term.sign * term.shown * reported[term.coefficient];
            theta[term.coefficient] = ln_any(size.max(1e-300)) + self.shift(term, |parameter| reported[parameter]);
        }
        theta
    }

    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64 {
        let term = |term: &Term| {
            let powers = term.exponents.iter().map(|(p, input, f)| f * reported[*p] * ln_any(inputs[*input]));
            let known = term.factors.iter().map(|(p, number, f)| f * reported[*p] * ln_any(*number));
            let power = powers.sum::<f64>() + known.sum::<f64>();
            term.shown * reported[term.coefficient] * exp_any(power)
        };
        reported[self.constant] + self.terms.iter().map(term).sum::<f64>()
    }

    /// At every combination of exponents: the best coefficients, in relative terms where the objective is relative; and, on a surface, the
    /// constant at half and at nine tenths of the least y.
    fn starts(&self, block: &Block, space: Space) -> Vec<Vec<f64>> {
        let relative = space != Space::Linear && block.y.iter().all(|y| *y > 0.0);
        let scale: Vec<f64> = block
            .weight
            .iter()
            .zip(&block.y)
            .map(|(w, y)| libm::sqrt(*w) * if relative { 1.0 / y } else { 1.0 })
            .collect();
        let target: Vec<f64> = block.y.iter().zip(&scale).map(|(y, s)| y * s).collect();
        let size = block.y.iter().map(|y| y.abs()).sum::<f64>() / block.rows() as f64;
        let least = block.y.iter().copied().fold(f64::INFINITY, f64::min);
        let mut starts = Vec::new();
        for one in self.combinations() {
            let exponents = |parameter: usize| one[parameter];
            let columns: Vec<Vec<f64>> = self
                .basis(&exponents, block)
                .into_iter()
                .map(|column| column.iter().zip(&scale).map(|(v, s)| v * s).collect())
                .collect();
            let floor = 1e-3 * size;
            let positive = vec![true; columns.len()];
            if let Some(best) = positive_least_squares(&columns, &target, &positive) {
                starts.push(self.assemble(&exponents, &best, floor));
            }
            if self.terms.len() > 1 && least > 0.0 {
                for share in SHARES {
                    let rest: Vec<f64> = target.iter().zip(&scale).map(|(t, s)| t - share * least * s).collect();
                    if let Some(best) = positive_least_squares(&columns[1..], &rest, &positive[1..]) {
                        let all: Vec<f64> = std::iter::once(share * least).chain(best).collect();
                        starts.push(self.assemble(&exponents, &all, floor));
                    }
                }
            }
        }
        starts
    }

    fn formula(&self, reported: &[f64], inputs: &[&str], y: &str) -> String {
        if let (Form::OverTraining, [e, a, b, eta]) = (self.form, reported) {
            let (e, a, eta) = (short(*e), short(*a), short(*eta));
            return format!("{y} = {e} + ({a} · M^{eta} {} · M^-{eta}) · C^-{eta}", signed(*b));
        }
        let mut text = format!("{y} = {}", short(reported[self.constant]));
        for term in &self.terms {
            text.extend([" ".to_owned(), signed(term.shown * reported[term.coefficient])]);
            for (parameter, input, factor) in &term.exponents {
                text.extend([format!(" · {}^{}", inputs[*input], short(factor * reported[*parameter]))]);
            }
        }
        text
    }

    fn best(&self, reported: &[f64], c: f64) -> Option<(f64, f64)> {
        match (self.form, reported) {
            (Form::Chinchilla, [_, a, b, alpha, beta]) => Some(surface::best([*a, *b, *alpha, *beta], c)),
            (Form::OverTraining, [_, a, b, eta]) => {
                // A common factor of both terms moves no optimum.
                Some(surface::best([*a, *b, 2.0 * eta, 2.0 * eta], c))
            }
            _ => None,
        }
    }

    fn derived(&self, reported: &[f64]) -> Vec<Derived> {
        if let (Form::OverTraining, [_, a, b, eta]) = (self.form, reported) {
            let value = exp_any(ln_any(b / a) / (2.0 * eta));
            return vec![Derived { name: "M", value, about: "M* = D* / N* = (b / a)^(1 / (2 eta))" }];
        }
        if self.form != Form::Chinchilla {
            return Vec::new();
        }
        let [_, a, b, alpha, beta] = reported else { return Vec::new() };
        let all = alpha + beta;
        let ratio = alpha * a / (beta * b);
        vec![
            Derived { name: "a", value: beta / all, about: "N* = G (C/6)^a" },
            Derived { name: "b", value: alpha / all, about: "D* = (C/6)^b / G" },
            Derived {
                name: "G",
                value: exp_any(ln_any(ratio) / all),
                about: "G = (alpha A / (beta B))^(1 / (alpha + beta))",
            },
        ]
    }

    fn separable(&self) -> Option<&Sum> {
        Some(self)
    }
}
