//! What the fit could be confused with: laws of other forms on the same points, and the same law under other objectives and rules.

use isoflop_kinds::fit::{Form, Objective, Space};

use super::{
    fitting::{Fitting, Request},
    judge::{judge, mean_abs_error, parted},
    record::{Alternative, Sensitive},
    solve::Settings,
    space::admits,
    triage::{Row, distinct},
};

/// Whether all points are scores strictly between 0 and 1.
pub fn bounded(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.y > 0.0 && row.y < 1.0)
}

/// The forms a fit is compared with: scores with forms that keep them in their range, everything else with what else is usual.
fn others(form: Form, scores: bool) -> &'static [Form] {
    if form.is_surface() {
        &[]
    } else if scores {
        &[Form::Power, Form::ErrorPower, Form::Logit, Form::LogLinear, Form::FreeCeiling]
    } else {
        &[Form::Power, Form::PowerOffset, Form::LogLinear]
    }
}

/// Who is compared, and with what.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The names of x and y.
    pub names: (&'a str, &'a str),
    /// The form that was asked for.
    pub form: Form,
    /// What it was fitted to.
    pub fitted: &'a [Row],
    /// What was held out by rule.
    pub held_out: &'a [Row],
    /// The rule.
    pub rule: &'a str,
    /// The largest x.
    pub most: f64,
}

/// Laws of other forms on the same points, those first that foretell best.
pub fn alternatives(comparison: &Comparison<'_>, settings: &Settings) -> Vec<Alternative> {
    let Comparison { names: (x, y), form, fitted, held_out, rule, most } = *comparison;
    let all: Vec<Row> = fitted.iter().chain(held_out).cloned().collect();
    let scores = bounded(&all);
    let possible = |other: &&Form| {
        **other != form
            && fitted.iter().all(|row| admits(other.objective().space, row.y).is_ok())
            && distinct(fitted) > other.parameters().len()
    };
    let alternative = |other: &Form| {
        let request = Request::form(*other);
        let fitting = Fitting::of(fitted, request, None, settings).ok()?;
        if !fitting.solution.certificate.converged {
            return None;
        }
        let holdout = if held_out.is_empty() {
            parted(fitted, other.parameters().len() + 1, x).and_then(|(few, judging, rule)| {
                judge(&Fitting::of(&few, request, None, settings).ok()?, &few, &judging, rule, true)
            })
        } else {
            judge(&fitting, fitted, held_out, rule.to_owned(), false)
        };
        let far = fitting.at(&[100.0 * most]);
        Some(Alternative {
            form: *other,
            formula: fitting.law.formula(&fitting.parameters, &[x], y),
            loss: fitting.loss(fitted),
            mean_abs_error: mean_abs_error(&fitting, fitted),
            holdout,
            at_ten_times: fitting.at(&[10.0 * most]),
            leaves_range: scores.then(|| !(0.0..=1.0).contains(&far)),
        })
    };
    let mut found: Vec<Alternative> = others(form, scores).iter().filter(possible).filter_map(alternative).collect();
    let error = |other: &Alternative| other.holdout.as_ref().map_or(f64::INFINITY, |held| held.mean_abs_error);
    found.sort_by(|a, b| error(a).total_cmp(&error(b)));
    found
}

/// The same law by other objectives, on the rows that were fitted, and by its own and by squares of y on those that rules left out, too.
pub fn sensitivity(fitted: &[Row], with_ruled: &[Row], request: Request, settings: &Settings) -> Vec<Sensitive> {
    let own = request.objective;
    let spaces: &[Space] =
        if own.space == Space::Linear { &[Space::Linear, Space::Log] } else { &[own.space, Space::Linear] };
    let mut asked = vec![own];
    for space in spaces.iter().filter(|space| fitted.iter().all(|row| admits(**space, row.y).is_ok())) {
        if *space != Space::Linear {
            asked.extend([1e-4, 1e-3, 1e-2].map(|delta| Objective::huber(*space, delta)));
        }
        asked.push(Objective::lad(*space));
        asked.push(Objective::squared(*space));
    }
    let mut plan: Vec<(&[Row], bool, Objective)> = Vec::new();
    for objective in asked {
        if !plan.iter().any(|(.., other)| *other == objective) {
            plan.push((fitted, false, objective));
        }
    }
    if with_ruled.len() > fitted.len() {
        plan.push((with_ruled, true, own));
        let squares = Objective::squared(Space::Linear);
        if own != squares {
            plan.push((with_ruled, true, squares));
        }
    }
    let one = |(rows, ruled, objective): (&[Row], bool, Objective)| {
        if rows.iter().any(|row| admits(objective.space, row.y).is_err()) {
            return None;
        }
        let fitting = Fitting::of(rows, Request { objective, ..request }, None, settings).ok()?;
        let derived = fitting.law.derived(&fitting.parameters);
        let params = fitting.law.names().iter().copied().zip(fitting.parameters.iter().copied());
        Some(Sensitive {
            rows: rows.len(),
            ruled_out_too: ruled,
            objective: objective.to_string(),
            params: params.chain(derived.iter().map(|derived| (derived.name, derived.value))).collect(),
            loss: fitting.loss(rows),
            converged: fitting.solution.certificate.converged,
        })
    };
    plan.into_iter().filter_map(one).collect()
}
