//! The worker as the engine runs it, for tests.

use std::{
    io::{BufRead, BufReader, PipeReader, Write},
    path::Path,
    process::{Child, Command, Stdio},
};

use isoflop_contract::{
    Environment, Runtime,
    protocol::{NOTICE_FD, PROTOCOL},
};
use isoflop_kinds::catalog::catalog;
use serde_json::{Value, json};

/// An artifact at `folder`.
pub fn input(folder: &Path, shape: &str) -> Value {
    json!({"one": {"shape": shape, "cell": [], "digest": "00".repeat(32), "path": folder, "scalars": {}}})
}

/// Runs one task in the worker and returns what it said last.
pub fn work(kind: &str, spec: &Value, needs: &Value, seed: Option<u64>, out: &Path) -> Value {
    let said = converse(kind, spec, needs, seed, out, &Value::Null);
    said.last().expect("a worker says how it ended").clone()
}

/// Runs one task in the worker and returns all that it said.
pub fn converse(kind: &str, spec: &Value, needs: &Value, seed: Option<u64>, out: &Path, saving: &Value) -> Vec<Value> {
    converse_in(&Environment::default_for(Runtime::Torch), kind, spec, needs, seed, out, saving)
}

/// The same in another environment.
pub fn converse_in(
    environment: &Environment,
    kind: &str,
    spec: &Value,
    needs: &Value,
    seed: Option<u64>,
    out: &Path,
    saving: &Value,
) -> Vec<Value> {
    std::fs::create_dir_all(out).unwrap();
    let revision = catalog().iter().find(|known| known.name == kind).expect("a kind of the catalog").revision;
    let (mut child, reader) = start(environment);
    let assignment = json!({
        "protocol": PROTOCOL, "task": kind, "kind": kind, "revision": revision, "spec": spec, "seed": seed, "environment": environment,
        "needs": needs, "out": out, "scratch": out, "saving": saving,
    });
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{assignment}").unwrap();
    let lines: Vec<String> = BufReader::new(reader).lines().map(Result::unwrap).collect();
    drop(stdin);
    child.wait().unwrap();
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A worker that waits for its assignment, and what it says.
pub fn start(environment: &Environment) -> (Child, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    // Rust opens pipes for this process alone: the shell turns its stdout into the descriptor for notices.
    let child = Command::new("sh")
        .args(["-c", "exec 9>&1 1>&2; exec \"$0\""])
        .arg(env!("CARGO_BIN_EXE_isoflop-torch"))
        .env(NOTICE_FD, "9")
        .envs(environment.variables())
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, reader)
}
