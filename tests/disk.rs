//! Disks that are full, cannot be written or were moved. Where this user may mount filesystems, in a mount namespace of its own, they are real;
//! elsewhere a limit on the size of files stands for a full disk, and missing rights for a disk that cannot be written.

use std::{fs, os::unix::fs::PermissionsExt, process::Command};

use crate::project::{Project, Ran, STUDY};

/// What a script ends with where mounting is not allowed.
const REFUSED: i32 = 77;

/// Runs a shell script with `$isoflop`, in the project's folder, where mounts are its own. None where that is refused.
fn confined(project: &Project, script: &str) -> Option<Ran> {
    let plain = project.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).current_dir(project.path(""));
    command.env("isoflop", plain.get_program());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let output = command.output().ok()?;
    let refused = output.status.code() == Some(REFUSED)
        || String::from_utf8_lossy(&output.stderr).contains("unshare: unshare failed");
    (!refused).then(|| Ran {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

fn uninterrupted() -> Vec<(String, serde_json::Value)> {
    let project = Project::new();
    Project::digests(&project.run(&["run", "--json"]).expect(0).json())
}

#[test]
fn a_full_store_stops_the_run_and_loses_nothing() {
    let project = Project::new();
    project.run(&["run", "scenes", "heldout"]).expect(0);
    let script = r#"
        cp -a .isoflop/store .isoflop/saved
        mount -t tmpfs -o size=4m tmpfs .isoflop/store || exit 77
        cp -a .isoflop/saved/. .isoflop/store/
        dd if=/dev/zero of=.isoflop/store/filler bs=4k 2>/dev/null
        "$isoflop" run --progress none; echo "code $?"
        rm .isoflop/store/filler
        "$isoflop" run --json --progress none > again.json; echo "code $?"
        rm -rf .isoflop/saved
    "#;
    if let Some(ran) = confined(&project, script) {
        assert!(
            ran.out.contains("no space left in") && ran.out.contains("make room and run again"),
            "{}{}",
            ran.out,
            ran.err
        );
        assert!(ran.out.contains("code 4") && ran.out.contains("code 0"), "{}{}", ran.out, ran.err);
        let again: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(project.path("again.json")).unwrap()).unwrap();
        assert_eq!(again["totals"]["kept"], 2, "what was there before the disk was full is kept: {}", again["totals"]);
        assert_eq!(Project::digests(&again), uninterrupted());
        return;
    }
    println!("no mounts here: a limit on the size of files instead");
    let script = r#"trap '' XFSZ; ulimit -f 1; exec "$isoflop" run --progress none"#;
    let plain = project.command(&[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", script]).current_dir(project.path("")).env("isoflop", plain.get_program());
    limited.env("ISOFLOP_TORCH", project.path("bin/isoflop-torch")).env_remove("DATABASE_URL");
    assert_eq!(limited.output().unwrap().status.code(), Some(4));
    assert_eq!(Project::digests(&project.run(&["run", "--json"]).expect(0).json()), uninterrupted());
}

#[test]
fn a_full_disk_under_store_and_ledger_alike_loses_nothing() {
    let project = Project::new();
    let script = r#"
        mkdir -p .isoflop
        mount -t tmpfs -o size=160m tmpfs .isoflop || exit 77
        "$isoflop" run scenes heldout judge --progress none > /dev/null || exit 70
        dd if=/dev/zero of=.isoflop/filler bs=64k 2>/dev/null
        dd if=/dev/zero of=.isoflop/filler2 bs=1k 2>/dev/null
        "$isoflop" run --progress none 2>&1; echo "full: code $?"
        rm .isoflop/filler .isoflop/filler2
        "$isoflop" run --json --progress none > again.json; echo "again: code $?"
        "$isoflop" audit --all > /dev/null; echo "audit: code $?"
        "$isoflop" doctor --stop-server > /dev/null
    "#;
    let Some(ran) = confined(&project, script) else {
        println!("not run: no mounts here");
        return;
    };
    let said = format!("{}{}", ran.out, ran.err);
    assert!(said.contains("space left"), "{said}");
    assert!(said.contains("full: code 4") || said.contains("full: code 8"), "{said}");
    assert!(said.contains("again: code 0") && said.contains("audit: code 0"), "{said}");
    let again: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(project.path("again.json")).unwrap()).unwrap();
    assert!(again["totals"]["kept"].as_u64() >= Some(3), "{}", again["totals"]);
    assert_eq!(Project::digests(&again), uninterrupted());
}

#[test]
fn a_store_that_cannot_be_written_serves_what_it_has_and_says_so() {
    let project = Project::new();
    let first = project.run(&["run", "--json"]).expect(0).json();
    let changed = STUDY.replace("steps: 100, batch: 16", "steps: 101, batch: 16");
    project.write("changed.yaml", &changed);
    let script = r#"
        mount --bind .isoflop/store .isoflop/store && mount -o remount,bind,ro .isoflop/store || exit 77
        "$isoflop" run --progress none > /dev/null; echo "kept: code $?"
        "$isoflop" run changed.yaml --progress none 2>&1; echo "changed: code $?"
    "#;
    let said = if let Some(ran) = confined(&project, script) {
        assert!(ran.out.contains("kept: code 0"), "{}{}", ran.out, ran.err);
        ran.out
    } else if rustix::process::geteuid().is_root() {
        println!("not run: no mounts here, and root may write anywhere");
        return;
    } else {
        let folders = |mode| {
            for name in ["blobs", "manifests", "tmp"] {
                let folder = project.path(".isoflop/store").join(name);
                for entry in fs::read_dir(&folder).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
                    fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode)).unwrap();
                }
                fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            }
        };
        folders(0o555);
        project.run(&["run"]).expect(0);
        let ran = project.run(&["run", "changed.yaml"]);
        folders(0o755);
        format!("{}{}changed: code {}", ran.out, ran.err, ran.code.unwrap())
    };
    assert!(said.contains("cannot be written") && said.contains(".isoflop/store"), "{said}");
    assert!(said.contains("changed: code 4") || said.contains("changed: code 8"), "{said}");
    let again = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((again["totals"]["kept"].as_u64(), Project::digests(&again)), (Some(22), Project::digests(&first)));
    project.run(&["run", "changed.yaml"]).expect(0);
}

#[test]
fn folders_that_were_moved_are_found_where_they_are() {
    let project = Project::new();
    let first = project.run(&["run", "--json"]).expect(0).json();
    // All of it, with the server running.
    fs::rename(project.path(".isoflop"), project.path("elsewhere")).unwrap();
    let moved = project.run(&["--home", "elsewhere", "run", "--json"]).expect(0).json();
    assert_eq!((moved["totals"]["kept"].as_u64(), Project::digests(&moved)), (Some(22), Project::digests(&first)));
    project.run(&["--home", "elsewhere", "doctor"]).expect(0);
    fs::rename(project.path("elsewhere"), project.path(".isoflop")).unwrap();
    // The store alone, under a run: what cannot be committed fails by name, and what was committed is there when the store is.
    project.behave(r#"{"judge": {"do": "sleep", "milliseconds": 800}}"#);
    project.write("study.yaml", &STUDY.replace("steps: 100, batch: 16", "steps: 102, batch: 16"));
    let mut run = project.start(&["run", "--progress", "plain"]);
    Project::read_until(&mut run, "judge");
    fs::rename(project.path(".isoflop/store"), project.path("store")).unwrap();
    let ran = Project::wait(run);
    assert!(matches!(ran.code, Some(4 | 8)), "{:?}: {}{}", ran.code, ran.out, ran.err);
    assert!(format!("{}{}", ran.out, ran.err).contains(".isoflop/store"), "{}{}", ran.out, ran.err);
    fs::remove_dir_all(project.path(".isoflop/store")).ok(); // what the run may have begun anew
    fs::rename(project.path("store"), project.path(".isoflop/store")).unwrap();
    project.behave("{}");
    let again = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(again["totals"]["failed"], 0);
    project.run(&["audit", "--all"]).expect(0);
}
