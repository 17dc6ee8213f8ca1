#![expect(unsafe_code, reason = "what a child does between fork and exec can only be said through `pre_exec`")]
//! The guise in which a server process is started, since Postgres refuses to run as root.
//!
//! Root's usual guise is a user namespace with one entry: `nobody` inside is root outside, so files stay root's, nothing is handed over,
//! and no folder above has to be opened for anybody. Where user namespaces are refused, the cluster's folder is given to `nobody` and the
//! server becomes him. What owns the data says which way it was begun with, and it is kept to.

use std::{
    fs, io,
    os::{
        fd::{BorrowedFd, RawFd},
        unix::{
            fs::{MetadataExt, chown},
            process::CommandExt,
        },
    },
    path::Path,
    process::{Command, Stdio},
};

use rustix::{
    fs::{Mode, OFlags},
    io::FdFlags,
    thread::UnshareFlags,
};

/// `nobody`, whom every system has an entry for: Postgres looks its user up.
const NOBODY: u32 = 65534;

/// Who a server process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guise {
    /// Whoever runs the engine.
    Myself,
    /// `nobody` inside a user namespace, root outside.
    Namespace,
    /// `nobody`.
    Nobody,
}

impl Guise {
    /// The guise for the cluster in `folder`, which is there.
    pub(super) fn choose(folder: &Path) -> io::Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Myself);
        }
        let data = folder.join("data");
        let owner = fs::metadata(if data.exists() { &data } else { folder })?.uid();
        if owner == NOBODY {
            return Ok(Self::Nobody);
        }
        let probe = |guise: Self| {
            let mut probe = Command::new("/bin/sh");
            probe.args(["-c", ":"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            guise.put_on(&mut probe, false);
            probe.status()
        };
        if probe(Self::Namespace).is_ok() {
            return Ok(Self::Namespace);
        }
        probe(Self::Nobody).map(|_| Self::Nobody)
    }

    /// Gives everything under `path` to the guise's user.
    pub(super) fn own(self, path: &Path) -> io::Result<()> {
        if self != Self::Nobody {
            return Ok(());
        }
        chown(path, Some(NOBODY), Some(NOBODY))?;
        if fs::symlink_metadata(path)?.is_dir() {
            for entry in fs::read_dir(path)? {
                self.own(&entry?.path())?;
            }
        }
        Ok(())
    }

    /// Makes `command` start in this guise, with no inherited descriptors beyond the standard three, and in a session of its own if it is to
    /// outlive the engine and its terminal.
    pub(super) fn put_on(self, command: &mut Command, outlives: bool) {
        let maps = [
            (c"/proc/self/setgroups", "deny".to_owned()),
            (c"/proc/self/uid_map", format!("{NOBODY} {} 1", rustix::process::geteuid().as_raw())),
            (c"/proc/self/gid_map", format!("{NOBODY} {} 1", rustix::process::getegid().as_raw())),
        ];
        if self == Self::Nobody {
            command.uid(NOBODY).gid(NOBODY);
        }
        let inherited = descriptors();
        let before_exec = move || {
            for &fd in &inherited {
                // SAFETY: the number is only marked; should nothing be open under it any more, that fails and is ignored.
                let fd = unsafe { BorrowedFd::borrow_raw(fd) };
                rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC).ok();
            }
            if outlives {
                rustix::process::setsid()?;
            }
            if self == Self::Namespace {
                // SAFETY: descriptors are not unshared, and after the fork this process has one thread.
                unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER) }?;
                for (file, text) in &maps {
                    let file = rustix::fs::open(*file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
                    rustix::io::write(&file, text.as_bytes())?;
                }
            }
            Ok(())
        };
        // SAFETY: between fork and exec only system calls are made, on memory that was prepared before; nothing is allocated or locked.
        unsafe { command.pre_exec(before_exec) };
    }
}

/// The descriptors that this process has open beyond the standard three.
fn descriptors() -> Vec<RawFd> {
    let entries = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|fd| *fd > 2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_in_guise_is_not_root_and_inherits_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let guise = Guise::choose(tmp.path()).unwrap();
        // Standard output and error of a test may be pipes with numbers above 2 beside them: what counts is that none comes through.
        let leak = fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&leak, FdFlags::empty()).unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "id -u; ls /proc/self/fd | wc -l"]).stdin(Stdio::null());
        guise.put_on(&mut command, true);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let lines: Vec<&str> = said.lines().map(str::trim).collect();
        assert_ne!(lines[0], "0");
        assert_eq!(lines[1], "4", "the standard three and the one that lists them");
    }
}
