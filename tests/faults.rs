//! Kill anything, damage anything: nothing finished is lost, and the next run carries on by itself.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::Project;

fn kill(pid: u32) {
    let pid =
        Pid::from_raw(pid.try_into().expect("process numbers are positive")).expect("process numbers are positive");
    kill_process(pid, Signal::KILL).expect("a child of this test can be killed");
}

/// Processes whose command line contains `text`.
fn processes(text: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").expect("there is a /proc").flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse() else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(text) {
            found.push(pid);
        }
    }
    found
}

/// Waits until `holds`, or fails after two minutes.
fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(2), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn uninterrupted() -> Vec<(String, Value)> {
    let project = Project::new();
    Project::digests(&project.run(&["run", "--json"]).expect(0).json())
}

#[test]
fn kill_the_engine_and_run_again() {
    let project = Project::new();
    project.behave(r#"{"*": {"do": "sleep", "milliseconds": 120}}"#);
    let worker = project.path("bin/isoflop-torch").display().to_string();
    for _ in 0..3 {
        // Which task comes first is the scheduler's business; that one is finished and others are under way is enough.
        let mut run = project.start(&["run", "-j", "2", "--progress", "plain"]);
        Project::read_until(&mut run, "] made");
        kill(run.id());
        run.wait().expect("a child can be waited for");
        until("its workers are gone", || processes(&worker).is_empty());
    }
    let run = project.run(&["run", "--json", "-j", "2"]).expect(0).json();
    assert!(run["totals"]["kept"].as_u64() >= Some(3), "{}", run["totals"]);
    assert_eq!(Project::digests(&run), uninterrupted());
    assert!(project.files("scratch").is_empty(), "a dead engine's folders are still there");
    project.run(&["doctor"]).expect(0);
}

#[test]
fn kill_a_worker_and_run_again() {
    let project = Project::new();
    project.behave(r#"{"train[size=m,seed=0]": {"do": "crash"}}"#);
    let run = project.run(&["run", "--json", "--keep-going"]).expect(4).json();
    let outcomes = Project::outcomes(&run);
    let of = |name: &str| outcomes.iter().find(|(task, _)| task == name).map(|(_, outcome)| outcome.as_str()).unwrap();
    assert_eq!(of("train[size=m,seed=0]"), "failed");
    assert_eq!(of("samples[size=m,seed=0]"), "blocked");
    assert_eq!(of("law"), "blocked");
    assert_eq!(of("scores[size=l,seed=1]"), "made");
    let said = project.run(&["run"]).expect(4);
    assert!(said.out.contains("train[size=m,seed=0]") && said.out.contains("SIGABRT"), "{}", said.out);

    project.behave("{}");
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!(run["totals"]["made"], 4, "only the failed task and what rests on it");
    assert_eq!(Project::digests(&run), uninterrupted());
}

#[test]
fn ctrl_c_stops_cleanly() {
    let project = Project::new();
    project.behave(r#"{"*": {"do": "sleep", "milliseconds": 400}}"#);
    let mut run = project.start(&["run", "-j", "2", "--progress", "plain"]);
    Project::read_until(&mut run, "judge");
    let pid = Pid::from_raw(run.id().try_into().unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let stopped = Project::wait(run).expect(130);
    assert!(stopped.out.contains("stopped after"), "{}", stopped.out);
    assert!(processes(&project.path("bin/isoflop-torch").display().to_string()).is_empty());
    project.behave("{}");
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert!(run["totals"]["kept"].as_u64() >= Some(2), "{}", run["totals"]);
}

/// Whether this process was started so that it and what it starts ignore hangups.
fn ignores_hangups() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim().to_owned();
    u64::from_str_radix(&mask, 16).unwrap() & 1 == 1
}

#[test]
fn a_signal_stops_in_order_and_is_in_the_exit_code() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        if signal == Signal::HUP && ignores_hangups() {
            continue; // who is started by `nohup` goes on, as it was told to
        }
        let project = Project::new();
        project.behave(r#"{"*": {"do": "sleep", "milliseconds": 400}}"#);
        let mut run = project.start(&["run", "-j", "2", "--progress", "plain"]);
        Project::read_until(&mut run, "judge");
        kill_process(Pid::from_raw(run.id().try_into().unwrap()).unwrap(), signal).unwrap();
        let stopped = Project::wait(run).expect(code);
        assert!(stopped.out.contains("stopped after"), "{}", stopped.out);
        assert!(processes(&project.path("bin/isoflop-torch").display().to_string()).is_empty());
        assert_eq!(project.run(&["runs", "--json"]).json()["runs"][0]["state"], "interrupted");
    }
}

#[test]
fn kill_postgres_under_a_run() {
    let project = Project::new();
    project.behave(r#"{"*": {"do": "sleep", "milliseconds": 100}}"#);
    let mut run = project.start(&["run", "--json", "-j", "2", "--progress", "plain"]);
    Project::read_until(&mut run, "train[");
    let pid =
        fs::read_to_string(project.path(".isoflop/postgres/data/postmaster.pid")).expect("the server notes its number");
    kill(pid.lines().next().unwrap().parse().unwrap());
    let run = Project::wait(run).expect(0).json();
    assert_eq!(run["totals"]["failed"], 0);
    assert_eq!(Project::digests(&run), uninterrupted());
    project.run(&["doctor"]).expect(0);
}

#[test]
fn a_flipped_byte_is_found_before_it_is_used() {
    let project = Project::new();
    let first = project.run(&["run", "--json"]).expect(0).json();
    let shown = project.run(&["show", "scenes", "--json"]).expect(0).json();
    let blob = shown["files"]["scenes.safetensors"]["digest"].as_str().unwrap().to_owned();
    let path = project.path(&format!(".isoflop/store/blobs/{}/{blob}", &blob[..2]));
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    // Blobs are read-only; damage does not ask.
    Command::new("chmod").arg("u+w").arg(&path).status().unwrap();
    fs::write(&path, &bytes).unwrap();

    let doctor = project.run(&["doctor"]).expect(6);
    assert!(doctor.out.contains("corrupt blob") && doctor.out.contains(&blob), "{}", doctor.out);
    // Nothing reads it: nothing to do. Something must read it: it is made again, in the same run.
    assert_eq!(project.run(&["run", "--json"]).expect(0).json()["totals"]["made"], 0);
    project.write("study.yaml", &crate::project::STUDY.replace("steps: 100, batch: 16", "steps: 101, batch: 16"));
    let healed = project.run(&["run", "--json", "--progress", "plain"]).expect(0);
    assert!(healed.err.contains("again") && healed.err.contains(&blob[..12]), "{}", healed.err);
    let digest = |run: &Value| Project::digests(run).into_iter().find(|(name, _)| name == "\"scenes\"").unwrap();
    assert_eq!(digest(&healed.json()), digest(&first), "the same recipe, the same bits");
    project.run(&["doctor"]).expect(0);
}

#[test]
fn bytes_that_were_removed_are_made_again_only_when_needed() {
    let project = Project::new();
    let first = project.run(&["run", "--json"]).expect(0).json();
    fs::remove_dir_all(project.path(".isoflop/store")).unwrap();
    assert_eq!(
        project.run(&["run", "--json"]).expect(0).json()["totals"]["made"],
        0,
        "the record stands without its bytes"
    );
    project.write("study.yaml", &crate::project::STUDY.replace("form: logit", "form: power"));
    let run = project.run(&["run", "--json"]).expect(0).json();
    let made = Project::outcomes(&run).into_iter().filter(|(_, outcome)| outcome == "made").count();
    assert_eq!(made, 22, "the fit needs the scores, the scores need all the rest");
    let same =
        |run: &Value| Project::digests(run).into_iter().filter(|(name, _)| name != "\"law\"").collect::<Vec<_>>();
    assert_eq!(same(&run), same(&first));
}

#[test]
fn divergence_is_a_result() {
    let project = Project::new();
    project.behave(r#"{"train[size=l,seed=0]": {"do": "diverge"}}"#);
    let run = project.run(&["run", "--json"]).expect(0).json();
    assert_eq!((run["totals"]["diverged"].as_u64(), run["totals"]["blocked"].as_u64()), (Some(1), Some(2)));
    let law = project.run(&["show", "law", "--json"]).expect(0).json();
    assert_eq!(law["scalars"]["n"], 5.0, "the fit goes on without the cell that diverged");
    project.behave("{}");
    assert_eq!(
        project.run(&["run", "--json"]).expect(0).json()["totals"]["made"],
        0,
        "a divergence is kept, not tried again"
    );
}

#[test]
fn a_task_that_outstays_its_time_is_stopped() {
    let project = Project::new();
    project.behave(r#"{"judge": {"do": "hang"}}"#);
    project.write(
        "study.yaml",
        &crate::project::STUDY
            .replace("with: { steps: 100, batch: 16 }", "with: { steps: 100, batch: 16 }\n    on: { time: 1s }"),
    );
    let run = project.run(&["run", "--keep-going"]).expect(4);
    assert!(run.out.contains("timed out"), "{}", run.out);
    assert!(processes(&project.path("bin/isoflop-torch").display().to_string()).is_empty());
}
