//! Tensors of many rows in several files, each with its digest.

use std::{collections::BTreeMap, fs::File};

use isoflop_contract::Digest;
use isoflop_worker::Context;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use crate::{data::write_tensors, error::TorchError};

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shard {
    /// Its name.
    pub file: String,
    /// How many rows it has.
    pub rows: u64,
    /// Of its bytes. Nobody reads it here, so a program of the study's own may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
}

/// Files under way: rows come in batches and go out whenever there are enough for a file.
#[derive(Debug)]
pub struct Writer<'a> {
    name: &'a str,
    most: u64,
    waiting: BTreeMap<String, Vec<Tensor>>,
    rows: u64,
    shards: Vec<Shard>,
}

impl<'a> Writer<'a> {
    /// Files `name-00000.safetensors` and so on, with up to `most` rows each; batches are never cut.
    pub fn new(name: &'a str, most: u64) -> Self {
        Self { name, most, waiting: BTreeMap::new(), rows: 0, shards: Vec::new() }
    }

    /// Takes in tensors with `rows` rows each.
    pub fn add(&mut self, tensors: BTreeMap<String, Tensor>, rows: u64, context: &Context) -> Result<(), TorchError> {
        if self.rows > 0 && self.rows + rows > self.most {
            self.write(context)?;
        }
        for (name, tensor) in tensors {
            self.waiting.entry(name).or_default().push(tensor);
        }
        self.rows += rows;
        Ok(())
    }

    /// Writes what is left, and says what there is.
    pub fn finish(mut self, context: &Context) -> Result<Vec<Shard>, TorchError> {
        if self.rows > 0 {
            self.write(context)?;
        }
        Ok(self.shards)
    }

    fn write(&mut self, context: &Context) -> Result<(), TorchError> {
        let file = format!("{}-{:05}.safetensors", self.name, self.shards.len());
        let path = context.out(&file);
        let whole = std::mem::take(&mut self.waiting).into_iter().map(|(name, parts)| (name, Tensor::cat(&parts, 0)));
        write_tensors(&path, &whole.collect())?;
        let read = File::open(&path).map_err(TorchError::file("read", &path))?;
        let (digest, _) = Digest::of_reader(read).map_err(TorchError::file("read", &path))?;
        self.shards.push(Shard { file, rows: std::mem::take(&mut self.rows), digest: Some(digest) });
        Ok(())
    }
}
