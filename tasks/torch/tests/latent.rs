//! Latent diffusion whole: an autoencoder and a text encoder are trained and frozen, a denoiser learns from what they made of scenes, and samples come
//! back as pictures. Whatever holds for pixels holds here: the same bits after an interruption, on several processes, behind a trunk.

mod worker;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use isoflop_contract::{
    Environment, Kind as _, Runtime,
    protocol::{MACHINE, PROTOCOL},
};
use isoflop_kinds::train::TrainDenoiser;
use isoflop_torch::{data::read_tensors, draw::drawn};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use worker::{input, start, work};

const SIDE: i64 = 8;
const WORDS: [&str; 6] = ["<pad>", "red", "green", "blue", "yellow", "grey"];

/// Scenes of one colour that the caption names, each with two synthetic captions: the same once more, and always `grey`.
fn write_scenes(folder: &Path, count: i64, side: i64, seed: u64) {
    fs::create_dir_all(folder).unwrap();
    let colors =
        Tensor::from_slice(&[250_i64, 20, 20, 20, 250, 20, 20, 20, 250, 250, 250, 20, 128, 128, 128]).view([5, 3]);
    let word = drawn(seed, || Tensor::randint_low(1, 6, [count], (Kind::Int64, Device::Cpu)));
    let color = colors.index_select(0, &(&word - 1)).view([count, 3, 1, 1]);
    let images = color.expand([count, 3, side, side], false).to_kind(Kind::Uint8).contiguous();
    let captions = word.unsqueeze(1).to_kind(Kind::Int);
    let synthetic = Tensor::stack(&[&captions, &captions.full_like(5)], 1).contiguous();
    let tensors = [("images", &images), ("captions", &captions), ("synthetic", &synthetic)];
    Tensor::write_safetensors(&tensors, folder.join("scenes.safetensors")).unwrap();
    let vocabulary = json!({"words": WORDS, "answers": [], "categories": []});
    fs::write(folder.join("vocabulary.json"), vocabulary.to_string()).unwrap();
}

/// Scenes, what was trained on them, and what that made of them.
struct World(tempfile::TempDir);

impl World {
    fn new() -> Self {
        let world = Self(tempfile::tempdir().unwrap());
        write_scenes(&world.at("data"), 64, SIDE, 1);
        write_scenes(&world.at("heldout"), 40, SIDE, 2);
        let both = json!({"data": world.input("data", "scenes"), "heldout": world.input("heldout", "scenes")});
        let spec = json!({
            "channels": [8, 16], "norm_groups": 4, "resolution": SIDE, "steps": 60, "batch": 16, "learning_rate": 1e-2, "warmup": 5,
            "evaluate_every": 60
        });
        world.make("train-vae", &spec, &both, "vae");
        let tower = json!({"width": 16, "layers": 1, "heads": 2, "mlp": 32, "activation": "gelu"});
        let spec = json!({
            "text": tower, "image": tower, "vocabulary": 8, "tokens": 4, "resolution": SIDE, "patch": 4, "projection": 8, "steps": 20,
            "batch": 16, "warmup": 2, "evaluate_every": 20
        });
        world.make("train-clip", &spec, &both, "clip");
        for name in ["data", "heldout"] {
            world.encode(name);
        }
        world
    }

    fn encode(&self, name: &str) {
        self.encode_latents(name, "measured");
        let needs = json!({"text": self.input("clip", "clip"), "data": self.input(name, "scenes")});
        let spec = json!({"shard": 32, "batch": 16, "synthetic": 2});
        self.make("encode-text", &spec, &needs, &format!("{name}-text"));
    }

    fn encode_latents(&self, name: &str, scaling: &str) {
        let needs = json!({"vae": self.input("vae", "vae"), "data": self.input(name, "scenes")});
        let spec = json!({"shard": 32, "batch": 16, "scaling": scaling});
        self.make("encode-latents", &spec, &needs, &format!("{name}-latents"));
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn input(&self, name: &str, shape: &str) -> Value {
        input(&self.at(name), shape)
    }

    fn make(&self, kind: &str, spec: &Value, needs: &Value, out: &str) -> Value {
        let said = work(kind, spec, needs, Some(3), &self.at(out));
        assert_eq!(said["notice"], "made", "{kind}: {said}");
        said["scalars"].clone()
    }

    /// What a denoiser of latents needs, with what stands for the training set.
    fn needs(&self, data: &str, heldout: &str) -> Value {
        json!({
            "data": self.input(data, "scenes"), "heldout": self.input(heldout, "scenes"),
            "latents": self.input(&format!("{data}-latents"), "latents"),
            "heldout_latents": self.input(&format!("{heldout}-latents"), "latents"),
            "text": self.input(&format!("{data}-text"), "texts"), "heldout_text": self.input(&format!("{heldout}-text"), "texts"),
        })
    }

    /// Trains, and says all that does not depend on time.
    fn train(&self, spec: &Value, needs: &Value, ranks: u32, saving: &Value, out: &str) -> Vec<Value> {
        let folder = self.at(out);
        fs::create_dir_all(&folder).unwrap();
        let environment = Environment::default_for(Runtime::Torch);
        let (mut child, reader) = start(&environment);
        let assignment = json!({
            "protocol": PROTOCOL, "task": "train", "kind": TrainDenoiser::NAME, "revision": TrainDenoiser::REVISION, "spec": spec,
            "seed": 7, "environment": environment, "needs": needs, "out": folder, "scratch": folder, "ranks": ranks, "saving": saving,
        });
        let mut stdin = child.stdin.take().unwrap();
        writeln!(stdin, "{assignment}").unwrap();
        let lines = BufReader::new(reader).lines();
        let mut said: Vec<Value> = lines.map(|line| serde_json::from_str(&line.unwrap()).unwrap()).collect();
        drop(stdin);
        child.wait().unwrap();
        said.retain(|notice| !["beat", "progress", "hello", "saved"].contains(&notice["notice"].as_str().unwrap()));
        said.retain(|notice| !notice["name"].as_str().is_some_and(|name| name.starts_with(MACHINE)));
        said
    }

    fn bytes(&self, out: &str, name: &str) -> Vec<u8> {
        fs::read(self.at(out).join(name)).unwrap()
    }

    fn weights(&self, out: &str) -> BTreeMap<String, Tensor> {
        read_tensors(&self.at(out).join("model.safetensors")).unwrap()
    }
}

fn spec() -> Value {
    json!({
        "backbone": {
            "family": "unet", "in_channels": 4, "channels": [8, 16], "layers_per_block": 1, "transformer_depth": [0, 1], "head_dim": 8,
            "cross_attention_dim": 16, "norm_groups": 8, "pooled_text": true
        },
        "latent": {"channels": 4, "shrink": 2}, "frozen_text": {"tokens": 4, "width": 16}, "resolution": SIDE,
        "steps": 24, "batch": 8, "micro_batch": 2, "learning_rate": 1e-3, "warmup": 2, "ema": {"decay": 0.9}, "seed": 3,
        "synthetic_captions": 0.5, "evaluate_every": 8, "evaluate_images": 40, "checkpoints": [8], "keep_states": true
    })
}

fn with(mut spec: Value, more: &Value) -> Value {
    for (field, value) in more.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

#[test]
fn latents_and_frozen_text_train_to_the_same_bits_whatever_comes_between() {
    let world = World::new();
    let (spec, needs) = (spec(), world.needs("data", "heldout"));
    let train = |spec: &Value, ranks: u32, saving: &Value, out: &str| world.train(spec, &needs, ranks, saving, out);
    let alone = train(&spec, 1, &Value::Null, "alone");
    let last = alone.last().unwrap();
    assert_eq!(last["notice"], "made", "{last}");
    let losses: Vec<f64> =
        alone.iter().filter(|one| one["name"] == "heldout_loss").map(|one| one["value"].as_f64().unwrap()).collect();
    assert!(losses.len() == 3 && losses[2] < losses[0], "{losses:?}");
    // No encoder of its own, and the planner's account.
    assert!(world.weights("alone").keys().all(|name| name.starts_with("unet.")));
    let planned: TrainDenoiser = serde_json::from_value(spec.clone()).unwrap();
    let (cost, scalars) = (planned.cost(), &last["scalars"]);
    let account = json!([cost.params.unwrap() as f64, cost.macs.unwrap() as f64, cost.flops]);
    assert_eq!(json!([scalars["params"], scalars["macs"], scalars["compute"]]), account);

    let same = |out: &str| {
        for name in
            ["model.safetensors", "ema.safetensors", "config.json", "history.csv", "checkpoints/00000008.safetensors"]
        {
            assert!(world.bytes(out, name) == world.bytes("alone", name), "{name} of {out} differs");
        }
    };
    assert_eq!(train(&spec, 2, &Value::Null, "on-two"), alone);
    same("on-two");

    // Interrupted and gone on with.
    let saving = |resume: Option<u64>| {
        let how = json!({"every": 6, "keep": 1_000_000});
        json!({"key": "00".repeat(32), "folder": world.at("saved"), "how": how, "resume": resume})
    };
    train(&spec, 1, &saving(None), "saving");
    same("saving");
    let resumed = train(&spec, 1, &saving(Some(12)), "resumed");
    assert!(resumed.contains(&json!({"notice": "resumed", "step": 12})), "{resumed:?}");
    assert_eq!(resumed.last(), alone.last());
    same("resumed");

    // Behind a trunk, which a training on other latents is not.
    let longer = with(spec.clone(), &json!({"steps": 30}));
    let mut branching = needs.clone();
    branching["trunk"] = world.input("alone", "denoiser");
    let branch = world.train(&longer, &branching, 1, &Value::Null, "branch");
    let whole = train(&longer, 1, &Value::Null, "whole");
    assert_eq!(branch.last(), whole.last());
    assert!(world.bytes("branch", "model.safetensors") == world.bytes("whole", "model.safetensors"));
    branching["latents"]["one"]["digest"] = json!("11".repeat(32));
    let refused = world.train(&longer, &branching, 1, &Value::Null, "refused");
    let message = refused.last().unwrap()["message"].as_str().unwrap();
    assert!(message.contains("what is fed as latents or frozen text differs"), "{message}");

    // Captions are mixed: never, always with the best, always with any.
    let mixed = |out: &str, more: Value| {
        let said = train(&with(spec.clone(), &more), 1, &Value::Null, out);
        assert_eq!(said.last().unwrap()["notice"], "made", "{said:?}");
        world.bytes(out, "model.safetensors")
    };
    let own = mixed("own", json!({"synthetic_captions": 0}));
    let best = mixed("best", json!({"synthetic_captions": 1, "synthetic_top": 1}));
    let any = mixed("any", json!({"synthetic_captions": 1}));
    assert!(own != any && best != any && own != world.bytes("alone", "model.safetensors"));
    let gap = |one: &str, other: &str| -> f64 {
        let (one, other) = (world.weights(one), world.weights(other));
        one.iter().map(|(name, tensor)| (tensor - &other[name]).abs().max().double_value(&[])).fold(0.0, f64::max)
    };
    // The best synthetic caption says what the image's own says; that it was read in another batch changes last bits alone.
    assert!(gap("own", "best") < 0.1 * gap("own", "any"), "{} against {}", gap("own", "best"), gap("own", "any"));
}

#[test]
fn samples_come_back_as_pictures_and_what_does_not_belong_is_named() {
    let world = World::new();
    let needs = world.needs("data", "heldout");
    let spec = with(
        spec(),
        &json!({"steps": 300, "micro_batch": 8, "learning_rate": 4e-3, "prediction": "velocity", "synthetic_captions": 0}),
    );
    let said = world.train(&spec, &needs, 1, &Value::Null, "model");
    assert_eq!(said.last().unwrap()["notice"], "made", "{said:?}");
    let all = json!({
        "model": world.input("model", "denoiser"), "prompts": world.input("heldout", "scenes"), "vae": world.input("vae", "vae"),
        "text": world.input("clip", "clip")
    });
    let sample = |count: u64, out: &str| {
        world.make("sample-images", &json!({"count": count, "steps": 10, "guidance": 2}), &all, out);
        read_tensors(&world.at(out).join("images.safetensors")).unwrap().remove("images").unwrap()
    };
    let (few, more) = (sample(4, "few"), sample(39, "more"));
    assert_eq!(more.size(), [39, 3, SIDE, SIDE]);
    assert_eq!(more.narrow(0, 0, 4), few);
    // Samples look like what they were asked for: nearer to their own scene than to the next ones'.
    let scenes = read_tensors(&world.at("heldout").join("scenes.safetensors")).unwrap();
    let real = scenes["images"].narrow(0, 0, 39).to_kind(Kind::Float);
    let apart = |real: &Tensor| (more.to_kind(Kind::Float) - real).abs().mean(Kind::Double).double_value(&[]);
    let (own, other) = (apart(&real), apart(&real.roll([1], [0])));
    assert!(own < 0.8 * other, "{own} from their own scenes, {other} from others");

    let refused = |kind: &str, spec: &Value, needs: &Value| {
        let said = work(kind, spec, needs, Some(3), &world.at("refused"));
        said["message"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let without = |port: &str| {
        let mut needs = all.clone();
        needs.as_object_mut().unwrap().remove(port);
        refused("sample-images", &json!({"count": 1, "steps": 2}), &needs)
    };
    assert_eq!(without("vae"), "the model denoises latents, and the port `vae` is fed nothing");
    assert_eq!(without("text"), "the model reads what a frozen text encoder reads, and the port `text` is fed nothing");
    let mut foreign = all.clone();
    foreign["vae"]["one"]["digest"] = json!("11".repeat(32));
    let message = refused("sample-images", &json!({"count": 1, "steps": 2}), &foreign);
    assert_eq!(message, "the model denoises latents of another autoencoder than that of `vae`");

    let wrong = |more: &Value, change: &dyn Fn(&mut Value)| {
        let mut needs = needs.clone();
        change(&mut needs);
        refused("train-denoiser", &with(spec.clone(), more), &needs)
    };
    let message = wrong(&json!({"latent": {"channels": 4, "shrink": 4}}), &|_| ());
    assert_eq!(message, "`latents` are [4, 4, 4] each, and `latent` says [4, 2, 2]");
    let message = wrong(&json!({"frozen_text": {"tokens": 5, "width": 16}}), &|_| ());
    assert_eq!(message, "`text` are [4, 16] each, and `frozen_text` says [5, 16]");
    let message = wrong(&json!({}), &|needs| needs["data"]["one"]["digest"] = json!("11".repeat(32)));
    assert_eq!(message, "what is fed to `latents` was not made of `data`");
    let message = wrong(&json!({"synthetic_captions": 0.5, "synthetic_top": 5}), &|_| ());
    assert_eq!(message, "`synthetic_top` is 5 and there are 2 synthetic captions an image");
}

/// A frozen encoder that reads captions at each step teaches what its readings teach that were made beforehand, and the bits are its own: however many processes share
/// the training, and whatever interrupts it.
#[test]
fn captions_read_as_they_come_teach_what_encoded_ones_do() {
    let world = World::new();
    let (spec, encoded) = (spec(), world.needs("data", "heldout"));
    let mut needs = encoded.clone();
    for port in ["text", "heldout_text"] {
        needs.as_object_mut().unwrap().remove(port);
    }
    needs["reader"] = world.input("clip", "clip");
    let train = |needs: &Value, ranks: u32, saving: &Value, out: &str| {
        let said = world.train(&spec, needs, ranks, saving, out);
        assert_eq!(said.last().unwrap()["notice"], "made", "{said:?}");
        said.last().unwrap()["scalars"]["loss"].as_f64().unwrap()
    };
    let (before, live) = (train(&encoded, 1, &Value::Null, "encoded"), train(&needs, 1, &Value::Null, "live"));
    // They were read in other batches, so that last bits differ; nothing else does.
    assert!((before - live).abs() < 1e-3 * before, "{before} and {live}");
    let (one, other) = (world.weights("encoded"), world.weights("live"));
    for (name, tensor) in &one {
        let apart = (tensor - &other[name]).abs().max().double_value(&[]);
        assert!(apart < 2e-3, "{name} is {apart} apart");
    }
    let identity = |out: &str| -> Value {
        let config: Value = serde_json::from_slice(&world.bytes(out, "config.json")).unwrap();
        config["reader"].clone()
    };
    assert_eq!(identity("live"), identity("encoded"));

    let same = |out: &str| {
        for name in ["model.safetensors", "history.csv", "config.json"] {
            assert!(world.bytes(out, name) == world.bytes("live", name), "{name} of {out} differs");
        }
    };
    train(&needs, 2, &Value::Null, "live-on-two");
    same("live-on-two");
    let saving = |resume: Option<u64>| {
        let how = json!({"every": 6, "keep": 1_000_000});
        json!({"key": "00".repeat(32), "folder": world.at("live-saved"), "how": how, "resume": resume})
    };
    train(&needs, 1, &saving(None), "live-saving");
    train(&needs, 1, &saving(Some(12)), "live-resumed");
    same("live-resumed");

    let all = json!({
        "model": world.input("live", "denoiser"), "prompts": world.input("heldout", "scenes"), "vae": world.input("vae", "vae"),
        "text": world.input("clip", "clip")
    });
    world.make("sample-images", &json!({"count": 2, "steps": 2}), &all, "live-samples");
    let refused = |more: &Value| {
        let said = work("train-denoiser", &with(spec.clone(), more), &needs, Some(3), &world.at("live-refused"));
        said["message"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let message = refused(&json!({"frozen_text": {"tokens": 5, "width": 16}}));
    assert_eq!(message, "`reader` makes [4, 16] of a caption, and `frozen_text` says [5, 16]");
    let message = refused(&json!({"frozen_text": {"tokens": 4, "width": 16, "pooled": 16}}));
    assert_eq!(message, "`reader` makes 8 numbers of a text as a whole, and `frozen_text.pooled` says 16");
    // Another of its outputs is another text.
    let said =
        world.train(&with(spec.clone(), &json!({"text_output": "penultimate"})), &needs, 1, &Value::Null, "other");
    assert_eq!(said.last().unwrap()["notice"], "made", "{said:?}");
    assert!(world.bytes("other", "model.safetensors") != world.bytes("live", "model.safetensors"));
}

/// On from a model, at twice the resolution, with a learning rate too small to move it: every family's weights are what they were, and positions that are
/// learned are drawn out as U-ViT's authors do, bilinearly.
#[test]
fn every_family_goes_on_at_a_higher_resolution() {
    let world = World::new();
    write_scenes(&world.at("large"), 24, 2 * SIDE, 4);
    world.encode("large");
    // One factor for both, whatever their numbers.
    world.encode_latents("data", "stated");
    world.encode_latents("large", "stated");
    let transformer = |family: &str| json!({"family": family, "width": 16, "depth": 2, "heads": 2, "in_channels": 4});
    for backbone in [
        spec()["backbone"].clone(),
        with(transformer("pixart"), &json!({"context": 16})),
        with(transformer("dit"), &json!({"condition": {"text": 16}})),
        with(transformer("uvit"), &json!({"size": SIDE / 2, "patch": 1, "context": 16, "tokens": 4})),
    ] {
        let family = backbone["family"].as_str().unwrap().to_owned();
        let short = json!({"backbone": backbone, "steps": 2, "warmup": 0, "checkpoints": [], "keep_states": false, "synthetic_captions": 0});
        let said = world.train(&with(spec(), &short), &world.needs("data", "heldout"), 1, &Value::Null, &family);
        assert_eq!(said.last().unwrap()["notice"], "made", "{family}: {said:?}");
        let mut large =
            with(with(spec(), &short), &json!({"resolution": 2 * SIDE, "learning_rate": 1e-30, "weight_decay": 0}));
        match family.as_str() {
            "uvit" => large["backbone"]["size"] = SIDE.into(),
            // Its places span what they spanned.
            "pixart" | "dit" => large["backbone"]["sample_size"] = (SIDE / 2).into(),
            _ => {}
        }
        let mut needs = world.needs("large", "large");
        needs["init"] = world.input(&family, "denoiser");
        let out = format!("{family}-large");
        let said = world.train(&large, &needs, 1, &Value::Null, &out);
        assert_eq!(said.last().unwrap()["notice"], "made", "{family}: {said:?}");
        let (before, after) = (world.weights(&family), world.weights(&out));
        assert_eq!(before.len(), after.len());
        for (name, weight) in &before {
            if name.ends_with("pos_embed") {
                // One token of the level, four of text, then rows of places: corners stay, and between them it is bilinear.
                let (old, new) =
                    (weight.narrow(1, 5, 16).view([4, 4, 16]), after[name].narrow(1, 5, 64).view([8, 8, 16]));
                assert_eq!(after[name].narrow(1, 0, 5), weight.narrow(1, 0, 5));
                let place = |t: &Tensor, row: i64, column: i64| t.get(row).get(column);
                assert!((place(&new, 0, 0) - place(&old, 0, 0)).abs().max().double_value(&[]) < 1e-6);
                let between = place(&old, 0, 0) * 0.75 + place(&old, 0, 1) * 0.25;
                assert!((place(&new, 0, 1) - between).abs().max().double_value(&[]) < 1e-6);
            } else {
                // What is nought yet may move by the learning rate.
                let moved = (weight - &after[name]).abs().max().double_value(&[]);
                assert!(moved < 1e-25, "{family}: {name} moved by {moved}");
            }
        }
        if family == "uvit" {
            world.encode_latents("large", "measured");
            let said = world.train(&large, &needs, 1, &Value::Null, "uvit-scaled");
            let message = said.last().unwrap()["message"].as_str().unwrap();
            assert!(message.starts_with("`init` cannot be gone on from: its latents were multiplied by "), "{message}");
        }
    }
}
