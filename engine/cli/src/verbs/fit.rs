//! `fit`: a law fitted to two columns of a CSV file, by hand. The same code as the kind `fit-scaling`.

use std::{collections::BTreeMap, fs::File, path::Path};

use isoflop_contract::{Complaint, Seed};
use isoflop_kinds::fit::{Form, Holdout};
use isoflop_native::fit::{Fit, Options, Table, fit as fit_points};
use serde_json::{Value, json};

use crate::{
    args::FitArgs,
    output::{Output, Paint},
    stop::Stop,
};

/// Reads, fits and prints.
pub fn fit(args: &FitArgs, out: &mut Output) -> Result<(), Stop> {
    let usage = |error: &dyn std::fmt::Display| Stop::Usage(format!("{}: {error}", args.data.display()));
    let options = options(args)?;
    let file = File::open(&args.data).map_err(|error| unreadable(&args.data, &error))?;
    let table = Table::read(file).map_err(|error| usage(&chain(&error)))?;
    let Some(group) = &args.group else {
        let points = table.points(&args.x, &args.y).map_err(|error| usage(&error))?;
        let fit = fit_points(&points, &options).map_err(|error| usage(&error))?;
        return if out.json { out.data(&value(&fit)?) } else { print(&fit, out) };
    };
    let mut fits = BTreeMap::new();
    for (name, points) in table.grouped(&args.x, &args.y, group).map_err(|error| usage(&error))? {
        let fit = fit_points(&points, &options).map_err(|error| usage(&format!("{group} {name}: {error}")))?;
        fits.insert(name, fit);
    }
    if out.json {
        let groups =
            fits.iter().map(|(name, fit)| Ok((name.clone(), value(fit)?))).collect::<Result<BTreeMap<_, _>, Stop>>()?;
        return out.data(&json!({"version": 1, "form": options.form, "group": group, "groups": groups}));
    }
    for (name, fit) in &fits {
        out.line(&out.paint(Paint::Bold, &format!("{group} {name}")))?;
        print(fit, out)?;
    }
    Ok(())
}

fn options(args: &FitArgs) -> Result<Options, Stop> {
    let form: Form = args.form.parse().map_err(|error| Stop::Usage(format!("--form: {error}")))?;
    let refuse = |complaint: Complaint| Stop::Usage(format!("--{} {}", complaint.field, complaint.problem));
    Complaint::unless((0.5..1.0).contains(&args.level), "level", "must lie between 0.5 and 1").map_err(refuse)?;
    Complaint::unless((10..=1_000_000).contains(&args.bootstrap), "bootstrap", "must lie between 10 and 1000000")
        .map_err(refuse)?;
    Ok(Options {
        holdout: (args.holdout > 0).then_some(Holdout { largest: args.holdout }),
        bootstrap: args.bootstrap,
        level: args.level,
        seed: Seed::from_number(args.seed),
        ..Options::of(form)
    })
}

fn value(fit: &Fit) -> Result<Value, Stop> {
    serde_json::to_value(fit).map_err(|error| Stop::Internal(error.into()))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Stop {
    Stop::Usage(match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
        _ => format!("{} cannot be read: {error}", path.display()),
    })
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn print(fit: &Fit, out: &mut Output) -> Result<(), Stop> {
    out.line(&out.paint(Paint::Bold, &fit.formula))?;
    for (name, estimate) in &fit.params {
        out.line(&format!(
            "  {name:<6} {:>14.6e}  {:.0} % interval [{:.4e}, {:.4e}], standard error {:.2e}",
            estimate.value,
            fit.level * 100.0,
            estimate.lower,
            estimate.upper,
            estimate.stderr,
        ))?;
    }
    out.line(&format!("  {} points; {} = {:.6e}; r2 {:.4}", fit.n, fit.objective, fit.loss, fit.r2))?;
    if let Some(held_out) = &fit.holdout {
        out.line(&format!("  held out: {} points, mean absolute error {:.4e}", held_out.n, held_out.mean_abs_error))?;
    }
    for other in &fit.alternatives {
        out.line(&format!("  or: {}  mean absolute error {:.4e}", other.formula, other.mean_abs_error))?;
    }
    let dropped = fit.points.iter().filter_map(|point| Some((&point.label, point.dropped.as_ref()?)));
    for (label, reason) in dropped {
        out.line(&format!("  {}: {label}: {reason}", out.paint(Paint::Notice, "dropped")))?;
    }
    fit.warnings
        .iter()
        .try_for_each(|warning| out.line(&format!("  {}: {warning}", out.paint(Paint::Notice, "warning"))))
}
