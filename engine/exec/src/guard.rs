//! The guard: a process that outlives the engine by a moment. Its stdin is a pipe that the engine alone holds open, and beside it lies a list of
//! the workers' process groups. When the pipe ends, however the engine went, it kills the groups that are on the list: workers ask the kernel
//! to be ended with the engine, but what they started does not.
//!
//! The list is a file without a name, one line a place. The engine writes it and the guard reads it once, at the end: until then it sleeps, and a
//! worker costs two small writes.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io,
    os::unix::{fs::FileExt, process::CommandExt},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

/// It must outlive the signals that ask a run to end, and nothing else. Its "stdout" is the list, to be read.
const SCRIPT: &str = r#"
trap "" HUP INT TERM
read -r word
while read -r group; do
  test "$group" = 0 || kill -KILL "-$group"
done <&1
"#;

/// The length of a line: a number, blanks before it, and the line's end.
const LINE: usize = 12;

/// How many places there are from the beginning: a disk that is full later takes none away.
const PLACES: u64 = 256;

/// The guard of a run. It is dismissed on drop.
#[derive(Debug)]
pub(crate) struct Guard {
    list: Mutex<List>,
    shell: Child,
}

/// The list of groups.
#[derive(Debug)]
struct List {
    file: File,
    free: BTreeSet<u64>,
    /// Places so far.
    places: u64,
}

/// One process group under guard, until this is dropped.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Arc<Guard>,
    place: u64,
}

impl Guard {
    /// Posts a guard, whose list is made in `folder`.
    pub(crate) fn post(folder: &Path) -> io::Result<Self> {
        let path = folder.join("guarded");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
        fs::remove_file(&path)?;
        let list = List { free: (0..PLACES).collect(), places: PLACES, file };
        (0..PLACES).try_for_each(|place| list.write(place, 0))?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT]).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::from(list.file.try_clone()?)).stderr(Stdio::null());
        Ok(Self { list: Mutex::new(list), shell: command.spawn()? })
    }

    /// Has it watch a process group. One that cannot be written down is not watched, and the run goes on without.
    pub(crate) fn watch(self: &Arc<Self>, group: i32) -> Guarded {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        let place = list.free.pop_first().unwrap_or(list.places);
        list.places = list.places.max(place + 1);
        let _ = list.write(place, group);
        Guarded { guard: Arc::clone(self), place }
    }
}

impl List {
    fn write(&self, place: u64, group: i32) -> io::Result<()> {
        let line = format!("{group:>width$}\n", width = LINE - 1);
        self.file.write_all_at(line.as_bytes(), place * LINE as u64)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let mut list = self.guard.list.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = list.write(self.place, 0);
        list.free.insert(self.place);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use rustix::process::{Pid, Signal, kill_process_group};

    use super::*;

    #[test]
    fn what_is_watched_goes_with_the_guard_and_what_was_left_stays() {
        let sleep = || Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
        let (mut one, mut two, mut three) = (sleep(), sleep(), sleep());
        let folder = tempfile::tempdir().unwrap();
        let mut guard = Guard::post(folder.path()).unwrap();
        let pipe = guard.shell.stdin.take();
        let guard = Arc::new(guard);
        let [_first, second, _third] = [&one, &two, &three].map(|child| guard.watch(child.id().cast_signed()));
        drop(second);
        drop(pipe); // as if the engine were gone
        let began = Instant::now();
        while one.try_wait().unwrap().is_none() || three.try_wait().unwrap().is_none() {
            assert!(began.elapsed() < Duration::from_secs(20), "they live on");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert!(two.try_wait().unwrap().is_none());
        kill_process_group(Pid::from_raw(two.id().cast_signed()).unwrap(), Signal::KILL).unwrap();
        two.wait().unwrap();
    }
}
