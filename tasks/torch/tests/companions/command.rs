//! `isoflop-torch forward` and `tokenize`, as a person types them.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use isoflop_torch::{
    data::{read_tensors, write_tensors},
    forward::{Place, Source, config},
    weights::{Format, save},
};
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::{golden, tensor};

/// What the program printed, its errors, and its exit code.
fn isoflop_torch(folder: &Path, arguments: &[&str]) -> (String, String, i32) {
    let out = Command::new(env!("CARGO_BIN_EXE_isoflop-torch")).current_dir(folder).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(out.stdout), text(out.stderr), out.status.code().unwrap())
}

fn write(folder: &Path, name: &str, tensors: &[(&str, Tensor)]) {
    let tensors: BTreeMap<String, Tensor> = tensors.iter().map(|(n, t)| ((*n).to_owned(), t.shallow_clone())).collect();
    write_tensors(&folder.join(name), &tensors).unwrap();
}

fn vae() -> Value {
    json!({"family": "autoencoder-kl", "channels": [4, 8], "layers_per_block": 1, "norm_groups": 2, "scaling_factor": 1.0})
}

/// Same seed, same weights, same bits, in any process; and what `forward` writes is what the library computes.
#[test]
fn the_same_seed_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("vae.json"), vae().to_string()).unwrap();
    write(folder, "in.safetensors", &[("sample", tensor("sample", &[1, 3, 8, 8], 1.0))]);
    let forward = |seed: &str, out: &str| {
        let arguments = ["forward", "--model", "vae.json", "--seed", seed, "--inputs", "in.safetensors", "--out", out];
        let (said, error, code) = isoflop_torch(folder, &arguments);
        assert_eq!((error.as_str(), code), ("", 0));
        let wanted = format!("{out}\n  logvar [1, 4, 4, 4]\n  mean [1, 4, 4, 4]\n  sample [1, 3, 8, 8]\n");
        assert_eq!(said, wanted);
        fs::read(folder.join(out)).unwrap()
    };
    let (one, two, other) = (forward("7", "one"), forward("7", "two"), forward("8", "other"));
    assert!(one == two && one != other);

    let weights = tch::no_grad(|| {
        let params = isoflop_torch::nn::Params::new(isoflop_contract::Seed::from_number(7));
        let _ =
            isoflop_torch::forward::build(&params, &config(&folder.join("vae.json").display().to_string()).unwrap());
        save(folder, "weights", &params.state(), Format::Single, 4_000).unwrap()
    });
    let weights = weights.display().to_string();
    let arguments = ["forward", "--model=vae.json", "--weights", &weights, "--inputs=in.safetensors", "--out=three"];
    assert_eq!(isoflop_torch(folder, &arguments).2, 0);
    assert!(fs::read(folder.join("three")).unwrap() == one);
}

/// A config as people write it, in both languages; half the bits; a device that is not there.
#[test]
fn configs_are_yaml_or_json_and_places_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("vae.json"), vae().to_string()).unwrap();
    let yaml =
        "# small\nfamily: autoencoder-kl\nchannels: [4, 8]\nlayers_per_block: 1\nnorm_groups: 2\nscaling_factor: 1.0\n";
    fs::write(folder.join("vae.yaml"), yaml).unwrap();
    fs::write(folder.join("bad.yaml"), "family: autoencoder-kl\nchannels: [4, 8\n").unwrap();
    fs::write(folder.join("odd.yaml"), yaml.replace("[4, 8]", "[4, 7]")).unwrap();
    write(folder, "in", &[("sample", tensor("sample", &[1, 3, 8, 8], 1.0))]);
    let forward = |model: &str, more: &[&str]| {
        let model = format!("--model={model}");
        let arguments = [&["forward", &model, "--seed=7", "--inputs=in", "--out=out"], more].concat();
        isoflop_torch(folder, &arguments)
    };
    let outputs = |model: &str, more: &[&str]| {
        let (_, error, code) = forward(model, more);
        assert_eq!((error.as_str(), code), ("", 0));
        read_tensors(&folder.join("out")).unwrap()
    };
    let single = outputs("vae.json", &[]);
    assert_eq!(outputs("vae.yaml", &["--device=cpu", "--dtype=fp32"]), single);
    let brain = outputs("vae.yaml", &["--dtype", "bf16"]);
    let apart = (&brain["mean"] - &single["mean"]).abs().max().double_value(&[]);
    assert!(brain["mean"].kind() == Kind::Float && apart > 0.0 && apart < 0.05, "{apart}");

    let refused = |model: &str, more: &[&str], wanted: &str| {
        let (_, error, code) = forward(model, more);
        assert!(error.contains(wanted) && code == 4, "{code}: {error}");
    };
    refused("bad.yaml", &[], "isoflop-torch: bad.yaml: ");
    refused("odd.yaml", &[], "isoflop-torch: odd.yaml: `channels` 7 is no multiple of the 2 groups of `norm_groups`");
    refused("vae.yaml", &["--dtype=fp8"], "`fp8` is no precision; there are fp32 and bf16");
    if tch::Cuda::is_available() {
        refused("vae.yaml", &["--device=cuda:99"], "there is no `cuda:99`");
    } else {
        refused("vae.yaml", &["--device=cuda"], "`cuda` cannot be used: libtorch finds no CUDA device");
    }
}

/// Two models side by side, as a table and as JSON.
#[test]
fn latency_is_told_for_two_models() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let unet = |depth: u64| {
        json!({
            "family": "unet", "channels": [8, 16], "layers_per_block": 1, "transformer_depth": [0, depth], "head_dim": 8,
            "cross_attention_dim": 16, "norm_groups": 4
        })
    };
    fs::write(folder.join("one.json"), unet(2).to_string()).unwrap();
    fs::write(folder.join("two.json"), unet(1).to_string()).unwrap();
    let latency = |more: &[&str]| {
        let arguments = ["latency", "--compare", "one.json", "two.json", "--batch=1,2", "--repeats=3", "--size=8"];
        let (said, error, code) = isoflop_torch(folder, &[&arguments, more].concat());
        assert_eq!((error.as_str(), code), ("", 0));
        said
    };
    let told: Value = serde_json::from_str(&latency(&["--json", "--dtype=bf16"])).unwrap();
    assert_eq!((&told["version"], &told["precision"], &told["repeats"]), (&json!(1), &json!("bf16"), &json!(3)));
    assert!(!told["device"].as_str().unwrap().is_empty());
    for (model, name) in told["models"].as_array().unwrap().iter().zip(["one.json", "two.json"]) {
        assert_eq!(model["name"], name);
        let rows = model["latency"].as_array().unwrap();
        assert_eq!(rows.iter().map(|row| row["batch"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2]);
        for row in rows {
            let at = |name: &str| row[name].as_f64().unwrap();
            let rising = [at("fastest_ms"), at("lower_quartile_ms"), at("median_ms"), at("upper_quartile_ms")];
            assert!(rising[0] > 0.0 && rising.is_sorted(), "{row}");
        }
    }
    let macs = |model: usize| told["models"][model]["macs"].as_f64().unwrap();
    let part = told["second_to_first"][0]["macs"].as_f64().unwrap();
    assert!((part - macs(1) / macs(0)).abs() < 1e-12 && part < 1.0);
    assert!(latency(&[]).contains("of its multiply-accumulates"));
}

/// Every family of denoisers, with what it is told.
#[test]
fn every_denoiser_runs() {
    let folder = tempfile::tempdir().unwrap();
    let text = ("encoder_hidden_states", tensor("text", &[2, 5, 16], 1.0));
    let mask = ("encoder_attention_mask", Tensor::ones([2, 5], (Kind::Int64, tch::Device::Cpu)));
    let unet = json!({
        "family": "unet", "channels": [8, 16], "layers_per_block": 1, "transformer_depth": [0, 1], "head_dim": 8, "cross_attention_dim": 16,
        "norm_groups": 4
    });
    let mut told = unet.clone();
    told["text_time"] = json!({"pooled": 12, "width": 4});
    let pooled = ("text_embeds", tensor("pooled", &[2, 12], 1.0));
    let sizes = ("time_ids", Tensor::ones([2, 6], (Kind::Int64, tch::Device::Cpu)));
    let classes = ("class_labels", Tensor::from_slice(&[0_i64, 10]));
    let plain = json!({"width": 16, "depth": 2, "heads": 2});
    let with = |family: &str, more: Value| {
        let mut config = plain.clone();
        config["family"] = family.into();
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    let if_unet = json!({
        "family": "if-unet", "channels": [8, 16], "layers_per_block": 1, "attention": [false, true], "head_dim": 8,
        "cross_attention_dim": 16, "pooling_heads": 2, "norm_groups": 4
    });
    let cases: Vec<(Value, Vec<(&str, Tensor)>)> = vec![
        (unet, vec![(text.0, text.1.shallow_clone())]),
        (told, vec![(text.0, text.1.shallow_clone()), pooled, sizes]),
        (if_unet, vec![(text.0, text.1.shallow_clone())]),
        (with("pixart", json!({"context": 16})), vec![(text.0, text.1.shallow_clone()), mask]),
        (with("dit", json!({"condition": {"classes": 10}})), vec![classes]),
        (with("dit", json!({"condition": {"text": 16}})), vec![(text.0, text.1.shallow_clone())]),
        (with("uvit", json!({"context": 16, "tokens": 5, "size": 8})), vec![text]),
    ];
    for (config, told) in cases {
        let path = folder.path().join("model.json");
        fs::write(&path, config.to_string()).unwrap();
        let network =
            isoflop_torch::forward::config(&path.display().to_string()).unwrap_or_else(|e| panic!("{config}: {e}"));
        let channels = match &network {
            isoflop_kinds::model::Network::Backbone(backbone) => [backbone.in_channels(), backbone.out_channels()],
            isoflop_kinds::model::Network::Companion(_) => unreachable!("all of these are denoisers"),
        };
        let sample = tensor("sample", &[2, channels[0] as i64, 8, 8], 1.0);
        let mut inputs = told;
        inputs.extend([("sample", sample), ("timestep", Tensor::from_slice(&[3_i64, 700]))]);
        write(folder.path(), "in", &inputs);
        let out = folder.path().join("out");
        let outputs = isoflop_torch::forward::forward(
            &network,
            Source::Seed(1),
            Place::default(),
            &folder.path().join("in"),
            &out,
        );
        assert!(outputs.is_ok(), "{config}: {}", outputs.unwrap_err());
        assert_eq!(read_tensors(&out).unwrap()["sample"].size(), [2, channels[1] as i64, 8, 8], "{config}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::write(folder.join("vae.json"), vae().to_string()).unwrap();
    let refused = |tensors: &[(&str, Tensor)]| {
        write(folder, "in", tensors);
        let (out, error, code) =
            isoflop_torch(folder, &["forward", "--model=vae.json", "--seed=1", "--inputs=in", "--out=out"]);
        assert_eq!((out.as_str(), code), ("", 4));
        assert!(!folder.join("out").exists());
        error.trim_end().to_owned()
    };
    let sample = |side: i64| ("sample", tensor("sample", &[1, 3, side, side], 1.0));
    let said =
        "isoflop-torch: in: `sample` is [1, 3, 7, 7] and this model reads [any, 3, a multiple of 2, a multiple of 2]";
    assert_eq!(refused(&[sample(7)]), said);
    let said = "isoflop-torch: in: it has no `sample`, which this model reads; it has image";
    assert_eq!(refused(&[("image", sample(8).1)]), said);
    let said = "isoflop-torch: in: this model reads latent, sample and not image";
    assert_eq!(refused(&[sample(8), ("image", sample(8).1)]), said);
    let (_, error, code) = isoflop_torch(folder, &["forward", "--modle", "vae"]);
    assert!(error.starts_with("isoflop-torch: `--modle` is no argument here\n") && code == 2, "{error}");
    let clip = ["forward", "--model=clip-l", "--seed=1", "--inputs=none", "--out=out"];
    let (_, error, code) = isoflop_torch(folder, &clip);
    assert_eq!(
        (error.trim_end(), code),
        ("isoflop-torch: cannot read none: No such file or directory (os error 2)", 4)
    );
}

/// Text becomes tokens and tokens a forward pass, with nothing between.
#[test]
fn tokenize_writes_what_forward_reads() {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = golden("tokenizers/clip.json").display().to_string();
    let arguments = [
        "tokenize",
        "--tokenizer",
        &tokenizer,
        "--convention=clip",
        "--length=9",
        "--out=t",
        "--text=a red cube",
        "--text=",
    ];
    let (said, error, code) = isoflop_torch(folder.path(), &arguments);
    assert_eq!((said.as_str(), error.as_str(), code), ("t\n  attention_mask [2, 9]\n  input_ids [2, 9]\n", "", 0));
    let written = read_tensors(&folder.path().join("t")).unwrap();
    assert_eq!(written["attention_mask"].sum(Kind::Int64).int64_value(&[]), 7 + 2);
}
