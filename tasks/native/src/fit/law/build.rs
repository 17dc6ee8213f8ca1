//! From a form and the place of its data to a law.

use isoflop_kinds::fit::{Ends, Form};

use super::{
    Kind, Law,
    broken::Broken,
    formula::{Own, Plain},
    interaction::Interaction,
    line::Line,
    renamed::Renamed,
    sigmoid::Sigmoid,
    sum::{Sum, Term},
};
use crate::fit::math::{ln_any, moments};

/// One input's coordinate: what is measured, about its mean, in units of its scale.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// Whether the logarithm is measured.
    pub log: bool,
    /// The mean of what is measured.
    pub mean: f64,
    /// What one unit of the coordinate is; 1 for logarithms.
    pub scale: f64,
    /// The least coordinate.
    pub least: f64,
    /// From the least to the largest coordinate.
    pub spread: f64,
}

impl Axis {
    /// The axis of these values.
    pub fn of(values: &[f64], log: bool) -> Self {
        let measured: Vec<f64> = values.iter().map(|value| if log { ln_any(*value) } else { *value }).collect();
        let (mean, deviation) = moments(&measured);
        let scale = if log || deviation <= 0.0 { 1.0 } else { deviation };
        let (least, most) =
            measured.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), v| (l.min(*v), m.max(*v)));
        Self { log, mean, scale, least: (least - mean) / scale, spread: (most - least) / scale }
    }

    /// The values as they are.
    pub const fn plain() -> Self {
        Self { log: false, mean: 0.0, scale: 1.0, least: 0.0, spread: 1.0 }
    }

    /// What is measured of a value.
    pub fn measure(&self, value: f64) -> f64 {
        if self.log { ln_any(value) } else { value }
    }

    /// The coordinate of a value.
    pub fn coordinate(&self, value: f64) -> f64 {
        (self.measure(value) - self.mean) / self.scale
    }
}

/// What besides its form decides a law.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    /// The form.
    pub form: Form,
    /// One axis an input.
    pub axes: Vec<Axis>,
    /// Whether y rises along the first input: the sign of a power term with an offset.
    pub rises: bool,
    /// Declared ends of a sigmoid.
    pub ends: Ends,
    /// The formula, of a form that is one.
    pub own: Option<Own>,
}

/// How flat and how steep a power with an offset may be, its exponent times the data's range in ln x: from a curve that is straight in ln x to
/// one that drops within a fiftieth of the range.
const RANGE: (f64, f64) = (1e-3, 50.0);

/// The law.
pub fn build(shape: &Shape) -> Box<dyn Law> {
    let first = shape.axes[0];
    match shape.form {
        Form::Power | Form::LogLinear | Form::Logit | Form::ErrorPower => Box::new(Line::new(shape.form, first.mean)),
        Form::PowerOffset => Box::new(offset(shape, if shape.rises { -1.0 } else { 1.0 }, 1.0)),
        Form::FreeCeiling => Box::new(offset(shape, -1.0, -1.0)),
        Form::Sigmoid => Box::new(Sigmoid::new(shape.ends, first)),
        Form::Chinchilla => Box::new(chinchilla(shape)),
        Form::OverTraining => Box::new(over_training(shape)),
        Form::Broken => Box::new(Broken::new(first, first.least)),
        Form::Interaction => Box::new(Interaction::new([first.mean, shape.axes[1].mean])),
        Form::RepeatedData | Form::Exponential | Form::Formula => formula(shape),
    }
}

/// A formula; where it is a built-in law up to names, that law.
fn formula(shape: &Shape) -> Box<dyn Law> {
    let own = shape.own.clone().or_else(|| Own::built_in(shape.form, &std::collections::BTreeMap::new()));
    let own = own.expect("a spec with `form: formula` was checked to have one that can be read");
    match own.twin {
        Some(form) => {
            let twin = build(&Shape { form, own: None, ..shape.clone() });
            Box::new(Renamed::new(twin, own.names))
        }
        None => Box::new(Plain::new(own)),
    }
}

fn offset(shape: &Shape, sign: f64, shown: f64) -> Sum {
    let axis = shape.axes[0];
    let spread = axis.spread.max(1e-9);
    // c = size · exp(p · mean) must stay a number.
    let top = RANGE.1.min(600.0 * spread / axis.mean.abs().max(1e-9)).max(RANGE.0 * 4.0);
    let (flat, steep) = (RANGE.0 / spread, top / spread);
    let grid = (0..24).map(|k| flat * libm::pow(steep / flat, (f64::from(k) + 0.5) / 24.0)).collect();
    Sum {
        form: shape.form,
        kinds: vec![Kind::Positive, Kind::Positive, Kind::Geometric(flat, steep)],
        constant: 0,
        terms: vec![Term { coefficient: 1, sign, shown, exponents: vec![(2, 0, -1.0)], factors: Vec::new() }],
        means: vec![axis.mean],
        grid: vec![(2, grid)],
    }
}

fn chinchilla(shape: &Shape) -> Sum {
    let exponents = || [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0].to_vec();
    let term = |coefficient, parameter, input| Term {
        coefficient,
        sign: 1.0,
        shown: 1.0,
        exponents: vec![(parameter, input, -1.0)],
        factors: Vec::new(),
    };
    Sum {
        form: shape.form,
        kinds: vec![Kind::Positive, Kind::Positive, Kind::Positive, Kind::Free, Kind::Free],
        constant: 0,
        terms: vec![term(1, 3, 0), term(2, 4, 1)],
        means: shape.axes.iter().map(|axis| axis.mean).collect(),
        grid: vec![(3, exponents()), (4, exponents())],
    }
}

/// `a M^eta C^-eta = a 6^-eta N^(-2 eta)`, and the other term likewise in D: both exponents are one.
fn over_training(shape: &Shape) -> Sum {
    let term = |coefficient, input| Term {
        coefficient,
        sign: 1.0,
        shown: 1.0,
        exponents: vec![(3, input, -2.0)],
        factors: vec![(3, 6.0, -1.0)],
    };
    Sum {
        form: shape.form,
        kinds: vec![Kind::Positive, Kind::Positive, Kind::Positive, Kind::Free],
        constant: 0,
        terms: vec![term(1, 0), term(2, 1)],
        means: shape.axes.iter().map(|axis| axis.mean).collect(),
        grid: vec![(3, [0.02, 0.05, 0.08, 0.11, 0.14, 0.18, 0.23, 0.3, 0.4].to_vec())],
    }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::fit::Space;

    use super::*;
    use crate::fit::law::{Block, Tape};

    fn block(axes: &[Axis], raw: &[Vec<f64>], y: f64) -> Block {
        let inputs =
            axes.iter().zip(raw).map(|(axis, raw)| raw.iter().map(|x| axis.coordinate(*x)).collect()).collect();
        let n = raw[0].len();
        Block { inputs, target: vec![y; n], weight: vec![1.0; n], y: vec![y; n] }
    }

    /// Every law's gradient against central differences, its columns against its gradient, and its report against its values.
    #[test]
    fn derivatives_and_reports_agree_with_values() {
        let x: Vec<f64> = (0..11).map(|k| 3.0 * libm::pow(2.1, f64::from(k))).collect();
        let d: Vec<f64> = (0..11).map(|k| 1e3 * libm::pow(1.7, f64::from((k * 7) % 11))).collect();
        let parameters: [(Form, &[f64]); 13] = [
            (Form::Power, &[0.5, 0.1]),
            (Form::PowerOffset, &[0.1, 2.0, 0.4]),
            (Form::LogLinear, &[0.1, 0.02]),
            (Form::Logit, &[-1.0, 0.2]),
            (Form::ErrorPower, &[0.9, 0.1]),
            (Form::FreeCeiling, &[0.9, 0.8, 0.3]),
            (Form::Sigmoid, &[0.1, 0.8, -3.0, 0.9]),
            (Form::Chinchilla, &[1.7, 4.0, 30.0, 0.3, 0.4]),
            (Form::OverTraining, &[1.5, 3.0, 20.0, 0.12]),
            (Form::RepeatedData, &[1.7, 4.0, 30.0, 0.3, 0.4, 5.0, 3.0]),
            (Form::Broken, &[0.3, 2.0, 0.1, 0.4, 60.0, 0.5]),
            (Form::Interaction, &[1.0, -0.3, -0.2, 0.01]),
            (Form::Exponential, &[0.9, 2.0, 0.02]),
        ];
        for form in Form::all().filter(|form| *form != Form::Formula) {
            let reported = parameters.iter().find(|(other, _)| *other == form).expect("every form is tried").1;
            // Half of the tokens are repeated from 500 unique ones on.
            let unique: Vec<f64> = d.iter().map(|d| d.min(3e4)).collect();
            let raw =
                [&x, &d, &unique][..form.inputs().len()].iter().map(|column| (*column).clone()).collect::<Vec<_>>();
            let axis = |x: &Vec<f64>| if form.is_plain() { Axis::plain() } else { Axis::of(x, true) };
            let axes: Vec<Axis> = raw.iter().map(axis).collect();
            let law = build(&Shape { form, axes: axes.clone(), rises: false, ends: Ends::default(), own: None });
            assert_eq!((law.names().len(), law.kinds().len()), (reported.len(), reported.len()));
            let block = block(&axes, &raw, 0.5);
            let theta = law.working(reported);
            let back = law.report(&theta);
            assert!(back.iter().zip(reported).all(|(a, b)| (a / b - 1.0).abs() < 1e-12), "{form}: {back:?}");
            let values = |theta: &[f64]| {
                let mut tape = Tape::default();
                law.values(theta, &block, &mut tape);
                tape
            };
            let tape = values(&theta);
            for row in 0..block.rows() {
                let inputs: Vec<f64> = raw.iter().map(|x| x[row]).collect();
                let at = law.at(reported, &inputs);
                assert!((at - tape.value[row]).abs() < 1e-12 * at.abs().max(1.0), "{form}: {at} {}", tape.value[row]);
            }
            let seed: Vec<f64> = (0..block.rows()).map(|k| libm::sin(k as f64 + 0.5)).collect();
            let mut gradient = vec![0.0; theta.len()];
            law.pull(&theta, &block, &tape, &seed, &mut gradient);
            let columns = law.columns(&theta, &block, &tape);
            for j in 0..theta.len() {
                let step = |h: f64| {
                    let mut moved = theta.clone();
                    moved[j] += h;
                    values(&moved).value.iter().zip(&seed).map(|(v, s)| v * s).sum::<f64>()
                };
                let numeric = (step(1e-5) - step(-1e-5)) / 2e-5;
                assert!(
                    (gradient[j] - numeric).abs() < 1e-7 * (1.0 + numeric.abs()),
                    "{form} {j}: {} {numeric}",
                    gradient[j]
                );
                let together: f64 = columns[j].iter().zip(&seed).map(|(c, s)| c * s).sum();
                assert!((gradient[j] - together).abs() < 1e-11 * (1.0 + together.abs()), "{form} {j}");
            }
            assert!(law.starts(&block, Space::Linear).iter().all(|start| start.len() == theta.len()));
        }
    }
}
