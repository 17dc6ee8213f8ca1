//! A fit on a terminal: the law, its numbers with intervals, the evidence, how it foretells, what it depends on, and what to beware of.

use std::collections::BTreeMap;

use isoflop_native::fit::{Estimate, Fit, HeldOut};

use crate::{
    output::{Output, Paint},
    stop::Stop,
    table::{Head, Table},
};

/// Prints a fit.
pub fn fit(fit: &Fit, out: &mut Output) -> Result<(), Stop> {
    out.line(&out.paint(Paint::Bold, &fit.formula))?;
    out.line(&format!("  {} = {}; {}; r2 {:.4}", fit.objective, short(fit.loss, 7), rows(fit), fit.r2))?;
    out.line("")?;
    parameters(fit, out)?;
    evidence(fit, out)?;
    foretold(fit, out)?;
    forms(fit, out)?;
    sensitivity(fit, out)?;
    fit.warnings
        .iter()
        .try_for_each(|warning| out.line(&format!("  {}: {warning}", out.paint(Paint::Notice, "warning"))))
}

/// So many significant digits, without an exponent where that reads well.
pub(super) fn short(value: f64, digits: usize) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor() as i32;
    if (-3..6).contains(&magnitude) {
        let decimals = (i32::try_from(digits).unwrap_or(i32::MAX) - 1 - magnitude).max(0) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.*e}", digits - 1)
    }
}

fn rows(fit: &Fit) -> String {
    let tally = &fit.rows;
    let mut text = format!("{} of {} rows", tally.fitted, tally.given);
    for (count, what) in [
        (tally.held_out, "held out"),
        (tally.ruled_out, "left out by rule"),
        (tally.unusable, "unusable"),
        (tally.beaten, "not on the frontier"),
    ] {
        if count > 0 {
            text = format!("{text}, {count} {what}");
        }
    }
    text + &format!("; {} degrees of freedom", fit.degrees_of_freedom)
}

fn parameters(fit: &Fit, out: &mut Output) -> Result<(), Stop> {
    // A head is one of few, so that the table's heads can be fixed texts.
    let level = match (fit.level * 1000.0).round() as u32 {
        900 => "90 % interval",
        950 => "95 % interval",
        990 => "99 % interval",
        _ => "interval",
    };
    let mut table = Table::new(&[
        Head::left("parameter"),
        Head::right("value"),
        Head::left(level),
        Head::right("std. error"),
        Head::right("sandwich"),
        Head::left("by profile"),
    ]);
    let mut row = |name: &str, estimate: &Estimate| {
        let end = |end: Option<f64>| end.map_or_else(|| "open".to_owned(), |end| short(end, 4));
        table.row(
            Paint::Bold,
            vec![
                name.to_owned(),
                short(estimate.value, 6),
                format!("[{}, {}]", short(estimate.lower, 4), short(estimate.upper, 4)),
                short(estimate.stderr, 3),
                estimate.sandwich.map_or_else(String::new, |error| short(error, 3)),
                estimate.profile.map_or_else(String::new, |(low, high)| format!("[{}, {}]", end(low), end(high))),
            ],
        );
    };
    for name in &fit.parameters {
        row(name, &fit.params[name]);
    }
    for (name, estimate) in &fit.derived {
        row(name, estimate);
    }
    if let Some(then) = &fit.then {
        for (name, estimate) in &then.params {
            row(&format!("then {name}"), estimate);
        }
    }
    table.print(out)?;
    if let Some(then) = &fit.then {
        out.line(&format!("  then: {}  on {} rows", then.formula, then.n))?;
    }
    out.line("")
}

fn evidence(fit: &Fit, out: &mut Output) -> Result<(), Stop> {
    let certificate = &fit.certificate;
    let word = if certificate.converged {
        out.paint(Paint::Good, "certified")
    } else {
        out.paint(Paint::Bad, "not certified")
    };
    let starts = (certificate.at_optimum * f64::from(certificate.starts)).round();
    out.line(&format!(
        "  {word}: scaled gradient {:.0e}, {starts} of {} starts at the optimum, condition {}",
        certificate.gradient,
        certificate.starts,
        short(certificate.condition, 3),
    ))?;
    for other in &fit.optima {
        out.line(&format!(
            "  other optimum: {}, {} % above; foretells {}",
            list(&other.params),
            short(100.0 * other.above, 3),
            other.foretells.iter().map(|y| short(*y, 4)).collect::<Vec<_>>().join(", ")
        ))?;
    }
    if let Some(held_out) = &fit.holdout {
        let own = if held_out.refit { ", by a fit of its own to the rest" } else { "" };
        out.line(&format!(
            "  hold-out: {}{own}: mean absolute {} on {} points ({} on the {} fitted)",
            held_out.rule,
            error(held_out),
            held_out.n,
            short(held_out.train_mean_abs_log_error.unwrap_or(held_out.train_mean_abs_error), 3),
            held_out.fitted,
        ))?;
    }
    Ok(())
}

fn error(held_out: &HeldOut) -> String {
    match held_out.mean_abs_log_error {
        Some(error) => format!("log error {}", short(error, 3)),
        None => format!("error {}", short(held_out.mean_abs_error, 3)),
    }
}

fn list(params: &BTreeMap<&'static str, f64>) -> String {
    params.iter().map(|(name, value)| format!("{name} {}", short(*value, 5))).collect::<Vec<_>>().join(", ")
}

fn foretold(fit: &Fit, out: &mut Output) -> Result<(), Stop> {
    for target in &fit.targets {
        let place: Vec<String> =
            target.at.iter().map(|(name, value)| format!("{name} = {}", short(*value, 4))).collect();
        let mut line = format!(
            "  at {}: {} = {} [{}, {}], an observation in [{}, {}]",
            place.join(", "),
            fit.y,
            short(target.y, 5),
            short(target.lower, 4),
            short(target.upper, 4),
            short(target.observed_lower, 4),
            short(target.observed_upper, 4)
        );
        for (name, best) in &target.best {
            line = format!(
                "{line}; {name}* = {} [{}, {}]",
                short(best.value, 4),
                short(best.lower, 3),
                short(best.upper, 3)
            );
        }
        if let (Some(then), Some(second)) = (&target.then, &fit.then) {
            line = format!(
                "{line}; {} = {} [{}, {}]",
                second.y,
                short(then.y, 4),
                short(then.lower, 3),
                short(then.upper, 3)
            );
        }
        out.line(&line)?;
    }
    Ok(())
}

fn forms(fit: &Fit, out: &mut Output) -> Result<(), Stop> {
    if fit.alternatives.is_empty() {
        return Ok(());
    }
    out.line("")?;
    let mut table = Table::new(&[
        Head::left("other form"),
        Head::right("held-out error"),
        Head::right("error"),
        Head::right("AICc"),
        Head::right("at 10 x"),
        Head::left("law"),
    ]);
    let held = |held_out: &Option<HeldOut>| {
        held_out.as_ref().map_or_else(String::new, |held_out| short(held_out.mean_abs_error, 3))
    };
    let criterion = |aicc: Option<f64>| aicc.map_or_else(String::new, |aicc| format!("{aicc:.1}"));
    let ten = short(fit.at_ten_times, 4);
    table.row(
        Paint::Bold,
        vec![
            "(this one)".to_owned(),
            held(&fit.holdout),
            short(own_error(fit), 3),
            criterion(fit.aicc),
            ten,
            fit.formula.clone(),
        ],
    );
    for other in &fit.alternatives {
        let leaves = if other.leaves_range == Some(true) { "  (leaves [0, 1])" } else { "" };
        table.row(
            Paint::Bold,
            vec![
                other.form.name().to_owned(),
                held(&other.holdout),
                short(other.mean_abs_error, 3),
                criterion(other.aicc),
                short(other.at_ten_times, 4),
                format!("{}{leaves}", other.formula),
            ],
        );
    }
    table.print(out)
}

/// The mean |y - law| on the fitted points, as other forms have it.
fn own_error(fit: &Fit) -> f64 {
    let fitted = fit.points.iter().filter(|point| point.dropped.is_none() && !point.held_out);
    let errors: Vec<f64> = fitted.filter_map(|point| Some((point.y? - point.fitted?).abs())).collect();
    errors.iter().sum::<f64>() / errors.len().max(1) as f64
}

fn sensitivity(fit: &Fit, out: &mut Output) -> Result<(), Stop> {
    if fit.sensitivity.len() < 2 {
        return Ok(());
    }
    out.line("")?;
    let mut names: Vec<&'static str> = fit.parameters.clone();
    names.extend(fit.derived.keys().filter(|name| **name == "a"));
    let heads: Vec<Head> = [Head::left("objective"), Head::right("rows")]
        .into_iter()
        .chain(names.iter().map(|name| Head::right(name)))
        .collect();
    let mut table = Table::new(&heads);
    for one in &fit.sensitivity {
        let values = names.iter().map(|name| one.params.get(name).map_or_else(String::new, |value| short(*value, 4)));
        let mark = if one.converged { "" } else { " (not certified)" };
        let cells = [format!("{}{mark}", one.objective), one.rows.to_string()].into_iter().chain(values).collect();
        table.row(Paint::Bold, cells);
    }
    table.print(out)
}
