//! What the fit could be confused with: laws of other forms on the same points, and the same law under other objectives and rules.

use isoflop_kinds::fit::{Form, Objective, Space};

use super::{
    fitting::{Fitting, Request},
    judge::{judge, mean_abs_error, parted},
    law::Kind,
    math::ln_any,
    record::{Alternative, Sensitive},
    solve::Settings,
    space::admits,
    triage::{Row, distinct},
};

/// Whether all points look like scores: strictly between 0 and 1, and not all of them as good as 0.
pub fn bounded(rows: &[Row]) -> bool {
    rows.iter().all(|row| row.y > 0.0 && row.y < 1.0) && rows.iter().any(|row| row.y > 1e-3)
}

/// The forms a fit is compared with: scores with forms that keep them in their range, everything else with what else is usual.
fn others(form: Form, inputs: usize, scores: bool, within: bool) -> &'static [Form] {
    if form.is_surface() && inputs == 2 {
        &[Form::Chinchilla, Form::OverTraining, Form::Interaction]
    } else if inputs > 1 || form.is_plain() {
        &[]
    } else if scores && within {
        &[Form::Power, Form::ErrorPower, Form::Logit, Form::LogLinear, Form::FreeCeiling]
    } else if scores {
        // Of scores of 0, of 1 or beyond, these two still level off.
        &[Form::Power, Form::LogLinear, Form::FreeCeiling, Form::Sigmoid]
    } else {
        &[Form::Power, Form::PowerOffset, Form::LogLinear]
    }
}

/// Who is compared, and with what.
#[derive(Debug)]
pub struct Comparison<'a> {
    /// The names of the law's inputs, of x and of y.
    pub names: (&'a [&'a str], &'a str, &'a str),
    /// What was asked for.
    pub request: &'a Request,
    /// What it was fitted to.
    pub fitted: &'a [Row],
    /// What was held out by rule.
    pub held_out: &'a [Row],
    /// The rule.
    pub rule: &'a str,
    /// Whether y is declared to be a score, whatever its values.
    pub scores: bool,
    /// The inputs at ten times and at a hundred times the largest x.
    pub beyond: [&'a [f64]; 2],
}

/// Laws of other forms on the same points, those first that foretell best.
pub fn alternatives(comparison: &Comparison<'_>, settings: &Settings) -> Vec<Alternative> {
    let Comparison { names: (inputs, x, y), request, fitted, held_out, rule, scores, beyond } = *comparison;
    let form = request.form;
    let all: Vec<Row> = fitted.iter().chain(held_out).cloned().collect();
    let within = bounded(&all);
    let scores = scores || within;
    // Laws of surfaces all speak of y, so that one objective serves them; those of one x have each a space of their own.
    let asked = |other: Form| {
        let own = Request::form(other);
        if form.is_surface() { own.by(request.objective) } else { own }
    };
    let possible = |other: &&Form| {
        **other != form
            && fitted.iter().all(|row| admits(asked(**other).objective.space, row.y).is_ok())
            && (**other != Form::Interaction || fitted.iter().all(|row| row.y > 0.0))
            && distinct(fitted) > other.parameters().len()
    };
    let alternative = |other: &Form| {
        let request = asked(*other);
        let fitting = Fitting::of(fitted, request.clone(), None, settings).ok()?;
        if !fitting.solution.certificate.converged {
            return None;
        }
        let holdout = if held_out.is_empty() {
            parted(fitted, other.parameters().len() + 1, x).and_then(|(few, judging, rule)| {
                judge(&Fitting::of(&few, request.clone(), None, settings).ok()?, &few, &judging, rule, true)
            })
        } else {
            judge(&fitting, fitted, held_out, rule.to_owned(), false)
        };
        let far = fitting.at(beyond[1]);
        Some(Alternative {
            form: *other,
            formula: fitting.law.formula(&fitting.parameters, inputs, y),
            loss: fitting.loss(fitted),
            mean_abs_error: mean_abs_error(&fitting, fitted),
            holdout,
            aicc: aicc(&fitting, fitted),
            at_ten_times: fitting.at(beyond[0]),
            leaves_range: scores.then(|| !(0.0..=1.0).contains(&far)),
        })
    };
    let mut found: Vec<Alternative> =
        others(form, inputs.len(), scores, within).iter().filter(possible).filter_map(alternative).collect();
    let error = |other: &Alternative| other.holdout.as_ref().map_or(f64::INFINITY, |held| held.mean_abs_error);
    found.sort_by(|a, b| error(a).total_cmp(&error(b)));
    found
}

/// Akaike's criterion with the correction for few points (Hurvich and Tsai 1989), by the residuals of y: comparable across forms that are fitted in
/// different spaces, of which one fitted in another space is not at its own best.
pub fn aicc(fitting: &Fitting, rows: &[Row]) -> Option<f64> {
    let n = rows.len() as f64;
    let moving = fitting.law.kinds().iter().filter(|kind| !matches!(kind, Kind::Fixed(_))).count();
    let k = moving as f64 + 1.0; // and the variance
    let squares: f64 = rows.iter().map(|row| row.y - fitting.at(&row.inputs)).map(|r| r * r).sum();
    let value = n * ln_any(squares / n) + 2.0 * k + 2.0 * k * (k + 1.0) / (n - k - 1.0);
    (n > k + 1.0 && value.is_finite()).then_some(value)
}

/// The same law by other objectives, on the rows that were fitted, and by its own and by squares of y on those that rules left out, too.
pub fn sensitivity(fitted: &[Row], with_ruled: &[Row], request: &Request, settings: &Settings) -> Vec<Sensitive> {
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
        let fitting = Fitting::of(rows, request.by(objective), None, settings).ok()?;
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
