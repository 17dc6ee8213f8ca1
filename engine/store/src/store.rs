//! The store's folders: where things are, and what is there.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use isoflop_contract::{Digest, Manifest, manifest::File};

use crate::{
    disk::{self, refused, unreadable},
    error::{Corruption, StoreError},
    remote::Remote,
};

/// Remains of a dead process are kept this long, in case a person wants to look.
const REMAINS: Duration = Duration::from_hours(24);

/// Artifacts by content, in one folder. Safe to use from several processes at once.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    remote: Option<Remote>,
}

/// Tells apart the temporary files of one process.
static SERIAL: AtomicU64 = AtomicU64::new(0);

impl Store {
    /// Opens the store in `root`, making its folders if they are not there, and cleans up what processes that died left in `tmp`.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        disk::folder(root)?;
        // Absolute, so that a later change of folder moves nothing, and messages can be followed.
        let root = fs::canonicalize(root).map_err(|e| unreadable(root, "open the store at", e))?;
        let store = Self { root, remote: None };
        for name in ["blobs", "manifests", "tmp", "quarantine"] {
            disk::folder(&store.root.join(name))?;
        }
        store.clean(SystemTime::now());
        Ok(store)
    }

    /// The store in `root` for questions alone, if there is one: nothing is made, nothing cleaned up.
    pub fn look(root: &Path) -> Option<Self> {
        let root = fs::canonicalize(root).ok()?;
        root.join("blobs").is_dir().then_some(Self { root, remote: None })
    }

    /// The same store, which fetches from `remote` what it does not hold.
    #[must_use]
    pub fn with_remote(self, remote: Option<Remote>) -> Self {
        Self { remote, ..self }
    }

    /// Where it fetches from what it does not hold.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// The store's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a blob is, or would be.
    pub fn blob_path(&self, blob: &Digest) -> PathBuf {
        self.place("blobs", blob)
    }

    /// Where an artifact's manifest is, or would be.
    pub fn manifest_path(&self, artifact: &Digest) -> PathBuf {
        self.place("manifests", artifact)
    }

    /// Whether all blobs are there with the right size, here or in the remote. Reads no bytes.
    pub fn holds(&self, manifest: &Manifest) -> bool {
        manifest.files.values().all(|file| self.has(file) || self.is_elsewhere(file))
    }

    /// The manifest of an artifact, checked against its digest.
    pub fn manifest(&self, artifact: Digest) -> Result<Manifest, StoreError> {
        let path = self.manifest_path(&artifact);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing {
                    what: format!("the manifest of artifact {}", artifact.short()),
                    path,
                });
            }
            Err(e) => return Err(unreadable(&path, "read", e)),
        };
        let found = Digest::of(&bytes);
        let why = if found == artifact {
            match serde_json::from_slice(&bytes) {
                Ok(manifest) => return Ok(manifest),
                Err(e) => e.to_string(),
            }
        } else {
            format!("its text has the digest {found}")
        };
        let quarantined_to = self.quarantine(&path, &artifact)?;
        Err(StoreError::CorruptManifest { artifact, why, quarantined_to })
    }

    /// Moves a blob that is here out of the way, since its bytes are not what its name says. Answers with where they are now.
    pub fn set_aside(&self, file: &File) -> Result<PathBuf, StoreError> {
        self.quarantine(&self.blob_path(&file.digest), &file.digest)
    }

    /// The bytes of one file, checked against its digest.
    pub fn read(&self, file: &File) -> Result<Vec<u8>, StoreError> {
        if !self.has(file) {
            self.fetch(file)?; // whether it came is seen below
        }
        let path = self.blob_path(&file.digest);
        let bytes = fs::read(&path).map_err(|e| self.absent(e, &file.digest, "read"))?;
        let found = Digest::of(&bytes);
        if found == file.digest {
            return Ok(bytes);
        }
        let quarantined_to = self.quarantine(&path, &file.digest)?;
        Err(StoreError::Corrupt(Box::new(Corruption { of: None, blob: file.digest, found, quarantined_to })))
    }

    /// The bytes of one file as they lie here, if they are what their name says. Nothing is fetched and nothing moved to quarantine: for those who
    /// only look.
    pub fn peek_file(&self, file: &File) -> Option<Vec<u8>> {
        if !self.has(file) {
            return None;
        }
        let bytes = fs::read(self.blob_path(&file.digest)).ok()?;
        (Digest::of(&bytes) == file.digest).then_some(bytes)
    }

    /// Whether a blob is there with the right size.
    pub(crate) fn has(&self, file: &File) -> bool {
        fs::symlink_metadata(self.blob_path(&file.digest)).is_ok_and(|m| m.is_file() && m.len() == file.size)
    }

    /// What it means that a blob cannot be opened.
    pub(crate) fn absent(&self, error: io::Error, blob: &Digest, doing: &'static str) -> StoreError {
        let path = self.blob_path(blob);
        match error.kind() {
            io::ErrorKind::NotFound => StoreError::Missing { what: format!("blob {}", blob.short()), path },
            _ => unreadable(&path, doing, error),
        }
    }

    /// A new name in `tmp`. It holds the process's number, which tells a person whose remains it is.
    pub(crate) fn temporary(&self) -> PathBuf {
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        self.root.join("tmp").join(format!("{}-{nanos:x}-{serial}", std::process::id()))
    }

    /// Moves what is at `path` out of the way and answers with where it went.
    pub(crate) fn quarantine(&self, path: &Path, digest: &Digest) -> Result<PathBuf, StoreError> {
        let folder = self.root.join("quarantine");
        for n in 0..u32::MAX {
            let to = folder.join(format!("{digest}.{n}"));
            // A link and not a rename: a rename would silently replace what another process put there meanwhile.
            match fs::hard_link(path, &to) {
                Ok(()) => {
                    fs::remove_file(path).map_err(|e| refused(path, "move to quarantine", 0, e))?;
                    return Ok(to);
                }
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
                // Filesystems without hard links.
                Err(_) if !to.exists() => {
                    disk::rename(path, &to)?;
                    return Ok(to);
                }
                Err(_) => {}
            }
        }
        unreachable!("four thousand million files are not in one folder")
    }

    fn place(&self, kind: &str, digest: &Digest) -> PathBuf {
        let name = digest.to_string();
        self.root.join(kind).join(&name[..2]).join(name)
    }

    /// Removes old remains. A failure is no reason not to open: the file will still be there next time.
    fn clean(&self, now: SystemTime) {
        let Ok(entries) = fs::read_dir(self.root.join("tmp")) else { return };
        for entry in entries.flatten() {
            let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|at| now.duration_since(at).ok());
            let ours = entry.file_name().to_str().and_then(|n| n.split('-').next()?.parse::<u32>().ok());
            let alive = ours.is_some_and(|pid| Path::new(&format!("/proc/{pid}")).exists());
            if age.is_some_and(|age| age > REMAINS) && !alive {
                fs::remove_file(entry.path()).ok();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_only_looks_moves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let file = File { digest: Digest::of("whole"), size: 5 };
        assert_eq!(store.peek_file(&file), None);
        let path = store.blob_path(&file.digest);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "whole").unwrap();
        assert_eq!(store.peek_file(&file).unwrap(), b"whole");
        fs::write(&path, "whale").unwrap();
        assert_eq!(store.peek_file(&file), None);
        assert!(path.exists() && fs::read_dir(store.root.join("quarantine")).unwrap().next().is_none());
    }

    #[test]
    fn old_remains_of_the_dead_are_cleaned_up_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (mine, dead) = (store.temporary(), store.root.join("tmp/4294967295-0-0"));
        fs::write(&mine, "").unwrap();
        fs::write(&dead, "").unwrap();
        store.clean(SystemTime::now() + REMAINS / 2);
        assert!(dead.exists(), "a day is not over");
        store.clean(SystemTime::now() + REMAINS * 2);
        assert!(mine.exists() && !dead.exists());
    }
}
