//! The soft environment: what is recorded with a run and never hashed.

use std::{fs, path::Path, process::Command};

use isoflop_contract::Digest;
use serde_json::{Value, json};

use crate::{args::SetArgs, verbs::why::recorded, workers};

/// The digest of the dependency lock that this program was built from.
fn lock() -> String {
    Digest::of(include_str!("../../../Cargo.lock")).to_string()
}

/// The digest of a program's file, so that results of two builds can be told apart; nothing if it cannot be read.
pub fn program(path: &Path) -> Option<Digest> {
    isoflop_store::digest(&fs::File::open(path).ok()?).ok().map(|(digest, _)| digest)
}

/// Host, processor, system, versions, and the commit of the study's repository.
pub fn gather(study: &Path, set: &SetArgs) -> Value {
    let folder = if study.is_dir() { study } else { study.parent().unwrap_or(study) };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let git = |args: &[&str]| {
        let output = Command::new("git").arg("-C").arg(folder).args(args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "HEAD"]);
    let dirty = commit
        .as_ref()
        .and_then(|_| git(&["status", "--porcelain", "--untracked-files=no"]))
        .map(|text| !text.is_empty());
    json!({
        "engine": env!("CARGO_PKG_VERSION"),
        "lock": lock(),
        "host": host(),
        "cpu": workers::processor(),
        "os": os(),
        "commit": commit,
        "dirty": dirty,
        "set": recorded(set),
    })
}

/// The cards that an attempt had, as in `NVIDIA H100 80GB HBM3` or `2 × …`; nothing if it had none.
pub fn cards(soft: &Value) -> Option<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for card in soft["gpus"].as_array()? {
        let name = card["name"].as_str().or_else(|| card["id"].as_str()).unwrap_or("a device");
        match counts.iter_mut().find(|(seen, _)| *seen == name) {
            Some((_, n)) => *n += 1,
            None => counts.push((name, 1)),
        }
    }
    let told = counts.into_iter().map(|(name, n)| if n == 1 { name.to_owned() } else { format!("{n} × {name}") });
    Some(told.collect::<Vec<_>>().join(" + "))
}

/// The machine's name.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn os() -> String {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("Linux").trim_matches('"');
    format!("{name}, kernel {}", rustix::system::uname().release().to_string_lossy())
}
