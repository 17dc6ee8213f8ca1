//! Checkpoints that a training was asked to keep: weights at chosen steps, as files of the artifact. What lets an interrupted training go on is
//! another thing; it carries these files along.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use isoflop_kinds::train::Weights;
use isoflop_worker::{Context, Halt, Resume};

/// The artifact's folder of them.
pub(super) const CHECKPOINTS: &str = "checkpoints";

/// The artifact's file of the weights after `step` steps.
pub fn checkpoint(step: u64, weights: Weights) -> String {
    format!("{CHECKPOINTS}/{}", name(step, weights))
}

pub(super) fn name(step: u64, weights: Weights) -> String {
    match weights {
        Weights::Raw => format!("{step:08}.safetensors"),
        Weights::Ema => format!("{step:08}-ema.safetensors"),
    }
}

/// The folder, made if need be.
pub(super) fn folder(context: &Context) -> io::Result<PathBuf> {
    let folder = context.out(CHECKPOINTS);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Takes along, into `to`, what of the checkpoints `steps` was kept in `from` after `done` steps.
pub(super) fn carry(steps: &[u64], done: u64, from: &Path, to: &Path) -> io::Result<()> {
    for name in names(steps, done) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.exists() {
            // Nobody writes to a file that is there, so both places may share it.
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        }
    }
    Ok(())
}

/// Puts back what an earlier attempt had kept.
pub(super) fn restore(steps: &[u64], done: u64, resumed: Option<&Resume>, context: &Context) -> Result<(), Halt> {
    let Some(resumed) = resumed else { return Ok(()) };
    if names(steps, done).next().is_some() {
        carry(steps, done, &resumed.file(""), &folder(context)?)?;
    }
    Ok(())
}

fn names(steps: &[u64], done: u64) -> impl Iterator<Item = String> {
    let reached = steps.iter().copied().filter(move |&step| step <= done);
    reached.flat_map(|step| [Weights::Raw, Weights::Ema].map(|weights| name(step, weights)))
}
