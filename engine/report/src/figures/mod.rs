//! Figures made of facts: nothing in them knows a particular study.

mod checks;
mod curves;
mod isoflop;
mod law;
mod record;
mod runs;
mod scores;

pub use checks::{Branch, Foretold, Residual, forest, holdout, normal_quantile, pairs, residuals, sensitivity};
pub use isoflop::{Optimal, Profile, Surface, optimal, profiles, surface};
pub use record::{
    forest_of, holdout_of, optimal_of, pairs_of, profiles_of, remarks, residuals_of, sensitivity_of, surface_of,
    targets,
};
pub use runs::{Course, Drawn, Moment, envelope, loss_against_compute, score_against_progress};
pub use scores::{Better, against, pareto, undominated};

pub use curves::{curves, primary, thinned};
pub use law::law;

use crate::{axis::Scale, fit::Param, number, stats};

/// Logarithmic where all is positive and spans at least `factor`.
fn scale(values: impl Iterator<Item = f64>, factor: f64) -> Scale {
    let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    match stats::span(&values) {
        Some((low, high)) if low > 0.0 && high / low >= factor => Scale::Log,
        _ => Scale::Linear,
    }
}

/// `0.124 [0.0980, 0.151]`.
fn interval(param: &Param) -> String {
    let number = |value: f64| number::sig(value, 3).replace('-', "−");
    match (param.lower, param.upper) {
        (Some(lower), Some(upper)) => format!("{} [{}, {}]", number(param.value), number(lower), number(upper)),
        _ => number(param.value),
    }
}

/// Greek names as letters.
pub fn symbol(name: &str) -> String {
    match name {
        "alpha" => "α",
        "beta" => "β",
        "gamma" => "γ",
        "delta" => "δ",
        "epsilon" => "ε",
        "lambda" => "λ",
        "sigma" => "σ",
        other => other,
    }
    .to_owned()
}

/// With a capital letter, as a title begins.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The name of a column as people write it, and its unit.
pub fn column(name: &str) -> (String, &'static str) {
    let (label, unit) = match name {
        "compute" | "flops" => ("training compute", "FLOP"),
        "macs" => ("multiply-accumulates of one forward pass", "MAC"),
        "params" => ("parameters", ""),
        "images" => ("training images", ""),
        "steps" | "step" => ("optimizer step", ""),
        "seconds" => ("time", "s"),
        other => return (spoken(other), ""),
    };
    (label.to_owned(), unit)
}

/// `heldout_loss` as `held-out loss`, `alignment_color` as `alignment color`.
pub fn spoken(name: &str) -> String {
    name.replace(['_', '.'], " ").replace("heldout", "held-out").replace("held out", "held-out")
}
