//! The same task gives the same bits: twice in one process, and in a process of its own.

mod worker;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use isoflop_contract::{
    Environment, Kind as _, Runtime,
    environment::{Isa, Precision, Torch},
    protocol::MACHINE,
};
use isoflop_kinds::{sample::SampleImages, train::TrainDenoiser};
use isoflop_torch::draw::drawn;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use worker::{converse, converse_in, input, work};

const SIDE: i64 = 8;

/// Forty scenes of noise whose captions number them.
fn write_scenes(folder: &Path, seed: u64) {
    write_scenes_of(folder, seed, SIDE, false);
}

/// The same at another size; where wanted, with synthetic captions that say what the captions say.
fn write_scenes_of(folder: &Path, seed: u64, side: i64, synthetic: bool) {
    std::fs::create_dir_all(folder).unwrap();
    let draw = || {
        let images = Tensor::randint(256, [40, 3, side, side], (Kind::Uint8, Device::Cpu));
        (images, Tensor::randint_low(1, 6, [40, 3], (Kind::Int, Device::Cpu)))
    };
    let (images, captions) = drawn(seed, draw);
    let written = captions.unsqueeze(1).expand([40, 2, 3], false).contiguous();
    let mut tensors = vec![("images", &images), ("captions", &captions)];
    if synthetic {
        tensors.push(("synthetic", &written));
    }
    Tensor::write_safetensors(&tensors, folder.join("scenes.safetensors")).unwrap();
    let vocabulary = json!({"words": ["<pad>", "a", "b", "c", "d", "e"], "answers": [], "categories": []});
    std::fs::write(folder.join("vocabulary.json"), vocabulary.to_string()).unwrap();
}

/// Gives each image the words of another under `name`.
fn reworded(folder: &Path, name: &str) {
    let file = folder.join("scenes.safetensors");
    let tensors = Tensor::read_safetensors(&file).unwrap();
    let rolled = |(own, tensor): (String, Tensor)| {
        let tensor = if own == name { tensor.roll([1], [0]) } else { tensor };
        (own, tensor)
    };
    let tensors: Vec<(String, Tensor)> = tensors.into_iter().map(rolled).collect();
    Tensor::write_safetensors(&tensors, file).unwrap();
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
    // What the layers counted while they ran is what the planner says.
    let planned: TrainDenoiser = serde_json::from_value(spec(1e-3)).unwrap();
    let cost = planned.cost();
    let account = json!([cost.params.unwrap() as f64, cost.macs.unwrap() as f64, cost.flops]);
    assert_eq!(json!([scalars["params"], scalars["macs"], scalars["compute"]]), account);
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

/// A checkpoint's sample tells what a training that had ended there would have told: its held-out loss and compute, and nothing of the end.
#[test]
fn a_checkpoints_sample_tells_the_checkpoints_loss_and_compute() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    write_scenes(&at("heldout"), 2);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("heldout"), "scenes")});
    let train = |name: &str, steps: u64| {
        let mut spec = spec(1e-3);
        spec["schedule"] = "constant".into();
        spec["steps"] = steps.into();
        spec["checkpoints"] = json!([3, 7]);
        let said = work("train-denoiser", &spec, &needs, Some(7), &at(name));
        assert_eq!(said["notice"], "made", "{said}");
        said["scalars"].clone()
    };
    let (whole, short) = (train("whole", 12), train("short", 7));
    assert!(whole["loss"] != short["loss"] && whole["loss_spikes"] == 0.0, "{whole} {short}");
    let sample = |name: &str, model: &str, scalars: &Value, checkpoint: Option<u64>| {
        let mut model = input(&at(model), "denoiser");
        model["one"]["scalars"] = scalars.clone();
        let needs = json!({"model": model, "prompts": input(&at("heldout"), "scenes")});
        let mut spec = json!({"count": 2, "steps": 2});
        if let Some(step) = checkpoint {
            spec["checkpoint"] = step.into();
        }
        let said = work("sample-images", &spec, &needs, None, &at(name));
        assert_eq!(said["notice"], "made", "{said}");
        let images = std::fs::read(at(name).join("images.safetensors")).unwrap();
        (said["scalars"].clone(), images)
    };
    let (of_checkpoint, images) = sample("of-checkpoint", "whole", &whole, Some(7));
    let (of_short, same_images) = sample("of-short", "short", &short, None);
    assert!(images == same_images);
    let names: Vec<&String> = of_checkpoint.as_object().unwrap().keys().collect();
    assert_eq!(names, ["compute", "images", "images_seen", "loss", "macs", "params", "steps"]);
    for name in names {
        assert_eq!(of_checkpoint[name], of_short[name], "{name}");
    }
    // The end tells all of itself; a model that says nothing of its length has nothing told of its checkpoints but the loss.
    assert_eq!(sample("of-end", "whole", &whole, None).0["train_loss"], whole["train_loss"]);
    let told = sample("unsaid", "whole", &json!({"compute": 5e9, "loss": 0.1}), Some(3)).0;
    let names: Vec<&String> = told.as_object().unwrap().keys().collect();
    assert_eq!(names, ["images", "loss"]);
    assert!(told["loss"].as_f64() > whole["loss"].as_f64(), "{told} {whole}");
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

        // Computing activations again changes no bit.
        spec["recompute"] = true.into();
        let said = work("train-denoiser", &spec, &needs, Some(7), &at(&format!("{family}-again")));
        assert_eq!(said["notice"], "made", "{family}: {said}");
        let bytes = |name: &str| std::fs::read(at(name).join("model.safetensors")).unwrap();
        assert!(bytes(&family) == bytes(&format!("{family}-again")), "{family}: other bits when computed again");

        let needs = json!({"model": input(&at(&family), "denoiser"), "prompts": scenes});
        let spec = json!({"count": 2, "steps": 2, "guidance": 2.0});
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
    spec["checkpoints"] = json!([3, 7]);
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
    let kept = ["00000003.safetensors", "00000003-ema.safetensors", "00000007.safetensors", "00000007-ema.safetensors"];
    let kept = kept.map(|name| format!("checkpoints/{name}"));
    let files = ["model.safetensors", "ema.safetensors", "config.json", "history.csv"].map(String::from);
    for file in &[&kept[..], &files[..]].concat() {
        let bytes = |name: &str| std::fs::read(at(name).join(file)).unwrap();
        assert!(bytes("third") == bytes("whole"), "{file} differs");
    }
    // What the last attempt measured is the end of what the whole one did.
    let metrics = |said: &[Value]| -> Vec<Value> {
        let told =
            |notice: &&Value| notice["notice"] == "metric" && !notice["name"].as_str().unwrap().starts_with(MACHINE);
        said.iter().filter(told).cloned().collect()
    };
    assert!(metrics(&whole).ends_with(&metrics(&third)) && metrics(&third).len() < metrics(&whole).len());
}

fn model(folder: &Path) -> Vec<u8> {
    std::fs::read(folder.join("model.safetensors")).unwrap()
}

#[test]
fn mixed_precision_is_another_training_and_the_same_every_time() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("data"), "scenes")});
    let Environment::Torch(mut torch) = Environment::default_for(Runtime::Torch) else { unreachable!() };
    torch.precision = Precision::Bf16;
    let mixed = Environment::Torch(torch);
    let train = |name: &str, recompute: bool| {
        let mut spec = spec(1e-3);
        spec["recompute"] = recompute.into();
        let said = converse_in(&mixed, "train-denoiser", &spec, &needs, Some(7), &at(name), &Value::Null);
        said.last().unwrap()["scalars"]["loss"].as_f64().unwrap_or_else(|| panic!("{said:?}"))
    };
    let (one, _, _) = (train("one", false), train("two", false), train("again", true));
    assert!(model(&at("one")) == model(&at("two")), "other bits the second time");
    assert!(model(&at("one")) == model(&at("again")), "other bits when computed again");
    let whole = work("train-denoiser", &spec(1e-3), &needs, Some(7), &at("whole"));
    assert!(model(&at("one")) != model(&at("whole")));
    let apart = (one / whole["scalars"]["loss"].as_f64().unwrap() - 1.0).abs();
    assert!(apart < 0.02, "losses are {apart} apart");
}

/// At every instruction-set level that this processor has, lower precision trains to the same bits twice and a sample does not depend on how many are made
/// with it; a level that it lacks is refused.
#[test]
fn a_level_is_held_to_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("data"), "scenes")});
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap();
    for isa in Isa::ALL {
        let level = Environment::Torch(Torch { isa, precision: Precision::Bf16, ..Torch::default() });
        let run = |kind: &str, spec: &Value, needs: &Value, seed: Option<u64>, name: &str| {
            let out = at(&format!("{}-{name}", isa.word()));
            let said = converse_in(&level, kind, spec, needs, seed, &out, &Value::Null);
            (said.last().unwrap().clone(), out)
        };
        let train = |name: &str| run("train-denoiser", &spec(1e-3), &needs, Some(7), name);
        let (said, one) = train("one");
        let lacking = isa.lacking(&cpuinfo);
        if !lacking.is_empty() {
            assert_eq!(said["notice"], "failed", "{said}");
            let why = format!("`isa: {}` is declared, and this processor lacks {}", isa.word(), lacking.join(", "));
            assert!(said["message"].as_str().unwrap().contains(&why), "{said}");
            continue;
        }
        assert_eq!(said["notice"], "made", "{said}");
        let (_, two) = train("two");
        assert!(model(&one) == model(&two), "{}: other bits the second time", isa.word());
        let sample = |name: &str, count: u64| {
            let needs = json!({"model": input(&one, "denoiser"), "prompts": input(&at("data"), "scenes")});
            let spec = json!({"count": count, "steps": 3, "guidance": 2.0});
            let (said, out) = run("sample-images", &spec, &needs, None, name);
            assert_eq!(said["notice"], "made", "{said}");
            let tensors = Tensor::read_safetensors(out.join("images.safetensors")).unwrap();
            tensors.into_iter().find(|(name, _)| name == "images").unwrap().1
        };
        let (few, more) = (sample("few", 4), sample("more", 39));
        assert_eq!(more.narrow(0, 0, 4), few, "{}: a sample depends on how many there are", isa.word());
    }
}

/// What each revision makes of a recipe that uses every stream of random numbers: another curve under the same revision would be another meaning of old keys.
/// Processors differ in last digits, hence the tolerance; nothing of the recipe could change and stay within it.
#[test]
fn a_revision_keeps_its_curve() {
    assert_eq!(
        (TrainDenoiser::REVISION, SampleImages::REVISION),
        (2, 4),
        "a new revision has a new curve: file it here"
    );
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes_of(&at("told"), 1, SIDE, true);
    // Synthetic captions that are another image's: which of them are taken shows.
    reworded(&at("told"), "synthetic");
    let needs = json!({"data": input(&at("told"), "scenes"), "heldout": input(&at("told"), "scenes")});
    let mut rich = spec(1e-3);
    let more = json!({
        "prediction": "velocity", "weighting": {"min-snr": 5}, "micro_batch": 2, "caption_dropout": 0.3, "synthetic_captions": 0.5, "decays": "matrices",
        "weight_decay": 0.1, "clip": 0.5, "ema": {"decay": 0.9}, "evaluate_weights": "ema", "schedule": "wsd", "decay_steps": 4
    });
    rich.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut found = Vec::new();
    for (name, spec) in [("plain", spec(1e-3)), ("rich", rich)] {
        let said = work("train-denoiser", &spec, &needs, Some(7), &at(name));
        assert_eq!(said["notice"], "made", "{name}: {said}");
        let text = std::fs::read_to_string(at(name).join("history.csv")).unwrap();
        found.extend(text.lines().skip(1).flat_map(|line| line.split(',')).map(|cell| cell.parse::<f64>().unwrap()));
    }
    let needs = json!({"model": input(&at("plain"), "denoiser"), "prompts": input(&at("told"), "scenes")});
    let said = work("sample-images", &json!({"count": 16, "steps": 4, "guidance": 2.0}), &needs, None, &at("samples"));
    assert_eq!(said["notice"], "made", "{said}");
    let images = Tensor::read_safetensors(at("samples").join("images.safetensors")).unwrap().swap_remove(0).1;
    let images = images.to_kind(Kind::Double);
    found.extend([images.mean(Kind::Double).double_value(&[]), images.std(true).double_value(&[])]);
    // Step, loss and held-out loss of each row of both histories; then the mean of the samples' pixels, and their deviation.
    let filed = [
        5.0, 0.977_997, 0.991_332, 10.0, 0.959_002, 0.971_106, 12.0, 0.959_129, 0.970_127, 5.0, 0.241_835, 0.303_797,
        10.0, 0.226_941, 0.299_988, 12.0, 0.184_047, 0.299_369, 123.437_8, 119.324_2,
    ];
    let near = |(a, b): (&f64, &f64)| (a - b).abs() <= 5e-4 * b.abs();
    assert!(found.len() == filed.len() && found.iter().zip(&filed).all(near), "filed: {filed:?}\nfound: {found:?}");
}

/// Every prediction, weighting and schedule learns; what must not change anything does not.
#[test]
fn the_recipe_does_what_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    write_scenes_of(&at("told"), 1, SIDE, true);
    write_scenes_of(&at("large"), 3, 2 * SIDE, false);
    let needs = |data: &str| json!({"data": input(&at(data), "scenes"), "heldout": input(&at(data), "scenes")});
    let train = |name: &str, data: &str, seed: u64, more: &Value| {
        let mut spec = spec(1e-3);
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        let said = work("train-denoiser", &spec, &needs(data), Some(seed), &at(name));
        assert_eq!(said["notice"], "made", "{name}: {said}");
        model(&at(name))
    };
    let plain = train("plain", "data", 7, &json!({"ema": {"decay": 0.5}, "checkpoints": [5]}));
    let mut seen = vec![("plain", plain.clone())];
    for (name, more) in [
        ("velocity", json!({"prediction": "velocity", "weighting": "output"})),
        ("terminal", json!({"prediction": "velocity", "weighting": "output", "noise": {"zero_terminal_snr": true}})),
        ("min-snr", json!({"prediction": "velocity", "weighting": {"min-snr": 5}})),
        ("image", json!({"prediction": "image", "weighting": "output"})),
        ("cosine", json!({"prediction": "image", "weighting": "output", "noise": {"schedule": "cosine"}})),
        ("linear", json!({"noise": {"schedule": "linear"}})),
        ("constant", json!({"schedule": "constant"})),
        ("wsd", json!({"schedule": "wsd", "decay_steps": 4})),
        ("longer", json!({"schedule": "wsd", "decay_steps": 8})),
        ("warmup", json!({"warmup": 6})),
        ("matrices", json!({"decays": "matrices", "weight_decay": 0.5})),
        ("everything", json!({"weight_decay": 0.5})),
        ("betas", json!({"betas": [0.5, 0.9]})),
        ("epsilon", json!({"epsilon": 1e-2})),
        ("clip", json!({"clip": 1e-2})),
        ("dropout", json!({"caption_dropout": 0.9})),
        ("parts", json!({"micro_batch": 2})),
    ] {
        let model = train(name, "data", 7, &more);
        let same = seen.iter().find(|(_, other)| *other == model);
        assert!(same.is_none(), "{name} comes out as {}", same.unwrap().0);
        seen.push((name, model));
    }
    // Who drops every caption learns the same whatever they say, and who drops none does not.
    write_scenes(&at("rolled"), 1);
    reworded(&at("rolled"), "captions");
    for (share, same) in [(1.0, true), (0.0, false)] {
        let of = |data: &str| train(&format!("{data}-{share}"), data, 7, &json!({"caption_dropout": share}));
        assert_eq!(of("data") == of("rolled"), same, "with {share} of the captions dropped");
    }
    // Synthetic captions that say the same change nothing; where there are none, that is said.
    assert!(train("told", "told", 7, &json!({"synthetic_captions": 0.5})) == plain);
    let mut wanted = spec(1e-3);
    wanted["synthetic_captions"] = 1.into();
    let said = work("train-denoiser", &wanted, &needs("data"), Some(7), &at("none"));
    assert_eq!(said["message"], "`synthetic_captions` asks for captions that `data` does not have");
    // A seed of its own is all that counts.
    let seeded = |name: &str, seed: u64| train(name, "data", seed, &json!({"seed": 3}));
    assert!(seeded("three", 7) == seeded("three-too", 8) && model(&at("three")) != plain);

    // On from a model, at twice the resolution, with a learning rate too small to move it.
    let mut on = spec(1e-30);
    on["resolution"] = (2 * SIDE).into();
    on["steps"] = 2.into();
    on["warmup"] = 0.into();
    on["weight_decay"] = 0.into();
    let mut given = needs("large");
    given["init"] = input(&at("plain"), "denoiser");
    let said = work("train-denoiser", &on, &given, Some(9), &at("on"));
    assert_eq!(said["notice"], "made", "{said}");
    assert!(model(&at("on")) == plain);
    for (name, more, file) in [
        ("on-5", json!({"init_checkpoint": 5}), "checkpoints/00000005.safetensors"),
        ("on-ema", json!({"init_weights": "ema"}), "ema.safetensors"),
        ("on-5-ema", json!({"init_checkpoint": 5, "init_weights": "ema"}), "checkpoints/00000005-ema.safetensors"),
    ] {
        let mut from = on.clone();
        from.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let said = work("train-denoiser", &from, &given, Some(9), &at(name));
        assert_eq!(said["notice"], "made", "{name}: {said}");
        assert!(
            model(&at(name)) == std::fs::read(at("plain").join(file)).unwrap(),
            "{name} does not begin from {file}"
        );
        assert!(model(&at(name)) != plain);
    }
    let refused = |more: &Value| {
        let mut other = on.clone();
        other.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let said = work("train-denoiser", &other, &given, Some(9), &at("refused"));
        said["message"].as_str().unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let wanted = r#"`init` cannot be gone on from: its `prediction` is "epsilon", and here it is "velocity""#;
    assert_eq!(refused(&json!({"prediction": "velocity"})), wanted);
    // Shapes are the same with more heads of fewer numbers, and what they compute is not.
    let mut backbone = on["backbone"].clone();
    backbone["head_dim"] = 4.into();
    let wanted = "`init` cannot be gone on from: its `backbone.head_dim` is 8, and here it is 4";
    assert_eq!(refused(&json!({"backbone": backbone})), wanted);
    assert!(refused(&json!({"init_checkpoint": 6})).contains("no weights at step 6"));
}

/// Transformers of pixels go on from a smaller picture's weights: all of them stay, and learned positions are stretched.
#[test]
fn transformers_go_on_at_a_higher_resolution() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    write_scenes_of(&at("large"), 3, 2 * SIDE, false);
    let needs = |data: &str| json!({"data": input(&at(data), "scenes"), "heldout": input(&at(data), "scenes")});
    for family in ["dit", "pixart", "uvit"] {
        let of = |side: i64, rate: f64, steps: u64| {
            let mut spec = spec(rate);
            let mut backbone = json!({"family": family, "width": 16, "depth": 2, "heads": 2});
            let own = match family {
                // Places span what they did at the smaller size.
                "dit" => json!({"condition": {"text": 16}, "sample_size": SIDE}),
                "pixart" => json!({"context": 16, "sample_size": SIDE}),
                _ => json!({"context": 16, "tokens": 4, "size": side}),
            };
            backbone.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
            for (field, value) in [
                ("backbone", backbone),
                ("resolution", json!(side)),
                ("steps", json!(steps)),
                ("warmup", json!(0)),
                ("weight_decay", json!(0)),
            ] {
                spec[field] = value;
            }
            spec
        };
        let (small, large) = (at(&format!("{family}-small")), at(&format!("{family}-large")));
        let said = work("train-denoiser", &of(SIDE, 1e-3, 4), &needs("data"), Some(7), &small);
        assert_eq!(said["notice"], "made", "{family}: {said}");
        let mut given = needs("large");
        given["init"] = input(&small, "denoiser");
        let said = work("train-denoiser", &of(2 * SIDE, 1e-30, 2), &given, Some(9), &large);
        assert_eq!(said["notice"], "made", "{family}: {said}");
        assert!(said["scalars"]["loss"].as_f64().is_some_and(|loss| loss > 0.0 && loss < 2.0), "{family}: {said}");
        let [before, after] = [&small, &large]
            .map(|folder| isoflop_torch::data::read_tensors(&folder.join("model.safetensors")).unwrap());
        assert!(before.keys().eq(after.keys()), "{family}");
        // Such a rate moves what is exactly zero, and nothing else.
        let far = |name: &str| {
            before[name].size() != after[name].size()
                || f64::try_from((&before[name] - &after[name]).abs().max()).unwrap() > 1e-20
        };
        let moved: Vec<&String> = before.keys().filter(|name| far(name)).collect();
        if family != "uvit" {
            assert_eq!(moved, [""; 0], "{family}");
            continue;
        }
        assert_eq!(moved.len(), 1, "{moved:?}");
        let ([old, new], others) = ([&before[moved[0]], &after[moved[0]]], 1 + 4);
        let (few, many) = ((SIDE / 2) * (SIDE / 2), SIDE * SIDE);
        assert_eq!((old.size(), new.size()), (vec![1, others + few, 16], vec![1, others + many, 16]));
        assert_eq!(old.narrow(1, 0, others), new.narrow(1, 0, others));
        // Both corners stay where they were.
        assert_eq!(old.narrow(1, others, 1), new.narrow(1, others, 1));
        assert_eq!(old.narrow(1, others + few - 1, 1), new.narrow(1, others + many - 1, 1));
    }
}

/// Every file below `folder`, by its path from there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let name = PathBuf::from(entry.file_name().unwrap());
        if entry.is_dir() {
            found.extend(files(&entry).into_iter().map(|(below, bytes)| (name.join(below), bytes)));
        } else {
            found.insert(name, std::fs::read(entry).unwrap());
        }
    }
    found
}

/// A branch makes the artifact of the same training without a trunk, file by file, whether it is longer or shorter than the trunk and whether it keeps states.
#[test]
fn a_branch_ends_as_if_it_had_been_alone() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("data"), "scenes")});
    let there = worker::environment();
    let train_in = |environment, name: &str, schedule: &str, steps: u64, keeps: bool, trunk: Option<&str>| {
        let mut spec = spec(1e-3);
        for (field, value) in [
            ("seed", json!(3)),
            ("steps", json!(steps)),
            ("schedule", json!(schedule)),
            ("ema", json!({"decay": 0.9})),
            ("checkpoints", json!([7, 20, 24])),
            ("keep_states", json!(keeps)),
        ] {
            spec[field] = value;
        }
        let mut needs = needs.clone();
        if let Some(trunk) = trunk {
            needs["trunk"] = input(&at(trunk), "denoiser");
        }
        converse_in(environment, "train-denoiser", &spec, &needs, Some(steps), &at(name), &Value::Null)
    };
    let train = |name: &str, schedule: &str, steps: u64, keeps: bool, trunk: Option<&str>| {
        train_in(&there, name, schedule, steps, keeps, trunk)
    };
    for (schedule, trunk, branch, from, keeps) in [
        ("constant", 20, 33, 20, true),
        ("constant", 24, 33, 24, false),
        ("wsd", 30, 24, 20, false),
        ("constant", 33, 13, 7, true),
    ] {
        let name = |what: &str| format!("{schedule}-{trunk}-{branch}-{what}");
        let whole = train(&name("trunk"), schedule, trunk, true, None);
        assert_eq!(whole.last().unwrap()["notice"], "made", "{whole:?}");
        let alone = train(&name("alone"), schedule, branch, keeps, None);
        let said = train(&name("branch"), schedule, branch, keeps, Some(&name("trunk")));
        assert_eq!(said.last(), alone.last());
        let steps = |said: &[Value]| -> Vec<u64> {
            said.iter().filter(|one| one["name"] == "gradient_norm").map(|one| one["step"].as_u64().unwrap()).collect()
        };
        assert!(steps(&said).iter().all(|&step| step > from), "it made steps that the trunk had made");
        let (branch, alone) = (files(&at(&name("branch"))), files(&at(&name("alone"))));
        assert!(branch.keys().eq(alone.keys()), "{schedule}: {:?} and {:?}", branch.keys(), alone.keys());
        assert_eq!(branch.contains_key(Path::new("checkpoints/00000007-state.safetensors")), keeps);
        for (file, bytes) in branch {
            assert!(bytes == alone[&file], "{schedule}: {} differs", file.display());
        }
    }
    let refused = |schedule: &str, steps: u64| train("refused", schedule, steps, true, Some("constant-20-33-trunk"));
    let message = |said: &[Value]| said.last().unwrap()["message"].as_str().unwrap().to_owned();
    assert!(message(&refused("wsd", 30)).contains("`schedule` differs, and only its length may"));
    assert!(message(&refused("constant", 5)).contains("no state within the 4 steps that both share"));
    let Environment::Torch(torch) = &there else { unreachable!() };
    let elsewhere = Environment::Torch(Torch { precision: Precision::Bf16, ..torch.clone() });
    let behind = |environment, name| train_in(environment, name, "constant", 13, true, Some("constant-20-33-trunk"));
    assert!(message(&behind(&elsewhere, "elsewhere")).contains("`precision` of the environment differs"));
}

#[test]
fn a_loss_that_runs_away_ends_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 1);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("data"), "scenes")});
    let mut spec = spec(1.0);
    spec["steps"] = 200.into();
    spec["warmup"] = 150.into();
    spec["schedule"] = "constant".into();
    spec["health"] = json!({"spike": 1.5, "patience": 3});
    let said = converse("train-denoiser", &spec, &needs, Some(7), &at("wild"), &Value::Null);
    let last = said.last().unwrap();
    assert_eq!(last["notice"], "diverged", "{last}");
    let reason = last["reason"].as_str().unwrap();
    assert!(reason.contains("in a row") && reason.contains("the losses before it were"), "{reason}");
    // The series of spikes ends with those that ended it.
    let spikes: Vec<u64> =
        said.iter().filter(|one| one["name"] == "loss_spike").map(|one| one["step"].as_u64().unwrap()).collect();
    let end: u64 = reason.split_once("at step ").unwrap().1.split(';').next().unwrap().parse().unwrap();
    assert!(spikes.ends_with(&[end - 2, end - 1, end]), "{spikes:?} and step {end}");

    // Weights that have grown beyond what their norm can be told by are a divergence too, though the loss before was a number.
    let mut far = self::spec(1e30);
    far["steps"] = 1.into();
    far["warmup"] = 0.into();
    far["schedule"] = "constant".into();
    let said = work("train-denoiser", &far, &needs, Some(7), &at("far"));
    assert_eq!(said["notice"], "diverged", "{said}");
    assert!(said["reason"].as_str().unwrap().starts_with("the weights' norm is inf at step 1"), "{said}");
}
