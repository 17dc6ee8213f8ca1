//! The judge: how well a law foretells points it has not seen.

use isoflop_kinds::fit::Holdout;

use super::{
    fitting::{Fitting, Request},
    math::ln_any,
    record::HeldOut,
    solve::Settings,
    triage::{Row, distinct, held_out_by},
};

/// What is held out where nobody gave a rule: everything above an eighth of the largest x, or failing that the largest x.
const RULES: [fn() -> Holdout; 2] = [|| Holdout::factor(8.0), || Holdout::largest(1)];

/// How far a law is from points, and from those it was fitted to.
pub fn judge(fitting: &Fitting, fitted: &[Row], held_out: &[Row], rule: String, refit: bool) -> Option<HeldOut> {
    let (mean_abs_error, mean_abs_log_error) = errors(fitting, held_out)?;
    let (train_mean_abs_error, train_mean_abs_log_error) = errors(fitting, fitted)?;
    Some(HeldOut {
        n: held_out.len(),
        mean_abs_error,
        mean_abs_log_error,
        rule,
        refit,
        fitted: fitted.len(),
        train_mean_abs_error,
        train_mean_abs_log_error,
    })
}

/// The mean of |y - law|, and of |ln y - ln law| where all are positive.
fn errors(fitting: &Fitting, rows: &[Row]) -> Option<(f64, Option<f64>)> {
    let n = rows.len() as f64;
    let told: Vec<(f64, f64)> = rows.iter().map(|row| (row.y, fitting.at(&row.inputs))).collect();
    let positive = told.iter().all(|(y, foretold)| *y > 0.0 && *foretold > 0.0);
    let mean = |of: &dyn Fn(f64, f64) -> f64| told.iter().map(|(y, foretold)| of(*y, *foretold)).sum::<f64>() / n;
    (!rows.is_empty()).then(|| {
        let log = positive.then(|| mean(&|y, foretold| (ln_any(y) - ln_any(foretold)).abs()));
        (mean(&|y, foretold| (y - foretold).abs()), log)
    })
}

/// The mean of |y - law| on rows.
pub fn mean_abs_error(fitting: &Fitting, rows: &[Row]) -> f64 {
    errors(fitting, rows).map_or(f64::NAN, |(error, _)| error)
}

/// Rows parted for a judgement that nobody asked for: what a fit of its own would see, what it would be judged by, and the rule.
pub fn parted(rows: &[Row], needed: usize, x: &str) -> Option<(Vec<Row>, Vec<Row>, String)> {
    if distinct(rows) < needed + 3 {
        return None;
    }
    RULES.iter().map(|rule| rule()).find_map(|rule| {
        let held = held_out_by(&rule, rows, |row| Some(row.x));
        let (judging, fitted): (Vec<Row>, Vec<Row>) = rows.iter().cloned().partition(|row| held.contains(&row.index));
        let enough = distinct(&fitted) > needed && !judging.is_empty() && 2 * judging.len() <= rows.len();
        enough.then(|| (fitted, judging, rule.sentence(x)))
    })
}

/// The judgement that nobody asked for.
pub fn by_default(rows: &[Row], request: &Request, needed: usize, x: &str, settings: &Settings) -> Option<HeldOut> {
    let (fitted, judging, rule) = parted(rows, needed, x)?;
    let fitting = Fitting::of(&fitted, request.clone(), None, settings).ok()?;
    judge(&fitting, &fitted, &judging, rule, true)
}
