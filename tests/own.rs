//! `studies/bring-your-own`, whole: a law from two Python scripts, with no libtorch anywhere.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::project::{Project, programs};

/// A copy of the study, in a folder of its own.
fn copied(into: &Path) {
    let study = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("this crate lies in the workspace")
        .join("studies/bring-your-own");
    for entry in fs::read_dir(study).expect("the study is there").flatten() {
        if entry.path().is_file() {
            fs::copy(entry.path(), into.join(entry.file_name())).expect("a folder of this test's own");
        }
    }
}

fn isoflop(folder: &Path, args: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(programs().join("isoflop"));
    // Nothing that could be libtorch, and whatever Python the machine has.
    command.args(args).arg("--json").current_dir(folder).env("ISOFLOP_TORCH", "/nowhere").stdin(Stdio::null());
    for name in ["DATABASE_URL", "ISOFLOP_HOME"] {
        command.env_remove(name);
    }
    let output = command.output().expect("isoflop was built with the tests");
    let said = || format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", said()));
    (output.status.code(), value)
}

struct Home<'a>(&'a Path);

impl Drop for Home<'_> {
    fn drop(&mut self) {
        let stop = ["doctor", "--stop-server"];
        let _ = Command::new(programs().join("isoflop")).args(stop).current_dir(self.0).output();
    }
}

#[test]
fn a_law_comes_out_of_two_scripts() {
    let folders = [tempfile::tempdir().expect("there is room"), tempfile::tempdir().expect("there is room")];
    let [first, second] = folders.each_ref().map(|folder| {
        copied(folder.path());
        let _home = Home(folder.path());
        let (code, run) = isoflop(folder.path(), &["run", "-j", "2"]);
        assert_eq!(code, Some(0), "{run}");
        run
    });
    assert_eq!(first["totals"]["made"], 17);
    for claim in first["claims"].as_array().expect("a run judges its claims") {
        assert_eq!(claim["verdict"], "reproduced", "{claim}");
    }
    assert_eq!(Project::digests(&first), Project::digests(&second), "two empty homes end with the same bits");

    // A comment in the script that trains: all of training runs again, to the same bits, and the law stands.
    let folder = folders[0].path();
    let _home = Home(folder);
    let script = fs::read_to_string(folder.join("train.py")).expect("the copy");
    fs::write(folder.join("train.py"), script + "# tidied\n").expect("a folder of this test's own");
    let (_, why) = isoflop(folder, &["why", "train[width=8,seed=0]"]);
    assert_eq!(why["tasks"][0]["why"][0], "of the files `code`, `train.py` changed");
    let (_, run) = isoflop(folder, &["run", "-j", "2"]);
    assert_eq!((run["totals"]["made"].as_u64(), run["totals"]["kept"].as_u64()), (Some(15), Some(2)));
    assert_eq!(Project::digests(&run), Project::digests(&first));

    // Nothing in this home was touched: its scripts are artifacts too, which no task made.
    let (code, audit) = isoflop(folder, &["audit", "--all"]);
    assert_eq!((code, &audit["findings"]), (Some(0), &Value::Array(vec![])), "{audit}");
}
