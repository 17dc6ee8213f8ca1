//! Bringing in: files that somebody else owns become an artifact. They are copied, never moved or linked, and each copy must have the
//! digest that was planned: a file that was edited since then is refused, and nothing is kept under a name that is not its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
};

use isoflop_contract::{Digest, Manifest, manifest};

use crate::{
    disk::{self, unreadable},
    error::StoreError,
    hash,
    store::Store,
};

impl Store {
    /// Makes sure that all files of `manifest` are in the store, reading those that are not from `paths` (by their names in the manifest).
    /// Answers with the manifest's digest.
    pub fn bring(&self, manifest: &Manifest, paths: &BTreeMap<String, PathBuf>) -> Result<Digest, StoreError> {
        let text = manifest
            .text()
            .map_err(|e| StoreError::BadOutput { file: "the manifest".to_owned(), why: e.to_string() })?;
        let mut folders = BTreeSet::new();
        for (name, file) in manifest.files.iter().filter(|(_, file)| !self.has(file)) {
            let path = paths.get(name).ok_or_else(|| changed(Path::new(name), "nobody says where it lies"))?;
            let to = self.blob_path(&file.digest);
            let folder = to.parent().expect("a blob lies in a folder").to_owned();
            disk::folder(&folder)?;
            let temporary = self.temporary();
            let taken = copy(path, file, &temporary).and_then(|()| disk::rename(&temporary, &to));
            if taken.is_err() {
                fs::remove_file(&temporary).ok();
            }
            taken?;
            folders.insert(folder);
        }
        folders.iter().try_for_each(|folder| disk::flush_folder(folder))?;
        let digest = Digest::of(&text);
        self.put_manifest(&digest, &text)?;
        Ok(digest)
    }
}

/// Copies a file, and checks that what was copied is what was planned.
fn copy(path: &Path, file: &manifest::File, temporary: &Path) -> Result<(), StoreError> {
    let mut from = File::open(path).map_err(|error| changed(path, &error.to_string()))?;
    let is_same = |size: u64| size == file.size;
    let metadata = from.metadata().map_err(|error| changed(path, &error.to_string()))?;
    if !metadata.is_file() || !is_same(metadata.len()) {
        return Err(changed(path, "its size is another"));
    }
    disk::copy(&mut from, file.size, temporary)?;
    let copied = File::open(temporary).map_err(|e| unreadable(temporary, "open", e))?;
    let (digest, size) = hash::digest(&copied).map_err(|e| unreadable(temporary, "read", e))?;
    if digest == file.digest && is_same(size) { Ok(()) } else { Err(changed(path, "its bytes are others")) }
}

fn changed(path: &Path, why: &str) -> StoreError {
    StoreError::Changed { path: path.to_owned(), why: why.to_owned() }
}
