//! The quickstart with real libtorch, in its smoke profile: twice into two empty homes, the same digest for every artifact.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::project::{Project, programs};

fn smoke(home: &Path) -> Value {
    let study = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
        .join("studies/quickstart");
    let isoflop = |args: &[&str]| {
        let mut command = Command::new(programs().join("isoflop"));
        command.args(args).arg("--home").arg(home).stdin(Stdio::null());
        for name in ["DATABASE_URL", "ISOFLOP_HOME", "ISOFLOP_TORCH"] {
            command.env_remove(name);
        }
        command.output().expect("isoflop was built with the tests")
    };
    let study = study.to_str().expect("the workspace's path is text");
    let report = home.join("report.html");
    let run = isoflop(&[
        "run",
        study,
        "--profile",
        "smoke",
        "--json",
        "-j",
        "2",
        "--report",
        report.to_str().expect("a path is text"),
    ]);
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(0), "{said}\n{}", String::from_utf8_lossy(&run.stdout));
    let doctor = isoflop(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", String::from_utf8_lossy(&doctor.stdout));
    isoflop(&["doctor", "--stop-server"]);
    let page = std::fs::read_to_string(&report).expect("the report was written");
    assert!(
        page.contains("<svg") && page.contains("data:image/png;base64,"),
        "the report has neither figures nor samples"
    );
    serde_json::from_slice(&run.stdout).expect("run --json prints JSON")
}

/// A training of the smoke profile, killed twice: with the data that the home has already.
fn drill(home: &Path) {
    let study = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
        .join("studies/quickstart");
    let mut command = Command::new(programs().join("isoflop"));
    command.args(["drill", "train[size=xs,seed=0]", "--profile", "smoke", "--kills", "2", "--seed", "3", "--json"]);
    command.arg("--study").arg(study).arg("--home").arg(home).stdin(Stdio::null());
    for name in ["DATABASE_URL", "ISOFLOP_HOME", "ISOFLOP_TORCH"] {
        command.env_remove(name);
    }
    let drill = command.output().expect("isoflop was built with the tests");
    let said = format!("{}\n{}", String::from_utf8_lossy(&drill.stdout), String::from_utf8_lossy(&drill.stderr));
    assert_eq!(drill.status.code(), Some(0), "{said}");
    let drill: Value = serde_json::from_slice(&drill.stdout).expect("drill --json prints JSON");
    assert_eq!(
        (&drill["bits"], drill["kills"].as_u64(), &drill["outcome"]),
        (&"equal".into(), Some(2), &"made".into())
    );
    assert!(drill["resumed"].as_array().is_some_and(|steps| !steps.is_empty()), "{said}");
    assert_eq!(drill["digests"][0], drill["digests"][1]);
    assert!(!home.join("scratch").read_dir().is_ok_and(|mut left| left.next().is_some()), "the scratch home is gone");
}

#[test]
fn two_empty_stores_end_with_the_same_bits() {
    let homes = [tempfile::tempdir().expect("there is room"), tempfile::tempdir().expect("there is room")];
    let [first, second] = homes.each_ref().map(|home| smoke(home.path()));
    assert_eq!(first["totals"]["made"], first["tasks"].as_array().expect("a run lists its tasks").len());
    let (first, second) = (Project::digests(&first), Project::digests(&second));
    assert!(first.len() > 10 && first.iter().all(|(_, digest)| digest.is_string()));
    for (one, other) in first.iter().zip(&second) {
        assert_eq!(one, other, "the same recipe made other bits");
    }
    drill(homes[0].path());
}
