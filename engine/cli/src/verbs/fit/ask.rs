//! From flags to what a fit is asked.

use std::collections::BTreeMap;

use isoflop_contract::{Complaint, Kind};
use isoflop_kinds::fit::{
    Better, Counting, Drop, Ends, FitScaling, Form, Holdout, Objective, Resample, Target, Then, WeightOf, Weights,
};
use isoflop_native::fit::FitError;

use crate::{args::FitArgs, stop::Stop};

fn wrong(flag: &str, why: impl std::fmt::Display) -> Stop {
    Stop::Usage(format!("--{flag}: {why}"))
}

/// The spec that the flags spell.
pub fn spec(args: &FitArgs) -> Result<FitScaling, Stop> {
    let form: Form = args.form.parse().map_err(|error| wrong("form", error))?;
    let mut spec = if form.is_surface() {
        FitScaling { counting: Some(counting(args.counting.as_deref())?), ..FitScaling::of(form, "", &args.y) }
    } else {
        FitScaling::of(form, "", &args.y)
    };
    (spec.x, spec.inputs) = inputs(form, &args.x)?;
    spec.objective =
        args.objective.as_deref().map(str::parse::<Objective>).transpose().map_err(|e| wrong("objective", e))?;
    let weights = |column: &Option<String>, holds| column.clone().map(|column| Weights { column, holds });
    spec.weights = weights(&args.sigma, WeightOf::Sigma).or_else(|| weights(&args.weight, WeightOf::Weight));
    spec.drop =
        args.drop.iter().map(|rule| rule.parse::<Drop>()).collect::<Result<_, _>>().map_err(|e| wrong("drop", e))?;
    if let Some(better) = &args.frontier {
        spec.frontier = true;
        spec.better = match better.as_str() {
            "higher" => Better::Higher,
            "lower" => Better::Lower,
            other => return Err(wrong("frontier", format!("`{other}` is neither higher nor lower"))),
        };
    }
    spec.holdout = args.holdout.as_deref().filter(|rule| *rule != "0").map(holdout).transpose()?;
    spec.targets = args.at.iter().map(|place| target(place)).collect::<Result<_, _>>()?;
    spec.range = args.range.as_deref().map(range).transpose()?;
    spec.compute.clone_from(&args.compute);
    let ends = Ends { lo: args.chance, hi: args.ceiling };
    match &args.then {
        Some(y) => spec.then = Some(Then { y: y.clone(), ends }),
        None if ends != Ends::default() => spec.ends = Some(ends),
        None => {}
    }
    spec.grid = args.start.iter().map(|grid| start(grid)).collect::<Result<_, _>>()?;
    spec.bootstrap = args.bootstrap;
    let resample = Resample { together: args.together.clone(), within: args.within.clone() };
    spec.resample = (resample != Resample::default()).then_some(resample);
    spec.level = args.level;
    spec.allow_unconverged = args.allow_unconverged;
    spec.check().map_err(|Complaint { field, problem }| Stop::Usage(format!("--{} {problem}", flag(&field))))?;
    Ok(spec)
}

/// The flag that a field of the spec is given by.
fn flag(field: &str) -> &str {
    match field.split('.').next().unwrap_or(field) {
        "inputs" => "x",
        "targets" => "at",
        "grid" => "start",
        "ends" => "chance",
        other => other,
    }
}

/// An error as someone reads it who typed flags.
pub fn in_flags(error: &FitError) -> String {
    error.to_string().replace("`allow-unconverged`", "--allow-unconverged")
}

type Inputs = (Option<String>, BTreeMap<String, String>);

fn inputs(form: Form, given: &[String]) -> Result<Inputs, Stop> {
    if !form.is_surface() {
        return match given {
            [x] => Ok((Some(x.clone()), BTreeMap::new())),
            _ => Err(wrong("x", format!("form {form} has one x, and {} are given", given.len()))),
        };
    }
    let named = |input: &String| match input.split_once('=') {
        Some((name, column)) if ["N", "D", "C"].contains(&name) => Ok((name.to_owned(), column.to_owned())),
        _ => Err(wrong("x", format!("form {form} is a surface: write N=COLUMN, D=COLUMN or C=COLUMN, not `{input}`"))),
    };
    Ok((None, given.iter().map(named).collect::<Result<_, _>>()?))
}

fn counting(word: Option<&str>) -> Result<Counting, Stop> {
    match word {
        None | Some("unstated") => Ok(Counting::Unstated),
        Some("total") => Ok(Counting::Total),
        Some("non-embedding") => Ok(Counting::NonEmbedding),
        Some("active") => Ok(Counting::Active),
        Some(other) => Err(wrong("counting", format!("`{other}` is none of total, non-embedding and active"))),
    }
}

fn number(flag: &str, text: &str) -> Result<f64, Stop> {
    let finite = text.trim().parse::<f64>().ok().filter(|value| value.is_finite());
    finite.ok_or_else(|| wrong(flag, format!("`{text}` is not a number")))
}

fn holdout(rule: &str) -> Result<Holdout, Stop> {
    if let Ok(largest) = rule.parse::<u32>() {
        return Ok(Holdout::largest(largest));
    }
    if let Some((column, value)) = rule.split_once(">=") {
        let column = Some(column.trim().to_owned()).filter(|column| !column.is_empty());
        return Ok(Holdout { column, ..Holdout::above(number("holdout", value)?) });
    }
    match rule.split_once(':') {
        Some(("factor", value)) => Ok(Holdout::factor(number("holdout", value)?)),
        Some(("above", value)) => Ok(Holdout::above(number("holdout", value)?)),
        _ => Err(wrong("holdout", format!("`{rule}` is no rule; write N, factor:F, above:X or COLUMN>=X"))),
    }
}

fn target(place: &str) -> Result<Target, Stop> {
    let one = |part: &str| match part.split_once('=') {
        Some((name, value)) => Ok((name.trim().to_owned(), number("at", value)?)),
        None => Ok(("x".to_owned(), number("at", part)?)),
    };
    place.split(',').map(one).collect()
}

fn range(text: &str) -> Result<[f64; 2], Stop> {
    match text.split_once(',') {
        Some((low, high)) => Ok([number("range", low)?, number("range", high)?]),
        None => Err(wrong("range", format!("`{text}` is no range; write LOW,HIGH"))),
    }
}

fn start(grid: &str) -> Result<(String, Vec<f64>), Stop> {
    let Some((name, values)) = grid.split_once('=') else {
        return Err(wrong("start", format!("`{grid}` is no grid; write NAME=VALUE,VALUE,…")));
    };
    let values = values.split(',').map(|value| number("start", value)).collect::<Result<_, _>>()?;
    Ok((name.trim().to_owned(), values))
}
