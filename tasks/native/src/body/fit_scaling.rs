//! The body of `fit-scaling`.

use std::collections::BTreeMap;

use isoflop_contract::{Handle, shape::Any};
use isoflop_kinds::fit::{FitNeeds, FitScaling};
use isoflop_worker::{Context, Halt, Made};

use crate::fit::{Means, Point, Points, Table, columns, fit};

/// The file that makes an artifact a table of points.
const TABLE: &str = "table.csv";

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: FitScaling, needs: FitNeeds, context: &mut Context) -> Result<Made, Halt> {
    let points = points_of(&spec, needs)?;
    let made = fit(&points, &spec, &Means { seed: context.seed()?, ..Means::default() })?;
    std::fs::write(context.out("fit.json"), serde_json::to_string_pretty(&made.fit)? + "\n")?;
    std::fs::write(context.out("draws.csv"), made.draws_csv())?;
    let mut all = Made::new();
    for (name, value) in made.fit.scalars() {
        all = all.scalar(name, value)?;
    }
    Ok(all)
}

/// A point for each artifact, and a point for each row of one that is a table.
pub fn points_of(spec: &FitScaling, needs: FitNeeds) -> Result<Points, Halt> {
    let (numbers, words) = columns(spec);
    let mut rows = Vec::new();
    for (label, handle) in needs.points {
        let table = handle.file(TABLE);
        if table.exists() {
            let points = Table::read(std::fs::File::open(table)?)?.points_of(spec)?;
            let named = |point: Point| match label.as_str() {
                "" => point,
                label => Point { label: format!("{label}, {}", point.label), ..point },
            };
            rows.extend(points.rows.into_iter().map(named));
            continue;
        }
        rows.push(Point {
            numbers: numbers.iter().filter_map(|name| Some((name.clone(), number(&handle, name)?))).collect(),
            words: words
                .iter()
                .filter_map(|name| Some((name.clone(), word(&handle, name)?)))
                .collect::<BTreeMap<_, _>>(),
            label,
        });
    }
    Ok(Points { rows })
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
