//! The disk, as planning sees it: paths relative to the current folder.

use std::{
    fs::{self, File},
    io::{self, Read},
};

use isoflop_contract::{Digest, manifest};
use isoflop_plan::{FileError, Files, Listed};

/// Files of the current folder and below, or above by `..`.
#[derive(Debug, Clone, Copy)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        let file = open(path)?;
        // A named pipe has no length and may never end: one byte above the limit is enough to refuse it.
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| said(&error))?;
        if bytes.len() > limit {
            let size = fs::metadata(path).map_or(bytes.len() as u64, |metadata| metadata.len());
            return Err(FileError::TooLarge(size.max(bytes.len() as u64)));
        }
        Ok(bytes)
    }

    fn stamp(&self, path: &str) -> Result<manifest::File, FileError> {
        // A pipe or a device may never end, or never begin.
        if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
            return Err(FileError::Other("it is no regular file".to_owned()));
        }
        let (digest, size) = Digest::of_reader(open(path)?).map_err(|error| said(&error))?;
        Ok(manifest::File { digest, size })
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, FileError> {
        let mut listed = Vec::new();
        for entry in fs::read_dir(if path.is_empty() { "." } else { path }).map_err(|error| said(&error))? {
            let entry = entry.map_err(|error| said(&error))?;
            let name = entry
                .file_name()
                .into_string()
                .map_err(|name| FileError::Other(format!("the name {} is not UTF-8", name.display())))?;
            let kind = entry.file_type().map_err(|error| said(&error))?;
            // A link to a folder is left out: it may lead back to where it stands.
            let linked_folder = kind.is_symlink() && fs::metadata(entry.path()).is_ok_and(|target| target.is_dir());
            if !linked_folder {
                listed.push(Listed { name, folder: kind.is_dir() });
            }
        }
        listed.sort();
        Ok(listed)
    }
}

fn open(path: &str) -> Result<File, FileError> {
    let file = File::open(path).map_err(|error| said(&error))?;
    let metadata = file.metadata().map_err(|error| said(&error))?;
    if metadata.is_dir() { Err(FileError::Folder) } else { Ok(file) }
}

fn said(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        io::ErrorKind::IsADirectory => FileError::Folder,
        _ => FileError::Other(error.to_string()),
    }
}
