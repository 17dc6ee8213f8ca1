//! What parabolas miss without any noise: the loss is no parabola in ln N, so a wide grid of sizes, or one whose middle moves against the best
//! size, shifts the vertex (arXiv 2603.22339). Worked out by going through the method with the losses of a surface fitted to the same runs.

use super::{profile::parabola, record::Bias, run::plain_line};
use crate::fit::{
    Fitting, Means, Request, Row,
    math::{exp_any, ln_any},
    triage::distinct,
};
use isoflop_kinds::fit::Form;

/// The bias of parabolas at the sizes of `groups` (compute and rows of each budget), whose law is `N* = k C^a`.
pub fn bias(rows: &[Row], groups: &[(f64, Vec<usize>)], (a, k): (f64, f64), means: &Means) -> Option<Bias> {
    if distinct(rows) < 8 {
        return None;
    }
    let surface = Fitting::of(rows, Request::form(Form::Chinchilla), None, &means.settings).ok()?;
    if !surface.solution.certificate.converged {
        return None;
    }
    let (mut best, mut truth, mut off, mut width) = (Vec::new(), Vec::new(), Vec::new(), 1.0_f64);
    for (compute, group) in groups {
        let runs: Vec<(f64, f64)> =
            group.iter().map(|at| (ln_any(rows[*at].inputs[0]), surface.at(&rows[*at].inputs))).collect();
        let Ok(vertex) = parabola(&runs, true) else { continue };
        best.push((ln_any(*compute), vertex.ln_n));
        truth.push((ln_any(*compute), ln_any(surface.law.best(&surface.parameters, *compute)?.0)));
        let (least, most) =
            runs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, m), (u, _)| (l.min(*u), m.max(*u)));
        width = width.max(exp_any(0.5 * (most - least)));
        off.push(0.5 * (least + most) - (ln_any(k) + a * ln_any(*compute)));
    }
    let (found, right) = (plain_line(&best)?, plain_line(&truth)?);
    let far = ln_any(10.0) + best.iter().map(|(c, _)| *c).fold(f64::NEG_INFINITY, f64::max);
    let size = exp_any(ln_any(found.1 / right.1) + (found.0 - right.0) * far) - 1.0;
    let drift = exp_any((off.last()? - off.first()?).abs());
    Some(Bias {
        exponent: found.0 - right.0,
        size_at_ten_times: size,
        data_at_ten_times: 1.0 / (1.0 + size) - 1.0,
        width,
        drift,
    })
}

/// The bias as warnings, where it is worth one.
pub fn words(bias: &Bias) -> Vec<String> {
    let mut all = Vec::new();
    if bias.data_at_ten_times.abs() > 0.01 {
        all.push(format!(
            "parabola-width: without any noise, parabolas over sizes that reach {:.1} times to either side would miss the best amount of data at ten times the \
             largest budget by {:+.1} %, by a surface fitted to the same runs",
            bias.width,
            100.0 * bias.data_at_ten_times
        ));
    }
    if bias.drift > 1.5 {
        all.push(format!(
            "parabola-drift: the middle of the sizes moves {:.1} times against the best one from the least to the largest budget, which bends the exponent \
             (by {:+.4} without any noise)",
            bias.drift, bias.exponent
        ));
    }
    all
}
