//! A remote store: bytes that one home made, another needs; and what happens when it does not answer.

use std::fs;

use serde_json::Value;

use crate::project::Project;

fn made(run: &Value) -> Vec<&str> {
    let tasks = run["tasks"].as_array().expect("a run lists its tasks");
    tasks.iter().filter(|task| task["outcome"] == "made").filter_map(|task| task["name"].as_str()).collect()
}

fn states(cache: &Value) -> Vec<&str> {
    cache["artifacts"].as_array().expect("it lists artifacts").iter().filter_map(|it| it["state"].as_str()).collect()
}

#[test]
fn bytes_that_are_gone_here_come_from_the_remote_and_are_not_made_again() {
    let project = Project::new();
    let remote = project.path("remote").display().to_string();
    let with = |args: &[&str]| project.run(&[args, &["--remote", &remote]].concat());
    let first = with(&["run", "--json"]).expect(0);
    assert!(first.err.contains("artifacts sent to"), "{}", first.err);
    let digests = Project::digests(&first.json());
    let status = with(&["cache", "status", "--json"]).expect(0).json();
    assert_eq!(status["version"], 1);
    assert!(states(&status).iter().all(|state| *state == "both"), "{status}");

    // Another machine on the same ledger: records, and not one byte.
    fs::rename(project.path(".isoflop/store"), project.path("elsewhere")).unwrap();
    let frozen = with(&["run", "--frozen", "--json"]).expect(0).json();
    assert_eq!(frozen["totals"]["run"], 0, "{frozen}");
    let study = crate::project::STUDY;
    project.write("study.yaml", &study.replace("batch: 16 }", "batch: 17 }"));
    let run = with(&["run", "--json"]).expect(0).json();
    let again: Vec<&str> = made(&run);
    assert!(
        again.contains(&"judge") && !again.iter().any(|name| name.starts_with("train") || name.contains("scenes")),
        "{again:?}"
    );

    project.write("study.yaml", study);
    let dry = with(&["cache", "pull", "-n", "--json"]).expect(0).json();
    assert!(states(&dry).contains(&"remote"), "{dry}");
    let pulled = with(&["cache", "pull", "--json"]).expect(0).json();
    assert_eq!(pulled["moved"], dry["moved"], "what was announced was moved");
    assert!(states(&pulled).iter().all(|state| *state == "both"), "{pulled}");
    assert_eq!(Project::digests(&project.run(&["run", "--json"]).expect(0).json()), digests);
    project.run(&["audit", "--all"]).expect(0);
}

#[test]
fn a_corrupt_blob_of_a_remote_is_named_and_what_cannot_be_brought_is_a_failure() {
    let project = Project::new();
    let remote = project.path("remote").display().to_string();
    let with = |args: &[&str]| project.run(&[args, &["--remote", &remote]].concat());
    with(&["run"]).expect(0);
    let files = project.run(&["show", "judge", "--json"]).json()["files"].clone();
    let digest = files.as_object().unwrap().values().next().unwrap()["digest"].as_str().unwrap().to_owned();
    let far = project.path("remote/blobs").join(&digest[..2]).join(&digest);
    let whole = fs::read(&far).unwrap();
    let spoil = |bytes: &[u8]| {
        fs::remove_file(&far).unwrap();
        fs::write(&far, bytes).unwrap();
    };
    let mut other = whole.clone();
    other[0] ^= 1;
    spoil(&other);
    fs::rename(project.path(".isoflop/store"), project.path("elsewhere")).unwrap();
    let pulled = with(&["cache", "pull", "judge", "--json"]).expect(8);
    assert!(pulled.err.contains(&format!("the remote's blob {digest} is corrupt")), "{}", pulled.err);
    assert!(pulled.err.contains("1 artifact could not be brought"), "{}", pulled.err);

    // One of another size is replaced by whoever has the artifact.
    spoil(&whole[..whole.len() - 1]);
    fs::remove_dir_all(project.path(".isoflop/store")).unwrap();
    fs::rename(project.path("elsewhere"), project.path(".isoflop/store")).unwrap();
    let pushed = with(&["cache", "push", "judge", "--json"]).expect(0).json();
    assert_eq!(pushed["moved"]["blobs"], 1, "{pushed}");
    assert_eq!(fs::read(&far).unwrap(), whole);
}

#[test]
fn what_was_not_sent_can_be_sent_later_and_a_remote_out_of_reach_loses_nothing() {
    let project = Project::new();
    let remote = project.path("remote").display().to_string();
    project.write("remote", "a file where a folder should be");
    let run = project.run(&["run", "--json", "--remote", &remote]).expect(0);
    assert!(
        run.err.contains("could not be sent to the remote store") && run.err.contains("`isoflop cache push`"),
        "{}",
        run.err
    );
    assert_eq!(run.json()["totals"]["failed"], 0);
    project.run(&["doctor", "--remote", &remote]).expect(8);
    project.run(&["cache", "push", "--remote", &remote]).expect(8);

    fs::remove_file(project.path("remote")).unwrap();
    let read_only = project.run(&["cache", "push", "--remote", &remote, "--remote-read-only"]).expect(2);
    assert!(read_only.err.contains("read-only here"), "{}", read_only.err);
    let pushed = project.run(&["cache", "push", "scenes", "--remote", &remote, "--json"]).expect(0).json();
    assert_eq!(states(&pushed), ["both"]);
    assert!(pushed["moved"]["bytes"].as_u64() > Some(0), "{pushed}");
    let again = project.run(&["cache", "push", "scenes", "--remote", &remote, "--json"]).expect(0).json();
    assert_eq!(again["moved"]["bytes"], 0, "{again}");

    let nowhere = project.run(&["cache", "push"]).expect(2);
    assert!(nowhere.err.contains("no remote store is named"), "{}", nowhere.err);
    let wrong = project.run(&["run", "--remote", "bucket/prefix"]).expect(2);
    assert!(wrong.err.contains("`bucket/prefix` is no remote store; write s3://"), "{}", wrong.err);
}
