//! Several engines, some of them on other machines (which is to say: under other host names), some of them paused for longer than their leases.

use std::{
    fs,
    process::{Child, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::project::Project;

/// Longer than any of this takes on the slowest machine.
const PATIENCE: Duration = Duration::from_mins(2);

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("process numbers are positive");
    kill_process(pid, signal).expect("a process of this test can be sent signals");
}

fn signal_all(pids: &[u32], what: Signal) {
    for pid in pids {
        signal(*pid, what);
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// An engine on the machine `host`, whose leases last a second.
fn engine(project: &Project, host: &str) -> Child {
    let mut command = project.command(&["run", "--json", "-j", "2", "--progress", "plain"]);
    command.env("ISOFLOP_HOST", host).env("ISOFLOP_LEASE", "1s");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("isoflop was built with the tests")
}

fn made(run: &Value) -> u64 {
    run["totals"]["made"].as_u64().expect("a run counts what it made")
}

#[test]
fn two_machines_make_each_task_once() {
    let project = Project::new();
    project.behave(r#"{"*": {"do": "sleep", "milliseconds": 60}}"#);
    let runs = ["first", "second"].map(|host| engine(&project, host));
    let runs = runs.map(|run| Project::wait(run).expect(0).json());
    assert_eq!(made(&runs[0]) + made(&runs[1]), 22, "{} and {}", runs[0]["totals"], runs[1]["totals"]);
    assert_eq!(Project::digests(&runs[0]), Project::digests(&runs[1]));
    project.run(&["audit", "--all"]).expect(0);
}

#[test]
fn an_engine_that_was_paused_past_its_lease_is_refused_and_adopts() {
    let project = Project::new();
    project.behave(r#"{"judge": {"do": "sleep", "milliseconds": 1500}}"#);
    let mut paused = engine(&project, "first");
    Project::read_until(&mut paused, "judge");
    // The machine goes to sleep: the engine, and its workers with it.
    let asleep: Vec<u32> = std::iter::once(paused.id()).chain(Project::workers(paused.id())).collect();
    signal_all(&asleep, Signal::STOP);
    project.behave("{}");
    let other = Project::wait(engine(&project, "second")).expect(0);
    assert_eq!(other.json()["totals"]["failed"], 0);
    signal_all(&asleep, Signal::CONT);
    let late = Project::wait(paused).expect(0);
    assert!(late.err.contains("lost") && late.err.contains("what was made here does not count"), "{}", late.err);
    assert_eq!(made(&late.json()) + made(&other.json()), 22, "{}\n{}", late.err, other.err);
    assert_eq!(Project::digests(&late.json()), Project::digests(&other.json()));
    project.run(&["audit", "--all"]).expect(0);
    let attempts = project.run(&["show", "judge", "--json"]).expect(0).json();
    let outcomes: Vec<&str> =
        attempts["attempts"].as_array().unwrap().iter().filter_map(|attempt| attempt["outcome"].as_str()).collect();
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == "made").count(), 1, "{outcomes:?}");
    assert!(outcomes.contains(&"lost"), "{outcomes:?}");
}

/// A worker that hangs is its engine's business: that is awake, and renews the lease.
#[test]
fn a_worker_that_was_paused_past_its_lease_keeps_it_while_its_engine_is_awake() {
    let project = Project::new();
    project.behave(r#"{"judge": {"do": "sleep", "milliseconds": 300}}"#);
    let mut first = engine(&project, "first");
    Project::read_until(&mut first, "judge");
    let mut stopped = Vec::new();
    until("a worker is there", || {
        stopped = Project::workers(first.id());
        !stopped.is_empty()
    });
    signal_all(&stopped, Signal::STOP);
    let mut second = engine(&project, "second");
    Project::read_until(&mut second, "is making it");
    thread::sleep(Duration::from_secs(2)); // twice the lease: that is what is tested
    signal_all(&stopped, Signal::CONT);
    let runs = [first, second].map(|run| Project::wait(run).expect(0).json());
    assert_eq!(made(&runs[0]) + made(&runs[1]), 22, "{} and {}", runs[0]["totals"], runs[1]["totals"]);
}

/// The process number of the private server, if there is one.
fn server(project: &Project) -> Option<u32> {
    let text = fs::read_to_string(project.path(".isoflop/postgres/data/postmaster.pid")).ok()?;
    text.lines().next()?.trim().parse().ok()
}

#[test]
fn a_server_that_nobody_uses_stops_and_one_under_a_run_does_not() {
    let project = Project::new();
    project.behave(r#"{"law": {"do": "sleep", "milliseconds": 1}, "scores[size=s,seed=0]": {"do": "sleep", "milliseconds": 3500}}"#);
    let mut command = project.command(&["run", "--progress", "plain"]);
    let mut run =
        command.env("ISOFLOP_SERVER_IDLE", "1s").stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    Project::read_until(&mut run, "started");
    let began_with = server(&project).expect("the run started a server");
    Project::read_until(&mut run, "scores[size=s,seed=0]");
    Project::wait(run).expect(0);
    let log = || fs::read_to_string(project.path(".isoflop/postgres/server.log")).unwrap();
    let starts = |log: &str| log.matches("ready to accept connections").count();
    assert_eq!(
        starts(&log()),
        1,
        "it was stopped under a run that took longer than it may idle (process {began_with})"
    );
    until("the server that nobody uses is gone", || server(&project).is_none());
    let told = project.run(&["runs", "--json"]).expect(0).json();
    assert_eq!(told["runs"][0]["state"], "done", "and comes back for whoever asks");
    assert_eq!(starts(&log()), 2, "its log is kept");
}
