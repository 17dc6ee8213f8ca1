//! A law as a record has it: a form with numbers in it. A reader who has these works out the same bits as the record.

use isoflop_kinds::fit::{Ends, Form, Objective};

use super::{
    fitting::loss,
    law::{Axis, Law, Shape, build},
    space,
    triage::Row,
};

/// A built-in form and its parameters, in the order of [`Form::parameters`].
#[derive(Debug)]
pub struct Written {
    law: Box<dyn Law>,
    /// The parameters.
    pub parameters: Vec<f64>,
}

impl Written {
    /// The law of these parameters.
    pub fn of(form: Form, parameters: &[f64]) -> Self {
        let axis = Axis { log: true, ..Axis::plain() };
        let axes = vec![axis; form.inputs().len()];
        let law = build(&Shape { form, axes, rises: false, ends: Ends::default(), own: None });
        Self { law, parameters: parameters.to_vec() }
    }

    /// The value at inputs: x, or N and D.
    pub fn at(&self, inputs: &[f64]) -> f64 {
        space::out_of(self.law.link(), self.law.at(&self.parameters, inputs))
    }

    /// An objective on unweighted points (inputs and y), as a record gives it.
    pub fn loss(&self, objective: Objective, points: &[(Vec<f64>, f64)]) -> f64 {
        let row =
            |(inputs, y): &(Vec<f64>, f64)| Row { index: 0, x: inputs[0], inputs: inputs.clone(), y: *y, weight: 1.0 };
        loss(self.law.as_ref(), &self.parameters, objective, &points.iter().map(row).collect::<Vec<_>>())
    }

    /// The law in a line, its numbers rounded for people.
    pub fn formula(&self, inputs: &[&str], y: &str) -> String {
        self.law.formula(&self.parameters, inputs, y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn laws_are_spelled_out() {
        let formula = |form, parameters: &[f64]| Written::of(form, parameters).formula(&["C"], "S");
        assert_eq!(formula(Form::Power, &[0.47, 0.019_876_54]), "S = 0.47 · C^0.01988");
        assert_eq!(formula(Form::PowerOffset, &[1.5, 4.5e-8, 0.3]), "S = 1.5 + 4.500e-8 · C^-0.3");
        assert_eq!(formula(Form::LogLinear, &[0.5, -0.25]), "S = 0.5 - 0.25 · ln C");
        assert_eq!(formula(Form::ErrorPower, &[2.0, 0.1]), "1 - S = 2 · C^-0.1");
        assert_eq!(formula(Form::FreeCeiling, &[0.9, 2.0, 0.1]), "S = 0.9 - 2 · C^-0.1");
        let surface = Written::of(Form::Chinchilla, &[1.69, 406.4, 410.7, 0.34, 0.28]);
        assert_eq!(surface.formula(&["N", "D"], "L"), "L = 1.69 + 406.4 · N^-0.34 + 410.7 · D^-0.28");
    }

    #[test]
    fn residuals_vanish_on_the_law() {
        for (form, parameters) in [
            (Form::Power, vec![0.5, 0.1]),
            (Form::PowerOffset, vec![0.1, 2.0, 0.4]),
            (Form::LogLinear, vec![0.1, 0.02]),
            (Form::Logit, vec![-1.0, 0.2]),
            (Form::ErrorPower, vec![0.9, 0.1]),
            (Form::Sigmoid, vec![0.1, 0.9, -1.0, 0.4]),
        ] {
            let law = Written::of(form, &parameters);
            for x in [1.0, 12.5, 300.0] {
                let loss = law.loss(form.objective(), &[(vec![x], law.at(&[x]))]);
                assert!(loss < 1e-28, "{form} at {x}: {loss}");
            }
        }
    }
}
