//! A law: a form with numbers in it. Everything said of a fit is worked out from these numbers, so a reader who has them gets the same bits.

use isoflop_kinds::fit::Form;
use libm::{exp, log, log1p};

/// A form and its parameters, in the order of [`Form::parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Law {
    /// The form.
    pub form: Form,
    /// Its parameters.
    pub parameters: Vec<f64>,
}

impl Law {
    /// The value at `x`, which must be positive.
    pub fn at(&self, x: f64) -> f64 {
        let ln = log(x);
        match (self.form, self.parameters.as_slice()) {
            (Form::Power, [c, p]) => c * exp(p * ln),
            (Form::PowerOffset, [e, c, p]) => e + c * exp(-p * ln),
            (Form::LogLinear, [a, b]) => a + b * ln,
            (Form::Logit, [a, b]) => 1.0 / (1.0 + exp(-(a + b * ln))),
            (Form::ErrorPower, [c, p]) => 1.0 - c * exp(-p * ln),
            _ => unreachable!("a law has as many parameters as its form"),
        }
    }

    /// What is squared and summed: the distance of a point from the law, in the space the form is fitted in.
    pub fn residual(&self, (x, y): (f64, f64)) -> f64 {
        let ln = log(x);
        match (self.form, self.parameters.as_slice()) {
            (Form::Power, [c, p]) => target(self.form, y) - (log(*c) + p * ln),
            (Form::Logit, [a, b]) => target(self.form, y) - (a + b * ln),
            (Form::ErrorPower, [c, p]) => target(self.form, y) - (log(*c) - p * ln),
            _ => y - self.at(x),
        }
    }

    /// The objective on `points`.
    pub fn loss(&self, points: &[(f64, f64)]) -> f64 {
        points.iter().map(|&point| self.residual(point)).map(|r| r * r).sum()
    }

    /// The law in a line, its numbers rounded for people.
    pub fn formula(&self, x: &str, y: &str) -> String {
        let n: Vec<String> = self.parameters.iter().map(|value| short(*value)).collect();
        let signed = |value: f64| format!("{} {}", if value < 0.0 { "-" } else { "+" }, short(value.abs()));
        match (self.form, self.parameters.as_slice()) {
            (Form::Power, _) => format!("{y} = {} · {x}^{}", n[0], n[1]),
            (Form::PowerOffset, [_, c, p]) => format!("{y} = {} {} · {x}^{}", n[0], signed(*c), short(-p)),
            (Form::LogLinear, [_, b]) => format!("{y} = {} {} · ln {x}", n[0], signed(*b)),
            (Form::Logit, [_, b]) => format!("logit {y} = {} {} · ln {x}", n[0], signed(*b)),
            (Form::ErrorPower, [_, p]) => format!("1 - {y} = {} · {x}^{}", n[0], short(-p)),
            _ => unreachable!("a law has as many parameters as its form"),
        }
    }
}

/// What of y a form is fitted to.
pub fn target(form: Form, y: f64) -> f64 {
    match form {
        Form::Power => log(y),
        Form::PowerOffset | Form::LogLinear => y,
        Form::Logit => log(y) - log1p(-y),
        Form::ErrorPower => log1p(-y),
    }
}

/// Four significant digits.
fn short(value: f64) -> String {
    let plain = if (1e-3..1e4).contains(&value.abs()) || value == 0.0 {
        let rounded: f64 = format!("{value:.3e}").parse().expect("a number reads back");
        format!("{rounded}")
    } else {
        format!("{value:.3e}")
    };
    plain.replace("-0e0", "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_spelled_out() {
        let formula = |form, parameters: &[f64]| Law { form, parameters: parameters.to_vec() }.formula("C", "S");
        assert_eq!(formula(Form::Power, &[0.47, 0.019_876_54]), "S = 0.47 · C^0.01988");
        assert_eq!(formula(Form::PowerOffset, &[1.5, 4.5e-8, 0.3]), "S = 1.5 + 4.500e-8 · C^-0.3");
        assert_eq!(formula(Form::LogLinear, &[0.5, -0.25]), "S = 0.5 - 0.25 · ln C");
        assert_eq!(formula(Form::ErrorPower, &[2.0, 0.1]), "1 - S = 2 · C^-0.1");
    }

    #[test]
    fn residuals_vanish_on_the_law() {
        for (form, parameters) in [
            (Form::Power, vec![0.5, 0.1]),
            (Form::PowerOffset, vec![0.1, 2.0, 0.4]),
            (Form::LogLinear, vec![0.1, 0.02]),
            (Form::Logit, vec![-1.0, 0.2]),
            (Form::ErrorPower, vec![0.9, 0.1]),
        ] {
            let law = Law { form, parameters };
            for x in [1.0, 12.5, 300.0] {
                assert!(law.residual((x, law.at(x))).abs() < 1e-14, "{form} at {x}");
            }
        }
    }
}
