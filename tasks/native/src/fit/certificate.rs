//! The certificate: evidence that a fit stands at an optimum. Published fits often do not, and nobody noticed.

use serde::Serialize;

/// A gradient as small as this is an optimum's.
const CONVERGED: f64 = 1e-6;

/// A condition number above this says that parameters trade against each other.
const HARDLY: f64 = 1e3;

/// The evidence.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certificate {
    /// Whether the evidence suffices: the gradient vanishes, and the curvature is nowhere negative.
    pub converged: bool,
    /// The largest cosine between the residuals' scores and a column of the law's derivatives: 0 at an optimum, whatever the units. A
    /// parameter on its bound is left out.
    pub gradient: f64,
    /// Whether the objective curves upwards along every parameter.
    pub minimum: bool,
    /// How many starts were tried.
    pub starts: u32,
    /// The share of them that reached the optimum: an objective within a millionth of the best.
    pub at_optimum: f64,
    /// The share within a thousandth.
    pub near_optimum: f64,
    /// How far the best search went from its start, in the largest working coordinate: 0 says that it never moved.
    pub moved: f64,
    /// How often the objective was evaluated.
    pub evaluations: u64,
    /// The condition number of the derivatives, columns scaled to one length and the logarithms centred.
    pub condition: f64,
    /// Parameters that ended on a bound.
    pub on_bound: Vec<&'static str>,
}

impl Certificate {
    /// Whether a gradient vanishes.
    pub fn vanishes(gradient: f64) -> bool {
        gradient <= CONVERGED
    }

    /// What is missing, if anything.
    pub fn complaint(&self) -> Option<String> {
        if self.converged {
            return None;
        }
        let mut text = format!("the scaled gradient is {:.1e} and should be below {CONVERGED:.0e}", self.gradient);
        if Self::vanishes(self.gradient) {
            "the gradient vanishes, but at a saddle and not at a minimum".clone_into(&mut text);
        } else if self.moved < 1e-9 {
            text += "; the solver never moved from its start";
        } else if self.condition > HARDLY {
            let hint = "the points hardly tell the parameters apart, so a form with fewer may do better";
            text = format!("{text}; the condition number is {:.0e}: {hint}", self.condition);
        }
        Some(text)
    }
}
