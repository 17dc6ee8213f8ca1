//! One task on several processes: the same bits as on one, whoever dies on the way.

#[expect(dead_code, reason = "other tests use the rest of it")]
mod worker;

use std::{
    fs,
    io::{BufRead, BufReader, Lines, PipeReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command},
    thread,
    time::{Duration, Instant},
};

use isoflop_contract::{
    Kind as _,
    protocol::{MACHINE, PROTOCOL},
};
use isoflop_kinds::train::TrainDenoiser;
use isoflop_torch::draw::drawn;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::worker::{environment, input, start};

const SIDE: i64 = 8;

/// What a machine may take for what takes a second.
const PATIENCE: Duration = Duration::from_mins(3);

struct World {
    folder: tempfile::TempDir,
}

/// A worker at work.
struct Worker {
    child: Child,
    notices: Lines<BufReader<PipeReader>>,
    /// Closed, it means stop.
    _stdin: ChildStdin,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let data = world.at("data");
        fs::create_dir_all(&data).unwrap();
        let draw = || {
            let images = Tensor::randint(256, [140, 3, SIDE, SIDE], (Kind::Uint8, Device::Cpu));
            (images, Tensor::randint_low(1, 6, [140, 3], (Kind::Int, Device::Cpu)))
        };
        let (images, captions) = drawn(1, draw);
        let tensors = [("images", &images), ("captions", &captions)];
        Tensor::write_safetensors(&tensors, data.join("scenes.safetensors")).unwrap();
        let vocabulary = json!({"words": ["<pad>", "a", "b", "c", "d", "e"], "answers": [], "categories": []});
        fs::write(data.join("vocabulary.json"), vocabulary.to_string()).unwrap();
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts training in `out`, `steps` steps of four parts, on `ranks` processes. It saves every third step if told to, and goes on from
    /// `resume`.
    fn start(&self, out: &str, steps: u64, ranks: u32, saves: bool, resume: Option<u64>) -> Worker {
        let out = self.at(out);
        fs::create_dir_all(&out).unwrap();
        let environment = environment();
        let (mut child, reader) = start(&environment);
        let spec = json!({
            "backbone": {
                "family": "unet", "channels": [8, 16], "layers_per_block": 1, "transformer_depth": [0, 1], "head_dim": 8,
                "cross_attention_dim": 16, "norm_groups": 8
            },
            "text": {"vocabulary": 6, "tokens": 4, "depth": 1, "heads": 2},
            "resolution": SIDE, "steps": steps, "batch": 8, "micro_batch": 2, "learning_rate": 1e-3, "warmup": 2, "clip": 0.1,
            "decays": "matrices", "ema": {"decay": 0.9}, "evaluate_weights": "ema", "evaluate_every": 5, "evaluate_images": 140,
            "checkpoints": [4]
        });
        let scenes = input(&self.at("data"), "scenes");
        let how = json!({"every": if saves { 3 } else { 1_000_000 }, "keep": 1_000_000});
        let assignment = json!({
            "protocol": PROTOCOL, "task": "train", "kind": TrainDenoiser::NAME, "revision": TrainDenoiser::REVISION, "spec": spec,
            "seed": 7, "environment": environment, "needs": {"data": scenes, "heldout": scenes}, "out": out, "scratch": out,
            "ranks": ranks,
            "saving": {"key": "00".repeat(32), "folder": self.at("checkpoints"), "how": how, "resume": resume},
        });
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{assignment}").unwrap();
        Worker { child, notices: BufReader::new(reader).lines(), _stdin: stdin }
    }

    fn file(&self, out: &str, name: &str) -> Vec<u8> {
        fs::read(self.at(out).join(name)).unwrap()
    }

    /// That two trainings made the same.
    fn assert_same(&self, one: &str, other: &str) {
        let kept = ["checkpoints/00000004.safetensors", "checkpoints/00000004-ema.safetensors"];
        for name in ["model.safetensors", "ema.safetensors", "config.json", "history.csv"].into_iter().chain(kept) {
            assert!(self.file(one, name) == self.file(other, name), "{name} of {one} and {other} differ");
        }
    }
}

impl Worker {
    /// The next thing it says that is no sign of life.
    fn hear(&mut self) -> Option<Value> {
        let notices = self.notices.by_ref().map(|line| serde_json::from_str(&line.unwrap()).unwrap());
        notices.into_iter().find(|notice: &Value| notice["notice"] != "beat")
    }

    /// Waits until it says something that `is` so.
    fn until(&mut self, is: impl Fn(&Value) -> bool) -> Value {
        loop {
            let notice = self.hear().expect("it says so before it ends");
            if is(&notice) {
                return notice;
            }
        }
    }

    /// All the rest it says that does not depend on time, and its end.
    fn hear_out(mut self) -> Vec<Value> {
        let mut said: Vec<Value> = std::iter::from_fn(|| self.hear()).collect();
        self.child.wait().unwrap();
        said.retain(|notice| !["progress", "hello"].contains(&notice["notice"].as_str().unwrap()));
        said.retain(|notice| !notice["name"].as_str().is_some_and(|name| name.starts_with(MACHINE)));
        said
    }

    /// The processes that it started and that are there.
    fn followers(&self) -> Vec<u32> {
        let parent = |pid: u32| -> Option<u32> {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            let (_, rest) = stat.rsplit_once(") ")?;
            rest.split(' ').nth(1)?.parse().ok()
        };
        let pids = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        pids.filter(|&pid| parent(pid) == Some(self.child.id())).collect()
    }
}

fn signal(signal: &str, pid: u32) {
    assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
}

fn eventually(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

fn there(pid: u32) -> bool {
    // A dead process that nobody has asked about yet is not there.
    fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn any_number_of_processes_makes_the_same_bits() {
    let world = World::new();
    let train = |ranks: u32| world.start(&format!("on-{ranks}"), 12, ranks, false, None).hear_out();
    let alone = train(1);
    assert_eq!(alone.last().unwrap()["notice"], "made", "{alone:?}");
    assert!(alone.iter().filter(|notice| notice["notice"] == "metric").count() >= 5);
    // Three do not divide four parts, and of five one has nothing to do.
    for ranks in [2, 3, 4, 5] {
        let shared = train(ranks);
        assert_eq!(shared, alone, "{ranks} ranks");
        world.assert_same("on-1", &format!("on-{ranks}"));
    }
    let folders =
        fs::read_dir(world.at("on-5")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(folders.filter(|name| name.starts_with("rank-")).count(), 3);
}

#[test]
fn a_rank_that_dies_fails_the_task_which_goes_on_to_the_same_bits() {
    let world = World::new();
    let whole = world.start("whole", 12, 2, false, None).hear_out();

    // It would train for days.
    let mut doomed = world.start("doomed", 10_000_000, 3, true, None);
    doomed.until(|notice| notice["notice"] == "saved" && notice["step"].as_u64() >= Some(6));
    let followers = doomed.followers();
    assert_eq!(followers.len(), 2);
    signal("-KILL", followers[1]);
    let said = doomed.hear_out();
    let last = said.last().unwrap();
    assert_eq!((last["notice"].as_str(), last["class"].as_str()), (Some("failed"), Some("crashed")), "{last}");
    let message = last["message"].as_str().unwrap();
    assert!(message.contains(" of 3 was ended by signal 9; "), "{message}");
    eventually("ranks are left over", || !followers.iter().any(|&pid| there(pid)));

    // What three had saved, one goes on from, and four.
    for (ranks, resume) in [(1, 6), (4, 3)] {
        let out = format!("resumed-{ranks}");
        let said = world.start(&out, 12, ranks, false, Some(resume)).hear_out();
        assert!(said.contains(&json!({"notice": "resumed", "step": resume})), "{said:?}");
        assert_eq!(said.last(), whole.last());
        world.assert_same("whole", &out);
    }
}

#[test]
fn a_rank_that_cannot_start_is_named() {
    let world = World::new();
    let doomed = world.start("doomed", 10_000_000, 2, false, None);
    eventually("it starts no rank", || !doomed.followers().is_empty());
    // It may be anywhere between its first instruction and the middle of training.
    signal("-KILL", doomed.followers()[0]);
    let said = doomed.hear_out();
    let message = said.last().unwrap()["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("rank 1 of 2 was ended by signal 9; "), "{message}");
}

#[test]
fn ranks_end_with_their_leader_and_not_before_it_has_saved() {
    let world = World::new();
    // Asked to stop, as the engine asks: all of them at once.
    let mut asked = world.start("asked", 10_000_000, 2, false, None);
    asked.until(|notice| notice["notice"] == "progress" && notice["done"].as_u64() >= Some(2));
    let followers = asked.followers();
    signal("-TERM", followers[0]);
    signal("-TERM", asked.child.id());
    let said = asked.hear_out();
    assert!(said.iter().any(|notice| notice["notice"] == "saved"), "{said:?}");
    assert_eq!(said.last().unwrap()["class"], "interrupted", "{said:?}");
    eventually("a rank is left over", || !there(followers[0]));

    // Killed, as a machine kills.
    let mut killed = world.start("killed", 10_000_000, 3, false, None);
    killed.until(|notice| notice["notice"] == "progress");
    let followers = killed.followers();
    assert_eq!(followers.len(), 2);
    signal("-KILL", killed.child.id());
    let said = killed.hear_out();
    assert!(said.iter().all(|notice| notice["notice"] != "made"), "{said:?}");
    eventually("a rank is left over", || !followers.iter().any(|&pid| there(pid)));
}
