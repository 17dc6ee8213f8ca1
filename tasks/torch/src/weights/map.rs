//! A file mapped into memory: of checkpoints larger than memory, only what is looked at is read.

#![expect(unsafe_code, reason = "a mapping changes when its file does, so memmap2 cannot call it safe")]

use std::{fs::File, ops::Deref, path::Path};

use memmap2::{Advice, Mmap};

use crate::error::TorchError;

/// A file's bytes.
#[derive(Debug)]
pub(super) struct Mapped(Mmap);

impl Mapped {
    /// Maps the file at `path`. Weights are replaced by renaming, never written in place: who does that anyway gets other numbers or a bus error, as with any
    /// program that maps them.
    pub fn open(path: &Path) -> Result<Self, TorchError> {
        let file = File::open(path).map_err(TorchError::file("read", path))?;
        // SAFETY: the mapping is private and read-only; what remains is said above.
        let map = unsafe { Mmap::map(&file) }.map_err(TorchError::file("map", path))?;
        let _ = map.advise(Advice::Sequential); // a hint, and no more
        Ok(Self(map))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}
