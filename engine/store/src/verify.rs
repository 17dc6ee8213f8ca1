//! Verify: a walk over everything in the store, for `doctor`. Changes nothing.

use std::{
    fmt,
    fs::{self, File},
    path::{Path, PathBuf},
};

use isoflop_contract::{Digest, Manifest};

use crate::{disk::unreadable, error::StoreError, hash, store::Store};

/// Something in the store that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What sort of thing.
    pub kind: FindingKind,
    /// Where.
    pub path: PathBuf,
    /// What should be there.
    pub expected: String,
    /// What is.
    pub found: String,
}

/// The sort of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// A blob's bytes are not what its name says.
    CorruptBlob,
    /// A manifest's text is not what its name says, or cannot be read.
    CorruptManifest,
    /// A manifest names a blob that is not there or has another size.
    MissingBlob,
    /// A file that does not belong.
    Stray,
    /// A file that cannot be read.
    Unreadable,
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CorruptBlob => "corrupt blob",
            Self::CorruptManifest => "corrupt manifest",
            Self::MissingBlob => "missing blob",
            Self::Stray => "stray file",
            Self::Unreadable => "unreadable file",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: expected {}, found {}", self.kind, self.path.display(), self.expected, self.found)
    }
}

impl Store {
    /// Reads every blob and every manifest and reports what does not hold, in order of path.
    pub fn verify(&self) -> Result<Vec<Finding>, StoreError> {
        let mut findings = Vec::new();
        for path in files(&self.root().join("blobs"))? {
            verify_blob(self, &path, &mut findings);
        }
        for path in files(&self.root().join("manifests"))? {
            verify_manifest(self, &path, &mut findings);
        }
        Ok(findings)
    }
}

/// The files two levels below `folder`, sorted.
fn files(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = |folder: &Path| -> Result<Vec<PathBuf>, StoreError> {
        let entries = fs::read_dir(folder).map_err(|e| unreadable(folder, "list the folder", e))?;
        let mut paths = entries
            .map(|entry| entry.map(|e| e.path()).map_err(|e| unreadable(folder, "list the folder", e)))
            .collect::<Result<Vec<_>, _>>()?;
        paths.sort();
        Ok(paths)
    };
    let mut all = Vec::new();
    for shard in list(folder)? {
        if shard.is_dir() {
            all.extend(list(&shard)?);
        } else {
            all.push(shard);
        }
    }
    Ok(all)
}

/// The digest that a file's name is, if it lies where a file of that name should.
fn named(place: impl Fn(&Digest) -> PathBuf, path: &Path, findings: &mut Vec<Finding>) -> Option<Digest> {
    let digest = path.file_name().and_then(|name| name.to_str()?.parse().ok()).filter(|d| place(d) == path);
    if digest.is_none() {
        let expected = "only files named by their digest".to_owned();
        findings.push(Finding {
            kind: FindingKind::Stray,
            path: path.to_owned(),
            expected,
            found: "another name".to_owned(),
        });
    }
    digest
}

fn verify_blob(store: &Store, path: &Path, findings: &mut Vec<Finding>) {
    let Some(digest) = named(|d| store.blob_path(d), path, findings) else { return };
    let (kind, found) = match File::open(path).and_then(|file| hash::digest(&file)) {
        Ok((found, _)) if found == digest => return,
        Ok((found, size)) => (FindingKind::CorruptBlob, format!("{found} ({size} bytes)")),
        Err(e) => (FindingKind::Unreadable, e.to_string()),
    };
    findings.push(Finding { kind, path: path.to_owned(), expected: digest.to_string(), found });
}

fn verify_manifest(store: &Store, path: &Path, findings: &mut Vec<Finding>) {
    let Some(digest) = named(|d| store.manifest_path(d), path, findings) else { return };
    let mut add =
        |kind, path: PathBuf, expected: String, found: String| findings.push(Finding { kind, path, expected, found });
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(e) => return add(FindingKind::Unreadable, path.to_owned(), digest.to_string(), e.to_string()),
    };
    let found = Digest::of(&text);
    if found != digest {
        return add(FindingKind::CorruptManifest, path.to_owned(), digest.to_string(), found.to_string());
    }
    let manifest: Manifest = match serde_json::from_slice(&text) {
        Ok(manifest) => manifest,
        Err(e) => return add(FindingKind::CorruptManifest, path.to_owned(), "a manifest".to_owned(), e.to_string()),
    };
    for (name, file) in &manifest.files {
        if store.has(file) {
            continue;
        }
        let blob = store.blob_path(&file.digest);
        let found = fs::symlink_metadata(&blob).map_or_else(|e| e.to_string(), |m| format!("{} bytes", m.len()));
        let expected = format!("{} bytes, for `{name}` of artifact {}", file.size, digest.short());
        add(FindingKind::MissingBlob, blob, expected, found);
    }
}
