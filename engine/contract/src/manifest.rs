//! A manifest: what an artifact is made of. Its digest is the artifact's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    canon::{self, CanonError},
    digest::Digest,
};

/// The files of an artifact and its final numbers, committed together and never changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The artifact's shape.
    pub shape: String,
    /// Files by path inside the artifact (`/` between folders).
    pub files: BTreeMap<String, File>,
    /// Final numbers by name: what claims, tables and fits read without opening a file.
    pub scalars: BTreeMap<String, f64>,
}

/// One file of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The digest of its bytes.
    pub digest: Digest,
    /// How many bytes.
    pub size: u64,
}

impl Manifest {
    /// The canonical text: what is stored, and what the artifact's digest is of.
    pub fn text(&self) -> Result<String, CanonError> {
        canon::text(self)
    }

    /// The artifact's digest.
    pub fn digest(&self) -> Result<Digest, CanonError> {
        self.text().map(Digest::of)
    }

    /// How many bytes all files have together.
    pub fn size(&self) -> u64 {
        self.files.values().map(|file| file.size).sum()
    }
}
