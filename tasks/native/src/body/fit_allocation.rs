//! The body of `fit-allocation`.

use isoflop_kinds::fit::{FitAllocation, FitNeeds};
use isoflop_worker::{Context, Halt, Made};

use super::fit_scaling::{POINTS, points_of};
use crate::fit::{Means, allocate, columns_of};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: FitAllocation, needs: FitNeeds, context: &mut Context) -> Result<Made, Halt> {
    let points = points_of(&columns_of(&spec), needs, context.absent(POINTS))?;
    let made = allocate(&points, &spec, &Means { seed: context.seed()?, ..Means::default() })?;
    std::fs::write(context.out("fit.json"), serde_json::to_string_pretty(&made.allocation)? + "\n")?;
    std::fs::write(context.out("draws.csv"), made.draws_csv())?;
    let mut all = Made::new();
    for (name, value) in made.allocation.scalars() {
        all = all.scalar(name, value)?;
    }
    Ok(all)
}
