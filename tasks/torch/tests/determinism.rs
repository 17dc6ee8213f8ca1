//! The same task gives the same bits: twice in one process, and in a process of its own.

mod worker;

use std::path::Path;

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use worker::{converse, input, work};

const SIDE: i64 = 8;

/// Forty scenes of noise whose captions number them.
fn write_scenes(folder: &Path, seed: i64) {
    std::fs::create_dir_all(folder).unwrap();
    tch::manual_seed(seed);
    let images = Tensor::randint(256, [40, 3, SIDE, SIDE], (Kind::Uint8, Device::Cpu));
    let captions = Tensor::randint_low(1, 6, [40, 3], (Kind::Int, Device::Cpu));
    Tensor::write_safetensors(&[("images", &images), ("captions", &captions)], folder.join("scenes.safetensors"))
        .unwrap();
    let vocabulary = json!({"words": ["<pad>", "a", "b", "c", "d", "e"], "answers": [], "categories": []});
    std::fs::write(folder.join("vocabulary.json"), vocabulary.to_string()).unwrap();
}

fn spec(rate: f64) -> Value {
    json!({
        "backbone": {
            "family": "unet", "channels": [8, 16], "layers_per_block": 1, "transformer_depth": [0, 1], "head_dim": 8,
            "cross_attention_dim": 16, "norm_groups": 8
        },
        "text": {"vocabulary": 6, "tokens": 4, "depth": 1, "heads": 2},
        "resolution": SIDE, "steps": 12, "batch": 6, "learning_rate": rate, "warmup": 2, "schedule": "cosine",
        "evaluate_every": 5, "evaluate_images": 8
    })
}

#[test]
fn training_and_sampling_give_the_same_bits_in_any_process() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    write_scenes(&at("heldout"), 2);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("heldout"), "scenes")});
    let train = |name: &str, seed: u64| work("train-denoiser", &spec(1e-3), &needs, Some(seed), &at(name));
    let (one, two, other) = (train("one", 7), train("two", 7), train("other", 8));
    assert_eq!(one["notice"], "made", "{one}");
    assert_eq!(one, two);
    assert_ne!(one, other);
    let scalars = &one["scalars"];
    for name in ["loss", "train_loss", "params", "macs", "compute", "images_seen"] {
        assert!(scalars[name].as_f64().is_some_and(|x| x > 0.0), "{name} in {scalars}");
    }
    for file in ["model.safetensors", "config.json", "history.csv"] {
        let bytes = |name: &str| std::fs::read(at(name).join(file)).unwrap();
        assert!(bytes("one") == bytes("two"), "{file} differs");
    }
    assert_eq!(std::fs::read_to_string(at("one").join("history.csv")).unwrap().lines().count(), 4);

    // Samples: the same whatever comes after the first ones.
    let sample = |name: &str, count: u64| {
        let needs = json!({"model": input(&at("one"), "denoiser"), "prompts": input(&at("heldout"), "scenes")});
        let spec = json!({"count": count, "steps": 3, "guidance": 2.0});
        let said = work("sample-images", &spec, &needs, None, &at(name));
        assert_eq!(said["notice"], "made", "{said}");
        let tensors = Tensor::read_safetensors(at(name).join("images.safetensors")).unwrap();
        tensors.into_iter().find(|(name, _)| name == "images").unwrap().1
    };
    let (few, more) = (sample("few", 4), sample("more", 39));
    assert_eq!(more.size(), [39, 3, SIDE, SIDE]);
    assert_eq!(more.narrow(0, 0, 4), few);
}

/// Every family trains and is sampled from; a variance behind the prediction is left alone.
#[test]
fn every_family_trains() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    let scenes = input(&at("data"), "scenes");
    let transformer = |family: &str| json!({"family": family, "width": 16, "depth": 2, "heads": 2});
    let with = |mut config: Value, more: Value| {
        for (name, value) in more.as_object().unwrap() {
            config[name] = value.clone();
        }
        config
    };
    for backbone in [
        json!({"family": "if-unet", "channels": [16, 32], "layers_per_block": 1, "attention": [false, true], "head_dim": 8,
            "cross_attention_dim": 16, "pooling_heads": 2, "norm_groups": 8}),
        with(transformer("pixart"), json!({"context": 16, "learned_variance": true})),
        with(transformer("dit"), json!({"condition": {"text": 16}})),
        with(transformer("uvit"), json!({"size": SIDE, "context": 16, "tokens": 4})),
    ] {
        let family = backbone["family"].as_str().unwrap().to_owned();
        let mut spec = spec(1e-3);
        spec["backbone"] = backbone;
        let needs = json!({"data": scenes, "heldout": scenes});
        let said = work("train-denoiser", &spec, &needs, Some(7), &at(&family));
        assert_eq!(said["notice"], "made", "{family}: {said}");
        let history = std::fs::read_to_string(at(&family).join("history.csv")).unwrap();
        let losses: Vec<f64> =
            history.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse().unwrap()).collect();
        assert!(losses.first() > losses.last(), "{family}: {losses:?}");

        let needs = json!({"model": input(&at(&family), "denoiser"), "prompts": scenes});
        let spec = json!({"count": 2, "steps": 2, "guidance": 2.0, "batch": 2});
        let said = work("sample-images", &spec, &needs, None, &at(&format!("{family}-samples")));
        assert_eq!(said["notice"], "made", "{family}: {said}");
    }
}

#[test]
fn divergence_is_a_result_and_a_misfit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("data"), "scenes")});
    let said = work("train-denoiser", &spec(1e30), &needs, Some(7), &at("wild"));
    assert_eq!(said["notice"], "diverged", "{said}");
    let mut small = spec(1e-3);
    small["text"]["tokens"] = 2.into();
    let said = work("train-denoiser", &small, &needs, Some(7), &at("small"));
    assert_eq!(said["message"], "captions of `data` have up to 3 words and `text.tokens` is 2");
}

#[test]
fn a_training_that_was_killed_ends_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    write_scenes(&at("heldout"), 2);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("heldout"), "scenes")});
    let mut spec = spec(1e-3);
    spec["micro_batch"] = 3.into();
    spec["ema"] = json!({"decay": 0.9});
    spec["evaluate_weights"] = "ema".into();
    let saving = |resume: Option<u64>, death: &Value| {
        let how = json!({"every": 2, "keep": 2});
        let mut saving = json!({"key": "00".repeat(32), "folder": at("checkpoints"), "how": how, "death": death});
        saving["resume"] = json!(resume);
        saving
    };
    let train = |name: &str, saving: &Value| converse("train-denoiser", &spec, &needs, Some(7), &at(name), saving);
    let whole = train("whole", &Value::Null);
    // Killed after step 5, then while it saves after step 8.
    train("first", &saving(None, &json!({"step": 5, "saving": false})));
    let second = train("second", &saving(Some(4), &json!({"step": 7, "saving": true})));
    assert!(second.contains(&json!({"notice": "resumed", "step": 4})), "{second:?}");
    assert!(second.contains(&json!({"notice": "saving", "step": 8})), "{second:?}");
    assert_ne!(second.last().unwrap()["notice"], "made");
    let third = train("third", &saving(Some(6), &Value::Null));
    assert_eq!(third.last(), whole.last());
    for file in ["model.safetensors", "ema.safetensors", "config.json", "history.csv"] {
        let bytes = |name: &str| std::fs::read(at(name).join(file)).unwrap();
        assert!(bytes("third") == bytes("whole"), "{file} differs");
    }
    // What the last attempt measured is the end of what the whole one did.
    let metrics =
        |said: &[Value]| -> Vec<Value> { said.iter().filter(|notice| notice["notice"] == "metric").cloned().collect() };
    assert!(metrics(&whole).ends_with(&metrics(&third)) && metrics(&third).len() < metrics(&whole).len());
}
