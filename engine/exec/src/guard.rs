//! The guard: a process that outlives the engine by a moment. It reads a pipe that the engine alone holds open, and on which it is told of
//! each worker's process group. When the pipe ends, however the engine went, it kills the groups that are still there: workers ask the
//! kernel to be ended with the engine, but what they started does not.

use std::{
    io::{self, Write},
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
};

/// It must outlive the signals that ask a run to end, and nothing else.
const SCRIPT: &str = r#"
trap "" HUP INT TERM
groups=" "
while read -r word group; do
  case $word in
    watch) groups="$groups$group " ;;
    leave) groups="${groups%%" $group "*} ${groups#*" $group "}" ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done
"#;

/// The guard of a run. It is dismissed on drop.
#[derive(Debug)]
pub(crate) struct Guard(Mutex<Child>);

/// One process group under guard, until this is dropped.
#[derive(Debug)]
pub(crate) struct Guarded {
    guard: Arc<Guard>,
    group: i32,
}

impl Guard {
    /// Posts a guard.
    pub(crate) fn post() -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT]).env_clear().current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Mutex::new).map(Self)
    }

    /// Has it watch a process group.
    pub(crate) fn watch(self: &Arc<Self>, group: i32) -> Guarded {
        self.tell("watch", group);
        Guarded { guard: Arc::clone(self), group }
    }

    /// Tells it something. A guard that is gone is told nothing: somebody killed it, and the run goes on without.
    fn tell(&self, word: &str, group: i32) {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = &mut child.stdin {
            let _ = pipe.write_all(format!("{word} {group}\n").as_bytes());
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.guard.tell("leave", self.group);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let child = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        drop(child.stdin.take());
        let _ = child.wait();
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
        let guard = Arc::new(Guard::post().unwrap());
        let [_first, second, _third] = [&one, &two, &three].map(|child| guard.watch(child.id().cast_signed()));
        drop(second);
        drop(guard.0.lock().unwrap().stdin.take()); // as if the engine were gone
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
