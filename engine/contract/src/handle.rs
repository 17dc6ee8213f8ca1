//! Handles: what a body gets for each need.

use std::{collections::BTreeMap, marker::PhantomData, path::PathBuf};

use serde::{Deserialize, Serialize};

use crate::{cell::Cell, digest::Digest, shape::Artifact};

/// One artifact handed to a worker: a folder of read-only files and the scalars that were recorded with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// The artifact's shape.
    pub shape: String,
    /// The axes of the task that made it.
    pub cell: Cell,
    /// The artifact's digest.
    pub digest: Digest,
    /// The folder that holds its files, under the names of its manifest.
    pub path: PathBuf,
    /// Final numbers by name.
    pub scalars: BTreeMap<String, f64>,
}

/// An [`Input`] whose shape is `A`.
#[derive(Debug)]
pub struct Handle<A: Artifact> {
    input: Input,
    shape: PhantomData<fn() -> A>,
}

impl<A: Artifact> Handle<A> {
    /// Types an input whose shape has been checked.
    pub(crate) fn new(input: Input) -> Self {
        Self { input, shape: PhantomData }
    }

    /// The path of the artifact's file `name`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.input.path.join(name)
    }

    /// The axes of the task that made it.
    pub fn cell(&self) -> &Cell {
        &self.input.cell
    }

    /// The artifact's digest.
    pub fn digest(&self) -> Digest {
        self.input.digest
    }

    /// Final numbers by name.
    pub fn scalars(&self) -> &BTreeMap<String, f64> {
        &self.input.scalars
    }
}
