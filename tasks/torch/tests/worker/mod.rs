//! The worker as the engine runs it, for tests.

use std::{
    fs,
    io::{BufRead, BufReader, PipeReader, Write},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

use isoflop_contract::{
    Environment,
    environment::{Capability, Device, Torch},
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
    converse_in(&environment(), kind, spec, needs, seed, out, saving)
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

/// The capability of a device that is pretended: see `examples/pretend/`.
pub const PRETENDED: Device = Device::Cuda(Capability { major: 19, minor: 9 });

/// What tests run on: the processor, unless `ISOFLOP_TEST_DEVICE` says `pretended` or a class as in `sm_90`.
pub fn device() -> Device {
    match std::env::var("ISOFLOP_TEST_DEVICE").as_deref() {
        Ok("pretended") => PRETENDED,
        Ok(class) => class.parse().unwrap(),
        Err(_) => Device::Cpu,
    }
}

/// The environment that tests run in: the default, on that device.
pub fn environment() -> Environment {
    Environment::Torch(Torch { device: device(), ..Torch::default() })
}

/// The library of the device that is pretended, compiled once.
pub fn pretended() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/pretend/device.cpp");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pretended-device.so");
        let age = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).ok();
        if age(&library) < age(&source) {
            let include = Path::new(env!("ISOFLOP_TORCH_INCLUDE"));
            let made = library.with_extension(format!("{}.so", std::process::id()));
            let done = Command::new("c++")
                .args(["-shared", "-fPIC", "-std=c++17", "-O0", "-DNDEBUG", "-w", "-isystem"])
                .arg(include)
                .arg("-isystem")
                .arg(include.join("torch/csrc/api/include"))
                .arg(&source)
                .arg("-o")
                .arg(&made)
                .status();
            assert!(done.unwrap().success(), "{} does not compile", source.display());
            fs::rename(&made, &library).unwrap();
        }
        library
    })
}

/// A worker that waits for its assignment, and what it says.
pub fn start(environment: &Environment) -> (Child, PipeReader) {
    let (reader, writer) = std::io::pipe().unwrap();
    let (mut program, mut library) = (PathBuf::from(env!("CARGO_BIN_EXE_isoflop-torch")), None);
    if environment.device() == Some(PRETENDED) {
        program = program.with_file_name("examples").join("pretend");
        library = Some(pretended());
        assert!(program.exists(), "{} is not built: `cargo build --release --workspace --examples`", program.display());
    }
    // Rust opens pipes for this process alone: the shell turns its stdout into the descriptor for notices.
    let child = Command::new("sh")
        .args(["-c", "exec 9>&1 1>&2; exec \"$0\""])
        .arg(program)
        .env(NOTICE_FD, "9")
        .envs(library.map(|library| ("ISOFLOP_PRETENDED_DEVICE", library)))
        .envs(environment.variables())
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    (child, reader)
}
