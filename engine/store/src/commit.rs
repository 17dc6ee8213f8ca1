//! Commit: what a body left becomes an artifact.
//!
//! Every file is hashed, then linked in where the folder is on the store's filesystem, copied where it is not. Blobs first, the manifest
//! after them, and only then the old names go: a commit that was refused or died half-way can be repeated on the same folder. What it left
//! behind are blobs that nothing names yet: harmless, and found again by the next attempt.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use isoflop_contract::{Digest, Manifest, manifest};
use rustix::fs::OFlags;

use crate::{
    disk::{self, refused, unreadable},
    error::StoreError,
    hash::digest,
    name,
    store::Store,
};

/// More files than this in one artifact are refused: they belong into one archive.
const MOST_FILES: usize = 100_000;

/// More folders inside each other than this are refused.
const DEEPEST: usize = 64;

/// An artifact that is in the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    /// Its digest.
    pub digest: Digest,
    /// What it is made of.
    pub manifest: Manifest,
}

impl Store {
    /// Commits every file under `out` and `scalars` as one artifact of shape `shape`. The files are moved: `out` holds none of them
    /// afterwards. Nothing may still write to them.
    pub fn commit(&self, shape: &str, scalars: BTreeMap<String, f64>, out: &Path) -> Result<Committed, StoreError> {
        let mut found = BTreeMap::new();
        walk(out, "", 0, &mut found)?;
        // Hash everything before anything is moved: an output that is refused stays where it is, for a person to look at.
        let mut files = BTreeMap::new();
        for (name, path) in &found {
            files.insert(name.clone(), hash(name, path)?);
        }
        let manifest = Manifest { shape: shape.to_owned(), files, scalars };
        let text = manifest
            .text()
            .map_err(|e| StoreError::BadOutput { file: "the final numbers".to_owned(), why: e.to_string() })?;

        // Garbage collection waits until the manifest is there: what a commit found in the store it may count on.
        let _shared = self.share();
        let mut folders = BTreeSet::new();
        for (name, path) in &found {
            let file = manifest.files.get(name).expect("every file found was hashed");
            folders.extend(self.take(path, file)?);
        }
        folders.iter().try_for_each(|folder| disk::flush_folder(folder))?;
        let digest = Digest::of(&text);
        self.put_manifest(&digest, &text)?;
        // Only now: a commit that was refused half-way can be repeated on the same folder.
        for path in found.values() {
            fs::remove_file(path).map_err(|e| refused(path, "remove", 0, e))?;
        }
        Ok(Committed { digest, manifest })
    }

    /// Takes one file in; its old name stays until the whole artifact is there. Answers with the folder that must be flushed, if a name was
    /// added to one.
    fn take(&self, path: &Path, file: &manifest::File) -> Result<Option<PathBuf>, StoreError> {
        let to = self.blob_path(&file.digest);
        // Read, and not taken for what its name says: what was made again because it had gone bad must not be thrown away for the bad bytes.
        if self.has(file) && is_sound(&to, file) && self.renew(&to) {
            return Ok(None);
        }
        let folder = to.parent().expect("a blob lies in a folder").to_owned();
        disk::folder(&folder)?;
        let temporary = self.temporary();
        let taken = stage(path, file, &temporary).and_then(|()| disk::rename(&temporary, &to));
        if taken.is_err() {
            fs::remove_file(&temporary).ok();
        }
        taken.map(|()| Some(folder))
    }

    /// Writes a manifest, unless it is there with the right size.
    pub(crate) fn put_manifest(&self, digest: &Digest, text: &str) -> Result<(), StoreError> {
        let to = self.manifest_path(digest);
        if fs::read(&to).is_ok_and(|bytes| bytes == text.as_bytes()) && self.renew(&to) {
            return Ok(());
        }
        let folder = to.parent().expect("a manifest lies in a folder");
        disk::folder(folder)?;
        let temporary = self.temporary();
        let written = (|| {
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&temporary)
                .map_err(|e| refused(&temporary, "create", text.len() as u64, e))?;
            file.write_all(text.as_bytes()).map_err(|e| refused(&temporary, "write", text.len() as u64, e))?;
            disk::seal(&file, &temporary)?;
            disk::rename(&temporary, &to)
        })();
        if written.is_err() {
            fs::remove_file(&temporary).ok();
        }
        written?;
        disk::flush_folder(folder)
    }
}

/// Collects the regular files under `folder` by name. Folders without files leave no trace.
fn walk(folder: &Path, above: &str, depth: usize, found: &mut BTreeMap<String, PathBuf>) -> Result<(), StoreError> {
    let bad = |file: String, why: String| StoreError::BadOutput { file, why };
    if depth > DEEPEST {
        return Err(bad(above.to_owned(), format!("lies more than {DEEPEST} folders deep")));
    }
    let entries = fs::read_dir(folder).map_err(|e| unreadable(folder, "list the folder", e))?;
    for entry in entries {
        let entry = entry.map_err(|e| unreadable(folder, "list the folder", e))?;
        let name = name::join(above, &entry.file_name()).map_err(|(file, why)| bad(file, why.to_owned()))?;
        let kind = entry.file_type().map_err(|e| unreadable(&entry.path(), "look at", e))?;
        if kind.is_dir() {
            walk(&entry.path(), &name, depth + 1, found)?;
        } else if kind.is_file() {
            found.insert(name, entry.path());
            if found.len() > MOST_FILES {
                return Err(bad(
                    above.to_owned(),
                    format!("has more than {MOST_FILES} files; put them into one archive"),
                ));
            }
        } else if kind.is_symlink() {
            return Err(bad(name, "is a symbolic link; only regular files are kept".to_owned()));
        } else {
            return Err(bad(name, "is neither a regular file nor a folder".to_owned()));
        }
    }
    Ok(())
}

/// Whether a blob that is there holds what its name says. One that cannot be read does not.
fn is_sound(blob: &Path, file: &manifest::File) -> bool {
    File::open(blob).and_then(|blob| digest(&blob)).is_ok_and(|(found, _)| found == file.digest)
}

/// Opens a file of the output; never through a link that was put there after the walk, and never waiting for a pipe's other end.
fn open(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed())
        .open(path)
        .map_err(|e| unreadable(path, "open", e))
}

/// Hashes a file of the output.
fn hash(name: &str, path: &Path) -> Result<manifest::File, StoreError> {
    let file = open(path)?;
    let before = file.metadata().map_err(|e| unreadable(path, "look at", e))?;
    let (digest, size) = digest(&file).map_err(|e| unreadable(path, "read", e))?;
    if size != before.len() {
        return Err(StoreError::BadOutput { file: name.to_owned(), why: "changed while it was read".to_owned() });
    }
    Ok(manifest::File { digest, size })
}

/// Gives a file of the output a second, temporary name in the store: a hard link, or else a copy.
fn stage(path: &Path, file: &manifest::File, temporary: &Path) -> Result<(), StoreError> {
    let mut from = open(path)?;
    let links = from.metadata().map_err(|e| unreadable(path, "look at", e))?.nlink();
    // A file that already has a second name could be changed through it: it is copied, and so cut off from that name.
    if links == 1 {
        disk::seal(&from, path)?;
        match fs::hard_link(path, temporary) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(refused(temporary, "link a file to", 0, e));
            }
            // Another filesystem, or one without links.
            Err(_) => {}
        }
    }
    disk::copy(&mut from, file.size, temporary)?;
    check(temporary, file)
}

/// Whether a copy came out right.
fn check(path: &Path, file: &manifest::File) -> Result<(), StoreError> {
    let copy = hash(&path.to_string_lossy(), path)?;
    if copy == *file {
        return Ok(());
    }
    Err(StoreError::BadOutput { file: path.display().to_string(), why: "changed while it was copied".to_owned() })
}
