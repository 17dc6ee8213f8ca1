//! A crate opened for reading: a folder or a zip file. Nothing is unpacked, and no link is followed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    sync::Mutex,
};

use isoflop_contract::{Digest, manifest};
use isoflop_plan::{FileError, Files, Listed};
use isoflop_report::rocrate::{METADATA, STATEMENT, Stamp};
use isoflop_store::{Holdings, Seen};
use zip::{ZipArchive, result::ZipError};

use super::{no_file, pack, stamp};

/// The most that is read into memory of one file. Blobs are never read into memory.
const LIMIT: u64 = 4 << 30;

/// A crate.
pub struct Opened {
    place: Place,
    /// Every file, with its digests, or why it has none. Blobs that were not to be read have only a size.
    pub stamps: BTreeMap<String, Result<Stamp, String>>,
    /// Files that are there and were not read, by path.
    pub unread: BTreeSet<String>,
    /// What is no file of a crate: links.
    pub odd: Vec<String>,
}

enum Place {
    Folder(PathBuf),
    Zip(Mutex<ZipArchive<BufReader<File>>>),
}

/// Why a path is not read as a crate.
#[derive(Debug)]
pub enum Trouble {
    /// It is none.
    NoCrate,
    /// It cannot be read.
    Unreadable(String),
}

/// Opens the crate at `path`, and computes the digests of its files; those of blobs only with `bytes`.
pub fn open(path: &Path, bytes: bool) -> Result<Opened, Trouble> {
    let mut odd = Vec::new();
    let (place, paths) = if path.is_dir() {
        if !path.join(METADATA).is_file() {
            return Err(Trouble::NoCrate);
        }
        let mut paths = Vec::new();
        walk(path, "", &mut paths, &mut odd).map_err(|error| Trouble::Unreadable(error.to_string()))?;
        (Place::Folder(path.to_owned()), paths)
    } else {
        let file = File::open(path).map_err(|error| Trouble::Unreadable(error.to_string()))?;
        let archive = match ZipArchive::new(BufReader::new(file)) {
            Ok(archive) => archive,
            Err(ZipError::Io(error)) => return Err(Trouble::Unreadable(error.to_string())),
            Err(_) if !pack::is_zip(path) => return Err(Trouble::NoCrate),
            Err(error) => return Err(Trouble::Unreadable(format!("it is no sound zip file: {error}"))),
        };
        let mut paths = Vec::new();
        for name in archive.file_names() {
            let name = name.map_err(|error| Trouble::Unreadable(error.to_string()))?;
            if !name.ends_with('/') {
                paths.push(name.into_owned());
            }
        }
        if !paths.iter().any(|path| path == METADATA) {
            return Err(Trouble::NoCrate);
        }
        (Place::Zip(Mutex::new(archive)), paths)
    };
    let mut opened = Opened { place, stamps: BTreeMap::new(), unread: BTreeSet::new(), odd };
    for path in paths {
        if path.starts_with("blobs/") && !bytes {
            opened.unread.insert(path);
            continue;
        }
        let stamp = opened.with(&path, |reader| stamp(reader)).map_err(|error| format!("it cannot be read: {error}"));
        opened.stamps.insert(path, stamp);
    }
    Ok(opened)
}

/// Every file below `folder`. A home that somebody made there is none of the crate.
fn walk(root: &Path, folder: &str, paths: &mut Vec<String>, odd: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if name != ".isoflop" {
                walk(root, &path, paths, odd)?;
            }
        } else if kind.is_file() {
            paths.push(path);
        } else {
            odd.push(path);
        }
    }
    odd.sort();
    Ok(())
}

impl Opened {
    fn with<T>(&self, path: &str, read: impl FnOnce(&mut dyn Read) -> io::Result<T>) -> io::Result<T> {
        match &self.place {
            Place::Folder(root) => read(&mut File::open(root.join(path))?),
            Place::Zip(archive) => {
                let mut archive = archive.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let mut file = archive.by_name(path).map_err(io::Error::other)?;
                read(&mut file)
            }
        }
    }

    /// The text of a file; nothing if it is not there.
    pub fn text(&self, path: &str) -> Option<Result<String, String>> {
        let stamp = match self.stamps.get(path)? {
            Ok(stamp) => stamp,
            Err(why) => return Some(Err(why.clone())),
        };
        if stamp.size > LIMIT {
            return Some(Err(format!("it has {} bytes, which is too many", stamp.size)));
        }
        let text = self.with(path, |reader| {
            let mut text = String::new();
            reader.take(LIMIT).read_to_string(&mut text).map(|_| text)
        });
        Some(text.map_err(|error| format!("it cannot be read: {error}")))
    }

    /// Files of signatures beside the statement: no part of the crate, and none of our business.
    pub fn signatures(&self) -> impl Iterator<Item = &String> {
        self.stamps.keys().filter(|path| is_signature(path))
    }

    fn seen(&self, path: &str) -> Seen {
        match self.stamps.get(path) {
            Some(Ok(stamp)) => Seen::Bytes(stamp.blake3, stamp.size),
            Some(Err(why)) => Seen::Unreadable(why.clone()),
            None => Seen::Gone,
        }
    }
}

/// Whether a file is a signature of the statement, by its name.
pub fn is_signature(path: &str) -> bool {
    path.strip_prefix(STATEMENT).is_some_and(|rest| rest.starts_with('.'))
}

impl Holdings for Opened {
    fn manifest(&self, artifact: &Digest) -> Seen {
        self.seen(&isoflop_report::rocrate::manifest_path(artifact))
    }

    fn blob(&self, blob: &Digest) -> Seen {
        self.seen(&isoflop_report::rocrate::blob_path(blob))
    }
}

/// The study in a crate, as planning sees it: those files that the list of digests names.
pub struct Study<'o> {
    opened: &'o Opened,
    paths: BTreeSet<String>,
}

impl<'o> Study<'o> {
    /// The study in `opened`, of the files `listed`.
    pub fn of<'p>(opened: &'o Opened, listed: impl Iterator<Item = &'p String>) -> Self {
        let paths = listed.filter(|path| path.starts_with("study/") && opened.stamps.contains_key(*path)).cloned();
        Self { opened, paths: paths.collect() }
    }

    fn stamp_of(&self, path: &str) -> Result<&Stamp, FileError> {
        if !self.paths.contains(path) {
            return Err(no_file(self.paths.iter(), path));
        }
        self.opened.stamps[path].as_ref().map_err(|why| FileError::Other(why.clone()))
    }
}

impl Files for Study<'_> {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        let size = self.stamp_of(path)?.size;
        if size > limit as u64 {
            return Err(FileError::TooLarge(size));
        }
        let read = |reader: &mut dyn Read| {
            let mut bytes = Vec::new();
            reader.take(limit as u64).read_to_end(&mut bytes).map(|_| bytes)
        };
        self.opened.with(path, read).map_err(|error| FileError::Other(error.to_string()))
    }

    fn stamp(&self, path: &str) -> Result<manifest::File, FileError> {
        self.stamp_of(path).map(|stamp| manifest::File { digest: stamp.blake3, size: stamp.size })
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, FileError> {
        Listed::among(self.paths.iter(), path)
    }
}
