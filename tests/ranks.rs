//! One training on several processes, with real libtorch: the same key and the same bits, and a dead rank is told by its number.

use std::{
    fs,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::project::{Project, Ran, programs};

const STUDY: &str = "\
study: ranks
seed: 1
params: { ranks: 1, steps: 6 }
tasks:
  scenes: { kind: make-scenes, with: { images: 64, resolution: 16 } }
  train:
    kind: train-denoiser
    needs: { data: scenes, heldout: scenes }
    with:
      backbone: { family: unet, in_channels: 3, channels: [8, 16], layers_per_block: 1, transformer_depth: [0, 1], head_dim: 8, cross_attention_dim: 16, norm_groups: 8 }
      resolution: 16
      steps: \"{{ steps }}\"
      batch: 8
      micro_batch: 2
      learning_rate: 1e-3
      evaluate_images: 8
    on: { ranks: \"{{ ranks }}\" }
";

fn isoflop(project: &Project, args: &[&str]) -> Command {
    let mut command = project.command(args);
    command.env("ISOFLOP_TORCH", programs().join("isoflop-torch"));
    command
}

fn run(project: &Project, args: &[&str]) -> Ran {
    Ran::of(&isoflop(project, args).output().expect("isoflop was built with the tests"))
}

/// Key and digest of the training.
fn train(run: &Value) -> (Value, Value) {
    let tasks = run["tasks"].as_array().expect("a run lists its tasks");
    let task = tasks.iter().find(|task| task["name"] == "train").expect("it is one of them");
    (task["key"].clone(), task["digest"].clone())
}

/// A process that was started as a rank by one that was started by one that `engine` started.
fn rank_of(engine: u32) -> Option<u32> {
    let parent = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    let pids = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let is_rank = |pid: u32| fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.ends_with(b"\0rank\0"));
    pids.filter(|&pid| is_rank(pid)).find(|&pid| parent(pid).and_then(parent) == Some(engine))
}

#[test]
fn a_training_on_two_processes_has_the_key_and_the_bits_of_one() {
    let project = Project::new();
    project.write("study.yaml", STUDY);
    let alone = run(&project, &["run", "--json", "-j", "2"]).expect(0).json();
    let shared = run(&project, &["run", "--json", "-j", "2", "-p", "ranks=2", "--home", "other"]).expect(0).json();
    assert_eq!(train(&shared), train(&alone));
    assert!(train(&alone).1.is_string(), "{alone}");
    let kept = run(&project, &["run", "--json", "-p", "ranks=3"]).expect(0).json();
    assert_eq!(kept["totals"]["kept"], 2, "where it runs is not what it is");
    run(&project, &["doctor", "--stop-server", "--home", "other"]).expect(0);

    let drill = run(&project, &["drill", "train", "-p", "ranks=2", "--kills", "1", "--seed", "3", "--json"]).expect(0);
    assert_eq!(drill.json()["bits"], "equal", "{}", drill.out);

    // A rank is killed while it trains for days.
    let mut engine = isoflop(&project, &["run", "--json", "-j", "2", "-p", "ranks=2", "-p", "steps=10000000"]);
    let engine =
        engine.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("isoflop was built with the tests");
    let began = Instant::now();
    let rank = loop {
        if let Some(rank) = rank_of(engine.id()) {
            break rank;
        }
        assert!(began.elapsed() < Duration::from_mins(3), "no rank was started");
        thread::sleep(Duration::from_millis(20));
    };
    let killed = Command::new("kill").args(["-KILL", &rank.to_string()]).status().expect("there is kill");
    assert!(killed.success());
    let ran = Project::wait(engine).expect(4);
    assert!(ran.err.contains("rank 1 of 2 was ended by signal 9"), "{}", ran.err);
}
