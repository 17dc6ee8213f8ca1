//! Writes that survive a crash, and what the system's refusals mean.
//!
//! A file appears under its final name whole and on disk, or not at all: it is written elsewhere on the same filesystem, flushed, renamed,
//! and the folder is flushed.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
};

use rustix::io::Errno;

use crate::error::StoreError;

/// What a refusal by the system means. `needed` is how much was to be written.
pub(crate) fn refused(path: &Path, doing: &'static str, needed: u64, source: io::Error) -> StoreError {
    let errno = source.raw_os_error().map(Errno::from_raw_os_error);
    match errno {
        Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => {
            let folder = if path.is_dir() { path } else { path.parent().unwrap_or(path) };
            StoreError::Full { path: folder.to_owned(), needed, source }
        }
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => StoreError::ReadOnly { path: path.to_owned(), source },
        Some(Errno::NOENT) if path.parent().is_some_and(|folder| !folder.exists()) => {
            let folder = path.parent().unwrap_or(path).to_owned();
            StoreError::Gone { path: folder, source }
        }
        _ => StoreError::Io { path: path.to_owned(), doing, source },
    }
}

/// A refusal when nothing was to be written.
pub(crate) fn unreadable(path: &Path, doing: &'static str, source: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), doing, source }
}

/// Makes a folder and those above it.
pub(crate) fn folder(path: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(path).map_err(|e| refused(path, "make the folder", 4096, e))
}

/// Flushes a folder, so that names in it survive a crash.
pub(crate) fn flush_folder(path: &Path) -> Result<(), StoreError> {
    let file = File::open(path).map_err(|e| unreadable(path, "open the folder", e))?;
    file.sync_all().map_err(|e| refused(path, "flush the folder", 0, e))
}

/// Makes a file read-only and flushes it.
pub(crate) fn seal(file: &File, path: &Path) -> Result<(), StoreError> {
    let size = file.metadata().map_or(0, |m| m.len());
    file.set_permissions(fs::Permissions::from_mode(0o444)).map_err(|e| refused(path, "make read-only", 0, e))?;
    file.sync_all().map_err(|e| refused(path, "flush", size, e))
}

/// Copies everything `from` has into a new, sealed file at `to`.
pub(crate) fn copy(from: &mut File, size: u64, to: &Path) -> Result<(), StoreError> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|e| refused(to, "create", size, e))?;
    io::copy(from, &mut file).map_err(|e| refused(to, "write", size, e))?;
    seal(&file, to)
}

/// Renames, replacing what is there.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(|e| refused(to, "move a file to", 0, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let mean = |errno: Errno| refused(Path::new("/store/blobs/ab/x"), "write", 7, errno.into());
        for errno in [Errno::NOSPC, Errno::DQUOT, Errno::FBIG] {
            let text = mean(errno).to_string();
            assert!(text.starts_with("no space left in /store/blobs/ab: 7 more bytes"), "{text}");
        }
        for errno in [Errno::ROFS, Errno::ACCESS, Errno::PERM] {
            assert!(matches!(mean(errno), StoreError::ReadOnly { .. }), "{errno}");
        }
        let text = mean(Errno::NOENT).to_string();
        assert!(text.starts_with("the folder /store/blobs/ab is gone: was the store moved?"), "{text}");
        assert!(mean(Errno::IO).to_string().starts_with("cannot write /store/blobs/ab/x: "));
    }
}
