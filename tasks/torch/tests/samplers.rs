//! Every sampler against diffusers' schedulers: `golden/samplers.py` made the numbers.

use isoflop_kinds::{sample::Sampler, train::Noise};
use isoflop_torch::diffusion::{Schedule, Walk};
use serde_json::Value;
use tch::Tensor;

fn wave(shift: f64, amplitude: f64) -> Tensor {
    let values: Vec<f64> = (0..12).map(|i| amplitude * (0.9 * f64::from(i) + shift).sin()).collect();
    Tensor::from_slice(&values)
}

#[test]
fn every_sampler_walks_as_diffusers_does() {
    let golden: Value = serde_json::from_str(include_str!("../golden/samplers.json")).unwrap();
    let schedule = Schedule::new(&Noise::default());
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 24);
    for case in cases {
        let sampler: Sampler = serde_json::from_value(case["sampler"].clone()).unwrap();
        let steps = case["steps"].as_u64().unwrap() as usize;
        let levels: Vec<usize> = (0..steps).rev().map(|i| i * (1000 / steps) + 1).collect();
        let (eta, clip) = (case["eta"].as_f64().unwrap(), case["clip"].as_bool().unwrap());
        let mut walk = Walk::new(sampler, &schedule, &levels, eta, clip);
        let mut x = wave(0.5, 2.0);
        for (k, &level) in levels.iter().enumerate() {
            let (noise, alpha) = (&x * 0.3 + 0.1, schedule.alpha(level));
            let image = (&x - &noise * (1.0 - alpha).sqrt()) / alpha.sqrt();
            x = walk.step(k, &x, (image, noise), || wave(1.7 * k as f64 + 3.0, 1.5));
        }
        let ours = Vec::<f64>::try_from(&x).unwrap();
        for (ours, theirs) in ours.iter().zip(case["out"].as_array().unwrap()) {
            let theirs = theirs.as_f64().unwrap();
            // Their products of alphas are single precision.
            assert!(
                (ours - theirs).abs() < 2e-4 * (1.0 + theirs.abs()),
                "{} of {steps} steps: {ours}, theirs {theirs}",
                case["sampler"]
            );
        }
    }
}
