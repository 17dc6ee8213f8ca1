//! Checkpoints that a training was asked to keep: weights at chosen steps, as files of the artifact. What lets an interrupted training go on is
//! another thing; it carries these files along.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use isoflop_kinds::train::Weights;
use isoflop_worker::Context;

use super::Recipe;

/// The artifact's folder of them.
pub(super) const CHECKPOINTS: &str = "checkpoints";

/// Where a training goes on that another began.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Steps that the other has made.
    pub step: u64,
    /// The file of its state then.
    pub state: PathBuf,
    /// The folder of its checkpoints.
    pub folder: PathBuf,
}

/// The artifact's file of all that another training needs to go on from here.
pub fn state_file(step: u64) -> String {
    format!("{CHECKPOINTS}/{}", state(step))
}

pub(super) fn state(step: u64) -> String {
    format!("{step:08}-state.safetensors")
}

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

/// Takes along, into `to`, what `recipe` keeps that was kept in `from` after `done` steps. A trunk may keep more than its branch.
pub(super) fn carry(recipe: &Recipe, done: u64, from: &Path, to: &Path) -> io::Result<()> {
    for name in names(recipe, done) {
        let (from, to) = (from.join(&name), to.join(&name));
        if from.exists() {
            // Nobody writes to a file that is there, so both places may share it.
            fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop))?;
        }
    }
    Ok(())
}

/// Puts back what was kept up to step `done` in `from`, by an earlier attempt or a trunk.
pub(super) fn restore(recipe: &Recipe, done: u64, from: Option<&Path>, context: &Context) -> io::Result<()> {
    let Some(from) = from else { return Ok(()) };
    if names(recipe, done).next().is_some() {
        carry(recipe, done, from, &folder(context)?)?;
    }
    Ok(())
}

fn names(recipe: &Recipe, done: u64) -> impl Iterator<Item = String> {
    let reached = recipe.checkpoints.iter().copied().filter(move |&step| step <= done);
    reached.flat_map(|step| {
        let state = recipe.keep_states.then(|| state(step));
        [name(step, Weights::Raw), name(step, Weights::Ema)].into_iter().chain(state)
    })
}
