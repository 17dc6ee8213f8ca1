//! A file mapped into memory: of checkpoints larger than memory, only what is looked at is read.

#![expect(unsafe_code, reason = "a mapping changes when its file does, so memmap2 cannot call it safe")]

use std::{fs::File, ops::Deref, path::Path};

use memmap2::{Advice, Mmap};

use crate::error::TorchError;

/// A file's bytes.
#[derive(Debug)]
pub(crate) struct Mapped(Mmap);

impl Mapped {
    /// Maps the file at `path`, to be read from one end to the other.
    pub(super) fn open(path: &Path) -> Result<Self, TorchError> {
        Self::map(path, Advice::Sequential)
    }

    /// Maps the file at `path`, to be read here and there.
    pub(crate) fn scattered(path: &Path) -> Result<Self, TorchError> {
        Self::map(path, Advice::Random)
    }

    /// Weights and artifacts are replaced by renaming, never written in place: who does that anyway gets other numbers or a bus error, as with any
    /// program that maps them.
    fn map(path: &Path, advice: Advice) -> Result<Self, TorchError> {
        let file = File::open(path).map_err(TorchError::file("read", path))?;
        // SAFETY: the mapping is private and read-only; what remains is said above.
        let map = unsafe { Mmap::map(&file) }.map_err(TorchError::file("map", path))?;
        let _ = map.advise(advice); // a hint, and no more
        Ok(Self(map))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
