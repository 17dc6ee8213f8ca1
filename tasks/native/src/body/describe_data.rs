//! The body of `describe-data`.

use isoflop_kinds::describe::{DescribeData, Needs};
use isoflop_worker::{Context, Halt, Interrupted, Made};

use crate::describe::{DescribeError, Set, describe, quality_of, write};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: DescribeData, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let set = match (&needs.data, &needs.pictures) {
        (Some(scenes), None) => Set::Scenes(scenes.file("")),
        (None, Some(pictures)) => Set::Pictures(pictures.file("")),
        _ => return Err("`describe-data` describes exactly one set: feed `data` or `pictures`".into()),
    };
    let described = describe(&set, spec.synthetic, &spec.ignored, &mut |done, total| {
        context.progress(done, total);
        !context.should_stop()
    });
    let mut description = match described {
        Err(DescribeError::Stopped) => return Err(Interrupted.into()),
        other => other?,
    };
    if let Some(score) = &needs.aesthetic {
        let (port, digest) = match (&needs.data, &needs.pictures) {
            (Some(scenes), _) => ("data", scenes.digest()),
            (None, Some(pictures)) => ("pictures", pictures.digest()),
            (None, None) => return Err("there is no set to describe".into()),
        };
        description.quality = Some(quality_of(&score.file("metric.json"), port, digest)?);
    }
    write(&description, &context.out(""))?;
    let mut made = Made::new();
    for (name, value) in description.columns() {
        made = made.scalar(name, value)?;
    }
    Ok(made)
}
