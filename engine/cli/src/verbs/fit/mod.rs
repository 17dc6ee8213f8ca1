//! `fit`: a law fitted to columns of a CSV file, by hand. The same code as the kind `fit-scaling`.

mod ask;
mod divide;
mod next;
mod tell;

use std::{collections::BTreeMap, fs::File, path::Path, thread};

use isoflop_contract::Seed;
use isoflop_kinds::fit::FitAllocation;
use isoflop_native::fit::{
    Allocation, Fit, FitError, Means, Points, Settings, Table, allocate, columns_of, fit as fit_points,
};
use serde_json::{Value, json};

use crate::{
    args::FitArgs,
    output::{Output, Paint},
    stop::Stop,
};

/// Reads, fits and prints.
pub fn fit(args: &FitArgs, out: &mut Output) -> Result<(), Stop> {
    let usage = |error: &dyn std::fmt::Display| Stop::Usage(format!("{}: {error}", args.data.display()));
    let division = ask::allocation(args)?;
    let file = File::open(&args.data).map_err(|error| unreadable(&args.data, &error))?;
    let table = Table::read(file).map_err(|error| usage(&chain(&error)))?;
    let threads = args.threads.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from));
    let means = Means { seed: Seed::from_number(args.seed), settings: Settings { threads, ..Settings::default() } };
    if let Some(spec) = &division {
        return divide(args, &table, spec, &means, out);
    }
    let spec = ask::spec(args)?;
    if args.suggest {
        let points = table.points_of(&spec).map_err(|error| usage(&error))?;
        return next::suggest(args, &points, &spec, &means, out);
    }
    let one = |points: &Points| -> Result<Fit, FitError> { Ok(fit_points(points, &spec, &means)?.fit) };
    let Some(group) = &args.group else {
        let points = table.points_of(&spec).map_err(|error| usage(&error))?;
        let fit = one(&points).map_err(|error| usage(&ask::in_flags(&error)))?;
        return if out.json { out.data(&value(&fit)?) } else { tell::fit(&fit, out) };
    };
    let groups = table.grouped(&spec, group).map_err(|error| usage(&error))?;
    let made = groups.into_iter().map(|(name, points)| {
        let fit = one(&points).map_err(|error| ask::in_flags(&error));
        (name, fit)
    });
    grouped(args, group, spec.form.name(), made.collect(), tell::fit, out)
}

/// What was made of each group. One that nothing can be made of is named and spoils no other; without any there is nothing to print.
fn grouped<T: serde::Serialize>(
    args: &FitArgs,
    group: &str,
    form: &str,
    made: Vec<(String, Result<T, String>)>,
    tell: fn(&T, &mut Output) -> Result<(), Stop>,
    out: &mut Output,
) -> Result<(), Stop> {
    let spoken = |name: &str| if name.is_empty() { "(empty)".to_owned() } else { name.to_owned() };
    let (mut fits, mut refused) = (BTreeMap::new(), BTreeMap::new());
    for (name, one) in made {
        match one {
            Ok(one) => drop(fits.insert(name, one)),
            Err(why) => drop(refused.insert(name, why)),
        }
    }
    if let (true, Some((name, why))) = (fits.is_empty(), refused.first_key_value()) {
        let others = match refused.len() - 1 {
            0 => String::new(),
            1 => "; nor can the other group be fitted".to_owned(),
            n => format!("; nor can any of the {n} other groups be fitted"),
        };
        return Err(Stop::Usage(format!("{}: {group} {}: {why}{others}", args.data.display(), spoken(name))));
    }
    if out.json {
        let groups =
            fits.iter().map(|(name, fit)| Ok((name.clone(), value(fit)?))).collect::<Result<BTreeMap<_, _>, Stop>>()?;
        return out.data(&json!({"version": 1, "form": form, "group": group, "groups": groups, "refused": refused}));
    }
    for (name, fit) in &fits {
        out.line(&out.paint(Paint::Bold, &format!("{group} {}", spoken(name))))?;
        tell(fit, out)?;
        out.line("")?;
    }
    for (name, why) in &refused {
        let name = spoken(name);
        out.line(&format!("  {}: {group} {name} has no fit: {why}", out.paint(Paint::Notice, "warning")))?;
    }
    Ok(())
}

/// How compute is best divided.
fn divide(args: &FitArgs, table: &Table, spec: &FitAllocation, means: &Means, out: &mut Output) -> Result<(), Stop> {
    let usage = |error: &dyn std::fmt::Display| Stop::Usage(format!("{}: {error}", args.data.display()));
    let like = columns_of(spec);
    let one = |points: &Points| -> Result<Allocation, Stop> {
        Ok(allocate(points, spec, means).map_err(|error| usage(&error))?.allocation)
    };
    let Some(group) = &args.group else {
        let made = one(&table.points_of(&like).map_err(|error| usage(&error))?)?;
        return if out.json { out.data(&value(&made)?) } else { divide::tell(&made, out) };
    };
    let groups = table.grouped(&like, group).map_err(|error| usage(&error))?;
    let made = groups.into_iter().map(|(name, points)| {
        let made = allocate(&points, spec, means).map(|made| made.allocation);
        (name, made.map_err(|error| error.to_string()))
    });
    grouped(args, group, spec.method.name(), made.collect(), divide::tell, out)
}

fn value(fit: &impl serde::Serialize) -> Result<Value, Stop> {
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
