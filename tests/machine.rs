//! What a run may use of the machine: devices, memory, tries; and how little of it `--frozen` uses.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use isoflop_contract::environment::Isa;
use serde_json::json;

use crate::project::{Project, Ran};

const TWO: &str = r#"study: two
seed: 1
tasks:
  a:
    matrix: { n: [1, 2] }
    kind: command
    with: { argv: [sh, -c, 'echo "{{ n }}" > "$0"', "{out.x}"], outputs: { x: {} } }
    on: { gpus: 1 }
"#;

fn output(mut command: std::process::Command) -> Ran {
    let project = command.output().expect("isoflop was built with the tests");
    Ran::of(&project)
}

#[test]
fn doctor_lists_the_devices_that_may_be_seen() {
    let project = Project::new();
    let mut command = project.command(&["doctor", "--json"]);
    command.env("ISOFLOP_DEVICES", "fake:3").env("CUDA_VISIBLE_DEVICES", "2,0");
    let checks = output(command).json()["checks"].clone();
    let says = |name: &str| {
        let check = checks.as_array().unwrap().iter().find(|check| check["check"] == name).unwrap();
        check["says"].as_str().unwrap().to_owned()
    };
    let devices = says("devices");
    assert!(
        devices.starts_with("2, which ISOFLOP_DEVICES pretends there are; CUDA_VISIBLE_DEVICES hides 1"),
        "{devices}"
    );
    assert!(
        devices.contains("0: pretended device (fake-2)") && devices.contains("1: pretended device (fake-0)"),
        "{devices}"
    );
    assert!(says("memory").contains("iB for tasks with `on: memory`"), "{}", says("memory"));
}

#[test]
fn a_program_sees_the_device_it_was_leased() {
    let project = Project::new();
    project.write("study.yaml", &TWO.replace("echo \"{{ n }}\"", "echo \"$CUDA_VISIBLE_DEVICES\" {{ n }}"));
    let mut command = project.command(&["run", "--json"]);
    command
        .env("ISOFLOP_DEVICES", "fake:1")
        .env("XDG_RUNTIME_DIR", project.path("bin"))
        .env_remove("CUDA_VISIBLE_DEVICES");
    let run = output(command).expect(0).json();
    assert_eq!(run["totals"]["made"], 2);
    let shown = project.run(&["show", "a[n=1]", "--json"]).expect(0).json();
    let blob = shown["files"]["x"]["digest"].as_str().unwrap().to_owned();
    let text = fs::read_to_string(project.path(&format!(".isoflop/store/blobs/{}/{blob}", &blob[..2]))).unwrap();
    assert_eq!(text, "fake-0 1\n");

    project.write("study.yaml", &TWO.replace("gpus: 1", "gpus: 2"));
    let mut command = project.command(&["run", "--cache", "write"]);
    command.env("ISOFLOP_DEVICES", "fake:1");
    let refused = output(command).expect(8);
    assert!(refused.err.contains("`a[n=1]` asks for 2 devices (`on: gpus`) and this run may use 1"), "{}", refused.err);
}

/// Which cards a task had is recorded with its attempt, and told wherever attempts are.
#[test]
fn the_cards_of_an_attempt_are_told() {
    let project = Project::new();
    project.write("study.yaml", &TWO.replace("gpus: 1", "gpus: 2").replace("[1, 2]", "[1]"));
    let mut command = project.command(&["run", "--report", "page.html"]);
    command.env("ISOFLOP_DEVICES", "fake:2:sm_90").env("XDG_RUNTIME_DIR", project.path("bin"));
    output(command).expect(0);
    let cards = "2 × pretended device";
    let page = fs::read_to_string(project.path("page.html")).unwrap();
    assert!(page.contains(&format!("; {cards})")), "the head tells of the processor and the cards");
    assert!(page.contains(&format!(", {cards}")), "so does the task's record");
    let traced = project.run(&["trace", "up", "a[n=1]"]).expect(0).out;
    assert!(traced.contains(cards), "{traced}");
    let shown = project.run(&["show", "a[n=1]", "--json"]).expect(0).json();
    let card = json!({"id": "fake-1", "name": "pretended device", "capability": "sm_90", "memory": null, "mhz": null});
    assert_eq!(shown["environment"]["soft"]["gpus"][1], card, "{shown}");
    project.run(&["export", "--into", "crate"]).expect(0);
    let crate_says = fs::read_to_string(project.path("crate/ro-crate-metadata.json")).unwrap();
    assert!(crate_says.contains(cards), "{crate_says}");
}

/// A study for a device is planned and costed where there is none, and refused before anything runs where there is another.
#[test]
fn a_study_for_a_device_needs_one_only_to_run() {
    let project = Project::new();
    project.write(
        "study.yaml",
        "study: there\nenvironment: { device: sm_90 }\ntasks:\n  scenes: { kind: make-scenes, with: { images: 16, resolution: 16 } }\n  judge:\n    kind: train-vqa\n    \
         needs: { data: scenes, heldout: scenes }\n    with: { steps: 10, batch: 8, warmup: 1 }\n",
    );
    let run = |arguments: &[&str], devices: &str, code: i32| {
        let mut command = project.command(arguments);
        command
            .env("ISOFLOP_DEVICES", devices)
            .env("XDG_RUNTIME_DIR", project.path("bin"))
            .env_remove("CUDA_VISIBLE_DEVICES");
        output(command).expect(code)
    };
    run(&["check"], "none", 0);
    let plan = run(&["plan", "--json"], "none", 0).json();
    assert_eq!(plan["totals"]["tasks"], 2);
    run(&["run", "--frozen"], "none", 5);
    let none = run(&["run"], "none", 8);
    assert!(none.err.contains("`judge` asks for 1 device (`device: sm_90`) and this run may use 0"), "{}", none.err);
    let other = run(&["run"], "fake:1:sm_80", 8);
    assert!(other.err.contains("`judge` declares `device: sm_90`, and pretended device is sm_80"), "{}", other.err);
    assert!(!project.path(".isoflop/store/artifacts").exists(), "something ran");
    let mut doctor = project.command(&["doctor", "--json"]);
    doctor.env("ISOFLOP_DEVICES", "fake:1:sm_90").env_remove("CUDA_VISIBLE_DEVICES");
    let shown = output(doctor).json();
    assert!(shown.to_string().contains("0: pretended device (fake-0, `device: sm_90`)"), "{shown}");
}

/// A study for more of a processor than there is, is planned and checked, and refused before anything runs.
#[test]
fn a_study_for_a_level_needs_it_only_to_run() {
    let project = Project::new();
    project.write(
        "study.yaml",
        "study: tiles\nenvironment: { isa: avx512-amx }\ntasks:\n  scenes: { kind: make-scenes, with: { images: 16, resolution: 16 } }\n  judge:\n    kind: train-vqa\n    \
         needs: { data: scenes, heldout: scenes }\n    with: { steps: 10, batch: 8, warmup: 1 }\n",
    );
    project.run(&["check"]).expect(0);
    project.run(&["run", "--frozen"]).expect(5);
    let highest = Isa::highest(&fs::read_to_string("/proc/cpuinfo").unwrap()).expect("AVX2, or no libtorch task runs");
    if highest == Isa::Avx512Amx {
        project.run(&["run"]).expect(0);
        return;
    }
    let refused = project.run(&["run"]).expect(8);
    let why = format!("`judge` declares `isa: avx512-amx`, and this processor has no more than `{}`", highest.word());
    assert!(refused.err.contains(&why), "{}", refused.err);
    assert!(!project.path(".isoflop/store/artifacts").exists(), "something ran");
}

/// Everything below a folder: size, permissions and time of change of each.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u64, u32, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        }
        found.insert(path, (meta.size(), meta.mode(), meta.ctime(), meta.ctime_nsec()));
    }
    found
}

/// Takes away or gives back the right to write below a folder.
fn writable(folder: &Path, writable: bool) {
    for path in snapshot(folder).into_keys() {
        let meta = fs::symlink_metadata(&path).unwrap();
        if !meta.is_symlink() {
            let mode = if writable { meta.mode() | 0o200 } else { meta.mode() & !0o222 };
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        }
    }
}

#[test]
fn frozen_answers_without_server_store_libtorch_or_a_single_write() {
    let project = Project::new();
    project.run(&["run"]).expect(0);
    project.run(&["doctor", "--stop-server"]).expect(0);
    let home = project.path(".isoflop");
    fs::remove_dir_all(home.join("store")).unwrap();
    writable(&home, false);
    let before = snapshot(&home);
    let frozen = || {
        let mut command = project.command(&["run", "--frozen", "--json"]);
        command.env("ISOFLOP_TORCH", "/nowhere").env("PATH", "/nowhere").env("ISOFLOP_POSTGRES_BIN", "/nowhere");
        output(command)
    };
    let kept = frozen().expect(0).json();
    assert_eq!((kept["totals"]["kept"].as_u64(), kept["totals"]["run"].as_u64()), (Some(22), Some(0)));
    project.write("study.yaml", &crate::project::STUDY.replace("form: logit", "form: power"));
    let needed = frozen().expect(5).json();
    let tasks = needed["tasks"].as_array().unwrap();
    let runs: Vec<&str> =
        tasks.iter().filter(|task| task["state"] == "run").map(|task| task["name"].as_str().unwrap()).collect();
    assert!(runs.contains(&"law") && runs.len() == 22, "the fit needs the scores, whose bytes are gone: {runs:?}");
    assert_eq!(snapshot(&home), before, "something was written");
    writable(&home, true);

    // A running server knows what no run has noted, as of one that was killed.
    project.write("study.yaml", crate::project::STUDY);
    project.run(&["runs"]).expect(0);
    fs::remove_file(home.join("kept")).unwrap();
    assert_eq!(frozen().expect(0).json()["totals"]["kept"], 22);
}

#[test]
fn frozen_makes_nothing_where_there_is_nothing() {
    let project = Project::new();
    let needed = project.run(&["run", "--frozen", "--json"]).expect(5).json();
    assert_eq!(needed["totals"]["run"], 22);
    assert!(!project.path(".isoflop").exists());
}

/// A budget is held against what is known before anything starts, and ends a run whose tasks nobody knew.
#[test]
fn a_budget_refuses_what_goes_beyond_it_and_ends_what_outruns_it() {
    let project = Project::new();
    let six = TWO
        .replace("[1, 2]", "[1, 2, 3, 4, 5, 6]")
        .replace("echo", "sleep 1; echo")
        .replace("    on: { gpus: 1 }\n", "");
    project.write("study.yaml", &six);
    let unread = project.run(&["run", "--budget", "1500ms"]).expect(2);
    assert!(unread.err.contains("`1500ms` is no budget: write time of work (`3h`)"), "{}", unread.err);

    let stopped = project.run(&["run", "-j", "1", "--budget", "4s"]).expect(7);
    assert!(
        stopped.err.contains("budget: 4s of work; what this takes is not known; no history of command"),
        "{}",
        stopped.err
    );
    assert!(
        stopped.err.contains("stopping") && stopped.err.contains("the budget of 4s of work is used up"),
        "{}",
        stopped.err
    );
    let made = project.run(&["plan", "--json"]).expect(0).json()["totals"]["kept"].as_u64().unwrap();
    assert!((1..=4).contains(&made), "{made} tasks of a second each were made in a budget of four");

    // What is left takes two seconds or more, judging by those.
    let before = project.run(&["runs", "--json"]).expect(0).json();
    let refused = project.run(&["run", "--budget", "1s", "--json"]).expect(7);
    assert_eq!(refused.json()["error"], "a budget of 1s of work does not suffice");
    assert!(refused.err.contains("times that"), "{}", refused.err);
    assert_eq!(project.run(&["runs", "--json"]).expect(0).json(), before, "nothing was started");
    let planned = project.run(&["plan", "--budget", "1s", "--json"]).expect(7).json();
    assert_eq!(planned["budget"][0]["fits"], false);
    assert!(planned["budget"][0]["takes"].as_f64().unwrap() > 1.9, "{planned}");

    // These lease no device and count no operations.
    let run = project.run(&["run", "--budget", "1gpu-h", "--budget", "1FLOP", "--budget", "1h", "--json"]).expect(0);
    assert_eq!(run.json()["totals"]["kept"].as_u64().unwrap() + run.json()["totals"]["made"].as_u64().unwrap(), 6);
}

/// Time of devices is that of tasks which lease some, by how many they lease.
#[test]
fn a_budget_of_devices_counts_what_is_leased() {
    let project = Project::new();
    let leased = TWO.replace("[1, 2]", "[1, 2, 3, 4]").replace("echo", "sleep 1; echo").replace("gpus: 1", "gpus: 2");
    project.write("study.yaml", &leased);
    let ran = |budget: &str| {
        let mut command = project.command(&["run", "--budget", budget]);
        command.env("ISOFLOP_DEVICES", "fake:2").env("XDG_RUNTIME_DIR", project.path("bin"));
        output(command)
    };
    // A second of two devices is two: of the four tasks three can be made, and fewer where starting takes long.
    let stopped = ran("6gpu-s").expect(7);
    assert!(stopped.err.contains("the budget of 6s of devices is used up"), "{}", stopped.err);
    let planned = project.run(&["plan", "--json", "--budget", "1gpu-s", "--budget", "1h"]).expect(7).json();
    let (devices, work) = (&planned["budget"][0], &planned["budget"][1]);
    assert_eq!((&devices["fits"], &work["fits"]), (&false.into(), &true.into()), "{planned}");
    let ratio = devices["takes"].as_f64().unwrap() / work["takes"].as_f64().unwrap();
    assert!((ratio - 2.0).abs() < 1e-9, "two devices a task, and {ratio} times its time were counted");
}

/// Operations are known before anything has run.
#[test]
fn a_budget_of_operations_needs_no_history() {
    let project = Project::new();
    let planned = project.run(&["plan", "--json", "--budget", "1EFLOP"]).expect(0).json();
    let flops = planned["totals"]["flops"].as_f64().unwrap();
    assert!(flops > 0.0);
    assert_eq!(planned["budget"][0]["takes"], planned["totals"]["flops"]);
    let refused = project.run(&["run", "--budget", &format!("{}FLOP", flops * 0.99)]).expect(7);
    assert!(refused.err.contains("1.010 times that"), "{}", refused.err);
    assert!(!project.path(".isoflop/store").exists(), "nothing was started");
}

#[test]
fn a_crash_is_tried_again_where_asked_for() {
    let project = Project::new();
    // The first to come makes the folder, and dies of it.
    let first = project.path("first").display().to_string();
    let study = format!(
        r#"study: flaky
seed: 1
tasks:
  a:
    kind: command
    with: {{ argv: [sh, -c, 'mkdir {first} 2> /dev/null && kill -9 $$; echo done > "$0"', "{{out.x}}"], outputs: {{ x: {{}} }} }}
    on: {{ retries: 1 }}
"#
    );
    project.write("study.yaml", &study);
    let ran = project.run(&["run", "--json", "--progress", "plain"]).expect(0);
    assert!(ran.err.contains("retrying") && ran.err.contains("try 2 comes soon: crashed"), "{}", ran.err);
    let shown = project.run(&["show", "a", "--json"]).expect(0).json();
    let outcomes: Vec<&str> =
        shown["attempts"].as_array().unwrap().iter().map(|attempt| attempt["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes.len(), 2, "{shown}");
    assert!(outcomes.contains(&"failed") && outcomes.contains(&"made"), "each try is a row of its own: {outcomes:?}");
}
