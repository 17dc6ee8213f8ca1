//! Scratch: one folder for each engine at work, `scratch/<run>`, removed when it is done. A file `holder` in it is locked for as long as the
//! engine lives, so the next engine can tell what a dead one left behind. While a folder is made, `scratch` itself is locked shared: whoever
//! holds it alone sees none that is half made and not dead. Nobody waits long for that lock, since an engine that holds it may be paused.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use isoflop_ledger::Holder;

use crate::error::ExecError;

/// The folder of a run, or of anything else that should not outlive its engine. Removed on drop.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _holder: File,
}

impl Scratch {
    /// Makes the folder `name` below `folder`'s `scratch`, locked for as long as it is held.
    pub fn create(folder: &Path, name: &str, holder: &Holder) -> io::Result<Self> {
        let all = folder.join("scratch");
        fs::create_dir_all(&all)?;
        let making = File::open(&all)?;
        // In vain only if a sweep was paused in its midst; whether it still takes this folder for a dead one's is then a matter of a moment.
        soon(|| making.try_lock_shared().is_ok());
        let path = all.join(name);
        fs::create_dir_all(&path)?;
        // Locked before it has its name, so that no sweep ever sees it unlocked.
        let mut file = File::create(path.join("holder.new"))?;
        file.lock()?;
        writeln!(file, "{holder}")?;
        fs::rename(path.join("holder.new"), path.join("holder"))?;
        Ok(Self { path, _holder: file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        remove(&self.path);
    }
}

/// Removes what dead engines left in `folder`.
pub(crate) fn sweep(folder: &Path) -> Result<(), ExecError> {
    let folder = folder.join("scratch");
    let failed = |source| ExecError::Folder { path: folder.clone(), doing: "make the folder", source };
    fs::create_dir_all(&folder).map_err(failed)?;
    let failed = |source| ExecError::Folder { path: folder.clone(), doing: "list", source };
    let all = File::open(&folder).map_err(failed)?;
    let alone = soon(|| all.try_lock().is_ok());
    let entries = fs::read_dir(&folder).map_err(failed)?.flatten().map(|entry| entry.path());
    let left: Vec<PathBuf> = entries.filter(|path| is_left_behind(path, alone)).collect();
    drop(all); // what is dead stays so, and may take long to remove
    for path in left {
        tracing::debug!(folder = %path.display(), "removing what a dead engine left behind");
        remove(&path);
    }
    Ok(())
}

/// Tries for half a second.
fn soon(mut lock: impl FnMut() -> bool) -> bool {
    const TRIES: u32 = 50;
    (0..TRIES).any(|n| {
        if n > 0 {
            thread::sleep(Duration::from_millis(10));
        }
        lock()
    })
}

/// Whether nobody alive has this folder. One without a holder may be in the making, unless nobody can be making one.
fn is_left_behind(path: &Path, alone: bool) -> bool {
    // A lock that cannot be tried at all (a filesystem without locks) is taken to be held.
    File::open(path.join("holder")).map_or(alone, |holder| holder.try_lock().is_ok())
}

/// Removes the folder of a dead engine, or of one that is done. The holder's file goes last: a removal that was cut short leaves a folder
/// that the next sweep knows to be left behind.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_all(&entry.path());
        }
    }
    remove_all(path);
}

/// Removes a folder, also one in which a body took permissions away. What cannot be removed stays for the next run to try.
pub(crate) fn remove_all(path: &Path) {
    if fs::remove_dir_all(path).is_ok() || !path.exists() {
        return;
    }
    unlock(path);
    if let Err(error) = fs::remove_dir_all(path) {
        tracing::warn!(folder = %path.display(), %error, "cannot remove a folder of scratch");
    }
}

/// Makes all folders below `path` writable. Files are left alone: they may be links into the store.
fn unlock(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            unlock(&entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_living_have_stays_and_what_the_dead_left_goes() {
        let folder = tempfile::tempdir().unwrap();
        let living = Scratch::create(folder.path(), "living", &Holder::here()).unwrap();
        let dead = folder.path().join("scratch/dead");
        let unfinished = folder.path().join("scratch/unfinished");
        fs::create_dir_all(dead.join("out")).unwrap();
        fs::write(dead.join("holder"), "gone").unwrap();
        fs::create_dir_all(&unfinished).unwrap();
        sweep(folder.path()).unwrap();
        assert!(living.path().exists() && !unfinished.exists() && !dead.exists());
        // An engine that makes a folder may be paused: nobody waits for it, and what may be its own is left alone.
        let making = File::open(folder.path().join("scratch")).unwrap();
        making.lock_shared().unwrap();
        fs::create_dir_all(&dead).unwrap();
        fs::write(dead.join("holder"), "gone").unwrap();
        fs::create_dir_all(&unfinished).unwrap();
        sweep(folder.path()).unwrap();
        assert!(living.path().exists() && unfinished.exists() && !dead.exists());
        drop(making);
        // The other way round: a sweep that is paused keeps nobody from making a folder.
        let sweeping = File::open(folder.path().join("scratch")).unwrap();
        sweeping.lock().unwrap();
        drop(Scratch::create(folder.path(), "another", &Holder::here()).unwrap());
        drop(sweeping);
        let path = living.path().to_owned();
        drop(living);
        assert!(!path.exists());
    }
}
