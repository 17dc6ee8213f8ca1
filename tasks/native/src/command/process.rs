//! The process of a program: no shell, no stdin, a declared environment; and nothing that it starts outlives the attempt.
//!
//! A program stays in the process group of its worker, which the engine stops as a whole; and should the engine be killed, its guard does.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    ffi::OsString,
    io,
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, WaitId, WaitIdOptions, waitid},
};

/// What the engine decides for every program, whatever it declares: the devices that were leased for it. They change where it runs, not what
/// it makes.
const ALWAYS: &str = "CUDA_VISIBLE_DEVICES";

/// A program that was started.
#[derive(Debug)]
pub struct Program {
    child: Child,
    /// Nothing is ever said here; it closes when the program has ended.
    ended: mpsc::Receiver<()>,
}

/// What to start.
#[derive(Debug)]
pub struct Start<'a> {
    /// The program and its arguments.
    pub argv: &'a [String],
    /// Variables that are set.
    pub set: &'a BTreeMap<String, String>,
    /// Variables of this process that are passed on.
    pub env: &'a BTreeSet<String>,
    /// The working folder.
    pub folder: &'a Path,
    /// A folder for temporary files.
    pub tmp: &'a Path,
}

/// Why a program could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Nothing of this name is on PATH, whose folders are nobody's business: what is said here is recorded, and may be published.
    #[error("there is no program `{program}` on PATH; the task's log lists the folders that were looked into")]
    NotOnPath {
        /// The program.
        program: String,
    },
    /// It is there, or should be, and cannot be started.
    #[error("the program `{program}` cannot be started: {source}")]
    Io {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Start<'_> {
    /// Starts the program.
    pub fn start(&self) -> Result<Program, StartError> {
        let (name, arguments) = self.argv.split_first().map_or(("", self.argv), |(name, rest)| (name.as_str(), rest));
        let path = self.find(name)?;
        let failed = |source| StartError::Io { program: name.to_owned(), source };
        let child = Command::new(path)
            .args(arguments)
            .current_dir(self.folder)
            .env_clear()
            .env("LANG", "C.UTF-8")
            .envs(self.passed_on())
            .env("TMPDIR", self.tmp)
            .envs(self.set)
            .stdin(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let ended = announce(&child).map_err(failed)?;
        Ok(Program { child, ended })
    }

    fn passed_on(&self) -> impl Iterator<Item = (&str, OsString)> {
        let names = self.env.iter().map(String::as_str).chain([ALWAYS]);
        names.filter_map(|name| Some((name, env::var_os(name)?)))
    }

    /// The file of a program: as it is if that is a path, or else the first on the program's own PATH, or on ours if it has none.
    fn find(&self, name: &str) -> Result<PathBuf, StartError> {
        if name.contains('/') {
            return Ok(PathBuf::from(name));
        }
        let path = self.set.get("PATH").map(OsString::from).or_else(|| env::var_os("PATH")).unwrap_or_default();
        let executable = |path: &PathBuf| {
            path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        };
        let found = env::split_paths(&path).map(|folder| folder.join(name)).find(executable);
        found.ok_or_else(|| {
            eprintln!("isoflop: there is no `{name}` in any folder of PATH: {}", path.display());
            StartError::NotOnPath { program: name.to_owned() }
        })
    }
}

impl Program {
    /// How it ended, if it has.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// Waits until it has ended, but no longer than this.
    pub fn wait(&self, longest: Duration) {
        let _ = self.ended.recv_timeout(longest);
    }

    /// Ends it now.
    pub fn kill(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// How a program ended, in words.
pub fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => {
            let name = match signal {
                2 => " (SIGINT)",
                4 => " (SIGILL: an instruction that this processor does not have)",
                6 => " (SIGABRT)",
                7 => " (SIGBUS)",
                8 => " (SIGFPE)",
                9 => " (SIGKILL: perhaps the machine ran out of memory)",
                11 => " (SIGSEGV)",
                15 => " (SIGTERM)",
                _ => "",
            };
            format!("was killed by signal {signal}{name}")
        }
        (None, None) => "ended".to_owned(),
    }
}

/// Closes the channel when `child` has ended, and leaves it to be waited for.
fn announce(child: &Child) -> io::Result<mpsc::Receiver<()>> {
    let pid = Pid::from_child(child);
    let (open, ended) = mpsc::channel();
    thread::Builder::new().name("wait".into()).spawn(move || {
        let _open = open;
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
    })?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Instant};

    use super::*;

    fn run(argv: &[&str], env: &[&str], set: &[(&str, &str)]) -> Result<(ExitStatus, String), String> {
        let folder = tempfile::tempdir().unwrap();
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let env = env.iter().map(|name| (*name).to_owned()).collect();
        let start = Start { argv: &argv, set: &set, env: &env, folder: folder.path(), tmp: folder.path() };
        let mut program = start.start().map_err(|error| error.to_string())?;
        let began = Instant::now();
        let status = loop {
            if let Some(status) = program.ended().unwrap() {
                break status;
            }
            assert!(began.elapsed() < Duration::from_secs(20), "the program does not end");
            program.wait(Duration::from_secs(1));
        };
        Ok((status, fs::read_to_string(folder.path().join("said")).unwrap_or_default()))
    }

    #[test]
    fn a_program_sees_what_was_declared_and_nothing_else() {
        let (status, said) = run(&["sh", "-c", "/usr/bin/env > said; cat >> said"], &[], &[("A", "b c")]).unwrap();
        assert!(status.success(), "stdin is at its end");
        let mut names: Vec<&str> = said.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        names.retain(|name| !matches!(*name, "PWD" | "SHLVL" | "_" | "OLDPWD" | ALWAYS)); // the shell's own, and the engine's
        names.sort_unstable();
        assert_eq!(names, ["A", "LANG", "TMPDIR"]);
        let (_, said) =
            run(&["sh", "-c", "echo $PATH $LANG > said"], &["PATH", "NO_SUCH_VARIABLE"], &[("LANG", "C")]).unwrap();
        assert_eq!(said.trim(), format!("{} C", env::var("PATH").unwrap()));
    }

    #[test]
    fn words_reach_the_program_as_they_are() {
        let words = ["a b", "", "$HOME", "*", "'", "é\n"];
        let script = r#"for word; do printf '<%s>' "$word"; done > said"#;
        let (_, said) = run(&[&["sh", "-c", script, "sh"][..], &words].concat(), &[], &[]).unwrap();
        assert_eq!(said, "<a b><><$HOME><*><'><é\n>");
    }

    #[test]
    fn what_cannot_be_started_is_said() {
        let error = run(&["no-such-program"], &[], &[("PATH", "/nowhere:/bin")]).unwrap_err();
        assert_eq!(
            error,
            "there is no program `no-such-program` on PATH; the task's log lists the folders that were looked into"
        );
        let error = run(&["/etc/passwd"], &[], &[]).unwrap_err();
        assert!(error.starts_with("the program `/etc/passwd` cannot be started: "), "{error}");
    }

    #[test]
    fn an_ending_is_told() {
        assert_eq!(ending(run(&["sh", "-c", "exit 3"], &[], &[]).unwrap().0), "exited with code 3");
        let killed = ending(run(&["sh", "-c", "kill -9 $$"], &[], &[]).unwrap().0);
        assert!(killed.starts_with("was killed by signal 9 (SIGKILL"), "{killed}");
    }
}
