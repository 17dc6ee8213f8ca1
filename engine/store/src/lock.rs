//! The store's lock: many commits at once, or one garbage collection. Let go by the system when a process dies, so nothing is ever stale.

use std::{
    fs::{File, OpenOptions},
    path::Path,
    time::SystemTime,
};

use crate::{
    disk::{refused, unreadable},
    error::StoreError,
    store::Store,
};

/// The lock, held until this is dropped.
#[derive(Debug)]
pub struct Guard {
    _file: File,
}

impl Store {
    fn lock_file(&self) -> Result<File, StoreError> {
        let path = self.root().join("lock");
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        opened.map_err(|e| refused(&path, "open the lock", 0, e))
    }

    /// Held by a commit. Where there can be no lock (a filesystem without them), the grace period alone keeps commits and garbage apart.
    pub(crate) fn share(&self) -> Option<Guard> {
        let file = self.lock_file().ok()?;
        file.lock_shared().ok()?;
        Some(Guard { _file: file })
    }

    /// Waits for commits under way to end, and keeps new ones waiting. To be held for moments only.
    pub fn exclusive(&self) -> Result<Guard, StoreError> {
        let file = self.lock_file()?;
        file.lock().map_err(|e| unreadable(&self.root().join("lock"), "lock the store by", e))?;
        Ok(Guard { _file: file })
    }

    /// Sets a file's time to now, so that nobody takes it for old. False if it cannot be, and then it must not be counted on.
    #[expect(clippy::unused_self, reason = "a file of this store")]
    pub(crate) fn renew(&self, path: &Path) -> bool {
        File::open(path).and_then(|file| file.set_modified(SystemTime::now())).is_ok()
    }
}
