//! The body of `split-pictures`.

use isoflop_kinds::split::{Needs, SplitPictures};
use isoflop_worker::{Context, Halt, Interrupted, Made};

use crate::split::{SplitError, split};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: SplitPictures, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let out = context.out("");
    let numbers = split(&spec, &needs.pictures.file(""), &out, &mut |done, total| {
        context.progress(done, total);
        !context.should_stop()
    });
    let numbers = match numbers {
        Err(SplitError::Stopped) => return Err(Interrupted.into()),
        other => other?,
    };
    let mut made = Made::new();
    for (name, value) in numbers {
        made = made.scalar(name, value)?;
    }
    Ok(made)
}
