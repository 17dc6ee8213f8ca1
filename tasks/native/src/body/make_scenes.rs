//! The body of `make-scenes`.

use std::ops::ControlFlow;

use isoflop_contract::{Seed, port::NoNeeds};
use isoflop_kinds::scenes::MakeScenes;
use isoflop_worker::{Context, Halt, Interrupted, Made};

use crate::scenes::{self, SetError};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: MakeScenes, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
    let seed = match spec.seed {
        Some(number) => Seed::from_number(number),
        None => context.seed()?,
    };
    let (out, total) = (context.out(""), u64::from(spec.images));
    let written = scenes::write(&spec, seed, &out, |done| {
        context.progress(done, total);
        if context.should_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let scalars = match written {
        Err(SetError::Stopped) => return Err(Interrupted.into()),
        other => other?,
    };
    let mut made = Made::new();
    for (name, value) in scalars {
        made = made.scalar(name, value)?;
    }
    Ok(made)
}
