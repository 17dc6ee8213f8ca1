//! Materialize: an artifact becomes a folder that a task reads.
//!
//! Every blob's bytes are checked first, so a flipped bit is found before a task reads it and not after it has spoilt a result. Files are
//! hard links into the store and read-only; where links do not reach, copies. Who reads with a program that nobody knows gets files of its own
//! where they cost little, since a mode keeps neither a file's owner nor root from writing through a link.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use isoflop_contract::{Digest, Manifest, manifest};

use crate::{
    disk::{self, refused},
    error::{Corruption, StoreError},
    hash, name,
    remote::Fetched,
    store::Store,
};

/// A file up to this size is copied where it is to be the reader's own and its bytes cannot be shared.
const SMALL: u64 = 1 << 20;

impl Store {
    /// Puts the artifact's files under `into`, which is made if it is not there and must hold none of them.
    pub fn materialize(&self, artifact: Digest, manifest: &Manifest, into: &Path) -> Result<(), StoreError> {
        self.materialize_for(false, artifact, manifest, into)
    }

    /// The same, if `foreign` for a reader that may write to what it reads: files are its own where the filesystem lets two share bytes, or where they are small.
    pub fn materialize_for(
        &self,
        foreign: bool,
        artifact: Digest,
        manifest: &Manifest,
        into: &Path,
    ) -> Result<(), StoreError> {
        disk::folder(into)?;
        let mut fetched = false;
        for (file, blob) in &manifest.files {
            let path =
                name::check(file).map_err(|why| StoreError::BadOutput { file: file.clone(), why: why.to_owned() })?;
            fetched |= self.check(artifact, file, blob)?;
            let to = into.join(path);
            disk::folder(to.parent().unwrap_or(into))?;
            if !(foreign && self.lay_apart(blob, &to)?) {
                self.link(blob, &to)?;
            }
        }
        // Blobs that no manifest names are garbage.
        if fetched { self.name(artifact, manifest) } else { Ok(()) }
    }

    /// Reads a blob's bytes and compares their digest; what is corrupt goes to quarantine, and what is not here or not sound is fetched from
    /// the remote. Answers whether it was.
    pub(crate) fn check(&self, artifact: Digest, file: &str, blob: &manifest::File) -> Result<bool, StoreError> {
        let path = self.blob_path(&blob.digest);
        let reader = match File::open(&path) {
            Ok(reader) => reader,
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(disk::unreadable(&path, "open", e)),
            Err(_) => {
                let what = format!("artifact {}, file `{file}`: blob {}", artifact.short(), blob.digest.short());
                return match self.fetch(blob)? {
                    Fetched::Whole => Ok(true), // its bytes were checked on the way
                    Fetched::Absent => Err(StoreError::Missing { what, path }),
                    Fetched::Corrupt => {
                        Err(StoreError::Missing { what: format!("{what} (the remote's is corrupt)"), path })
                    }
                };
            }
        };
        let (found, _) = hash::digest(&reader).map_err(|e| disk::unreadable(&path, "read", e))?;
        if found == blob.digest {
            return Ok(false);
        }
        let quarantined_to = self.quarantine(&path, &blob.digest)?;
        if self.fetch(blob)? == Fetched::Whole {
            return Ok(true);
        }
        let of = Some((artifact, file.to_owned()));
        Err(StoreError::Corrupt(Box::new(Corruption { of, blob: blob.digest, found, quarantined_to })))
    }

    /// Puts a file at `to` that is nobody else's, if that costs little. Answers whether it did.
    fn lay_apart(&self, blob: &manifest::File, to: &Path) -> Result<bool, StoreError> {
        let from = self.blob_path(&blob.digest);
        let mut bytes = File::open(&from).map_err(|e| self.absent(e, &blob.digest, "open"))?;
        let made = (|| {
            let mut file = File::create_new(to)?;
            if rustix::fs::ioctl_ficlone(&file, &bytes).is_err() {
                if blob.size > SMALL {
                    fs::remove_file(to)?;
                    return Ok(false);
                }
                io::copy(&mut bytes, &mut file)?;
            }
            file.set_permissions(fs::Permissions::from_mode(0o444))?;
            Ok(true)
        })();
        made.map_err(|e| refused(to, "write", blob.size, e))
    }

    fn link(&self, blob: &manifest::File, to: &Path) -> Result<(), StoreError> {
        let from = self.blob_path(&blob.digest);
        match fs::hard_link(&from, to) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(refused(to, "put a file at", 0, e)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(self.absent(e, &blob.digest, "link")),
            // Another filesystem, one without links, too many links, or a blob of another user: copy.
            Err(_) => {}
        }
        let mut file = File::open(&from).map_err(|e| self.absent(e, &blob.digest, "open"))?;
        disk::copy(&mut file, blob.size, to).inspect_err(|_| {
            fs::remove_file(to).ok();
        })
    }
}
