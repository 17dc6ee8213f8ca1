//! Copies: files of an artifact become somebody's own, outside of the store.
//!
//! Every byte is hashed on its way, and no file has its name before all that were asked for are there: where one is not what its digest says,
//! or has no room, no file and no folder is left behind. A copy shares nothing with the store, so whoever writes to it spoils no result.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process,
};

use blake3::Hasher;
use isoflop_contract::{Digest, Manifest, manifest};

use crate::{disk::unreadable, error::StoreError, name, store::Store};

/// How many bytes are read, hashed and written at a time.
const PART: usize = 1 << 20;

/// What was put into a folder without having its name yet. It goes again with this: by then what was finished has moved on, and a folder that holds
/// it stays.
#[derive(Debug, Default)]
struct Staged {
    /// Folders that were not there before, each after those it lies in.
    folders: Vec<PathBuf>,
    /// Where each copy is, and where it is to be.
    files: Vec<(PathBuf, PathBuf)>,
}

impl Staged {
    /// Makes a folder and those above it.
    fn folder(&mut self, path: &Path) -> Result<(), StoreError> {
        let new: Vec<PathBuf> = path
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .map(Path::to_owned)
            .collect();
        self.folders.extend(new.into_iter().rev());
        fs::create_dir_all(path).map_err(|source| outside(path, "make the folder", source))
    }

    /// Where the copy is written that is to be at `to`: beside it, so that a rename is all that is left to do.
    fn beside(&mut self, to: PathBuf) -> PathBuf {
        let partial = to.with_file_name(format!(".isoflop-{}-{}.partial", process::id(), self.files.len()));
        self.files.push((partial.clone(), to));
        partial
    }

    /// Gives every copy its name.
    fn finish(self) -> Result<(), StoreError> {
        let named = |(partial, to): &(PathBuf, PathBuf)| {
            fs::rename(partial, to).map_err(|source| outside(to, "put a file at", source))
        };
        self.files.iter().try_for_each(named)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (partial, _) in &self.files {
            fs::remove_file(partial).ok();
        }
        for folder in self.folders.iter().rev() {
            fs::remove_dir(folder).ok();
        }
    }
}

impl Store {
    /// Copies these files of an artifact to the same names below `into`, in the place of what is there. What is not here, or not sound, is fetched
    /// from the remote.
    pub fn copy_out<'n>(
        &self,
        artifact: Digest,
        manifest: &Manifest,
        names: impl IntoIterator<Item = &'n str>,
        into: &Path,
    ) -> Result<(), StoreError> {
        let mut staged = Staged::default();
        let mut fetched = false;
        for file in names {
            let bad = |why: &str| StoreError::BadOutput { file: file.to_owned(), why: why.to_owned() };
            let path = name::check(file).map_err(bad)?;
            let blob = manifest.files.get(file).ok_or_else(|| bad("is not in the artifact"))?;
            let to = into.join(path);
            staged.folder(to.parent().unwrap_or(into))?;
            let partial = staged.beside(to);
            fetched |= self.copy_whole(artifact, file, blob, &partial)?;
        }
        staged.finish()?;
        // Blobs that no manifest names are garbage, and a manifest is there only where all that it names is.
        if fetched && self.absent_here(manifest).next().is_none() { self.name(artifact, manifest) } else { Ok(()) }
    }

    /// Copies one file, whatever it takes to have its bytes. Answers whether they were fetched.
    fn copy_whole(&self, artifact: Digest, file: &str, blob: &manifest::File, to: &Path) -> Result<bool, StoreError> {
        if self.pour(blob, to)? {
            return Ok(false);
        }
        let fetched = self.check(artifact, file, blob)?;
        if self.pour(blob, to)? {
            return Ok(fetched);
        }
        let source = io::Error::other("its bytes changed while they were read");
        Err(unreadable(&self.blob_path(&blob.digest), "copy", source))
    }

    /// Copies a blob as it lies here. Answers whether it is here, and is what its name says.
    fn pour(&self, blob: &manifest::File, to: &Path) -> Result<bool, StoreError> {
        let from = self.blob_path(&blob.digest);
        let mut reader = match File::open(&from) {
            Ok(reader) => reader,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(unreadable(&from, "open", error)),
        };
        let unwritten = |source: io::Error| outside(to, "write", source);
        let mut writer =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(to).map_err(unwritten)?;
        let mut hasher = Hasher::new();
        let mut part = vec![0; PART];
        loop {
            match reader.read(&mut part) {
                Ok(0) => return Ok(Digest::from_bytes(hasher.finalize().into()) == blob.digest),
                Ok(read) => {
                    hasher.update(&part[..read]);
                    writer.write_all(&part[..read]).map_err(unwritten)?;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(&from, "read", error)),
            }
        }
    }
}

/// What the system refuses outside of the store, of which the store's own complaints would say the wrong thing.
fn outside(path: &Path, doing: &'static str, source: io::Error) -> StoreError {
    StoreError::Io { path: path.to_owned(), doing, source }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::MetadataExt};

    use super::*;
    use crate::{commit::Committed, remote::Remote};

    fn commit(store: &Store, root: &Path) -> Committed {
        let out = root.join("out");
        fs::create_dir_all(out.join("deep")).unwrap();
        fs::write(out.join("small"), "small").unwrap();
        // Larger than a part.
        fs::write(out.join("deep/large"), vec![7_u8; PART + 1]).unwrap();
        store.commit("model", BTreeMap::from([("loss".to_owned(), 0.5)]), &out).unwrap()
    }

    fn spoil(path: &Path, bytes: &str) {
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_copy_is_its_owners_and_no_part_of_the_store() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let store = Store::open(&root.join("store")).unwrap();
        let Committed { digest, manifest } = commit(&store, root);
        let into = root.join("a/b");
        store.copy_out(digest, &manifest, ["small", "deep/large"], &into).unwrap();
        assert_eq!(fs::read(into.join("deep/large")).unwrap(), vec![7_u8; PART + 1]);
        let about = fs::metadata(into.join("small")).unwrap();
        assert_eq!((about.nlink(), about.mode() & 0o600), (1, 0o600));
        fs::write(into.join("small"), "mine").unwrap();
        assert_eq!(store.verify().unwrap(), []);
        store.copy_out(digest, &manifest, ["small"], &into).unwrap();
        assert_eq!(fs::read(into.join("small")).unwrap(), b"small", "what was there is replaced");
        assert_eq!(fs::read_dir(&into).unwrap().count(), 2);
    }

    #[test]
    fn of_what_is_not_sound_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let store = Store::open(&root.join("store")).unwrap();
        let Committed { digest, manifest } = commit(&store, root);
        spoil(&store.blob_path(&manifest.files["small"].digest), "smAll");
        let names = || manifest.files.keys().map(String::as_str);
        let error = store.copy_out(digest, &manifest, names(), &root.join("a/b")).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        assert!(error.to_string().contains("file `small`"), "{error}");
        assert!(!root.join("a").exists());
        let error = store.copy_out(digest, &manifest, names(), &root.join("a/b")).unwrap_err();
        assert!(matches!(error, StoreError::Missing { .. }), "it is in quarantine by now: {error}");

        // What was there before stays, and what does not fit is no fault of the store's.
        fs::create_dir_all(root.join("c")).unwrap();
        fs::write(root.join("c/deep"), "a file").unwrap();
        let error = store.copy_out(digest, &manifest, ["deep/large"], &root.join("c")).unwrap_err().to_string();
        assert!(error.starts_with("cannot make the folder ") && error.contains("c/deep"), "{error}");
        assert_eq!(fs::read_dir(root.join("c")).unwrap().count(), 1);
        let error = store.copy_out(digest, &manifest, ["smal"], &root.join("c")).unwrap_err().to_string();
        assert!(error.contains("`smal` is not in the artifact"), "{error}");
    }

    #[test]
    fn what_is_not_here_comes_from_the_remote() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let open = |name: &str| {
            let remote = Remote::new(root.join("remote").to_str().unwrap()).unwrap();
            Store::open(&root.join(name)).unwrap().with_remote(Some(remote))
        };
        let (one, two) = (open("one"), open("two"));
        let Committed { digest, manifest } = commit(&one, root);
        one.send(digest, &manifest).unwrap();
        two.copy_out(digest, &manifest, ["small"], &root.join("a")).unwrap();
        assert_eq!(fs::read(root.join("a/small")).unwrap(), b"small");
        assert!(two.manifest(digest).is_err(), "a part of an artifact has no name");
        two.copy_out(digest, &manifest, ["deep/large"], &root.join("a")).unwrap();
        assert_eq!(two.manifest(digest).unwrap(), manifest);
        spoil(&two.blob_path(&manifest.files["small"].digest), "smAll");
        two.copy_out(digest, &manifest, ["small"], &root.join("b")).unwrap();
        assert_eq!(fs::read(root.join("b/small")).unwrap(), b"small");
    }
}
