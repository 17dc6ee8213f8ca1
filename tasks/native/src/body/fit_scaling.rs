//! The body of `fit-scaling`.

use isoflop_contract::{Handle, shape::Any};
use isoflop_kinds::fit::{FitNeeds, FitScaling};
use isoflop_worker::{Context, Halt, Made};

use crate::fit::{Options, Point, Points, fit};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: FitScaling, needs: FitNeeds, context: &mut Context) -> Result<Made, Halt> {
    let point = |(label, handle): (String, Handle<Any>)| Point {
        x: number(&handle, &spec.x),
        y: number(&handle, &spec.y),
        label,
    };
    let rows = needs.points.into_iter().map(point).collect();
    let points = Points { x: spec.x.clone(), y: spec.y.clone(), rows };
    let fit = fit(&points, &Options::of_task(&spec, context.seed()?))?;
    std::fs::write(context.out("fit.json"), serde_json::to_string_pretty(&fit)? + "\n")?;
    let mut made = Made::new();
    for (name, value) in fit.scalars() {
        made = made.scalar(name, value)?;
    }
    Ok(made)
}

/// The final number `name` of an artifact, or else the axis of that name.
fn number(handle: &Handle<Any>, name: &str) -> Option<f64> {
    handle.scalars().get(name).copied().or_else(|| handle.cell().get(name)?.as_f64())
}
