//! Latent space and frozen text as tasks: train an autoencoder and two towers on scenes of five colours, and encode the scenes by them.

mod worker;

use std::path::Path;

use isoflop_contract::Digest;
use isoflop_torch::{data::read_tensors, draw::drawn};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};
use worker::{input, work};

const SIDE: i64 = 8;
const WORDS: [&str; 6] = ["<pad>", "red", "green", "blue", "yellow", "grey"];

/// Scenes whose left half has the colour that the caption names, over a noisy ground.
fn write_scenes(folder: &Path, count: i64, seed: u64) {
    std::fs::create_dir_all(folder).unwrap();
    let colors =
        Tensor::from_slice(&[250_i64, 20, 20, 20, 250, 20, 20, 20, 250, 250, 250, 20, 128, 128, 128]).view([5, 3]);
    let draw = || {
        let word = Tensor::randint_low(1, 6, [count], (Kind::Int64, Device::Cpu));
        (word, Tensor::randint(60, [count, 3, SIDE, SIDE / 2], (Kind::Int64, Device::Cpu)))
    };
    let (word, ground) = drawn(seed, draw);
    let color = colors.index_select(0, &(&word - 1)).view([count, 3, 1, 1]).expand([count, 3, SIDE, SIDE / 2], false);
    let images = Tensor::cat(&[color, ground], 3).to_kind(Kind::Uint8);
    let captions = word.unsqueeze(1).to_kind(Kind::Int);
    Tensor::write_safetensors(&[("images", &images), ("captions", &captions)], folder.join("scenes.safetensors"))
        .unwrap();
    let vocabulary = json!({"words": WORDS, "answers": [], "categories": []});
    std::fs::write(folder.join("vocabulary.json"), vocabulary.to_string()).unwrap();
}

fn made(said: &Value) -> &Value {
    assert_eq!(said["notice"], "made", "{said}");
    &said["scalars"]
}

fn config(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap()
}

/// The digests in a config are those of the files beside it.
fn shards(folder: &Path) -> Vec<String> {
    let config = config(folder);
    let shards = config["shards"].as_array().unwrap();
    for shard in shards {
        let bytes = std::fs::read(folder.join(shard["file"].as_str().unwrap())).unwrap();
        assert_eq!(shard["digest"], json!(Digest::of(bytes)));
    }
    shards.iter().map(|shard| shard["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn an_autoencoder_is_trained_and_encodes() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 96, 1);
    write_scenes(&at("heldout"), 48, 2);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("heldout"), "scenes")});
    let spec = json!({
        "channels": [8, 16], "norm_groups": 4, "resolution": SIDE, "steps": 120, "batch": 16, "learning_rate": 1e-2, "warmup": 5,
        "evaluate_every": 30
    });
    let said = work("train-vae", &spec, &needs, Some(3), &at("vae"));
    let scalars = made(&said);
    let number = |name: &str| scalars[name].as_f64().unwrap();
    assert!((number("psnr") - 10.0 * (4.0 / number("reconstruction")).log10()).abs() < 1e-9);
    let history = std::fs::read_to_string(at("vae").join("history.csv")).unwrap();
    let curve: Vec<f64> = history.lines().skip(1).map(|row| row.rsplit(',').next().unwrap().parse().unwrap()).collect();
    assert!(curve.len() == 4 && curve[3] < 0.5 * curve[0], "{curve:?}");
    assert!((curve[3] / number("reconstruction") - 1.0).abs() < 1e-6);
    assert_eq!(config(&at("vae"))["family"], "autoencoder-kl");
    assert_eq!(config(&at("vae"))["scaling_factor"], number("scaling_factor"));
    assert!(at("vae").join("preview.png").exists());
    let again = work("train-vae", &spec, &needs, Some(3), &at("again"));
    assert_eq!(said, again);
    let bytes = |name: &str| std::fs::read(at(name).join("model.safetensors")).unwrap();
    assert!(bytes("vae") == bytes("again"));

    let needs = json!({"vae": input(&at("vae"), "vae"), "data": input(&at("data"), "scenes")});
    let said = work("encode-latents", &json!({"shard": 40, "batch": 20}), &needs, None, &at("latents"));
    let factor = made(&said)["scaling_factor"].as_f64().unwrap();
    assert_eq!(
        shards(&at("latents")),
        ["latents-00000.safetensors", "latents-00001.safetensors", "latents-00002.safetensors"]
    );
    let parts: Vec<_> =
        shards(&at("latents")).iter().map(|file| read_tensors(&at("latents").join(file)).unwrap()).collect();
    let whole = |name: &str| Tensor::cat(&parts.iter().map(|part| &part[name]).collect::<Vec<_>>(), 0);
    let (mean, deviation) = (whole("mean"), whole("deviation"));
    assert_eq!((mean.size(), deviation.size()), (vec![96, 4, SIDE / 2, SIDE / 2], vec![96, 4, SIDE / 2, SIDE / 2]));
    // What a denoiser sees has unit deviation: of the means, and of the draws around them.
    let variance = mean.to_kind(Kind::Double).var(false) + deviation.to_kind(Kind::Double).square().mean(None);
    let unit = variance.sqrt().double_value(&[]) * factor;
    assert!((unit - 1.0).abs() < 1e-6, "{unit}");
    let stated = work("encode-latents", &json!({"scaling": "stated"}), &needs, None, &at("stated"));
    assert_eq!(made(&stated)["scaling_factor"], scalars["scaling_factor"]);
    assert_eq!(made(&stated)["measured_factor"].as_f64().map(|f| (f / factor - 1.0).abs() < 1e-5), Some(true));

    let wrong = json!({"vae": input(&at("heldout"), "vae"), "data": input(&at("data"), "scenes")});
    let said = work("encode-latents", &json!({}), &wrong, None, &at("wrong"));
    assert!(said["message"].as_str().unwrap().contains("cannot read"), "{said}");
}

#[test]
fn two_towers_are_trained_and_read() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    write_scenes(&at("data"), 96, 1);
    write_scenes(&at("heldout"), 48, 2);
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("heldout"), "scenes")});
    let tower = json!({"width": 16, "layers": 1, "heads": 2, "mlp": 32, "activation": "gelu"});
    let spec = json!({
        "text": tower, "image": tower, "vocabulary": 8, "tokens": 4, "resolution": SIDE, "patch": 4, "projection": 8, "steps": 60, "batch": 24,
        "learning_rate": 4e-3, "warmup": 5, "evaluate_every": 30
    });
    let said = work("train-clip", &spec, &needs, Some(3), &at("clip"));
    let scalars = made(&said);
    let number = |name: &str| scalars[name].as_f64().unwrap();
    // Five colours: who guesses finds one in five.
    assert!(number("retrieval") > 0.9 && number("cosine") > number("cosine_of_others") + 0.2, "{said}");
    assert_eq!(config(&at("clip"))["words"], json!(WORDS));
    let weights = read_tensors(&at("clip").join("model.safetensors")).unwrap();
    for name in
        ["logit_scale", "text_projection.weight", "visual_projection.weight", "vision_model.embeddings.class_embedding"]
    {
        assert!(weights.contains_key(name), "{name}");
    }

    let needs = json!({"text": input(&at("clip"), "clip"), "data": input(&at("heldout"), "scenes")});
    let said = work("encode-text", &json!({"shard": 30, "batch": 10}), &needs, None, &at("texts"));
    assert_eq!(
        (&made(&said)["captions"], &made(&said)["width"], &made(&said)["tokens"]),
        (&json!(48.0), &json!(16.0), &json!(4.0))
    );
    let files = shards(&at("texts"));
    assert_eq!(files.len(), 2);
    let first = read_tensors(&at("texts").join(&files[0])).unwrap();
    assert_eq!(first["tokens"].size(), [30, 4, 16]);
    assert_eq!(first["pooled"].size(), [30, 8]);
    // A word and the end are there, and two places are filled up; the empty caption has its end.
    assert_eq!(first["mask"].sum(Kind::Int64).int64_value(&[]), 60);
    let empty = read_tensors(&at("texts").join("empty.safetensors")).unwrap();
    assert_eq!((empty["tokens"].size(), empty["mask"].sum(Kind::Int64).int64_value(&[])), (vec![1, 4, 16], 1));
    // Captions that read the same come out the same.
    let captions =
        read_tensors(&at("heldout").join("scenes.safetensors")).unwrap()["captions"].narrow(0, 0, 30).view([30]);
    let same = captions.unsqueeze(0).eq_tensor(&captions.unsqueeze(1));
    let apart = (first["pooled"].unsqueeze(0) - first["pooled"].unsqueeze(1)).abs().amax([2_i64].as_slice(), false);
    assert!(apart.masked_select(&same).max().double_value(&[]) < 1e-5);
    assert!(apart.masked_select(&same.logical_not()).min().double_value(&[]) > 1e-3);
    let unlike =
        json!({"penultimate": work("encode-text", &json!({"output": "penultimate"}), &needs, None, &at("others"))});
    assert_eq!(unlike["penultimate"]["notice"], "made");
    let others = read_tensors(&at("others").join("texts-00000.safetensors")).unwrap();
    assert_ne!(others["tokens"].narrow(0, 0, 30), first["tokens"]);

    let spec = json!({"vocabulary": 6, "resolution": SIDE, "steps": 6, "batch": 4, "warmup": 0});
    let needs = json!({"data": input(&at("data"), "scenes"), "heldout": input(&at("heldout"), "scenes")});
    let said = work("train-clip", &spec, &needs, Some(3), &at("small"));
    assert_eq!(said["message"], "scenes have 6 words and `vocabulary` has room for 5 beside the end");
}
