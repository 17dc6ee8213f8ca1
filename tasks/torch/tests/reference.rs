//! What other people's programs compute: diffusers' UNet, schedules and DDIM, PyTorch's AdamW. `golden/reference.py` wrote the numbers.

use isoflop_contract::Seed;
use isoflop_kinds::{
    model,
    sample::Spacing,
    train::{Betas, Decays, Ema, Noise, Prediction, Weighting},
};
use isoflop_torch::{
    diffusion::{Schedule, estimate, levels, step, target},
    models::{Told, Unet},
    nn::{Init, Params},
    train::{AdamW, Settings},
};
use serde_json::{Value, json};
use tch::{Kind, Tensor, no_grad};

fn reference(name: &str) -> Value {
    let mut all: Value = serde_json::from_str(include_str!("../golden/reference.json")).unwrap();
    all[name].take()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// As in `reference.py`.
fn wave(shape: &[i64], scale: f64, shift: f64, amplitude: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (amplitude * (scale * i as f64 + shift).sin()) as f32).collect();
    Tensor::from_slice(&values).view(shape)
}

fn fill(params: &Params) {
    for (k, (name, parameter)) in params.named().into_iter().enumerate() {
        let mut value = wave(&parameter.size(), 0.37, k as f64, 0.05);
        if name.contains("norm") && name.ends_with("weight") {
            value += 1.0;
        }
        no_grad(|| parameter.shallow_clone().copy_(&value));
    }
}

fn close(ours: &Tensor, theirs: &[f64], tolerance: f64) {
    let ours = Vec::<f64>::try_from(ours.to_kind(Kind::Double).reshape([-1])).unwrap();
    assert_eq!(ours.len(), theirs.len());
    let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("largest difference: {worst:e}");
    assert!(worst < tolerance, "{worst:e} apart, more than {tolerance:e}");
}

fn unet(reference: &Value, config: Value) {
    let config: model::Unet = serde_json::from_value(config).unwrap();
    let params = Params::new(Seed::from_number(0));
    let unet = Unet::new(&params.root(), &config);
    assert_eq!(params.count(), reference["params"].as_u64().unwrap());
    assert_eq!(config.params(), params.count());
    let names: Vec<String> = params.named().into_keys().collect();
    assert_eq!(
        json!([names.len(), names[..3], names[names.len() - 3..]]),
        json!([reference["names"], reference["first_names"], reference["last_names"]])
    );

    fill(&params);
    let (x, text) = (wave(&[2, 3, 8, 8], 0.11, 0.0, 1.0), wave(&[2, 5, 24], 0.23, 1.0, 1.0));
    let out = no_grad(|| unet.forward(&x, &Tensor::from_slice(&[3_i64, 721]), &Told::tokens(text)));
    let every_seventh = out.reshape([-1]).slice(0, 0, None, 7);
    close(&every_seventh, &numbers(&reference["out"]), 2e-5);
}

#[test]
fn the_unet_is_diffusers_unet() {
    let config = json!({
        "channels": [16, 32], "layers_per_block": 1, "transformer_depth": [0, 2], "head_dim": 16, "cross_attention_dim": 24,
        "norm_groups": 8
    });
    unet(&reference("unet"), config);
}

/// Attention above, none below, but in the middle: as SD2 has it. 1×1 convolutions around the transformers.
#[test]
fn the_unet_is_diffusers_unet_with_attention_elsewhere() {
    let config = json!({
        "channels": [16, 32], "layers_per_block": 2, "transformer_depth": [1, 0], "middle_depth": 1, "head_dim": 16,
        "cross_attention_dim": 24, "norm_groups": 8, "linear_projection": false
    });
    unet(&reference("unet_attention_everywhere"), config);
}

#[test]
fn the_schedule_is_diffusers_schedule() {
    let schedule = Schedule::new(&Noise::default());
    assert_eq!(schedule.levels(), 1000);
    for (level, alpha) in reference("alphas_cumprod").as_object().unwrap() {
        let (ours, theirs) = (schedule.alpha(level.parse().unwrap()), alpha.as_f64().unwrap());
        assert!((ours / theirs - 1.0).abs() < 3e-5, "ᾱ at {level} is {ours}, theirs {theirs}"); // theirs is a product of floats
    }
}

#[test]
fn the_walk_is_diffusers_ddim() {
    let schedule = Schedule::new(&Noise::default());
    let walk = levels(schedule.levels(), 4, Spacing::Leading);
    for (name, clip) in [("plain", false), ("clipped", true)] {
        let theirs = &reference("ddim")[name];
        assert_eq!(json!(walk), theirs["levels"]);
        let mut x = wave(&[1, 3, 2, 2], 0.9, 0.5, 2.0);
        for (i, &at) in walk.iter().enumerate() {
            let next = walk.get(i + 1).copied().unwrap_or(0);
            let seen = estimate(Prediction::Epsilon, &schedule, &x, &x * 0.3 + 0.1, &level_of(at));
            x = step(&x, seen, schedule.alpha(at), schedule.alpha(next), clip);
        }
        close(&x, &numbers(&theirs["out"]), 1e-4);
    }
}

#[test]
fn ten_steps_of_adamw_are_pytorchs() {
    let theirs = reference("adamw");
    let params = Params::new(Seed::from_number(0));
    let weight = params.root().param("weight", &[3, 4], Init::Zeros);
    let bias = params.root().param("bias", &[4], Init::Zeros);
    let start = [("weight", wave(&[3, 4], 0.7, 0.0, 1.0)), ("bias", wave(&[4], 0.7, 2.0, 1.0))];
    params.load(&start.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()).unwrap();

    let settings =
        Settings { betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.1, clip: 1.0, decays: Decays::Everything };
    let mut optimizer = AdamW::new(params.pack(), settings);
    for norm in numbers(&theirs["norms"]) {
        let loss = (&weight + &bias).pow_tensor_scalar(4).sum(Kind::Float) * 0.1;
        let ours = optimizer.step(&loss, 0.05).double_value(&[]);
        assert!((ours / norm - 1.0).abs() < 1e-5, "norm {ours}, theirs {norm}");
    }
    close(&weight, &numbers(&theirs["weight"]), 2e-6);
    close(&bias, &numbers(&theirs["bias"]), 2e-6);
}

#[test]
fn every_schedule_is_diffusers() {
    for (name, betas, zero_terminal_snr) in [
        ("linear", Betas::Linear, false),
        ("cosine", Betas::Cosine, false),
        ("scaled_linear_rescaled", Betas::ScaledLinear, true),
        ("linear_rescaled", Betas::Linear, true),
    ] {
        let schedule = Schedule::new(&Noise { schedule: betas, zero_terminal_snr, ..Noise::default() });
        for (level, theirs) in reference("schedules")[name].as_object().unwrap() {
            let (ours, theirs) = (schedule.alpha(level.parse().unwrap()), theirs.as_f64().unwrap());
            assert!((ours - theirs).abs() < 3e-6, "{name} at {level}: {ours}, theirs {theirs}");
        }
    }
}

/// What v-prediction and x0-prediction aim at, what they are taken to mean, and the walk from a last level that is all noise.
#[test]
fn predictions_and_the_trailing_walk_are_diffusers() {
    let schedule = Schedule::new(&Noise::default());
    let (image, noise) = (wave(&[2, 3, 2, 2], 0.9, 0.5, 1.0), wave(&[2, 3, 2, 2], 0.7, 0.1, 1.5));
    let level = Tensor::from_slice(&[3_i64, 700]);
    let theirs = reference("predictions");
    let velocity = target(Prediction::Velocity, &schedule, &image, &noise, &level);
    close(&velocity, &numbers(&theirs["velocity"]), 1e-5);

    let rescaled = Schedule::new(&Noise { zero_terminal_snr: true, ..Noise::default() });
    let walk = levels(rescaled.levels(), 4, Spacing::Trailing);
    for (name, prediction) in [("v_prediction", Prediction::Velocity), ("sample", Prediction::Image)] {
        assert_eq!(json!(walk), theirs[name]["levels"]);
        let mut x = wave(&[1, 3, 2, 2], 0.9, 0.5, 2.0);
        for (i, &at) in walk.iter().enumerate() {
            let next = walk.get(i + 1).copied().unwrap_or(0);
            let seen = estimate(prediction, &rescaled, &x, &x * 0.3 + 0.1, &level_of(at));
            x = step(&x, seen, rescaled.alpha(at), rescaled.alpha(next), false);
        }
        close(&x, &numbers(&theirs[name]["out"]), 1e-4);
    }
}

#[test]
fn min_snr_weights_are_diffusers() {
    let schedule = Schedule::new(&Noise::default());
    let theirs = reference("min_snr");
    for (name, prediction) in [("epsilon", Prediction::Epsilon), ("velocity", Prediction::Velocity)] {
        let ours = schedule.weights(prediction, Weighting::MinSnr(5.0)).unwrap();
        for (level, weight) in theirs[name].as_object().unwrap() {
            let (ours, theirs) = (ours.double_value(&[level.parse().unwrap()]), weight.as_f64().unwrap());
            assert!((ours / theirs - 1.0).abs() < 1e-4, "{name} at {level}: {ours}, theirs {theirs}");
        }
    }
}

/// Parameters that are `sin(step)` after each step, under diffusers' `EMAModel`.
#[test]
fn the_average_is_diffusers() {
    let theirs = reference("ema");
    let params = Params::new(Seed::from_number(0));
    let _ = params.root().param("a", &[1], Init::Zeros);
    let settings =
        Settings { betas: [0.9, 0.95], epsilon: 1e-8, weight_decay: 0.1, clip: 1.0, decays: Decays::Everything };
    let optimizer = AdamW::new(params.pack(), settings);
    let mut ema = isoflop_torch::train::Ema::new(&optimizer, Ema { decay: 0.8, ramp: true });
    for (step, theirs) in numbers(&theirs).into_iter().enumerate() {
        let _ = tch::no_grad(|| optimizer.packed().flat.shallow_clone().fill_((step as f64 + 1.0).sin()));
        ema.update(&optimizer, step as u64 + 1);
        assert!((ema.flat().double_value(&[0]) - theirs).abs() < 1e-5);
    }
}

fn level_of(at: usize) -> Tensor {
    Tensor::from(i64::try_from(at).unwrap()).view([1])
}
