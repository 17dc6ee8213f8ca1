//! From flags to what a fit is asked.

use std::collections::BTreeMap;

use isoflop_contract::{Complaint, Kind};
use isoflop_kinds::fit::{
    Better, Counting, Drop, Ends, FitAllocation, FitScaling, Form, Formula, Holdout, Keep, Method, Noise, Objective,
    Parameter, Resample, Target, Then, ThenForm, WeightOf, Weights,
};
use isoflop_native::fit::{FitError, Quantity, Wish};

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
    spec.formula = formula(form, args)?;
    spec.fixed = args.fix.iter().map(|fix| fixed(fix)).collect::<Result<_, _>>()?;
    spec.keep = keep(&args.keep)?;
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
        Some(y) => spec.then = Some(Then { form: then_form(&args.then_form)?, ..Then::sigmoid(y, ends) }),
        None if ends != Ends::default() => spec.ends = Some(ends),
        None => {}
    }
    spec.grid = args.start.iter().map(|grid| start(grid)).collect::<Result<_, _>>()?;
    spec.bootstrap = args.bootstrap;
    let noise = args.noise.as_deref().map(noise).transpose()?;
    let resample = Resample { together: args.together.clone(), within: args.within.clone(), noise };
    spec.resample = (resample != Resample::default()).then_some(resample);
    spec.level = args.level;
    spec.allow_unconverged = args.allow_unconverged;
    spec.check().map_err(|complaint| refused(&complaint))?;
    Ok(spec)
}

/// How compute is divided, if that is what the flags ask.
pub fn allocation(args: &FitArgs) -> Result<Option<FitAllocation>, Stop> {
    let Ok(method) = args.form.parse::<Method>() else { return Ok(None) };
    let (_, inputs) = inputs(Form::Chinchilla, &args.x)?;
    let target = |place: &String| match target(place)?.into_iter().collect::<Vec<_>>().as_slice() {
        [(name, value)] if name == "C" => Ok(*value),
        _ => Err(wrong("at", format!("`{place}` is no place; write C=VALUE"))),
    };
    let noise = match args.noise.as_deref().map(noise).transpose()? {
        Some(Noise::Replicates) => return Err(wrong("noise", format!("form {method} needs a number"))),
        Some(Noise::Sigma(sigma)) => Some(sigma),
        None => None,
    };
    let spec = FitAllocation {
        inputs,
        counting: counting(args.counting.as_deref())?,
        budget: args.budgets.clone(),
        weighted: args.weighted,
        bins: args.bins,
        noise,
        keep: keep(&args.keep)?,
        drop: args
            .drop
            .iter()
            .map(|rule| rule.parse::<Drop>())
            .collect::<Result<_, _>>()
            .map_err(|e| wrong("drop", e))?,
        targets: args.at.iter().map(target).collect::<Result<_, _>>()?,
        bootstrap: args.bootstrap,
        level: args.level,
        ..FitAllocation::of(method, &[], &args.y)
    };
    spec.check().map_err(|complaint| refused(&complaint))?;
    Ok(Some(spec))
}

fn formula(form: Form, args: &FitArgs) -> Result<Option<Formula>, Stop> {
    let Some(law) = &args.law else {
        return match form {
            Form::Formula => Err(wrong("law", "must be given with --form formula")),
            _ if args.param.is_empty() => Ok(None),
            _ => Err(wrong("param", "belongs to --law")),
        };
    };
    if form == Form::Formula && args.param.is_empty() {
        return Err(wrong("param", "must name each parameter of --law, as in `--param a --param b=0:`"));
    }
    let parameter = |text: &String| {
        let Some((name, range)) = text.split_once('=') else { return Ok((text.clone(), Parameter::default())) };
        let Some((low, high)) = range.split_once(':') else {
            return Err(wrong("param", format!("`{text}` has no range; write NAME=MIN:MAX, or NAME=0:")));
        };
        let end = |text: &str| if text.trim().is_empty() { Ok(None) } else { number("param", text).map(Some) };
        Ok((name.trim().to_owned(), Parameter { min: end(low)?, max: end(high)?, start: Vec::new() }))
    };
    Ok(Some(Formula { law: law.clone(), parameters: args.param.iter().map(parameter).collect::<Result<_, _>>()? }))
}

fn fixed(text: &str) -> Result<(String, f64), Stop> {
    let Some((name, value)) = text.split_once('=') else {
        return Err(wrong("fix", format!("`{text}` fixes nothing; write NAME=VALUE")));
    };
    Ok((name.trim().to_owned(), number("fix", value)?))
}

fn keep(rules: &[String]) -> Result<Keep, Stop> {
    let one = |rule: &String| match rule.split_once('=') {
        Some((column, names)) => {
            Ok((column.trim().to_owned(), names.split(',').map(|name| name.trim().to_owned()).collect()))
        }
        None => Err(wrong("keep", format!("`{rule}` is no rule; write COL=NAME,NAME,…"))),
    };
    rules.iter().map(one).collect()
}

fn noise(text: &str) -> Result<Noise, Stop> {
    if text == "replicates" { Ok(Noise::Replicates) } else { Ok(Noise::Sigma(number("noise", text)?)) }
}

fn then_form(word: &str) -> Result<ThenForm, Stop> {
    match word {
        "sigmoid" => Ok(ThenForm::Sigmoid),
        "exponential" => Ok(ThenForm::Exponential),
        other => Err(wrong("then-form", format!("`{other}` is neither sigmoid nor exponential"))),
    }
}

/// A complaint about the spec as someone reads it who typed flags.
fn refused(Complaint { field, problem }: &Complaint) -> Stop {
    Stop::Usage(match field.strip_prefix("formula.parameters") {
        Some(name) if !name.is_empty() => format!("--param {} {problem}", name.trim_start_matches('.')),
        Some(_) => format!("--param {problem}"),
        None => format!("--{} {problem}", flag(field)),
    })
}

/// The flag that a field of the spec is given by.
fn flag(field: &str) -> &str {
    match field.split('.').next().unwrap_or(field) {
        "inputs" => "x",
        "targets" => "at",
        "grid" => "start",
        "ends" => "chance",
        "fixed" => "fix",
        "formula" => "law",
        "resample" => "noise",
        "budget" => "budgets",
        other => other,
    }
}

/// An error as someone reads it who typed flags.
pub fn in_flags(error: &FitError) -> String {
    error.to_string().replace("`allow_unconverged`", "--allow-unconverged").replace("`resample.noise`", "--noise")
}

type Inputs = (Option<String>, BTreeMap<String, String>);

fn inputs(form: Form, given: &[String]) -> Result<Inputs, Stop> {
    let named = given.iter().any(|input| input.contains('='));
    let several = form.is_surface() || (form == Form::Formula && named);
    if !several {
        return match given {
            [x] => Ok((Some(x.clone()), BTreeMap::new())),
            _ => Err(wrong("x", format!("form {form} has one x, and {} are given", given.len()))),
        };
    }
    let known = |name: &str| form == Form::Formula || ["N", "D", "C", "U"].contains(&name);
    let named = |input: &String| match input.split_once('=') {
        Some((name, column)) if known(name) => Ok((name.to_owned(), column.to_owned())),
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

/// What suggested runs should narrow.
pub fn wish(args: &FitArgs) -> Result<Wish, Stop> {
    let quantity = |text: &String| {
        if text.contains('=') { target(text).map(Quantity::At) } else { Ok(Quantity::Named(text.clone())) }
    };
    let quantity = args.narrow.as_ref().map(quantity).transpose()?;
    Ok(Wish { budget: args.budget.unwrap_or(f64::NAN), quantity, runs: args.runs })
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
