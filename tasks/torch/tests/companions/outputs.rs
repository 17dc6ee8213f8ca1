//! What the networks compute.

use isoflop_contract::Seed;
use isoflop_kinds::{
    model::{self, Companion, Network},
    train::Decays,
};
use isoflop_torch::{
    forward::{Inputs, Place, build, example},
    models::{AutoencoderKl, Inception},
    nn::Params,
    train::{AdamW, Settings},
};
use serde_json::{Value, json};
use tch::{Kind, Tensor, no_grad};

use crate::{close, fill, ids, noise, numbers, reference, tensor};

/// Runs the network of `config` over shared weights on `inputs` and compares all that the reference has.
fn same(config: &Value, inputs: &[(&str, Tensor)], gain: f64, reference: &Value) {
    let network = Network::read(config).unwrap();
    network.check().unwrap();
    let params = Params::new(Seed::from_number(0));
    let runner = build(&params, &network);
    fill(&params, gain);
    let ours = no_grad(|| runner.run(&Inputs::given(inputs.iter().map(|(n, t)| (*n, t.shallow_clone())))).unwrap());
    for (name, theirs) in reference.as_object().unwrap() {
        if let Some(ours) = ours.get(name) {
            close(name, ours, theirs);
        } else {
            assert_eq!(name, "divergence", "an output is missing");
        }
    }
}

#[test]
fn both_sides_draw_the_same_numbers() {
    assert_eq!(noise("a name", 5), numbers(&reference("noise")));
}

#[test]
fn the_autoencoder_is_diffusers() {
    for (name, channels, layers, groups) in [("vae", vec![32, 64], 1, 8), ("vae_deep", vec![16, 16, 32], 2, 4)] {
        let config = json!({
            "family": "autoencoder-kl", "channels": channels, "layers_per_block": layers, "norm_groups": groups, "scaling_factor": 0.5
        });
        let side = 4 << (channels.len() - 1);
        let sample = tensor("sample", &[2, 3, side, side], 1.0);
        let inputs = [("sample", sample.shallow_clone()), ("latent", tensor("latent", &[1, 4, 3, 5], 1.0))];
        let reference = reference(name);
        same(&config, &inputs, 3.0, &reference);

        let Ok(Network::Companion(Companion::AutoencoderKl(config))) = Network::read(&config) else { unreachable!() };
        let params = Params::new(Seed::from_number(0));
        let network = AutoencoderKl::new(&params.root(), &config);
        fill(&params, 3.0);
        close("divergence", &no_grad(|| network.encode(&sample).divergence()), &reference["divergence"]);
        let latents = tensor("latent", &[1, 4, 3, 5], 1.0);
        assert!(network.unscale(&network.scale(&latents)).allclose(&latents, 1e-6, 1e-6, false));
    }
}

/// A network of every family, small.
fn small() -> Vec<Value> {
    let tower = json!({"width": 32, "layers": 2, "heads": 4, "mlp": 64, "activation": "gelu"});
    let transformer = |family: &str, more: Value| {
        let mut config = json!({"family": family, "in_channels": 4, "width": 32, "depth": 2, "heads": 4});
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    vec![
        json!({"family": "unet", "in_channels": 4, "channels": [16, 32], "transformer_depth": [0, 1], "head_dim": 8,
            "cross_attention_dim": 24, "norm_groups": 8, "text_time": {"pooled": 20, "width": 6}}),
        json!({"family": "if-unet", "in_channels": 4, "channels": [16, 32], "attention": [false, true], "head_dim": 8,
            "cross_attention_dim": 24, "pooling_heads": 4, "norm_groups": 8}),
        transformer("pixart", json!({"context": 24})),
        transformer("dit", json!({"condition": {"classes": 10}})),
        transformer("dit", json!({"condition": {"text": 24}, "embedding": "each-block"})),
        transformer("uvit", json!({"context": 24, "tokens": 5, "size": 8, "time_layers": true})),
        json!({"family": "autoencoder-kl", "channels": [16, 32], "layers_per_block": 1, "norm_groups": 4, "scaling_factor": 0.5}),
        json!({"family": "clip-text", "tower": tower, "vocabulary": 50, "tokens": 9, "end": 49, "projection": 16}),
        json!({"family": "clip-image", "tower": tower, "resolution": 28, "patch": 7, "projection": 16}),
        json!({"family": "t5-encoder", "vocabulary": 50, "width": 32, "layers": 2, "heads": 4, "head_dim": 8, "mlp": 64}),
        json!({"family": "inception"}),
    ]
}

/// In half the bits every network says about the same, whatever it makes inside of it: positions, masks, sinusoids.
#[test]
fn every_family_runs_in_bf16() {
    let brain = Place { kind: Kind::BFloat16, ..Place::default() };
    for config in small() {
        let network = Network::read(&config).unwrap();
        network.check().unwrap();
        let size = if matches!(network, Network::Backbone(_)) { 8 } else { network.size().unwrap_or(1).min(28) };
        let params = Params::new(Seed::from_number(0));
        let runner = build(&params, &network);
        fill(&params, 1.5);
        let run = |place| no_grad(|| runner.run(&example(&network, 2, size, 5).at(place)).unwrap());
        let single = run(Place::default());
        for tensor in params.state().values() {
            no_grad(|| tensor.shallow_clone().set_data(&tensor.to_kind(Kind::BFloat16)));
        }
        for (name, ours) in run(brain) {
            assert_eq!(ours.kind(), Kind::BFloat16, "{config}: {name}");
            let apart = (ours.to_kind(Kind::Float) - &single[&name]).norm() / single[&name].norm();
            let apart = apart.double_value(&[]);
            println!("{}: {name} {apart:.1e} apart", network.family());
            assert!(apart > 0.0 && apart < 0.08, "{config}: {name} {apart:e} apart");
        }
    }
}

/// Small ones can be trained here: forty steps on four plain colours.
#[test]
fn a_small_autoencoder_learns() {
    let config = json!({"channels": [8, 16], "layers_per_block": 1, "norm_groups": 4, "scaling_factor": 1.0});
    let params = Params::new(Seed::from_number(1));
    let network = AutoencoderKl::new(&params.root(), &serde_json::from_value(config).unwrap());
    let images = tensor("sample", &[4, 3, 1, 1], 1.0).expand([4, 3, 8, 8], false);
    let noise = tensor("noise", &[4, 4, 4, 4], 1.0);
    let settings =
        Settings { betas: [0.9, 0.999], epsilon: 1e-8, weight_decay: 0.0, clip: 1.0, decays: Decays::Everything };
    let mut optimizer = AdamW::new(params.pack(), settings);
    let mut losses = Vec::new();
    for _ in 0..40 {
        let posterior = network.encode(&images);
        let out = network.decode(&posterior.sample(&noise));
        let loss = out.mse_loss(&images, tch::Reduction::Mean) + posterior.divergence().mean(Kind::Float) * 1e-5;
        losses.push(loss.double_value(&[]));
        let _ = optimizer.step(&loss, 3e-3);
    }
    assert!(losses[39] < 0.4 * losses[0], "{losses:?}");
}

#[test]
fn the_text_tower_is_transformers() {
    for (name, activation, projection) in [("clip_text", "quick-gelu", None), ("clip_text_projected", "gelu", Some(16))]
    {
        let config = json!({
            "family": "clip-text", "tower": {"width": 32, "layers": 3, "heads": 4, "mlp": 80, "activation": activation},
            "vocabulary": 50, "tokens": 9, "end": 49, "projection": projection
        });
        same(&config, &[("input_ids", ids())], 3.0, &reference(name));
    }
}

/// What SD 2 reads: all layers but the last, normalized, is a tower that has one layer less.
#[test]
fn a_tower_without_its_last_layer_gives_the_penultimate_output() {
    let config = |layers: u64| {
        json!({
            "family": "clip-text", "tower": {"width": 32, "layers": layers, "heads": 4, "mlp": 80, "activation": "gelu"},
            "vocabulary": 50, "tokens": 9, "end": 49
        })
    };
    let run = |layers: u64| {
        let params = Params::new(Seed::from_number(3));
        let runner = build(&params, &Network::read(&config(layers)).unwrap());
        no_grad(|| runner.run(&Inputs::given([("input_ids", ids())])).unwrap())
    };
    assert_eq!(run(4)["penultimate_hidden_state_normed"], run(3)["last_hidden_state"]);
}

#[test]
fn the_image_tower_is_transformers() {
    let config = json!({
        "family": "clip-image", "tower": {"width": 32, "layers": 2, "heads": 4, "mlp": 80, "activation": "quick-gelu"},
        "resolution": 30, "patch": 7, "projection": 16
    });
    same(&config, &[("pixel_values", tensor("pixel_values", &[2, 3, 30, 30], 1.0))], 3.0, &reference("clip_image"));
}

#[test]
fn the_t5_encoder_is_transformers() {
    let config = json!({
        "family": "t5-encoder", "vocabulary": 50, "width": 32, "layers": 3, "heads": 4, "head_dim": 12, "mlp": 80, "buckets": 8,
        "max_distance": 20
    });
    let ids: Vec<i64> = noise("input_ids", 80).into_iter().map(|x| (x * 25.0 + 25.0) as i64).collect();
    let ids = Tensor::from_slice(&ids).view([2, 40]);
    same(&config, &[("input_ids", ids.shallow_clone())], 3.0, &reference("t5"));

    // What is masked reaches no other token; what the masked tokens themselves become is nobody's business, and equal all the same.
    let mask = Tensor::ones([2, 40], (Kind::Int64, tch::Device::Cpu));
    let _ = mask.narrow(0, 0, 1).narrow(1, 23, 17).fill_(0);
    same(&config, &[("input_ids", ids), ("attention_mask", mask)], 3.0, &reference("t5_masked"));
}

#[test]
fn the_features_are_pytorch_fids_and_torch_fidelitys() {
    let bytes: Vec<u8> = noise("pictures", 2 * 3 * 40 * 56).into_iter().map(|x| ((x + 1.0) * 128.0) as u8).collect();
    let pictures = Tensor::from_slice(&bytes).view([2, 3, 40, 56]);
    for resize in ["pytorch-fid", "tensorflow"] {
        let params = Params::new(Seed::from_number(0));
        let config: model::Inception = serde_json::from_value(json!({ "resize": resize })).unwrap();
        let network = Inception::new(&params.root(), &config);
        fill(&params, 6.0);
        let name = format!("inception_{}", resize.replace('-', "_"));
        close(resize, &no_grad(|| network.features(&pictures)), &reference(&name)["features"]);
    }
}
