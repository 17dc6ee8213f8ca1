//! What the public Python implementations compute: diffusers' UNets, PixArt and DiT, and U-ViT written out from its paper. `golden/models.py` wrote
//! the numbers.

#![expect(clippy::cast_possible_wrap, reason = "torch counts in i64, Rust in u64; these are small")]

use std::sync::LazyLock;

use isoflop_contract::Seed;
use isoflop_kinds::model::{self, PRESETS};
use isoflop_torch::{
    models::{Backbone, Told},
    nn::Params,
};
use serde_json::{Value, json};
use tch::{Kind, Tensor, no_grad};

static GOLDEN: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(include_str!("../golden/models.json")).unwrap());

/// As in `models.py`.
fn noise(shape: &[i64], stream: u64, scale: f64, shift: f64) -> Tensor {
    let number = |i: u64| {
        let x = (i * 2_654_435_761 + (stream + 1) * 0x9E37_79B9) & 0xFFFF_FFFF;
        let x = x ^ (x >> 16);
        let x = ((x * 0x85EB) & 0xFFFF_FFFF) ^ (x >> 13);
        let x = (x * 0x27D4_EB2F) & 0xFFFF_FFFF;
        ((x ^ (x >> 15)) as f64 / 2_f64.powi(31) - 1.0) * scale + shift
    };
    let values: Vec<f64> = (0..shape.iter().product::<i64>() as u64).map(number).collect();
    Tensor::from_slice(&values).to_kind(Kind::Float).view(shape)
}

fn fill(params: &Params) {
    const TABLES: [&str; 4] = ["_table", "pos_embed", "positional_embedding", "embedding_table.weight"];
    for (k, (name, parameter)) in params.named().into_iter().enumerate() {
        let (shape, k) = (parameter.size(), k as u64);
        let value = if TABLES.iter().any(|end| name.ends_with(end)) {
            noise(&shape, k, 0.5, 0.0)
        } else if shape.len() > 1 {
            noise(&shape, k, (3.0 * shape[0] as f64 / parameter.numel() as f64).sqrt(), 0.0)
        } else {
            noise(&shape, k, 0.2, if name.ends_with("weight") { 1.0 } else { 0.0 })
        };
        no_grad(|| parameter.shallow_clone().copy_(&value));
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn image(size: i64) -> Tensor {
    noise(&[2, 4, size, size], 901, 1.7, 0.0)
}

fn text(width: i64) -> Told {
    Told::tokens(noise(&[2, 5, width], 902, 1.7, 0.0))
}

/// Builds `config`, fills it, and holds names, outputs and, where they are there, gradients against the golden ones.
fn same(name: &str, config: Value, size: i64, told: &Told) {
    let golden = &GOLDEN[name];
    let config: model::Backbone = serde_json::from_value(config).unwrap();
    config.check(size as u64, "backbone").unwrap();
    let params = Params::new(Seed::from_number(0));
    let backbone = Backbone::new(&params.root(), &config);
    assert_eq!((params.count(), config.params()), (golden["params"].as_u64().unwrap(), params.count()));
    let names: Vec<String> = params.named().into_keys().collect();
    if let Some(theirs) = golden.get("names") {
        assert_eq!(&json!(names), theirs);
    } else {
        let (first, last) = (&names[..4], &names[names.len() - 4..]);
        assert_eq!(json!([first, last]), json!([golden["first_names"], golden["last_names"]]));
    }

    fill(&params);
    let packed = params.pack();
    let out = backbone.forward(&image(size), &Tensor::from_slice(&[3_i64, 721]), told);
    let theirs = Tensor::from_slice(&numbers(&golden["out"])).view(out.size().as_slice());
    let difference = (out.to_kind(Kind::Double) - &theirs).abs().max().double_value(&[]);
    let (largest, root_mean_square) = (theirs.abs().max().double_value(&[]), theirs.square().mean(None).sqrt());
    let relative = difference / largest;
    println!("{name}: {relative:.1e} apart, of outputs up to {largest:.2}");
    assert!(root_mean_square.double_value(&[]) > 0.05, "{name} says too little: its outputs are near zero");
    assert!(relative < 1e-4, "{name}: {relative:e} apart");

    let Some(gradients) = golden.get("gradients") else { return };
    let loss = (&out * noise(&out.size(), 900, 1.0, 0.0)).sum(None);
    loss.backward();
    let gradient = packed.flat.zeros_like();
    packed.collect(&gradient);
    let ours = packed.cut(&gradient);
    // A shift that softmax takes away has no gradient but rounding: what counts is small beside the others.
    let least = 1e-3 * gradients.as_object().unwrap().values().map(|pair| numbers(pair)[1]).fold(0.0, f64::max);
    let mut worst = 0.0_f64;
    for (k, (name, gradient)) in ours.iter().enumerate() {
        let [along, norm] = numbers(&gradients[name])[..] else { unreachable!("two numbers each") };
        let gradient = gradient.to_kind(Kind::Double);
        let direction = noise(&gradient.size(), 1000 + k as u64, 1.0, 0.0).to_kind(Kind::Double);
        let apart = ((&gradient * direction).sum(None).double_value(&[]) - along).abs();
        let longer = (gradient.norm().double_value(&[]) - norm).abs();
        worst = worst.max(apart.max(longer) / norm.max(least));
    }
    println!("{name}: gradients {worst:.1e} apart");
    assert!(worst < 1e-4, "{name}: gradients {worst:e} apart");
}

/// With text-time conditioning, and gradients.
#[test]
fn the_unet_is_sdxls() {
    let told = Told {
        pooled: Some(noise(&[2, 20], 903, 1.7, 0.0)),
        sizes: Some(Tensor::from_slice(&[64_i64, 48, 0, 8, 32, 32, 32, 32, 4, 0, 32, 32]).view([2, 6])),
        ..text(24)
    };
    let config = json!({
        "family": "unet", "in_channels": 4, "channels": [16, 32, 64], "layers_per_block": 1, "transformer_depth": [0, 1, 2], "head_dim": 8,
        "cross_attention_dim": 24, "norm_groups": 8, "text_time": {"pooled": 20, "width": 6}
    });
    same("unet_sdxl", config, 8, &told);
}

#[test]
fn the_unet_is_stable_diffusions() {
    let config = json!({
        "family": "unet", "in_channels": 4, "channels": [16, 32, 64, 64], "layers_per_block": 2, "transformer_depth": [1, 1, 1, 0],
        "middle_depth": 1, "head_dim": 8, "cross_attention_dim": 24, "norm_groups": 8
    });
    same("unet_sd2", config, 16, &text(24));
    let config = json!({
        "family": "unet", "in_channels": 4, "channels": [16, 32], "layers_per_block": 1, "transformer_depth": [1, 0], "middle_depth": 1,
        "heads": 4, "cross_attention_dim": 24, "norm_groups": 8, "linear_projection": false
    });
    same("unet_sd1", config, 16, &text(24));
}

#[test]
fn the_if_unet_is_deepfloyds() {
    let mut config = json!({
        "family": "if-unet", "in_channels": 4, "channels": [32, 64, 96], "layers_per_block": 2, "attention": [true, true, false],
        "head_dim": 16, "cross_attention_dim": 64, "pooling_heads": 8
    });
    same("if_unet", config.clone(), 8, &text(64));
    config["encoder_hid_dim"] = 48.into();
    config["learned_variance"] = true.into();
    same("if_unet_projected", config, 8, &text(48));
}

/// With gradients; with words that are not there; without caption embedding, and with positions made for another size.
#[test]
fn the_transformer_is_pixarts() {
    let mut config = json!({
        "family": "pixart", "in_channels": 4, "learned_variance": true, "width": 32, "depth": 3, "heads": 4, "context": 24
    });
    same("pixart", config.clone(), 8, &text(24));
    let mask = Some(Tensor::from_slice(&[1_i64, 1, 1, 1, 1, 1, 1, 1, 0, 0]).view([2, 5]));
    same("pixart_masked", config.clone(), 8, &Told { mask, ..text(24) });
    config["caption_projection"] = false.into();
    config["sample_size"] = 128.into();
    same("pixart_no_caption", config, 8, &text(24));
}

/// As released, with positions made for another size; the paper's; and told of captions.
#[test]
fn the_transformer_is_dits() {
    let classes = Some(Tensor::from_slice(&[7_i64, 10]));
    let told = Told { classes, ..text(24) };
    let config = |change: Value| {
        let mut config = json!({
            "family": "dit", "in_channels": 4, "learned_variance": true, "width": 32, "depth": 3, "heads": 4,
            "condition": {"classes": 10}
        });
        for (name, value) in change.as_object().unwrap() {
            config[name] = value.clone();
        }
        config
    };
    same("dit_released", config(json!({"embedding": "each-block", "sample_size": 16})), 8, &told);
    same("dit", config(json!({})), 8, &told);
    let pooled = Some(told.tokens.mean_dim(1, false, None));
    same("dit_text", config(json!({"condition": {"text": 24}})), 8, &Told { pooled, ..told });
}

#[test]
fn the_transformer_is_uvits() {
    let mut config = json!({
        "family": "uvit", "in_channels": 4, "size": 8, "width": 32, "depth": 4, "heads": 4, "context": 24, "tokens": 5
    });
    same("uvit", config.clone(), 8, &text(24));
    for (name, value) in [("qkv_bias", true), ("time_layers", true), ("final_conv", false)] {
        config[name] = value.into();
    }
    same("uvit_otherwise", config, 8, &text(24));
}

/// A transformer that does not read the text is one whose reading comes to nothing.
#[test]
fn cross_attention_can_be_switched_off() {
    let mut config = json!({
        "family": "unet", "in_channels": 4, "channels": [16, 32], "layers_per_block": 1, "transformer_depth": [1, 2], "head_dim": 8,
        "cross_attention_dim": 24, "norm_groups": 8
    });
    let build = |config: &Value| {
        let params = Params::new(Seed::from_number(3));
        let backbone = Backbone::new(&params.root(), &serde_json::from_value(config.clone()).unwrap());
        fill(&params);
        (params, backbone)
    };
    let (all, everywhere) = build(&config);
    config["cross_attention"] = json!([true, false]);
    config["middle_cross_attention"] = json!(false);
    let (some, somewhere) = build(&config);
    let (all, mut some) = (all.named(), some.named());
    assert!(some.len() < all.len());
    let reads = |name: &str| name.starts_with("down_blocks.0") || name.starts_with("up_blocks.1");
    for (name, theirs) in all {
        if let Some(ours) = some.remove(&name) {
            no_grad(|| ours.shallow_clone().copy_(&theirs));
        } else {
            assert!((name.contains(".attn2.") || name.contains(".norm2.")) && !reads(&name), "{name}");
            no_grad(|| drop(theirs.shallow_clone().zero_()));
        }
    }
    let run =
        |backbone: &Backbone, told| no_grad(|| backbone.forward(&image(8), &Tensor::from_slice(&[3_i64, 721]), &told));
    let (one, other) = (run(&everywhere, text(24)), run(&somewhere, text(24)));
    assert!((&one - &other).abs().max().double_value(&[]) < 1e-5 * one.abs().max().double_value(&[]));
    let deaf = Told::tokens(text(24).tokens.zeros_like());
    assert_ne!(run(&somewhere, deaf), other, "the first level still reads");
}

/// The packages, built at full size, have as many parameters as the closed forms say.
#[test]
fn totals_are_those_of_the_packages() {
    let totals = GOLDEN["totals"].as_object().unwrap();
    assert_eq!(totals.len(), 11);
    for (name, total) in totals {
        let preset = PRESETS.iter().find(|preset| preset.name == name).expect(name);
        assert_eq!(preset.backbone().params(), total.as_u64().unwrap(), "{name}");
    }
}

/// Same seed, same initial weights, same output bits; another seed, others.
#[test]
fn a_seed_decides_every_bit() {
    let configs = [
        json!({"family": "unet", "in_channels": 4, "channels": [16, 32], "transformer_depth": [0, 2], "head_dim": 8, "cross_attention_dim": 24, "norm_groups": 8}),
        json!({"family": "if-unet", "in_channels": 4, "channels": [32, 64], "attention": [false, true], "head_dim": 16, "cross_attention_dim": 32, "pooling_heads": 4}),
        json!({"family": "pixart", "in_channels": 4, "width": 32, "depth": 2, "heads": 4, "context": 24}),
        json!({"family": "dit", "in_channels": 4, "width": 32, "depth": 2, "heads": 4, "condition": {"text": 24}}),
        json!({"family": "uvit", "in_channels": 4, "size": 8, "width": 32, "depth": 2, "heads": 4, "context": 24, "tokens": 5}),
    ];
    for config in configs {
        let config: model::Backbone = serde_json::from_value(config).unwrap();
        let build = |seed: u64| {
            let params = Params::new(Seed::from_number(seed));
            let backbone = Backbone::new(&params.root(), &config);
            let start = params.named();
            let told = text(config.text_width().unwrap() as i64);
            let pooled = Some(told.tokens.mean_dim(1, false, None));
            // What is zero at first would hide the rest.
            for (name, parameter) in params.named() {
                if parameter.abs().max().double_value(&[]) == 0.0 {
                    let like = noise(&parameter.size(), name.len() as u64, 0.1, 0.0);
                    no_grad(|| parameter.shallow_clone().copy_(&like));
                }
            }
            let start: Vec<Tensor> = start.into_values().map(|tensor| tensor.copy()).collect();
            (
                start,
                no_grad(|| backbone.forward(&image(8), &Tensor::from_slice(&[3_i64, 721]), &Told { pooled, ..told })),
            )
        };
        let (one, two, other) = (build(5), build(5), build(6));
        assert_eq!(one, two, "{config:?}");
        assert_ne!(one.1, other.1, "{config:?}");
    }
}
