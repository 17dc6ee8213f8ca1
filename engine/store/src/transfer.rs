//! Transfer: bytes on their way between this store and its remote. Both ways a blob is held against its name, and a manifest goes after all
//! that it names, so what breaks off half-way is taken up by the next transfer and shows nobody half an artifact.

use std::{fs, path::Path};

use isoflop_contract::{Digest, Manifest, manifest};

use crate::{disk, error::StoreError, remote::Fetched, store::Store};

/// What a transfer moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Blobs that were not there before.
    pub blobs: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Moved {
    fn add(&mut self, blob: &manifest::File) {
        self.blobs += 1;
        self.bytes += blob.size;
    }
}

/// What came of pulling an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulled {
    /// All of it is here.
    Whole(Moved),
    /// The remote does not have all of what is not here.
    Absent,
    /// What the remote has under this blob's name are other bytes.
    Corrupt(Digest),
}

impl Store {
    /// The blobs of an artifact that are not here, whatever the remote has.
    pub fn absent_here<'m>(&self, manifest: &'m Manifest) -> impl Iterator<Item = &'m manifest::File> {
        manifest.files.values().filter(|blob| !self.has(blob))
    }

    /// The blobs of an artifact that the remote does not have, or not with their size; all of them where there is no remote.
    pub fn absent_there<'m>(&self, manifest: &'m Manifest) -> Result<Vec<&'m manifest::File>, StoreError> {
        let mut absent = Vec::new();
        for blob in manifest.files.values() {
            if !self.remote().map_or(Ok(false), |remote| remote.has(blob))? {
                absent.push(blob);
            }
        }
        Ok(absent)
    }

    /// Whether the remote, if there is one, has all of an artifact.
    pub fn holds_there(&self, artifact: Digest) -> Result<bool, StoreError> {
        self.remote().map_or(Ok(false), |remote| remote.has_manifest(&artifact))
    }

    /// Sends an artifact to the remote, as far as that does not have it. Sends nothing where there is no remote.
    pub fn send(&self, artifact: Digest, manifest: &Manifest) -> Result<Moved, StoreError> {
        let nothing = Moved::default();
        let Some(remote) = self.remote() else { return Ok(nothing) };
        if remote.has_manifest(&artifact)? { Ok(nothing) } else { self.mend(artifact, manifest) }
    }

    /// The same where the remote has the manifest: what it names is looked at too, and a blob that has not its size there is replaced.
    pub fn mend(&self, artifact: Digest, manifest: &Manifest) -> Result<Moved, StoreError> {
        let mut moved = Moved::default();
        let Some(remote) = self.remote() else { return Ok(moved) };
        for (name, blob) in &manifest.files {
            if !remote.has(blob)? {
                if !self.has(blob) {
                    let what = format!("artifact {}, file `{name}`: blob {}", artifact.short(), blob.digest.short());
                    return Err(StoreError::Missing { what, path: self.blob_path(&blob.digest) });
                }
                remote.send(blob, &self.blob_path(&blob.digest))?;
                moved.add(blob);
            }
        }
        remote.send_manifest(&artifact, &text(manifest)?)?;
        Ok(moved)
    }

    /// Fetches one blob from the remote, if it is not here. Answers whether it is here now: the remote may lack it, or have other bytes under its name.
    pub fn obtain(&self, blob: &manifest::File) -> Result<bool, StoreError> {
        Ok(self.has(blob) || self.fetch(blob)? == Fetched::Whole)
    }

    /// Fetches an artifact from the remote, as far as it is not here.
    pub fn pull(&self, artifact: Digest, manifest: &Manifest) -> Result<Pulled, StoreError> {
        let mut moved = Moved::default();
        for blob in manifest.files.values() {
            if !self.has(blob) {
                match self.fetch(blob)? {
                    Fetched::Whole => moved.add(blob),
                    Fetched::Absent => return Ok(Pulled::Absent),
                    Fetched::Corrupt => return Ok(Pulled::Corrupt(blob.digest)),
                }
            }
        }
        self.name(artifact, manifest)?;
        Ok(Pulled::Whole(moved))
    }

    /// Writes the manifest of an artifact whose blobs were fetched. One that is not the artifact's is refused: it would stand in the place of the true one.
    pub(crate) fn name(&self, artifact: Digest, manifest: &Manifest) -> Result<(), StoreError> {
        let text = text(manifest)?;
        if Digest::of(&text) != artifact {
            let why = format!("it is not that of artifact {}", artifact.short());
            return Err(StoreError::BadOutput { file: "the manifest".to_owned(), why });
        }
        self.put_manifest(&artifact, &text)
    }

    /// Whether the remote has a blob. One that cannot be asked may have it: whoever needs the bytes will hear why they do not come, which is
    /// better than to make again, unasked, what may have taken days.
    pub(crate) fn is_elsewhere(&self, blob: &manifest::File) -> bool {
        self.remote().is_some_and(|remote| remote.has(blob).unwrap_or(true))
    }

    /// Fetches a blob from the remote.
    pub(crate) fn fetch(&self, blob: &manifest::File) -> Result<Fetched, StoreError> {
        let Some(remote) = self.remote() else { return Ok(Fetched::Absent) };
        let temporary = self.temporary();
        let fetched = remote.fetch(blob, &temporary).and_then(|fetched| {
            if fetched == Fetched::Whole {
                put(&temporary, &self.blob_path(&blob.digest))?;
            }
            Ok(fetched)
        });
        fs::remove_file(&temporary).ok(); // it is still there where that came to nothing
        fetched
    }
}

fn put(temporary: &Path, to: &Path) -> Result<(), StoreError> {
    let folder = to.parent().expect("a blob lies in a folder");
    disk::folder(folder)?;
    disk::rename(temporary, to)?;
    disk::flush_folder(folder)
}

fn text(manifest: &Manifest) -> Result<String, StoreError> {
    manifest.text().map_err(|error| StoreError::BadOutput { file: "the manifest".to_owned(), why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, path::PathBuf};

    use super::*;
    use crate::{commit::Committed, remote::Remote};

    /// A store with a remote in a folder, both under `root`.
    fn store(root: &Path, name: &str) -> Store {
        let remote = Remote::new(root.join("remote").to_str().unwrap()).unwrap();
        Store::open(&root.join(name)).unwrap().with_remote(Some(remote))
    }

    fn commit(store: &Store, root: &Path) -> Committed {
        let out = root.join("out");
        fs::create_dir_all(out.join("deep")).unwrap();
        fs::write(out.join("small"), "small").unwrap();
        // Larger than a part, so that it goes in several.
        let large: Vec<u8> = (0..(9_u32 << 20)).map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8).collect();
        fs::write(out.join("deep/large"), large).unwrap();
        store.commit("model", BTreeMap::from([("loss".to_owned(), 0.5)]), &out).unwrap()
    }

    fn far(root: &Path, blob: &manifest::File) -> PathBuf {
        let digest = blob.digest.to_string();
        root.join("remote/blobs").join(&digest[..2]).join(digest)
    }

    #[test]
    fn what_one_store_sends_another_fetches_when_it_is_needed() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let (one, two) = (store(root, "one"), store(root, "two"));
        let Committed { digest, manifest } = commit(&one, root);
        assert!(!two.holds(&manifest), "nothing was sent yet");
        assert_eq!(two.pull(digest, &manifest).unwrap(), Pulled::Absent);
        assert_eq!(one.send(digest, &manifest).unwrap(), Moved { blobs: 2, bytes: 5 + (9 << 20) });
        assert_eq!(one.send(digest, &manifest).unwrap(), Moved::default(), "it is there");
        assert!(two.holds(&manifest));
        two.materialize(digest, &manifest, &root.join("in")).unwrap();
        assert_eq!(fs::read(root.join("in/small")).unwrap(), b"small");
        assert_eq!(two.pull(digest, &manifest).unwrap(), Pulled::Whole(Moved::default()), "the bytes are here by now");
        // A part of an artifact is no artifact: its blobs can be had one by one, and its name stays with the whole.
        let three = store(root, "three");
        let mut part = manifest.clone();
        part.files.remove("deep/large");
        assert!(three.pull(digest, &part).unwrap_err().to_string().contains("not that of artifact"));
        assert!(three.manifest(digest).is_err(), "nothing was named");
        assert!(three.obtain(&manifest.files["small"]).unwrap() && !three.has(&manifest.files["deep/large"]));
        assert_eq!(two.manifest(digest).unwrap(), manifest);
        assert_eq!(two.verify().unwrap(), []);
    }

    #[test]
    fn a_bad_blob_is_replaced_from_the_remote_and_a_bad_remote_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let one = store(root, "one");
        let Committed { digest, manifest } = commit(&one, root);
        let small = manifest.files["small"];
        let spoil = |path: &Path, bytes: &str| {
            fs::remove_file(path).unwrap();
            fs::write(path, bytes).unwrap();
        };
        one.send(digest, &manifest).unwrap();
        spoil(&one.blob_path(&small.digest), "smAll");
        one.materialize(digest, &manifest, &root.join("in")).unwrap();
        assert_eq!(fs::read(root.join("in/small")).unwrap(), b"small");
        let two = store(root, "two");
        spoil(&far(root, &small), "smALL");
        let missing = two.materialize(digest, &manifest, &root.join("in2")).unwrap_err();
        assert!(matches!(missing, StoreError::Missing { .. }) && missing.to_string().contains("corrupt"), "{missing}");
        assert_eq!(two.pull(digest, &manifest).unwrap(), Pulled::Corrupt(small.digest));
        assert!(!two.blob_path(&small.digest).exists());

        // One of another size is seen without being read, and replaced by whoever has the bytes.
        spoil(&far(root, &small), "sm");
        assert_eq!(one.send(digest, &manifest).unwrap(), Moved::default(), "the manifest is there");
        assert_eq!(one.absent_there(&manifest).unwrap(), [&small]);
        assert_eq!(one.mend(digest, &manifest).unwrap(), Moved { blobs: 1, bytes: 5 });
        assert!(matches!(two.pull(digest, &manifest).unwrap(), Pulled::Whole(_)));
    }

    #[test]
    fn nothing_is_sent_that_is_not_what_its_name_says() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let one = store(root, "one");
        let Committed { digest, manifest } = commit(&one, root);
        for name in ["deep/large", "small"] {
            let blob = manifest.files[name];
            let path = one.blob_path(&blob.digest);
            let mut bytes = fs::read(&path).unwrap();
            let whole = bytes.clone();
            *bytes.last_mut().unwrap() ^= 1;
            fs::remove_file(&path).unwrap();
            fs::write(&path, &bytes).unwrap();
            let error = one.send(digest, &manifest).unwrap_err().to_string();
            assert!(error.contains("does not hold what its name says"), "{error}");
            assert!(!far(root, &blob).exists());
            fs::write(&path, whole).unwrap();
        }
        one.send(digest, &manifest).unwrap();
    }

    #[test]
    fn a_remote_that_cannot_be_reached_is_an_error_and_not_an_absence() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let one = store(root, "one");
        let Committed { digest, manifest } = commit(&one, root);
        fs::write(root.join("remote"), "a file and no folder").unwrap();
        let two = store(root, "two");
        assert!(two.holds(&manifest), "it may be there");
        let error = two.materialize(digest, &manifest, &root.join("in")).unwrap_err();
        assert!(matches!(error, StoreError::Remote { .. }), "{error}");
        assert!(one.remote().unwrap().probe().is_err());
    }
}
