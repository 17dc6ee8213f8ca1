//! Work on a device: what it makes is the processor's but for rounding; and of training, that it is the same twice, after an interruption, and on
//! several ranks, in either precision.
//!
//! The device is pretended (`examples/pretend/`), and then refuses what CUDA refuses; `ISOFLOP_TEST_DEVICE=sm_90` takes one that is there, and runs what is
//! ignored without (`make gpu`). The other tests of this folder that run workers take that variable too.

mod worker;

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::PathBuf,
};

use isoflop_contract::{
    Environment, Kind as _, Runtime,
    environment::{Capability, Device as Class, Precision, Torch},
    protocol::{MACHINE, PROTOCOL},
};
use isoflop_kinds::train::TrainDenoiser;
use isoflop_torch::{data::read_tensors, draw::drawn};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use worker::{PRETENDED, device, environment, input, pretended, start, work};

const SIDE: i64 = 8;

struct World {
    folder: tempfile::TempDir,
}

/// What a training may be besides.
#[derive(Clone, Copy)]
struct How {
    ranks: u32,
    resume: Option<u64>,
    recompute: bool,
}

const PLAIN: How = How { ranks: 1, resume: None, recompute: false };

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        let data = world.at("data");
        std::fs::create_dir_all(&data).unwrap();
        let draw = || {
            let images = Tensor::randint(256, [320, 3, SIDE, SIDE], (Kind::Uint8, Device::Cpu));
            (images, Tensor::randint_low(1, 6, [320, 3], (Kind::Int, Device::Cpu)))
        };
        let (images, captions) = drawn(1, draw);
        Tensor::write_safetensors(&[("images", &images), ("captions", &captions)], data.join("scenes.safetensors"))
            .unwrap();
        let vocabulary = json!({"words": ["<pad>", "a", "b", "c", "d", "e"], "answers": [], "categories": []});
        std::fs::write(data.join("vocabulary.json"), vocabulary.to_string()).unwrap();
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Trains a denoiser in `out` and returns all that it said of it that does not depend on time.
    fn train(&self, environment: &Environment, how: How, out: &str) -> Vec<Value> {
        let How { ranks, resume, recompute } = how;
        let spec = json!({
            "backbone": {
                "family": "unet", "channels": [8, 16], "layers_per_block": 1, "transformer_depth": [1, 1], "head_dim": 8,
                "cross_attention_dim": 16, "norm_groups": 8
            },
            "text": {"vocabulary": 6, "tokens": 4, "depth": 1, "heads": 2},
            "resolution": SIDE, "steps": 12, "batch": 8, "micro_batch": 2, "learning_rate": 1e-3, "warmup": 2, "clip": 0.1, "weighting": {"min-snr": 5.0},
            "decays": "matrices", "ema": {"decay": 0.9}, "evaluate_weights": "ema", "evaluate_every": 4, "evaluate_images": 320, "caption_dropout": 0.3,
            "recompute": recompute
        });
        let (scenes, folder) = (input(&self.at("data"), "scenes"), self.at(out));
        std::fs::create_dir_all(&folder).unwrap();
        let how = json!({"every": 4, "keep": 100});
        let assignment = json!({
            "protocol": PROTOCOL, "task": "train", "kind": TrainDenoiser::NAME, "revision": TrainDenoiser::REVISION, "spec": spec, "seed": 7, "environment": environment,
            "needs": {"data": scenes, "heldout": scenes}, "out": folder, "scratch": folder, "ranks": ranks,
            "saving": {"key": "00".repeat(32), "folder": self.at("saved"), "how": how, "resume": resume},
        });
        let (mut child, reader) = start(environment);
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{assignment}").unwrap();
        let said = BufReader::new(reader).lines().map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap());
        let mut said: Vec<Value> = said.collect();
        child.wait().unwrap();
        said.retain(|notice| ["metric", "made", "failed", "resumed"].contains(&notice["notice"].as_str().unwrap()));
        said.retain(|notice| !notice["name"].as_str().is_some_and(|name| name.starts_with(MACHINE)));
        assert_eq!(said.last().unwrap()["notice"], "made", "{said:?}");
        said
    }

    fn assert_same(&self, one: &str, other: &str) {
        for name in ["model.safetensors", "ema.safetensors", "history.csv"] {
            let bytes = |out: &str| std::fs::read(self.at(out).join(name)).unwrap();
            assert!(bytes(one) == bytes(other), "{name} of {one} and {other} differ");
        }
    }

    fn weights(&self, out: &str) -> BTreeMap<String, Tensor> {
        read_tensors(&self.at(out).join("model.safetensors")).unwrap()
    }
}

/// The largest difference of two sets of numbers.
fn apart(one: &BTreeMap<String, Tensor>, other: &BTreeMap<String, Tensor>) -> f64 {
    one.iter().map(|(name, numbers)| (numbers - &other[name]).abs().max().double_value(&[])).fold(0.0, f64::max)
}

/// The device in this precision: one that is pretended, unless another is named.
fn at(precision: Precision) -> Environment {
    let device = if device() == Class::Cpu { PRETENDED } else { device() };
    Environment::Torch(Torch { device, precision, ..Torch::default() })
}

#[test]
#[ignore = "needs a CUDA device: the engine of gradients does not take the one that is pretended"]
fn a_training_is_the_processors_but_for_rounding_and_its_own_to_the_bit() {
    let world = World::new();
    let device = at(Precision::Fp32);
    let here = world.train(&Environment::default_for(Runtime::Torch), PLAIN, "here");
    std::fs::remove_dir_all(world.at("saved")).unwrap();
    let there = world.train(&device, PLAIN, "there");
    let names = |said: &[Value]| said.iter().map(|notice| notice["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&there), names(&here));
    for (there, here) in there.iter().zip(&here).filter(|(_, here)| here["notice"] == "metric") {
        let value = |notice: &Value| notice["value"].as_f64().unwrap();
        assert!((value(there) / value(here) - 1.0).abs() < 1e-3, "{there} and {here}");
    }
    let off = apart(&world.weights("there"), &world.weights("here"));
    assert!(off < 1e-3, "weights are {off:e} apart"); // a learning rate's worth, where a gradient is next to nothing

    assert_eq!(world.train(&device, PLAIN, "again"), there, "twice");
    world.assert_same("there", "again");
    let resumed = world.train(&device, How { resume: Some(4), ..PLAIN }, "resumed");
    assert_eq!(resumed.last(), there.last());
    world.assert_same("there", "resumed");
    assert_eq!(world.train(&device, How { ranks: 2, ..PLAIN }, "shared"), there, "two ranks");
    world.assert_same("there", "shared");
    world.train(&device, How { recompute: true, ..PLAIN }, "recomputed");
    world.assert_same("there", "recomputed");
}

#[test]
#[ignore = "needs a CUDA device: the engine of gradients does not take the one that is pretended"]
fn lower_precision_is_its_own_to_the_bit() {
    let world = World::new();
    let device = at(Precision::Bf16);
    let once = world.train(&device, PLAIN, "once");
    assert_eq!(world.train(&device, PLAIN, "again"), once);
    world.assert_same("once", "again");
    world.train(&device, How { recompute: true, ..PLAIN }, "recomputed");
    world.assert_same("once", "recomputed");
    world.train(&at(Precision::Fp32), PLAIN, "whole");
    let off = apart(&world.weights("once"), &world.weights("whole"));
    assert!(off > 0.0 && off < 2e-2, "weights are {off:e} apart"); // masters are whole, so steps are small
    assert!(world.weights("once").values().all(|tensor| tensor.kind() == Kind::Float));
}

/// What is pretended refuses what CUDA refuses; else the tests above would show little.
#[test]
#[expect(unsafe_code, reason = "a library is opened at run time")]
fn numbers_of_both_sides_are_refused() {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    // SAFETY: its initializers register operators with libtorch, which is in the process, and nothing else.
    std::mem::forget(unsafe { Library::open(Some(pretended()), RTLD_NOW | RTLD_GLOBAL) }.unwrap());
    let here = Tensor::arange(6, (Kind::Float, Device::Cpu));
    let there = here.to_device(Device::Mps);
    assert_eq!((&there * 2.0 + 1.0).to_device(Device::Cpu), &here * 2.0 + 1.0);
    let error = there.f_add(&here).unwrap_err().to_string();
    let refused = ["numbers of both the processor and the device", "to be on the same device"];
    assert!(refused.iter().any(|words| error.contains(words)), "{error}");
    assert!(there.f_matmul(&here).is_err() && here.f_index_select(0, &there.to_kind(Kind::Int64)).is_err());
}

/// Networks that were trained before: latents, what an encoder reads, samples.
#[test]
fn networks_beside_the_denoiser_run_there() {
    let world = World::new();
    let scenes = input(&world.at("data"), "scenes");
    let both = json!({"data": scenes, "heldout": scenes});
    let make = |environment: &Environment, kind: &str, spec: &Value, needs: &Value, out: &str| {
        let said = worker::converse_in(environment, kind, spec, needs, Some(3), &world.at(out), &Value::Null);
        let last = said.last().unwrap().clone();
        assert_eq!(last["notice"], "made", "{kind}: {last}");
        last["scalars"].clone()
    };
    let device = at(Precision::Fp32);
    let processor = Environment::default_for(Runtime::Torch);
    let vae = json!({"channels": [8, 16], "norm_groups": 4, "resolution": SIDE, "steps": 4, "batch": 8, "learning_rate": 1e-3, "warmup": 1, "evaluate_every": 4});
    let tower = json!({"width": 16, "layers": 1, "heads": 2, "mlp": 32, "activation": "gelu"});
    let clip = json!({
        "text": tower, "image": tower, "vocabulary": 8, "tokens": 5, "resolution": SIDE, "patch": 4, "projection": 8, "steps": 4, "batch": 12,
        "learning_rate": 1e-3, "warmup": 1, "evaluate_every": 4
    });
    let tuned = json!({"steps": 4, "batch": 12, "learning_rate": 1e-3, "warmup": 1, "evaluate_every": 4});
    let clips = json!({"data": scenes, "heldout": scenes, "clip": input(&world.at("train-clip"), "clip")});
    // Where gradients are taken there, what is trained is held to the processor too.
    for (kind, spec, needs, measure) in [
        ("train-vae", &vae, &both, "reconstruction"),
        ("train-clip", &clip, &both, "cosine"),
        ("tune-clip", &tuned, &clips, "sharpness"),
    ] {
        let here = make(&processor, kind, spec, needs, kind);
        if crate::device() != Class::Cpu {
            let there = make(&device, kind, spec, needs, &format!("{kind}-there"));
            let of = |scalars: &Value| scalars[measure].as_f64().unwrap();
            assert!((of(&there) - of(&here)).abs() < 1e-3, "{kind}: {there} and {here}");
        }
    }
    let read = |name: &str| read_tensors(&world.at(name)).unwrap();
    for (kind, port, shape, of, file) in [
        ("encode-latents", "vae", "vae", "train-vae", "latents-00000.safetensors"),
        ("encode-text", "text", "clip", "train-clip", "texts-00000.safetensors"),
    ] {
        let needs = json!({port: input(&world.at(of), shape), "data": scenes});
        make(&device, kind, &json!({}), &needs, kind);
        make(&processor, kind, &json!({}), &needs, &format!("{kind}-here"));
        let off = apart(&read(&format!("{kind}/{file}")), &read(&format!("{kind}-here/{file}")));
        assert!(off < 1e-4, "{kind}: {off:e} apart");
    }
    world.train(&processor, PLAIN, "denoiser");
    let needs = json!({"model": input(&world.at("denoiser"), "denoiser"), "prompts": scenes});
    // Of the first block's steps the last three are recorded, and all of the second's. The second sampler remembers what it was given.
    for (sampler, guidance) in [("ddpm", 2.0), ("dpm-solver++", 1.0)] {
        let spec = json!({"count": 20, "steps": 6, "guidance": guidance, "sampler": sampler});
        make(&device, "sample-images", &spec, &needs, sampler);
        make(&processor, "sample-images", &spec, &needs, &format!("{sampler}-here"));
        let [there, here] = [sampler.to_owned(), format!("{sampler}-here")]
            .map(|name| read(&format!("{name}/images.safetensors"))["images"].to_kind(Kind::Float));
        let off = (there - here).abs().max().double_value(&[]);
        assert!(off <= 1.0, "{sampler}: pixels are {off} apart"); // one of 255, where a rounding tips
    }

    // And what the other tests do by default is done on the processor.
    let said = work(
        "encode-text",
        &json!({}),
        &json!({"text": input(&world.at("train-clip"), "clip"), "data": scenes}),
        None,
        &world.at("default"),
    );
    assert_eq!(
        (said["notice"].as_str(), environment() == processor),
        (Some("made"), std::env::var_os("ISOFLOP_TEST_DEVICE").is_none())
    );
}

/// A device that is not there is refused before anything is read.
#[test]
fn a_device_that_is_not_there_is_refused_in_words() {
    let world = World::new();
    let class = Class::Cuda(Capability { major: 19, minor: 8 });
    let environment = Environment::Torch(Torch { device: class, ..Torch::default() });
    let scenes = input(&world.at("data"), "scenes");
    let needs = json!({"data": scenes, "heldout": scenes});
    let said = worker::converse_in(
        &environment,
        "train-vae",
        &json!({"resolution": SIDE, "steps": 4, "batch": 4, "warmup": 1}),
        &needs,
        Some(1),
        &world.at("out"),
        &Value::Null,
    );
    let last = said.last().unwrap();
    assert_eq!(last["notice"], "failed", "{last}");
    assert!(last["message"].as_str().unwrap().contains("`device: sm_198` is declared, and "), "{last}");
}
