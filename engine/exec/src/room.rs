//! Rooms: one folder for each attempt in its engine's scratch, `<attempt>/{in,files,out,tmp}`, removed when the attempt has ended.
//!
//! Removing costs more than it seems: a filesystem that was just told to forget thousands of files is slow to make new ones (ext4 looks past
//! each of them for a minute). So what a short attempt left, if it is next to nothing, goes with that of many others, at the latest when the
//! run ends.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::task::JoinSet;

use crate::scratch::{Scratch, remove_all};

/// What is removed at once: what an attempt of this length left,
const LONG: Duration = Duration::from_secs(1);

/// or so many bytes,
const LARGE: u64 = 64 << 10;

/// or so many files and folders.
const MANY: usize = 64;

/// More rooms than this do not wait: after they go, folders are slow to make.
const MOST: usize = 8192;

/// The folder of one attempt. Removed on drop.
#[derive(Debug)]
pub(crate) struct Room {
    path: PathBuf,
    /// What is known to be in it, and whether it is a folder: each after the folder it is in.
    inside: Vec<(PathBuf, bool)>,
    /// Kept locked while this is there.
    _scratch: Arc<Scratch>,
}

impl Room {
    /// Makes the folder `name`, in which nothing is yet.
    pub(crate) fn create(scratch: &Arc<Scratch>, name: &str) -> io::Result<Self> {
        let path = scratch.path().join(name);
        fs::create_dir(&path)?;
        let room = Self { path, inside: Vec::new(), _scratch: Arc::clone(scratch) };
        fs::create_dir(room.out())?;
        fs::create_dir(room.tmp())?;
        Ok(room)
    }

    /// Where input number `n` of port `port` goes.
    pub(crate) fn input(&self, port: &str, n: usize) -> PathBuf {
        self.path.join("in").join(port).join(n.to_string())
    }

    /// Where the files of the study called `name` go.
    pub(crate) fn files(&self, name: &str) -> PathBuf {
        self.path.join("files").join(name)
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.path.join("out")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes what is in it, so that it can be removed without being read again; false if that is more than next to nothing.
    fn is_light(&mut self) -> bool {
        let mut bytes = 0;
        let mut inside = Vec::new();
        let mut open = vec![self.path.clone()];
        while let Some(folder) = open.pop() {
            let Ok(entries) = fs::read_dir(folder) else { return false };
            for entry in entries {
                let Ok((entry, kind)) = entry.and_then(|entry| entry.file_type().map(|kind| (entry, kind))) else {
                    return false;
                };
                if kind.is_dir() {
                    open.push(entry.path());
                } else {
                    let Ok(meta) = entry.metadata() else { return false };
                    bytes += meta.len();
                }
                inside.push((entry.path(), kind.is_dir()));
                if inside.len() > MANY || bytes > LARGE {
                    return false;
                }
            }
        }
        self.inside = inside;
        true
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        // From the innermost; what does not go that way goes the long way.
        for (path, is_folder) in self.inside.iter().rev() {
            let _ = if *is_folder { fs::remove_dir(path) } else { fs::remove_file(path) };
        }
        if self.inside.is_empty() || fs::remove_dir(&self.path).is_err() {
            remove_all(&self.path);
        }
    }
}

/// The rooms of attempts that have ended, and what else is cleared away beside the run.
#[derive(Debug, Default)]
pub(crate) struct Rooms {
    later: Mutex<Vec<Room>>,
    work: Mutex<JoinSet<()>>,
}

impl Rooms {
    /// Removes a room, now or later. No task waits for it, the run's end does. Reads files: not for a thread that must not wait.
    pub(crate) fn leave(&self, mut room: Room, took: Duration) {
        if took >= LONG || !room.is_light() {
            return self.aside(move || drop(room));
        }
        let mut later = self.later.lock().unwrap_or_else(PoisonError::into_inner);
        later.push(room);
        if later.len() >= MOST {
            let all = std::mem::take(&mut *later);
            self.aside(move || drop(all));
        }
    }

    /// Does `work` beside the run.
    pub(crate) fn aside(&self, work: impl FnOnce() + Send + 'static) {
        let mut set = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        set.spawn_blocking(work);
        while set.try_join_next().is_some() {}
    }

    /// Removes what is left, and waits for that.
    pub(crate) async fn clear(&self) {
        let mut work = std::mem::take(&mut *self.work.lock().unwrap_or_else(PoisonError::into_inner));
        while work.join_next().await.is_some() {}
        let mut left = std::mem::take(&mut *self.later.lock().unwrap_or_else(PoisonError::into_inner));
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let each = left.len().div_ceil(threads).max(1);
        while !left.is_empty() {
            let some = left.split_off(left.len().saturating_sub(each));
            work.spawn_blocking(move || drop(some));
        }
        while work.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use isoflop_ledger::Holder;

    use super::*;

    #[tokio::test]
    async fn what_is_light_goes_later_and_everything_goes() {
        let home = tempfile::tempdir().unwrap();
        let scratch = Arc::new(Scratch::create(home.path(), "run", &Holder::here()).unwrap());
        let rooms = Rooms::default();
        let (short, long) = (Duration::from_millis(3), Duration::from_secs(9));
        let room = |name: &str, bytes: usize| {
            let room = Room::create(&scratch, name).unwrap();
            fs::write(room.tmp().join("x"), vec![0; bytes]).unwrap();
            room
        };
        for (name, bytes, took) in [("light", 9, short), ("large", 70_000, short), ("long", 9, long)] {
            rooms.leave(room(name, bytes), took);
        }
        let many = room("many", 0);
        for n in 0..MANY {
            fs::write(many.out().join(n.to_string()), "").unwrap();
        }
        rooms.leave(many, short);
        let mut work = std::mem::take(&mut *rooms.work.lock().unwrap());
        while work.join_next().await.is_some() {}
        let left = |name: &str| scratch.path().join(name).exists();
        assert_eq!(["light", "large", "long", "many"].map(left), [true, false, false, false]);
        rooms.clear().await;
        assert!(!left("light"));
        let path = scratch.path().to_owned();
        drop(scratch);
        assert!(!path.exists());
    }
}
