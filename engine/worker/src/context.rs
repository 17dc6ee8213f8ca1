//! The context: what a body may use of the world.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use isoflop_contract::{
    Cell, Environment, Seed,
    checkpoint::LASTING,
    protocol::{Assignment, Notice},
};
use serde_json::Value;

use crate::{
    follow,
    halt::{Halt, Interrupted, NotFinite},
    mouth::Mouth,
    saver::{Resume, Saver},
    stop::Stop,
};

/// How often progress is told at most.
const BEAT: Duration = Duration::from_millis(100);

/// What a body may use of the world, and how it tells how it fares.
#[derive(Debug)]
pub struct Context {
    assignment: Assignment,
    mouth: Mouth,
    stop: Stop,
    told: Option<Instant>,
    saver: Option<Saver>,
    /// What the leader ordered, if this process follows one.
    orders: Option<Value>,
}

impl Context {
    pub(crate) fn new(assignment: Assignment, mouth: Mouth, stop: Stop) -> Self {
        let saver = assignment.saving.clone().map(|saving| Saver::new(saving, &assignment));
        Self { assignment, mouth, stop, told: None, saver, orders: None }
    }

    /// The context of a follower.
    pub(crate) fn following(assignment: Assignment, mouth: Mouth, orders: Value) -> Self {
        Self { orders: Some(orders), ..Self::new(assignment, mouth, Stop::begun()) }
    }

    pub(crate) fn assignment(&self) -> &Assignment {
        &self.assignment
    }

    /// How many processes may share the work, this one included; a body that cannot share it takes no notice. What a task makes must not
    /// depend on it.
    pub fn ranks(&self) -> usize {
        self.assignment.ranks.get() as usize
    }

    /// What the leader ordered, if this process is a follower: see [`follow`](crate::follow()).
    pub fn orders(&self) -> Option<&Value> {
        self.orders.as_ref()
    }

    /// What a follower of this process is to be given on stdin: one line that hands `orders` and the assignment on. `scratch` is the
    /// follower's own folder for whatever need not be kept.
    pub fn hand_on(&self, orders: &Value, scratch: &Path) -> Result<Vec<u8>, Halt> {
        Ok(follow::order(&self.assignment, orders, scratch)?)
    }

    /// The task's name, for messages only: what a body makes must not depend on it.
    pub fn task(&self) -> &str {
        &self.assignment.task
    }

    /// The folder of the study's files called `name` (`files:`, or `code` for what a kind's `code:` names), if the task has any. The files
    /// are read-only and lie there under the names of their manifest.
    pub fn files(&self, name: &str) -> Option<&Path> {
        self.assignment.files.get(name).map(PathBuf::as_path)
    }

    /// The folders of all files of the study that the task reads, by name.
    pub fn all_files(&self) -> &BTreeMap<String, PathBuf> {
        &self.assignment.files
    }

    /// The path of the artifact's file `name`. The folder is there; folders inside it are the body's to make.
    pub fn out(&self, name: impl AsRef<Path>) -> PathBuf {
        self.assignment.out.join(name)
    }

    /// A folder for whatever need not be kept.
    pub fn scratch(&self) -> &Path {
        &self.assignment.scratch
    }

    /// The cells of the gather at `port` of which there is no artifact, by label: they diverged, or what they need did.
    pub fn absent(&self, port: &str) -> BTreeMap<String, Cell> {
        self.assignment.absent.get(port).cloned().unwrap_or_default()
    }

    /// The task's seed. A kind that declares no randomness has none, and asking for one is a mistake in its body.
    pub fn seed(&self) -> Result<Seed, Halt> {
        self.assignment.seed.ok_or_else(|| {
            format!("kind {} has no seed: it declares that it uses no randomness", self.assignment.kind).into()
        })
    }

    /// The hard environment to keep to.
    pub fn environment(&self) -> &Environment {
        &self.assignment.environment
    }

    /// Records one point of a series. A loss that is not finite is refused, so that the body may end as
    /// [`diverged`](NotFinite::diverged).
    pub fn metric(&self, series: &str, step: u64, value: f64) -> Result<(), NotFinite> {
        if !value.is_finite() {
            return Err(NotFinite { what: format!("the metric `{series}` at step {step}"), value });
        }
        if let Some(saver) = &self.saver {
            saver.carry(series, step, value);
        }
        self.mouth.say(&Notice::Metric { name: series.to_owned(), step, value });
        Ok(())
    }

    /// The checkpoint to go on from, if there is one: asked for once, before anything is measured. A body that asks must go on from it.
    pub fn resume(&mut self) -> Option<Resume> {
        let resume = self.saver.as_mut()?.resume()?;
        self.mouth.say(&Notice::Resumed { step: resume.step });
        Some(resume)
    }

    /// Offers a checkpoint after `step` steps; cheap to call after each. If one is due, `write` writes what the body needs to go on from
    /// here into the folder it is given. If the body should stop, one is written first, and the answer is
    /// [`Interrupted`].
    pub fn checkpoint(&mut self, step: u64, write: impl FnOnce(&Path) -> Result<(), Halt>) -> Result<(), Halt> {
        if self.orders.is_some() {
            return Ok(()); // its leader saves, and says when to stop
        }
        let stopping = self.should_stop();
        if let Some(saver) = &mut self.saver
            && saver.is_due(step, stopping)
        {
            self.stop.set_saving(true);
            self.mouth.say(&Notice::Saving { step });
            let digest = saver.save(step, write)?;
            self.mouth.say(&Notice::Saved { step, digest });
            self.stop.set_saving(false);
        }
        if stopping { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Says that the body saves what the next attempt goes on from, in its own way: it is given the time to, as one that writes a checkpoint is.
    pub fn saving(&self) {
        self.stop.set_saving(true);
        self.mouth.say(&Notice::Saving { step: 0 });
    }

    /// A folder that outlives this attempt: the next one at the same key finds in it what this one left, until the task is made. What is in it
    /// is not checked and may be half-written. Without checkpoints, a folder like any other.
    pub fn lasting(&self) -> io::Result<PathBuf> {
        let folder = match &self.saver {
            Some(saver) => saver.lasting(),
            None => self.assignment.scratch.join(LASTING),
        };
        fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Tells how far the body is; cheap to call often, since at most ten a second are passed on, and the last.
    pub fn progress(&mut self, done: u64, total: u64) {
        if let Some(saver) = &self.saver {
            saver.die_at(done);
        }
        let now = Instant::now();
        if done < total && self.told.is_some_and(|told| now - told < BEAT) {
            return;
        }
        self.told = Some(now);
        self.mouth.say(&Notice::Progress { done, total });
    }

    /// Whether the body should stop and end with [`Interrupted`]. A body that ever looks is given five seconds to do so, or four times the longest that
    /// passed between two looks; one that never does is ended at once.
    pub fn should_stop(&self) -> bool {
        self.stop.look() || self.mouth.is_unheard()
    }
}
