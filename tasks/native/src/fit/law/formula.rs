//! Laws that are formulas: of a person's own, and built-in ones that are easiest written as one. Solved in their own parameters, over inputs as they
//! are measured, with derivatives by forward duals.
//!
//! A formula that is a built-in law but for its names is fitted as that law, in its better coordinates: see [`Own::twin`].

use std::collections::BTreeMap;

use isoflop_kinds::fit::{FitScaling, Form, MOST, Op, Parameter, Space, read};

use super::{
    Block, Kind, Law, Tape,
    dual::{Dual, Number, run},
    name, short,
};
use crate::fit::{
    dense::least_squares,
    math::{dot, exp_any},
};

/// A formula, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Own {
    /// The form it stands under.
    pub form: Form,
    /// The parameters.
    pub names: Vec<&'static str>,
    /// What each may be.
    pub kinds: Vec<Kind>,
    /// What it does, in order.
    pub ops: Vec<Op>,
    /// How it is written.
    pub text: String,
    /// Where searches start, by parameter; empty for its range.
    pub starts: Vec<Vec<f64>>,
    /// The built-in law that it is, up to names.
    pub twin: Option<Form>,
}

/// Built-in laws that are recognised, as one may write them.
const TWINS: [(Form, &str); 5] = [
    (Form::Power, "c * x^p"),
    (Form::LogLinear, "a + b * ln(x)"),
    (Form::Chinchilla, "E + A / N^alpha + B / D^beta"),
    (Form::Chinchilla, "E + A * N^-alpha + B * D^-beta"),
    (Form::Chinchilla, "E + A * N^(-alpha) + B * D^(-beta)"),
];

impl Own {
    /// The formula of a spec that has one.
    pub fn of(spec: &FitScaling) -> Option<Self> {
        let Some(formula) = &spec.formula else { return Self::built_in(spec.form, &spec.fixed) };
        let ops = formula.read(&spec.input_names()).ok()?;
        let kind = |(name, parameter): (&String, &Parameter)| match spec.fixed.get(name) {
            Some(value) => Kind::Fixed(*value),
            None => kind(parameter),
        };
        let own = Self {
            form: Form::Formula,
            names: formula.parameters.keys().map(|text| name(text)).collect(),
            kinds: formula.parameters.iter().map(kind).collect(),
            ops,
            text: formula.law.clone(),
            starts: formula.parameters.values().map(|parameter| parameter.start.clone()).collect(),
            twin: None,
        };
        Some(own.recognised())
    }

    /// A built-in law that is written as a formula.
    pub fn built_in(form: Form, fixed: &BTreeMap<String, f64>) -> Option<Self> {
        let (text, kinds, starts): (String, Vec<Kind>, Vec<Vec<f64>>) = match form {
            Form::Exponential => {
                let kinds = vec![Kind::Free, Kind::Free, Kind::Positive];
                ("hi - k * exp(-gamma * x)".to_owned(), kinds, vec![Vec::new(); 3])
            }
            Form::RepeatedData => {
                let g = "(alpha * A / (beta * B))^(1 / (alpha + beta))";
                let u = "min(D, U)";
                let n = format!("min(N, {g} * ({g} * {u})^(beta / alpha))");
                let seen = |of: &str, unique: &str, scale: &str| {
                    format!("({unique} * (1 + {scale} * (1 - exp(-({of} / {unique} - 1) / {scale}))))")
                };
                let text = format!("E + A / {}^alpha + B / {}^beta", seen("N", &n, "rn"), seen("D", u, "rd"));
                let starts = vec![
                    vec![0.5, 1.5, 1.9],
                    vec![50.0, 400.0, 2e3],
                    vec![50.0, 400.0, 2e3],
                    vec![0.25, 0.35, 0.5],
                    vec![0.25, 0.35, 0.5],
                    vec![1.0, 5.0, 15.0, 60.0, 300.0],
                    vec![1.0, 5.0, 15.0, 60.0, 300.0],
                ];
                (text, vec![Kind::Positive; 7], starts)
            }
            _ => return None,
        };
        let names = form.parameters();
        let ops = read(&text, names, form.inputs()).ok()?;
        let kinds = names.iter().zip(kinds).map(|(name, kind)| fixed.get(*name).map_or(kind, |v| Kind::Fixed(*v)));
        Some(Self { form, names: names.to_vec(), kinds: kinds.collect(), ops, text, starts, twin: None })
    }

    /// With its twin, if it is a built-in law up to names: parameters then stand in that law's order.
    fn recognised(mut self) -> Self {
        for (form, text) in TWINS {
            let Ok(ops) = read(text, form.parameters(), form.inputs()) else { continue };
            let Some(order) = self.as_is(&ops, form.parameters().len()) else { continue };
            let kinds: Vec<Kind> = order.iter().map(|i| self.kinds[*i]).collect();
            let usual = |i: usize| if wants_positive(form, i) { Kind::Positive } else { Kind::Free };
            if kinds.iter().enumerate().all(|(i, kind)| *kind == usual(i)) && self.starts.iter().all(Vec::is_empty) {
                self.names = order.iter().map(|i| self.names[*i]).collect();
                self.kinds = kinds;
                self.ops = ops;
                self.twin = Some(form);
                return self;
            }
        }
        self
    }

    /// The own parameter in the place of each of `ops`'s, if the operations are the same.
    fn as_is(&self, ops: &[Op], parameters: usize) -> Option<Vec<usize>> {
        if ops.len() != self.ops.len() || parameters != self.names.len() {
            return None;
        }
        let mut order = vec![None; parameters];
        for (there, here) in ops.iter().zip(&self.ops) {
            match (there, here) {
                (Op::Parameter(i), Op::Parameter(j)) if order[*i].is_none_or(|known| known == *j) => {
                    order[*i] = Some(*j);
                }
                (there, here) if there == here && !matches!(there, Op::Parameter(_)) => {}
                _ => return None,
            }
        }
        let order: Option<Vec<usize>> = order.into_iter().collect();
        order.filter(|order| (0..parameters).all(|j| order.contains(&j)))
    }
}

/// Whether a parameter of a twin is positive in it.
fn wants_positive(form: Form, index: usize) -> bool {
    match form {
        Form::Power => index == 0,
        Form::Chinchilla => index < 3,
        _ => false,
    }
}

fn kind(parameter: &Parameter) -> Kind {
    match (parameter.min, parameter.max) {
        (Some(low), Some(high)) if low > 0.0 && high / low > 100.0 => Kind::Geometric(low, high),
        (Some(low), Some(high)) => Kind::Between(low, high),
        (Some(_), None) => Kind::Positive,
        _ => Kind::Free,
    }
}

/// A formula as a law.
#[derive(Debug)]
pub struct Plain {
    own: Own,
}

/// How many starts a formula has without others.
const STARTS: u32 = 128;
const PRIMES: [u32; MOST] = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37];

/// The `k`th number of Halton's sequence to this base, between 0 and 1.
fn halton(mut k: u32, base: u32) -> f64 {
    let (mut value, mut digit) = (0.0, 1.0);
    while k > 0 {
        digit /= f64::from(base);
        value += digit * f64::from(k % base);
        k /= base;
    }
    value
}

impl Plain {
    /// The law of a formula.
    pub fn new(own: Own) -> Self {
        Self { own }
    }

    fn parameters(&self, theta: &[f64]) -> Vec<Dual> {
        let dual = |(i, (kind, theta)): (usize, (&Kind, &f64))| {
            let mut dual = Dual::of(kind.value(*theta));
            dual.slope[i] = kind.slope(*theta);
            dual
        };
        self.own.kinds.iter().zip(theta).enumerate().map(dual).collect()
    }

    /// Exponential approaches are linear but for their rate.
    fn rates(block: &Block) -> Vec<Vec<f64>> {
        let x = &block.inputs[0];
        let (least, most) = x.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), x| (l.min(*x), m.max(*x)));
        let spread = (most - least).max(1e-300);
        let at = |rate: f64| {
            let gamma = rate / spread;
            let fall: Vec<f64> = x.iter().map(|x| -exp_any(-gamma * x)).collect();
            let found = least_squares(&[&vec![1.0; x.len()], &fall], &block.y)?;
            Some(vec![found[0], found[1], gamma])
        };
        (0..12).filter_map(|k| at(0.05 * libm::pow(1.8, f64::from(k)))).collect()
    }
}

impl Law for Plain {
    fn names(&self) -> &[&'static str] {
        &self.own.names
    }

    fn kinds(&self) -> &[Kind] {
        &self.own.kinds
    }

    fn link(&self) -> Space {
        Space::Linear
    }

    fn values(&self, theta: &[f64], block: &Block, tape: &mut Tape) {
        tape.fit(block.rows(), theta.len());
        let parameters = self.parameters(theta);
        let (mut stack, mut inputs) = (Vec::with_capacity(16), vec![0.0; block.inputs.len()]);
        for row in 0..block.rows() {
            for (input, column) in inputs.iter_mut().zip(&block.inputs) {
                *input = column[row];
            }
            let made = run(&self.own.ops, &inputs, &parameters, &mut stack);
            tape.value[row] = made.value;
            for (part, slope) in tape.parts.iter_mut().zip(&made.slope) {
                part[row] = *slope;
            }
        }
    }

    fn pull(&self, _theta: &[f64], _block: &Block, tape: &Tape, seed: &[f64], gradient: &mut [f64]) {
        for (g, part) in gradient.iter_mut().zip(&tape.parts) {
            *g = dot(seed, part);
        }
    }

    fn columns(&self, _theta: &[f64], _block: &Block, tape: &Tape) -> Vec<Vec<f64>> {
        tape.parts.clone()
    }

    fn report(&self, theta: &[f64]) -> Vec<f64> {
        self.own.kinds.iter().zip(theta).map(|(kind, theta)| kind.value(*theta)).collect()
    }

    fn working(&self, reported: &[f64]) -> Vec<f64> {
        self.own.kinds.iter().zip(reported).map(|(kind, value)| kind.coordinate(*value)).collect()
    }

    fn at(&self, reported: &[f64], inputs: &[f64]) -> f64 {
        run(&self.own.ops, inputs, reported, &mut Vec::with_capacity(16))
    }

    /// Spread evenly over the ranges of the parameters, in Halton's sequence; where there is no range, about 0 or 1 and about the size of y.
    fn starts(&self, block: &Block, _space: Space) -> Vec<Vec<f64>> {
        if self.own.form == Form::Exponential {
            return Self::rates(block).iter().map(|start| self.working(start)).collect();
        }
        let size = (block.y.iter().map(|y| y.abs()).sum::<f64>() / block.rows() as f64).max(1e-300);
        let one = |k: u32| {
            let value = |i: usize| {
                let u = halton(k + 1, PRIMES[i]);
                let unit = if k.is_multiple_of(2) { 1.0 } else { size };
                if let Some(list) = self.own.starts.get(i).filter(|list| !list.is_empty()) {
                    return list[((u * list.len() as f64) as usize).min(list.len() - 1)];
                }
                match self.own.kinds[i] {
                    Kind::Free => 2.0 * (2.0 * u - 1.0) * unit,
                    Kind::Positive => unit * libm::pow(10.0, 6.0 * u - 3.0),
                    Kind::Between(low, high) => low + u * (high - low),
                    Kind::Geometric(low, high) => low * libm::pow(high / low, u),
                    Kind::Fixed(value) => value,
                }
            };
            self.working(&(0..self.own.names.len()).map(value).collect::<Vec<f64>>())
        };
        (0..STARTS).map(one).collect()
    }

    fn formula(&self, reported: &[f64], _inputs: &[&str], y: &str) -> String {
        let text = if self.own.form == Form::RepeatedData { "E + A / N'^alpha + B / D'^beta" } else { &self.own.text };
        let named = self.own.names.iter().zip(reported).map(|(name, value)| format!("{name} = {}", short(*value)));
        format!("{y} = {text} with {}", named.collect::<Vec<_>>().join(", "))
    }
}
