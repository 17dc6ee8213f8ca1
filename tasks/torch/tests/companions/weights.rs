//! Weights in and out.

use std::collections::BTreeMap;

use isoflop_contract::Seed;
use isoflop_kinds::model::Network;
use isoflop_torch::{
    forward::{Inputs, Place, Source, build, open},
    nn::Params,
    weights::{Format, Weights, load, save},
};
use serde_json::{Value, json};
use tch::{Tensor, no_grad};

use crate::{close, golden, ids, reference, tensor};

fn run(config: &Value, path: &str, inputs: &[(&str, Tensor)]) -> BTreeMap<String, Tensor> {
    let network = open(&Network::read(config).unwrap(), Source::Weights(&golden(path)), Place::default()).unwrap();
    no_grad(|| network.run(&Inputs::given(inputs.iter().map(|(n, t)| (*n, t.shallow_clone())))).unwrap())
}

fn small_clip() -> Value {
    json!({
        "family": "clip-text", "tower": {"width": 16, "layers": 2, "heads": 2, "mlp": 32, "activation": "quick-gelu"}, "vocabulary": 50,
        "tokens": 9, "end": 49
    })
}

/// Checkpoints as diffusers and transformers save them, in three precisions, whole and in parts, under new names and old.
#[test]
fn other_peoples_checkpoints_load_by_name_and_give_the_same_output() {
    let reference = reference("checkpoints");
    let vae = json!({
        "family": "autoencoder-kl", "channels": [4, 8], "layers_per_block": 1, "norm_groups": 2, "scaling_factor": 0.18215
    });
    for path in ["checkpoints/vae", "checkpoints/vae-2022", "checkpoints/vae/diffusion_pytorch_model.safetensors"] {
        let ours = run(&vae, path, &[("sample", tensor("sample", &[1, 3, 8, 8], 1.0))]);
        close(path, &ours["sample"], &reference["vae"]["sample"]);
    }
    for path in ["checkpoints/clip", "checkpoints/clip-whole"] {
        let ours = run(&small_clip(), path, &[("input_ids", ids())]);
        close(path, &ours["last_hidden_state"], &reference["clip"]["last_hidden_state"]);
    }
    let t5 = json!({"family": "t5-encoder", "vocabulary": 50, "width": 16, "layers": 2, "heads": 2, "head_dim": 8, "mlp": 32});
    for path in ["checkpoints/t5", "checkpoints/t5/model.safetensors.index.json", "checkpoints/t5-tied"] {
        let ours = run(&t5, path, &[("input_ids", ids())]);
        close(path, &ours["last_hidden_state"], &reference["t5"]["last_hidden_state"]);
    }
}

/// The same of denoisers; their sums are longer.
#[test]
fn other_peoples_denoisers_load_by_name_and_give_the_same_output() {
    let reference = reference("checkpoints");
    let inputs = [
        ("sample", tensor("sample", &[2, 4, 8, 8], 1.0)),
        ("timestep", Tensor::from_slice(&[3_i64, 721])),
        ("encoder_hidden_states", tensor("text", &[2, 5, 6], 1.0)),
    ];
    let unet = json!({
        "family": "unet", "in_channels": 4, "channels": [4, 8], "layers_per_block": 1, "transformer_depth": [0, 1], "head_dim": 4,
        "cross_attention_dim": 6, "norm_groups": 2
    });
    let pixart = json!({
        "family": "pixart", "in_channels": 4, "learned_variance": true, "width": 16, "depth": 2, "heads": 2, "context": 6, "sample_size": 8
    });
    for (name, config) in [("unet", unet), ("pixart", pixart)] {
        let ours = run(&config, &format!("checkpoints/{name}"), &inputs);
        close(name, &ours["sample"], &reference[name]["sample"]);
    }
}

#[test]
fn all_that_does_not_fit_is_listed_at_once() {
    let mut config = small_clip();
    config["tower"]["mlp"] = 24.into();
    config["tower"]["layers"] = 1.into();
    config["projection"] = 8.into();
    let refused = |config: &Value, path: &str| {
        let path = golden(path);
        let Err(error) = open(&Network::read(config).unwrap(), Source::Weights(&path), Place::default()) else {
            panic!("it loads")
        };
        error.to_string().replace(&path.display().to_string(), "FILE")
    };
    let said = refused(&config, "checkpoints/clip/model.safetensors");
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[0], "FILE does not hold the weights of this clip-text: 1 missing, 16 extra, 3 misshapen");
    assert_eq!(lines[1], "  missing: text_projection.weight [8, 16]");
    assert_eq!(lines.len(), 1 + 1 + 16 + 3);
    assert!(lines.iter().any(|line| line.contains("layers.0.mlp.fc1.bias is [32] and the model wants [24]")), "{said}");
    assert!(lines.iter().any(|line| line.contains("extra:") && line.contains("encoder.layers.1.mlp.fc2.weight")));

    let said = refused(&small_clip(), "checkpoints");
    assert!(said.starts_with("FILE: a folder without weights: none of model.safetensors, "), "{said}");
}

#[test]
fn tied_tensors_that_differ_and_files_that_lie_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let t5 = json!({"family": "t5-encoder", "vocabulary": 50, "width": 16, "layers": 2, "heads": 2, "head_dim": 8, "mlp": 32});
    let refused = |name: &str| {
        let path = folder.path().join(name);
        let Err(error) = open(&Network::read(&t5).unwrap(), Source::Weights(&path), Place::default()) else {
            panic!("it loads")
        };
        error.to_string().replace(&folder.path().display().to_string(), "FOLDER")
    };

    let mut tensors = Weights::open(&golden("checkpoints/t5-tied")).unwrap().all().unwrap();
    let _ = tensors.get_mut("encoder.embed_tokens.weight").unwrap().fill_(1.0);
    save(folder.path(), "torn", &tensors, Format::Single, u64::MAX).unwrap();
    let said = refused("torn.safetensors");
    assert!(
        said.ends_with("contradicting: encoder.embed_tokens.weight and shared.weight are tied, and differ"),
        "{said}"
    );

    let bytes = std::fs::read(folder.path().join("torn.safetensors")).unwrap();
    std::fs::write(folder.path().join("short.safetensors"), &bytes[..bytes.len() - 1]).unwrap();
    assert!(refused("short.safetensors").contains("short.safetensors"));
    let index = json!({"weight_map": {"shared.weight": "../torn.safetensors"}});
    std::fs::write(folder.path().join("away.json"), index.to_string()).unwrap();
    let said = "FOLDER/away.json: it names the file `../torn.safetensors`, which is no neighbour's name";
    assert_eq!(refused("away.json"), said);
    let index = json!({"weight_map": {"nowhere": "torn.safetensors"}});
    std::fs::write(folder.path().join("wrong.json"), index.to_string()).unwrap();
    assert_eq!(refused("wrong.json"), "FOLDER/wrong.json: tensors are not in the files it names: nowhere");
}

/// In one file and in several, in full precision and in half of it.
#[test]
fn what_is_saved_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let config = Network::read(&small_clip()).unwrap();
    let params = Params::new(Seed::from_number(11));
    let runner = build(&params, &config);
    let inputs = Inputs::given([("input_ids", ids())]);
    let before = no_grad(|| runner.run(&inputs).unwrap());

    let whole = save(folder.path(), "model", &params.state(), Format::Single, u64::MAX).unwrap();
    let parts = save(folder.path(), "parts", &params.state(), Format::Single, 8_000).unwrap();
    assert!(parts.ends_with("parts.safetensors.index.json"));
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert!(files > 4, "{files} files");
    for path in [&whole, &parts] {
        let after = no_grad(|| open(&config, Source::Weights(path), Place::default()).unwrap().run(&inputs).unwrap());
        assert_eq!(after, before);
    }
    for format in [Format::Half, Format::Brain] {
        let path = save(folder.path(), "short", &params.state(), format, u64::MAX).unwrap();
        let smaller = std::fs::metadata(&path).unwrap().len() as f64 / std::fs::metadata(&whole).unwrap().len() as f64;
        assert!((0.5..0.65).contains(&smaller), "{smaller}");
        let again = Params::hollow();
        let runner = build(&again, &config);
        load(&again, "clip-text", &Weights::open(&path).unwrap()).unwrap();
        let after = no_grad(|| runner.run(&inputs).unwrap());
        let apart = (&after["last_hidden_state"] - &before["last_hidden_state"]).abs().max().double_value(&[]);
        assert!(apart > 0.0 && apart < 0.05, "{apart}");
    }
}
