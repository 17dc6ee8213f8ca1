//! Control groups (version 2): where the system lets this user make them, the kernel itself holds each attempt to its memory. Elsewhere the
//! vigil looks at resident memory several times a second, which a quick worker can outrun.
//!
//! An engine makes one group below the one that it was given or found, and in it one for each attempt that has a limit. A worker is put
//! there before it has its assignment, and all that it starts is born there. What a dead engine left is removed by the next.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Duration,
};

/// What begins the names of engines' groups; the engine's process id follows, and a number that tells apart those of one process.
const NAME: &str = "isoflop-";

static SERIAL: AtomicU32 = AtomicU32::new(0);

/// Where the version 2 hierarchy is, by itself or beside version 1.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// How the memory of attempts is limited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Confine {
    /// By control groups in the first place found that allows it, from the engine's own group upwards; else by looking.
    #[default]
    Search,
    /// By control groups in this folder; else by looking.
    In(PathBuf),
    /// By looking.
    Never,
}

/// The group of one engine, in which those of attempts are made. Removed on drop.
#[derive(Debug)]
pub struct Cgroups(PathBuf);

impl Cgroups {
    /// Makes the engine's group where it can, and tries whether processes may be put into it. Otherwise says why not.
    pub fn open(confine: &Confine) -> Result<Self, String> {
        match confine {
            Confine::Never => Err("control groups were not wanted".to_owned()),
            Confine::In(folder) => Self::open_in(folder).map_err(|why| format!("{}: {why}", folder.display())),
            Confine::Search => {
                let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
                let mount = MOUNTS.iter().map(Path::new).find(|mount| mount.join("cgroup.controllers").is_file());
                let Some(mount) = mount else {
                    return Err("there is no hierarchy of control groups of version 2".to_owned());
                };
                let places = places(&groups, mount);
                let mut why = "this process is in no control group".to_owned();
                for place in places {
                    match Self::open_in(&place) {
                        Ok(groups) => return Ok(groups),
                        Err(reason) => why = format!("{}: {reason}", place.display()),
                    }
                }
                Err(why)
            }
        }
    }

    fn open_in(folder: &Path) -> Result<Self, String> {
        let lists = |file: &str| {
            let text =
                fs::read_to_string(folder.join(file)).map_err(|error| format!("`{file}` cannot be read: {error}"))?;
            Ok::<bool, String>(text.split_ascii_whitespace().any(|controller| controller == "memory"))
        };
        if !lists("cgroup.controllers")? {
            return Err("it has no controller of memory".to_owned());
        }
        if !lists("cgroup.subtree_control")? {
            let enabled = fs::write(folder.join("cgroup.subtree_control"), "+memory");
            enabled.map_err(|error| format!("groups in it cannot be given limits: {error}"))?;
        }
        sweep(folder);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let own = folder.join(format!("{NAME}{}-{serial}", std::process::id()));
        fs::create_dir(&own).map_err(|error| format!("no group can be made in it: {error}"))?;
        let groups = Self(own);
        let tried = fs::write(groups.0.join("cgroup.subtree_control"), "+memory").and_then(|()| groups.attempt());
        tried.map_err(|error| format!("a process cannot be put into a group of it: {error}"))?;
        Ok(groups)
    }

    /// Tries it with a process that does nothing.
    fn attempt(&self) -> io::Result<()> {
        let group = self.make("trial", 1 << 30)?;
        let mut child = Command::new("/bin/sh")
            .args(["-c", "read -r word"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let taken = group.take_in(child.id().cast_signed());
        drop(child.stdin.take());
        let _ = child.wait();
        group.remove();
        taken
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a group called `name` that may use `limit` bytes of memory, and nothing of what memory is moved out to.
    pub(crate) fn make(&self, name: &str, limit: u64) -> io::Result<Cgroup> {
        let path = self.0.join(name);
        fs::create_dir(&path)?;
        let group = Cgroup { path, limit };
        let set = fs::write(group.path.join("memory.max"), limit.to_string());
        if let Err(error) = set {
            group.remove();
            return Err(error);
        }
        // Not every kernel has these; without them the limit still holds.
        for (file, value) in [("memory.swap.max", "0"), ("memory.oom.group", "1")] {
            let _ = fs::write(group.path.join(file), value);
        }
        Ok(group)
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        clear(&self.0);
    }
}

/// The group of one attempt.
#[derive(Debug)]
pub(crate) struct Cgroup {
    path: PathBuf,
    /// In bytes.
    pub(crate) limit: u64,
}

/// What became of the memory of an attempt.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// The most that was used at one time, in bytes, where the kernel tells (5.19 and later).
    pub(crate) peak: Option<u64>,
    /// How many processes the kernel ended because there was no more.
    pub(crate) killed: u64,
}

impl Cgroup {
    /// Puts a process into it.
    pub(crate) fn take_in(&self, process: i32) -> io::Result<()> {
        fs::write(self.path.join("cgroup.procs"), process.to_string())
    }

    /// What the kernel has counted.
    pub(crate) fn used(&self) -> Used {
        let read = |file: &str| fs::read_to_string(self.path.join(file)).unwrap_or_default();
        let events = read("memory.events");
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok());
        Used { peak: read("memory.peak").trim().parse().ok(), killed: killed.unwrap_or(0) }
    }

    /// Ends whatever is left in it, and takes it away. May take a moment.
    pub(crate) fn remove(self) {
        clear(&self.path);
    }
}

/// The groups in which an engine's may be made, the likeliest first: its own, by `/proc/self/cgroup`, and those above it.
fn places(groups: &str, mount: &Path) -> Vec<PathBuf> {
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::")) else { return Vec::new() };
    let own = mount.join(path.trim_start_matches('/'));
    own.ancestors().take_while(|folder| folder.starts_with(mount)).map(Path::to_owned).collect()
}

/// Removes the groups of engines that are gone.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let engine = name.to_str().and_then(|name| name.strip_prefix(NAME)?.split('-').next()?.parse::<u32>().ok());
        if engine.is_some_and(|engine| !Path::new(&format!("/proc/{engine}")).exists()) {
            clear(&entry.path());
        }
    }
}

/// Ends whatever is in a group and takes it away, those in it first. A process that was killed is in its group until it is gone.
fn clear(group: &Path) {
    for entry in fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            clear(&entry.path());
        }
    }
    let kill = File::options().write(true).open(group.join("cgroup.kill"));
    let _ = kill.and_then(|mut file| file.write_all(b"1")); // since 5.14; what is in it is gone already, or will be
    for _ in 0..100 {
        match fs::remove_dir(group) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => thread::sleep(Duration::from_millis(5)),
            _ => return,
        }
    }
    tracing::debug!(group = %group.display(), "cannot remove a control group");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_group_comes_before_those_above_it() {
        let mount = Path::new("/sys/fs/cgroup");
        let found = places("4:memory:/x\n0::/user.slice/a.scope\n", mount);
        assert_eq!(found, [mount.join("user.slice/a.scope"), mount.join("user.slice"), mount.to_owned()]);
        assert!(places("4:memory:/x\n", mount).is_empty());
    }

    /// The files as the kernel has them, in a plain folder.
    #[test]
    fn a_group_is_given_its_limit_and_its_count_is_read() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| fs::write(root.path().join(file), text).unwrap();
        let open = || Cgroups::open(&Confine::In(root.path().to_owned()));
        assert!(open().unwrap_err().contains("`cgroup.controllers` cannot be read"));
        write("cgroup.controllers", "cpu io\n");
        assert!(open().unwrap_err().contains("no controller of memory"));
        write("cgroup.controllers", "cpu memory\n");
        write("cgroup.subtree_control", "\n");
        fs::create_dir(root.path().join("isoflop-4294967294-0")).unwrap(); // of an engine that is gone
        fs::create_dir(root.path().join("somebody")).unwrap();
        let groups = open().unwrap();
        assert_eq!(fs::read_to_string(root.path().join("cgroup.subtree_control")).unwrap(), "+memory");
        assert!(!root.path().join("isoflop-4294967294-0").exists() && root.path().join("somebody").exists());

        let group = groups.make("attempt", 4096).unwrap();
        group.take_in(77).unwrap();
        let read = |file: &str| fs::read_to_string(group.path.join(file)).unwrap();
        assert_eq!(["memory.max", "memory.swap.max", "memory.oom.group"].map(read), ["4096", "0", "1"]);
        assert_eq!(read("cgroup.procs"), "77");
        assert_eq!(group.used(), Used::default());
        fs::write(group.path.join("memory.events"), "low 0\nmax 3\noom 1\noom_kill 2\noom_group_kill 1\n").unwrap();
        fs::write(group.path.join("memory.peak"), "4095\n").unwrap();
        assert_eq!(group.used(), Used { peak: Some(4095), killed: 2 });
    }

    /// Where this machine allows it: a program that takes more than it may is ended by the kernel, and the count says so.
    #[test]
    fn the_kernel_holds_a_group_to_its_limit() {
        let Ok(groups) = Cgroups::open(&Confine::Search) else { return };
        let group = groups.make("hog", 32 << 20).unwrap();
        let script = "read -r word; x=$(head -c 100000000 /dev/zero | tr '\\0' a); sleep 60";
        let mut child = Command::new("/bin/sh").args(["-c", script]).stdin(Stdio::piped()).spawn().unwrap();
        group.take_in(child.id().cast_signed()).unwrap();
        drop(child.stdin.take());
        assert!(!child.wait().unwrap().success());
        let used = group.used();
        assert!(used.killed > 0 && used.peak.is_none_or(|peak| peak <= 33 << 20), "{used:?}");
        let path = group.path.clone();
        group.remove();
        assert!(!path.exists());
    }
}
