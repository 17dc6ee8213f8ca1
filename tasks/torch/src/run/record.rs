//! What every score leaves behind: `metric.json`, `values.csv` and its final numbers.

use std::{collections::BTreeMap, fmt::Write};

use isoflop_contract::{Artifact, Digest, Handle};
use isoflop_kinds::score::Resampling;
use isoflop_worker::{Context, Halt, Made};
use serde::Serialize;

use crate::{
    data::{Gallery, write_bytes, write_json},
    error::TorchError,
    metrics::Scored,
};

/// A score with its identity.
#[derive(Debug, Serialize)]
pub struct Record {
    version: u32,
    metric: &'static str,
    definition: String,
    preprocessing: String,
    inputs: BTreeMap<&'static str, Digest>,
    bootstrap: u64,
    level: f64,
    scores: Vec<Scored>,
    beside: BTreeMap<String, f64>,
}

impl Record {
    /// Nothing scored yet.
    pub fn new(metric: &'static str, definition: &str, preprocessing: &str, resampling: Resampling) -> Self {
        Self {
            version: 2,
            metric,
            definition: definition.to_owned(),
            preprocessing: preprocessing.to_owned(),
            inputs: BTreeMap::new(),
            bootstrap: resampling.draws,
            level: resampling.level,
            scores: Vec::new(),
            beside: BTreeMap::new(),
        }
    }

    /// What it rests on besides.
    pub fn of<A: Artifact>(mut self, port: &'static str, handle: &Handle<A>) -> Self {
        self.inputs.insert(port, handle.digest());
        self
    }

    /// The same, where it is fed.
    pub fn maybe_of<A: Artifact>(self, port: &'static str, handle: Option<&Handle<A>>) -> Self {
        match handle {
            Some(handle) => self.of(port, handle),
            None => self,
        }
    }

    /// One score more.
    pub fn score(mut self, scored: Scored) -> Self {
        self.scores.push(scored);
        self
    }

    /// The mean of the scores of prompts or images, of which there is one at least.
    pub fn mean(self, name: &str, values: &[f64]) -> Result<Self, TorchError> {
        let scored = Scored::mean(name, values, self.bootstrap, self.level);
        let nothing = || TorchError::Mismatch(format!("there is nothing whose `{name}` there could be"));
        Ok(self.score(scored.ok_or_else(nothing)?))
    }

    /// A number to hold the scores against.
    pub fn beside(mut self, name: &str, value: f64) -> Self {
        self.beside.insert(name.to_owned(), value);
        self
    }

    /// Writes it, and makes its final numbers: each score's value and interval, and what is beside them.
    pub fn leave(self, context: &Context) -> Result<Made, Halt> {
        write_json(&context.out("metric.json"), &self)?;
        let mut made = Made::new();
        for Scored { name, value, lower, upper, stderr, .. } in &self.scores {
            made = made.scalar(name.as_str(), *value)?;
            for (what, value) in [("lower", lower), ("upper", upper), ("stderr", stderr)] {
                made = made.scalar(format!("{name}_{what}"), *value)?;
            }
        }
        for (name, value) in self.beside {
            made = made.scalar(name, value)?;
        }
        Ok(made)
    }
}

/// Writes the score of every prompt or image.
pub fn write_values(context: &Context, of: &str, name: &str, values: &[f64]) -> Result<(), TorchError> {
    let mut table = format!("{of},{name}\n");
    for (number, value) in values.iter().enumerate() {
        writeln!(table, "{number},{value}").expect("a string takes any text");
    }
    write_bytes(&context.out("values.csv"), table.as_bytes())
}

/// The mean.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// How many images there are, if `prompts` has a prompt for each.
pub fn count(images: &Gallery, prompts: u64) -> Result<u64, TorchError> {
    let count = images.len();
    if count > prompts {
        return Err(TorchError::Mismatch(format!("there are {count} images and `prompts` has {prompts} scenes")));
    }
    Ok(count)
}
