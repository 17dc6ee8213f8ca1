//! Solving: from points to the law that fits them best, with its certificate.

use isoflop_kinds::fit::Form;
use libm::{exp, log, sqrt};

use super::{
    certificate::{Certificate, condition, cosine},
    law::{Law, target},
    line::Line,
    offset::{Found, Projected},
};

/// A law and how well it is known to be the best.
#[derive(Debug, Clone)]
pub struct Solution {
    /// The law.
    pub law: Law,
    /// The evidence.
    pub certificate: Certificate,
    /// Where a resample's search starts.
    pub start: Option<f64>,
    /// What a reader should know.
    pub warnings: Vec<String>,
}

/// The best law of `form` on `points`, of which there are enough.
pub fn solve(form: Form, points: &[(f64, f64)]) -> Solution {
    if form == Form::PowerOffset {
        return offset(points);
    }
    let law = straight(form, points);
    let centre = points.iter().map(|(x, _)| log(*x)).sum::<f64>() / points.len() as f64;
    let columns = vec![vec![1.0; points.len()], points.iter().map(|(x, _)| log(*x) - centre).collect()];
    let certificate = certify(&law, points, &columns, (1, 1), Vec::new());
    Solution { law, certificate, start: None, warnings: Vec::new() }
}

/// The best law of `form` on a resample, looked for where `start` says.
pub fn solve_again(form: Form, points: &[(f64, f64)], start: Option<f64>) -> Law {
    match start {
        Some(t) => Law { form, parameters: Projected::of(points).descend(t).parameters },
        None => straight(form, points),
    }
}

/// The forms that are straight lines in ln x.
fn straight(form: Form, points: &[(f64, f64)]) -> Law {
    let logs: Vec<(f64, f64)> = points.iter().map(|(x, y)| (log(*x), target(form, *y))).collect();
    let line = Line::through(&logs);
    let parameters = match form {
        Form::Power => vec![exp(line.intercept()), line.slope],
        Form::ErrorPower => vec![exp(line.intercept()), -line.slope],
        Form::LogLinear | Form::Logit | Form::PowerOffset => vec![line.intercept(), line.slope],
    };
    Law { form, parameters }
}

fn offset(points: &[(f64, f64)]) -> Solution {
    let projected = Projected::of(points);
    let (found, starts, reached) = projected.search();
    let law = Law { form: Form::PowerOffset, parameters: found.parameters.clone() };
    let on_bound = [found.e_bound.then_some("e"), found.p_bound.map(|_| "p")].into_iter().flatten().collect();
    let certificate = certify(&law, points, &projected.columns(&found), (starts, reached), on_bound);
    Solution { law, certificate, start: Some(found.t), warnings: warnings(&found) }
}

fn warnings(found: &Found) -> Vec<String> {
    let mut all = Vec::new();
    match found.p_bound {
        Some(false) => all.push(
            "`p` ran to its lower bound: the points do not bend in ln x, so offset and exponent cannot be told apart"
                .to_owned(),
        ),
        Some(true) => all.push("`p` ran to its upper bound: only the smallest x tell it".to_owned()),
        None => {}
    }
    if found.e_bound {
        all.push("`e` is on its bound 0: the points do not show an offset".to_owned());
    }
    all
}

fn certify(
    law: &Law,
    points: &[(f64, f64)],
    columns: &[Vec<f64>],
    (starts, reached): (u32, u32),
    on_bound: Vec<&'static str>,
) -> Certificate {
    let residuals: Vec<f64> = points.iter().map(|&point| law.residual(point)).collect();
    // A perfect fit leaves rounding, which points anywhere.
    let size = points.iter().map(|(x, y)| target(law.form, *y).abs() + log(*x).abs()).fold(0.0, f64::max);
    Certificate {
        gradient: cosine(&residuals, columns, 1e-12 * size * sqrt(points.len() as f64)),
        starts,
        at_optimum: f64::from(reached) / f64::from(starts),
        condition: condition(columns),
        on_bound,
    }
}
