//! The networks beside a denoiser, their weights and their tokens, held to what diffusers, transformers, pytorch-fid and torch-fidelity make of the same
//! numbers. `golden/companions.py` wrote those.

#![expect(clippy::cast_possible_wrap, reason = "torch counts in i64, Rust in u64; these are small")]

mod command;
mod outputs;
mod tokens;
mod tuning;
mod weights;

use std::path::PathBuf;

use isoflop_torch::nn::Params;
use serde_json::{Value, json};
use tch::{Kind, Tensor, no_grad};

fn golden(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/companions").join(file)
}

fn reference(name: &str) -> Value {
    let mut all: Value = serde_json::from_str(include_str!("../../golden/companions/reference.json")).unwrap();
    all[name].take()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

/// As in `companions.py`.
fn noise(name: &str, count: usize) -> Vec<f64> {
    let key = name.bytes().fold(2_166_136_261_u32, |key, byte| (key ^ u32::from(byte)).wrapping_mul(16_777_619));
    let number = |i: usize| {
        let mut x = (i as u32).wrapping_mul(2_654_435_761).wrapping_add(key);
        x = (x ^ (x >> 16)).wrapping_mul(2_246_822_507);
        x = (x ^ (x >> 13)).wrapping_mul(3_266_489_909);
        f64::from(x ^ (x >> 16)) / f64::from(1_u32 << 31) - 1.0
    };
    (0..count).map(number).collect()
}

fn tensor(name: &str, shape: &[i64], amplitude: f64) -> Tensor {
    let count: i64 = shape.iter().product();
    let values: Vec<f64> = noise(name, count as usize).into_iter().map(|x| amplitude * x).collect();
    Tensor::from_slice(&values).to_kind(Kind::Float).view(shape)
}

fn fill(params: &Params, gain: f64) {
    for (name, parameter) in params.state() {
        let shape = parameter.size();
        let value = if shape.len() > 1 {
            let inputs: i64 = shape[1..].iter().product();
            tensor(&name, &shape, (gain / inputs as f64).sqrt())
        } else if name.ends_with("running_var") {
            tensor(&name, &shape, 0.5) + 1.0
        } else {
            let scales =
                name.ends_with("weight") && ["norm", "layrnorm", ".bn."].iter().any(|word| name.contains(word));
            tensor(&name, &shape, 0.2) + if scales { 1.0 } else { 0.0 }
        };
        no_grad(|| parameter.shallow_clone().copy_(&value));
    }
}

/// The largest difference over the largest number, over the numbers that were stored; and the mean magnitude over all.
fn close(what: &str, ours: &Tensor, theirs: &Value) {
    assert_eq!(json!(ours.size()), theirs["shape"], "{what}");
    let flat = Vec::<f64>::try_from(ours.to_kind(Kind::Double).reshape([-1])).unwrap();
    let every = theirs["every"].as_u64().unwrap() as usize;
    let some = numbers(&theirs["some"]);
    let largest = some.iter().map(|x| x.abs()).fold(0.0, f64::max);
    let worst = flat.iter().step_by(every).zip(&some).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) / largest;
    let magnitude = flat.iter().map(|x| x.abs()).sum::<f64>() / flat.len() as f64;
    let apart = (magnitude / theirs["magnitude"].as_f64().unwrap() - 1.0).abs();
    println!("{what}: {worst:e} apart, {apart:e} in magnitude");
    assert!(worst < 2e-5 && apart < 2e-5, "{what}: {worst:e} apart, {apart:e} in magnitude");
}

fn ids() -> Tensor {
    Tensor::from_slice2(&[[48_i64, 3, 17, 9, 49, 0, 0], [48, 21, 30, 2, 11, 5, 49]])
}
