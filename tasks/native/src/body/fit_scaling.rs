//! The body of `fit-scaling`.

use std::collections::BTreeMap;

use isoflop_contract::{Handle, shape::Any};
use isoflop_kinds::fit::{FitNeeds, FitScaling};
use isoflop_worker::{Context, Halt, Made};

use crate::fit::{Means, Point, Points, columns, fit};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: FitScaling, needs: FitNeeds, context: &mut Context) -> Result<Made, Halt> {
    let (numbers, words) = columns(&spec);
    let point = |(label, handle): (String, Handle<Any>)| Point {
        numbers: numbers.iter().filter_map(|name| Some((name.clone(), number(&handle, name)?))).collect(),
        words: words.iter().filter_map(|name| Some((name.clone(), word(&handle, name)?))).collect::<BTreeMap<_, _>>(),
        label,
    };
    let points = Points { rows: needs.points.into_iter().map(point).collect() };
    let made = fit(&points, &spec, &Means { seed: context.seed()?, ..Means::default() })?;
    std::fs::write(context.out("fit.json"), serde_json::to_string_pretty(&made.fit)? + "\n")?;
    std::fs::write(context.out("draws.csv"), made.draws_csv())?;
    let mut all = Made::new();
    for (name, value) in made.fit.scalars() {
        all = all.scalar(name, value)?;
    }
    Ok(all)
}

/// The final number `name` of an artifact, or else the axis of that name.
fn number(handle: &Handle<Any>, name: &str) -> Option<f64> {
    handle.scalars().get(name).copied().or_else(|| handle.cell().get(name)?.as_f64())
}

/// The axis `name` of an artifact, if it is a word.
fn word(handle: &Handle<Any>, name: &str) -> Option<String> {
    let value = handle.cell().get(name)?;
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}
