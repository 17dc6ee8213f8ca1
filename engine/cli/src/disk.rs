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
        // A file may grow while it is read: one byte above the limit is enough to refuse it.
        let mut bytes = Vec::new();
        file.take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| said(&error))?;
        if bytes.len() > limit {
            let size = fs::metadata(path).map_or(bytes.len() as u64, |metadata| metadata.len());
            return Err(FileError::TooLarge(size.max(bytes.len() as u64)));
        }
        Ok(bytes)
    }

    fn stamp(&self, path: &str) -> Result<manifest::File, FileError> {
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
    let metadata = fs::metadata(path).map_err(|error| said(&error))?;
    if metadata.is_dir() {
        return Err(FileError::Folder);
    }
    // A pipe or a device may never end, or never begin: opening it is waiting already.
    if !metadata.is_file() {
        return Err(FileError::Other("it is no regular file".to_owned()));
    }
    File::open(path).map_err(|error| said(&error))
}

fn said(error: &io::Error) -> FileError {
    match error.kind() {
        io::ErrorKind::NotFound => FileError::Missing,
        io::ErrorKind::IsADirectory => FileError::Folder,
        _ => FileError::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Opening a pipe waits for who writes to it: `check` must not.
    #[test]
    fn what_is_no_regular_file_is_refused_unopened() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("study.yaml");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let path = pipe.to_str().unwrap();
        let refused = FileError::Other("it is no regular file".to_owned());
        assert_eq!(Disk.read(path, 10), Err(refused.clone()));
        assert_eq!(Disk.stamp(path), Err(refused));
        assert_eq!(Disk.read(folder.path().to_str().unwrap(), 10), Err(FileError::Folder));
    }
}
