//! The body of `command`.

use std::{
    fs,
    time::{Duration, Instant},
};

use isoflop_contract::{Failure, FailureClass, port::Open, stride::SAVING};
use isoflop_kinds::command::{Command, Use};
use isoflop_worker::{Context, Diverged, Failing, Halt, Interrupted, Made};

use crate::command::{
    earlier::{Earlier, share},
    folder::Folder,
    metrics::{Metrics, MetricsError, Point},
    outputs,
    process::{Program, Start, ending},
    words::Words,
};

/// How often to look whether to stop.
const PAUSE: Duration = Duration::from_millis(20);

/// How often to read its metrics.
const BEAT: Duration = Duration::from_millis(200);

/// How long a program has to end by itself when it was asked to, if it keeps nothing for the next attempt.
const GRACE: Duration = Duration::from_secs(3);

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: Command, Open(needs): Open, context: &mut Context) -> Result<Made, Halt> {
    let seed = if spec.uses().contains(&Use::Seed) { Some(context.seed()?) } else { None };
    let words = Words::of(&spec, seed)?;
    let folder = Folder::create(context.scratch().join("work"), &spec, &needs, context.all_files())?;
    let tmp = context.scratch().join("tmp");
    fs::create_dir(&tmp)?;
    let mut earlier = Earlier::default();
    if spec.uses().contains(&Use::Checkpoint) {
        let kept = context.lasting()?;
        folder.keep(&kept.join("program"))?;
        if let Some(name) = &spec.metrics {
            let number;
            (earlier, number) = Earlier::read(&kept)?;
            share(&kept, number, &folder.path().join(name))?;
        }
    }
    // What it goes on from was measured by others, and comes first.
    record(std::mem::take(&mut earlier.points), context)?;
    let mut metrics = spec.metrics.as_ref().map(|name| Metrics::new(folder.path(), name));
    let start = Start { argv: &words.argv, set: &words.set, env: &spec.env, folder: folder.path(), tmp: &tmp };
    eprintln!("$ {}", words.line());
    // Asked before the program begins: whoever has never asked is ended at once, and the program with it, whatever it has to save.
    if context.should_stop() {
        return Err(Interrupted.into());
    }
    let mut program = start.start()?;
    let patience = if spec.uses().contains(&Use::Checkpoint) { SAVING } else { GRACE };
    let status = attend(&mut program, metrics.as_mut(), patience, context)?;
    if !status.success() {
        // What it measured before it died may say why, and a number that is none does: whether it was seen before the end must not decide.
        match metrics.as_mut().map(Metrics::read) {
            Some(Ok(points)) => record(points, context)?,
            Some(Err(error @ MetricsError::NotFinite { .. })) => return Err(halt(error)),
            _ => {}
        }
        let message = format!("`{}` {}", words.argv[0], ending(status));
        return Err(Failing(Failure { class: FailureClass::Crashed, message }).into());
    }
    let mut made = Made::new();
    if let Some(metrics) = metrics {
        let (points, scalars) = metrics.finish().map_err(halt)?;
        record(points, context)?;
        let scalars: Vec<(String, f64)> = earlier.scalars.into_iter().chain(scalars).collect();
        if let (true, true, Some(name)) = (scalars.is_empty(), spec.outputs.is_empty(), &spec.metrics) {
            return Err(format!("the metrics file `{name}` holds no number, and the task makes nothing else").into());
        }
        for (name, value) in scalars {
            made = made.scalar(name, value)?;
        }
    }
    for left in outputs::take(&spec, &folder.out(), &context.out(""))? {
        eprintln!("isoflop: `out/{}` is not kept: no output names it", left.display());
    }
    Ok(made)
}

/// Waits for the program, and passes on what it measures meanwhile.
fn attend(
    program: &mut Program,
    mut metrics: Option<&mut Metrics>,
    patience: Duration,
    context: &mut Context,
) -> Result<std::process::ExitStatus, Halt> {
    let mut read = Instant::now();
    let mut asked: Option<Instant> = None;
    loop {
        let ended = program.ended()?;
        if context.should_stop() {
            // Its whole group was asked to end, and it with it.
            if asked.is_none() && patience > GRACE {
                context.saving();
            }
            let since = *asked.get_or_insert_with(Instant::now);
            if ended.is_some() || since.elapsed() > patience {
                program.kill();
                return Err(Interrupted.into());
            }
        } else if let Some(status) = ended {
            return Ok(status);
        }
        if read.elapsed() >= BEAT
            && let Some(metrics) = &mut metrics
        {
            read = Instant::now();
            record(metrics.read().map_err(halt)?, context)?;
        }
        program.wait(PAUSE);
    }
}

fn record(points: Vec<Point>, context: &Context) -> Result<(), Halt> {
    for Point { series, step, value } in points {
        context.metric(&series, step, value)?;
    }
    Ok(())
}

/// A number that is none is a result: training diverged.
fn halt(error: MetricsError) -> Halt {
    match error {
        error @ MetricsError::NotFinite { .. } => Diverged(error.to_string()).into(),
        other => other.into(),
    }
}
