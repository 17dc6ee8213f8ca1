//! From points to the record of a fit.

use isoflop_contract::Seed;
use isoflop_kinds::fit::{Better, FitScaling, Form, Holdout};
use libm::{log, sqrt};

use super::{
    bootstrap::{self, interval},
    certificate::Certificate,
    curve::curve,
    error::FitError,
    law::{Law, target},
    points::Points,
    record::{Alternative, Estimate, Fit, FittedPoint, HeldOut, VERSION},
    solve::solve,
    triage::{Fate, Triage, admits, distinct},
};

/// What is asked of a fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What the law looks like.
    pub form: Form,
    /// Fit the frontier alone, and what is better on it.
    pub frontier: Option<Better>,
    /// Points that only judge.
    pub holdout: Option<Holdout>,
    /// How many resamples.
    pub bootstrap: u32,
    /// The share of them inside an interval.
    pub level: f64,
    /// What the resamples are drawn from.
    pub seed: Seed,
}

impl Options {
    /// Form `form`, and everything else by default: all points, 1,000 resamples, 90 % intervals, seed 0.
    pub fn of(form: Form) -> Self {
        Self { form, frontier: None, holdout: None, bootstrap: 1000, level: 0.9, seed: Seed::from_number(0) }
    }

    /// What a task asks.
    pub fn of_task(spec: &FitScaling, seed: Seed) -> Self {
        Self {
            form: spec.form,
            frontier: spec.frontier.then_some(spec.better),
            holdout: spec.holdout,
            bootstrap: spec.bootstrap,
            level: spec.level,
            seed,
        }
    }
}

/// Above this cosine between residuals and derivatives a fit is not at its optimum.
const NOT_CONVERGED: f64 = 1e-6;

/// Fits `points`.
pub fn fit(points: &Points, options: &Options) -> Result<Fit, FitError> {
    let form = options.form;
    let triage = Triage::of(points, form, options.frontier, options.holdout)?;
    let solution = solve(form, &triage.fitted);
    let law = &solution.law;
    for (parameter, value) in form.parameters().iter().zip(&law.parameters) {
        // A factor that underflowed to 0 has lost the law.
        let lost = *parameter == "c" && *value == 0.0 && form != Form::PowerOffset;
        if !value.is_finite() || lost {
            return Err(FitError::NotFinite { form, parameter, value: *value });
        }
    }
    let mut resampled = bootstrap::laws(&triage.fitted, &solution, options.seed, options.bootstrap);
    let mut warnings = solution.warnings.clone();
    if resampled.len() < options.bootstrap as usize {
        warnings.push(format!("{} resamples could not be fitted", options.bootstrap as usize - resampled.len()));
    }
    if resampled.is_empty() {
        resampled.push(law.clone());
    }
    let values = distinct(&triage.fitted);
    let (least, most) = (values[0], values[values.len() - 1]);
    let (loss, n) = (law.loss(&triage.fitted), triage.fitted.len());
    warnings.extend(cautions(points, &triage, law, &solution.certificate, (values.len(), most)));

    let named = form.parameters().iter().enumerate();
    Ok(Fit {
        version: VERSION,
        form,
        formula: law.formula(&points.x, &points.y),
        objective: form.objective(),
        x: points.x.clone(),
        y: points.y.clone(),
        params: named.map(|(i, name)| (*name, estimate(law, &resampled, i, options.level))).collect(),
        loss,
        r2: 1.0 - loss / variation(form, &triage.fitted),
        n,
        holdout: judge(law, &triage.held_out),
        alternatives: alternatives(points, form, &triage, most),
        certificate: solution.certificate.clone(),
        resamples: resampled.len(),
        level: options.level,
        warnings,
        points: account(points, &triage, law),
        curve: curve(law, &resampled, (least, most), options.level),
    })
}

fn estimate(law: &Law, resampled: &[Law], index: usize, level: f64) -> Estimate {
    let values: Vec<f64> = resampled.iter().map(|law| law.parameters[index]).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>();
    let (lower, upper) = interval(values, level);
    Estimate { value: law.parameters[index], lower, upper, stderr: sqrt(square / (n - 1.0).max(1.0)) }
}

/// The sum of squares about the mean, in the space the form is fitted in.
fn variation(form: Form, points: &[(f64, f64)]) -> f64 {
    let targets: Vec<f64> = points.iter().map(|(_, y)| target(form, *y)).collect();
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    targets.iter().map(|value| (value - mean) * (value - mean)).sum()
}

fn judge(law: &Law, held_out: &[(f64, f64)]) -> Option<HeldOut> {
    let n = held_out.len() as f64;
    let mean = |of: &dyn Fn(f64, f64) -> f64| held_out.iter().map(|(x, y)| of(law.at(*x), *y)).sum::<f64>() / n;
    let positive = held_out.iter().all(|(x, y)| law.at(*x) > 0.0 && *y > 0.0);
    (!held_out.is_empty()).then(|| HeldOut {
        n: held_out.len(),
        mean_abs_error: mean(&|foretold, y| (y - foretold).abs()),
        mean_abs_log_error: positive.then(|| mean(&|foretold, y| (log(y) - log(foretold)).abs())),
    })
}

/// Scores strictly between 0 and 1 are compared with forms that keep them there, everything else with what else is usual.
fn alternatives(names: &Points, form: Form, triage: &Triage, most: f64) -> Vec<Alternative> {
    let others: &[Form] = if bounded(triage) {
        &[Form::Power, Form::LogLinear, Form::Logit, Form::ErrorPower]
    } else {
        &[Form::Power, Form::PowerOffset, Form::LogLinear]
    };
    let points = &triage.fitted;
    let possible = |other: &Form| {
        *other != form
            && points.iter().all(|(_, y)| admits(*other, *y).is_ok())
            && distinct(points).len() > other.parameters().len()
    };
    let alternative = |other: &Form| {
        let law = solve(*other, points).law;
        let error = points.iter().map(|(x, y)| (y - law.at(*x)).abs()).sum::<f64>() / points.len() as f64;
        Alternative {
            form: *other,
            formula: law.formula(&names.x, &names.y),
            loss: law.loss(points),
            mean_abs_error: error,
            holdout: judge(&law, &triage.held_out),
            at_ten_times: law.at(10.0 * most),
        }
    };
    others.iter().filter(|other| possible(other)).map(alternative).collect()
}

fn bounded(triage: &Triage) -> bool {
    triage.fitted.iter().chain(&triage.held_out).all(|(_, y)| *y > 0.0 && *y < 1.0)
}

/// What a reader should know before believing the law.
fn cautions(
    points: &Points,
    triage: &Triage,
    law: &Law,
    certificate: &Certificate,
    (values, most): (usize, f64),
) -> Vec<String> {
    let mut all = Vec::new();
    for (row, fate) in points.rows.iter().zip(&triage.fates) {
        if let Fate::Unusable(reason) = fate {
            all.push(format!("{} was left out: {reason}", row.label));
        }
    }
    let parameters = law.parameters.len();
    if values < parameters + 2 {
        all.push(format!(
            "{values} different values of `{}` for {parameters} parameters: the intervals mean little",
            points.x
        ));
    }
    let far = law.at(100.0 * most);
    if bounded(triage) && !(0.0..=1.0).contains(&far) {
        let (x, y) = (&points.x, &points.y);
        all.push(format!("the law leaves [0, 1]: it says `{y}` = {far:.3} at 100 times the largest `{x}`"));
    }
    if certificate.gradient > NOT_CONVERGED {
        all.push(format!("not at an optimum: the scaled gradient is {:.1e}", certificate.gradient));
    }
    if certificate.at_optimum < 0.5 {
        all.push(format!("only {:.0} % of the starts reached the optimum", 100.0 * certificate.at_optimum));
    }
    all
}

fn account(points: &Points, triage: &Triage, law: &Law) -> Vec<FittedPoint> {
    let account = |(row, fate): (&super::Point, &Fate)| FittedPoint {
        label: row.label.clone(),
        // A number that JSON cannot hold is in the reason.
        x: row.x.filter(|x| x.is_finite()),
        y: row.y.filter(|y| y.is_finite()),
        fitted: row.x.filter(|x| *x > 0.0 && x.is_finite()).map(|x| law.at(x)),
        held_out: *fate == Fate::HeldOut,
        dropped: match fate {
            Fate::Unusable(reason) | Fate::Beaten(reason) => Some(reason.clone()),
            Fate::Fitted | Fate::HeldOut => None,
        },
    };
    points.rows.iter().zip(&triage.fates).map(account).collect()
}
