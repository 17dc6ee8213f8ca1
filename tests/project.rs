//! A project of its own for each test: a folder with a study, a home, and the toy in the place of libtorch.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A study of twenty-two tasks in the shape of the quickstart.
pub const STUDY: &str = include_str!("fixtures/ladder.yaml");

/// A folder with a study; its private server is stopped when it goes.
pub struct Project {
    folder: TempDir,
}

/// What a command left behind.
pub struct Ran {
    /// The exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Stdout.
    pub out: String,
    /// Stderr.
    pub err: String,
}

impl Ran {
    /// What is left of a command that ended.
    pub fn of(output: &Output) -> Self {
        Self {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Demands this exit code.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "exit code\n--- stdout\n{}\n--- stderr\n{}", self.out, self.err);
        self
    }

    /// Stdout as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}):\n{}\n{}", self.out, self.err))
    }
}

/// The folder that cargo put the programs in.
pub fn programs() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own file");
    test.parent().and_then(Path::parent).expect("tests lie in target/PROFILE/deps").to_owned()
}

impl Project {
    /// A project with the ladder study.
    pub fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().expect("there is room for a test's folder") };
        fs::create_dir(project.path("bin")).expect("the folder is new");
        // The toy looks for its behaviour beside the name it was started by, so a link in each project keeps tests apart.
        std::os::unix::fs::symlink(programs().join("isoflop-toy"), project.path("bin/isoflop-torch"))
            .expect("the folder is new");
        project.write("study.yaml", STUDY);
        project
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file in it.
    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a test's folder can be written");
    }

    /// Tells the toy how to behave.
    pub fn behave(&self, json: &str) {
        self.write("bin/behaviour.json", json);
    }

    /// `isoflop` with these arguments, in the folder, ready to start.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(programs().join("isoflop"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("ISOFLOP_TORCH", self.path("bin/isoflop-torch"));
        for name in ["DATABASE_URL", "ISOFLOP_HOME", "ISOFLOP_REMOTE", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
    }

    /// Runs `isoflop` to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        Ran::of(&self.command(args).output().expect("isoflop was built with the tests"))
    }

    /// Starts `isoflop` with its output captured.
    pub fn start(&self, args: &[&str]) -> Child {
        self.command(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("isoflop was built with the tests")
    }

    /// Waits for a started `isoflop`.
    pub fn wait(child: Child) -> Ran {
        Ran::of(&child.wait_with_output().expect("a child can be waited for"))
    }

    /// Reads the stderr of a started run until a line contains `text`.
    pub fn read_until(child: &mut Child, text: &str) {
        let stderr = child.stderr.as_mut().expect("stderr was captured");
        let mut seen = Vec::new();
        let mut byte = [0];
        while stderr.read(&mut byte).expect("a pipe can be read") == 1 {
            seen.push(byte[0]);
            if byte[0] == b'\n' && String::from_utf8_lossy(&seen).contains(text) {
                return;
            }
        }
        panic!("the run ended before it said `{text}`:\n{}", String::from_utf8_lossy(&seen));
    }

    /// The workers that an engine has started: of its children, neither the server nor its keeper.
    pub fn workers(engine: u32) -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{engine}/task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        let children = lists.flat_map(|list| list.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
        let works = |child: &String| {
            let line = fs::read(format!("/proc/{child}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            line.contains("isoflop-torch") || line.ends_with("\0worker\0")
        };
        children.filter(works).filter_map(|child| child.parse().ok()).collect()
    }

    /// Every file below a folder of the home, by path.
    pub fn files(&self, folder: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        let mut open = vec![self.path(".isoflop").join(folder)];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                if entry.path().is_dir() { open.push(entry.path()) } else { files.push(entry.path()) }
            }
        }
        files.sort();
        files
    }

    /// Outcome by task, from a run's JSON.
    pub fn outcomes(run: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().expect("names and outcomes are strings").to_owned();
        run["tasks"]
            .as_array()
            .expect("a run lists its tasks")
            .iter()
            .map(|task| (text(&task["name"]), text(&task["outcome"])))
            .collect()
    }

    /// Digest by task, from a run's JSON.
    pub fn digests(run: &Value) -> Vec<(String, Value)> {
        let tasks = run["tasks"].as_array().expect("a run lists its tasks");
        tasks.iter().map(|task| (task["name"].to_string(), task["digest"].clone())).collect()
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        if self.path(".isoflop/postgres").exists() {
            let _ = self.command(&["doctor", "--stop-server"]).output();
        }
    }
}
