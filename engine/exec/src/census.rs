//! The census: what the process group of each worker uses, read from `/proc`. One look serves all attempts of a run, since it has to pass
//! over every process of the machine. Where there is no `/proc` nothing is known, and no limit that rests on it holds.

use std::{
    collections::BTreeMap,
    fs,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// A look no older than this is as good as a new one.
const FRESH: Duration = Duration::from_millis(100);

/// What one process group uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory of all its processes, in bytes; a page that several share counts for each.
    pub(crate) resident: u64,
    /// Its processes.
    pub(crate) processes: Vec<i32>,
    /// One of them that is stopped, if there is one.
    pub(crate) stopped: Option<i32>,
}

/// The latest look.
#[derive(Debug, Default)]
pub(crate) struct Census(Mutex<Option<(Instant, BTreeMap<i32, Usage>)>>);

impl Census {
    /// What `group` uses. Reads files: not for a thread that must not wait.
    pub(crate) fn of(&self, group: i32) -> Option<Usage> {
        let mut look = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if look.as_ref().is_none_or(|(at, _)| at.elapsed() > FRESH) {
            *look = Some((Instant::now(), take()?));
        }
        look.as_ref().and_then(|(_, groups)| groups.get(&group).cloned())
    }
}

/// The memory of these processes in bytes, a page that several share counted once in all. Costs more than [`Usage::resident`].
pub(crate) fn proportional(processes: &[i32]) -> Option<u64> {
    let of = |pid: &i32| field(&fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?, "Pss:");
    processes.iter().filter_map(of).reduce(|a, b| a + b)
}

fn take() -> Option<BTreeMap<i32, Usage>> {
    let mut groups: BTreeMap<i32, Usage> = BTreeMap::new();
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        // It may be gone by now.
        let Some((state, group)) =
            fs::read_to_string(entry.path().join("stat")).ok().as_deref().and_then(state_and_group)
        else {
            continue;
        };
        let usage = groups.entry(group).or_default();
        usage.processes.push(pid);
        if state == 'T' {
            usage.stopped = Some(pid);
        }
    }
    // Only groups of more than a look's interest are measured: those whose leader this process started.
    let own = std::process::id().cast_signed();
    groups.retain(|group, _| parent(*group) == Some(own));
    for usage in groups.values_mut() {
        let resident =
            |pid: &i32| field(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:").unwrap_or(0).into();
        usage.resident = usage.processes.iter().filter_map(resident).sum();
    }
    Some(groups)
}

/// State and process group of a line of `/proc/PID/stat`. The name, in brackets, may hold anything.
fn state_and_group(stat: &str) -> Option<(char, i32)> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}

fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The value of a line such as `VmRSS:   1024 kB`, in bytes.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_proc_are_read_whatever_a_process_is_called() {
        assert_eq!(state_and_group("12 (a) b) S) R 7 9 9 0 -1 4"), Some(('R', 9)));
        assert_eq!(state_and_group("nonsense"), None);
        let status = "Name:\tx\nVmRSS:\t    1024 kB\nRssAnon:\t 1 kB\n";
        assert_eq!((field(status, "VmRSS:"), field(status, "VmSwap:")), (Some(1 << 20), None));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_group_is_found_with_all_that_is_in_it() {
        use std::{os::unix::process::CommandExt, process::Command};
        let mut child = Command::new("sh").args(["-c", "sleep 60 & sleep 60; true"]).process_group(0).spawn().unwrap();
        let group = child.id().cast_signed();
        let until = Instant::now() + Duration::from_secs(20);
        let usage = loop {
            let usage = Census::default().of(group).unwrap_or_default();
            if usage.processes.len() == 3 || Instant::now() > until {
                break usage;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        rustix::process::kill_process_group(
            rustix::process::Pid::from_raw(group).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
        child.wait().unwrap();
        assert!(usage.processes.len() == 3 && usage.resident > 100 << 10, "{usage:?}");
        assert_eq!(usage.stopped, None);
    }
}
