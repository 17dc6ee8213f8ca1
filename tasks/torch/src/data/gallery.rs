//! Pictures one after another, from whichever artifact has some; read where they lie, a few at a time.

use std::path::PathBuf;

use isoflop_contract::{Artifact, Handle};
use isoflop_kinds::artifact;
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::{Rows, read_json};
use crate::error::TorchError;

/// Pictures of one size, u8 `[3, R, R]` each.
#[derive(Debug)]
pub struct Gallery {
    rows: Rows,
    side: i64,
}

#[derive(Deserialize)]
struct Index {
    shards: Vec<Shard>,
}

#[derive(Deserialize)]
struct Shard {
    name: String,
}

impl Gallery {
    /// Sampled images.
    pub fn images(handle: &Handle<artifact::Images>) -> Result<Self, TorchError> {
        Self::open(&[handle.file("images.safetensors")])
    }

    /// The pictures of drawn scenes, or of a part of a set from elsewhere.
    pub fn scenes<A: Artifact>(handle: &Handle<A>) -> Result<Self, TorchError> {
        Self::open(&[handle.file("scenes.safetensors")])
    }

    /// The same, where the set has pictures.
    pub fn if_pictured<A: Artifact>(handle: &Handle<A>) -> Result<Option<Self>, TorchError> {
        match Self::scenes(handle) {
            Ok(gallery) => Ok(Some(gallery)),
            Err(TorchError::NoTensor { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Images from elsewhere.
    pub fn pictures(handle: &Handle<artifact::Pictures>) -> Result<Self, TorchError> {
        let index: Index = read_json(&handle.file("index.json"))?;
        let paths: Vec<PathBuf> =
            index.shards.iter().map(|shard| handle.file(&format!("{}.safetensors", shard.name))).collect();
        Self::open(&paths)
    }

    fn open(paths: &[PathBuf]) -> Result<Self, TorchError> {
        let rows = Rows::open(paths, &["images"])?;
        let path = paths.first().cloned().unwrap_or_default();
        let column = rows.columns().first();
        match column.map(|column| (column.kind(), column.shape.as_slice())) {
            Some((Kind::Uint8, &[3, high, wide])) if high == wide => Ok(Self { rows, side: wide }),
            _ => Err(TorchError::NoTensor { path, name: "images", wanted: "u8 [N, 3, R, R], N above 0" }),
        }
    }

    /// How many there are.
    pub fn len(&self) -> u64 {
        self.rows.len()
    }

    /// Whether there are none, which is never so.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Height and width.
    pub fn side(&self) -> i64 {
        self.side
    }

    /// These, u8 `[B, 3, R, R]`.
    pub fn at(&self, rows: &[i64]) -> Tensor {
        self.rows.stack(0, rows)
    }
}
