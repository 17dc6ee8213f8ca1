//! Towers that learn a preference, held to HPS v2's own loss and options on transformers' towers: `golden/tuning.py` wrote the numbers.

use std::collections::BTreeMap;

use isoflop_contract::Seed;
use isoflop_kinds::{
    model::{Activation, ClipImage, ClipText, Tower},
    train::Decays,
};
use isoflop_torch::{
    metrics::preference_loss,
    models::Clip,
    nn::Params,
    train::{AdamW, Settings},
};
use serde_json::Value;
use tch::{Kind, Tensor, no_grad};

use crate::{fill, numbers, tensor};

fn towers(params: &Params) -> Clip {
    let tower = |layers| Tower { width: 32, layers, heads: 4, mlp: 80, activation: Activation::Gelu };
    let text =
        ClipText { tower: tower(3), vocabulary: 50, tokens: 9, end: 49, projection: Some(16), logit_scale: true };
    let clip =
        Clip::new(&params.root(), &text, &ClipImage { tower: tower(2), resolution: 12, patch: 4, projection: 16 });
    fill(params, 3.0);
    clip.sharpen(2.5_f64.exp());
    clip
}

fn loss(clip: &Clip) -> Tensor {
    let ids = [[48_i64, 3, 17, 9, 49, 0, 0], [48, 21, 30, 2, 11, 5, 49], [48, 7, 49, 0, 0, 0, 0]];
    let (texts, images) =
        (clip.read(&Tensor::from_slice2(&ids)), ["one", "other"].map(|name| tensor(name, &[3, 3, 12, 12], 1.0)));
    let cosine = |images: &Tensor| (clip.see(images) * &texts).sum_dim_intlist(1_i64, false, Kind::Float);
    preference_loss(&((cosine(&images[0]) - cosine(&images[1])) * clip.sharpness()))
}

fn near(what: &str, ours: f64, theirs: f64, within: f64) {
    assert!((ours - theirs).abs() <= within * theirs.abs().max(1e-3), "{what} is {ours}, theirs {theirs}");
}

#[test]
fn a_preference_is_learned_as_hps_learns_it() {
    let golden: Value = serde_json::from_str(include_str!("../../golden/companions/tuning.json")).unwrap();
    for case in golden["cases"].as_array().unwrap() {
        let frozen = ["text", "image"].map(|tower| case["frozen"][tower].as_u64().unwrap());
        let params = Params::new(Seed::from_number(1));
        let clip = towers(&params);
        let before: BTreeMap<String, Tensor> = params.state().into_iter().map(|(name, t)| (name, t.copy())).collect();
        params.freeze(|name| Clip::is_early(name, (frozen[0], frozen[1])));
        let settings =
            Settings { betas: [0.9, 0.98], epsilon: 1e-8, weight_decay: 0.35, decays: Decays::Matrices, clip: 1e9 };
        let mut optimizer = AdamW::new(params.pack(), settings);

        // What is trained has their gradients.
        loss(&clip).backward();
        let theirs = case["gradients"].as_object().unwrap();
        assert_eq!(optimizer.packed().names().len(), theirs.len(), "{frozen:?}");
        let gradient = optimizer.gradient();
        for (name, ours) in optimizer.packed().cut(&gradient) {
            near(&name, ours.norm().double_value(&[]), theirs[&name].as_f64().unwrap(), 1e-4);
        }

        // And goes where theirs goes; the rest stays where it was.
        for (step, theirs) in numbers(&case["losses"]).into_iter().enumerate() {
            let loss = loss(&clip);
            near(&format!("{frozen:?}, the loss of step {step}"), loss.double_value(&[]), theirs, 1e-4);
            let _ = optimizer.step(&loss, 1e-3);
        }
        let theirs = case["weights"].as_object().unwrap();
        for (name, ours) in params.state() {
            match theirs.get(&name) {
                // Keys' biases change nothing, so their gradients are rounding, and rounding is what steps them.
                Some(_) if name.ends_with("k_proj.bias") => {}
                Some(norm) => near(&name, ours.detach().norm().double_value(&[]), norm.as_f64().unwrap(), 1e-4),
                None => assert_eq!(ours, before[&name], "{name}"),
            }
        }
        let logarithm = no_grad(|| clip.sharpness()).double_value(&[]).ln();
        near("the temperature", logarithm, case["logit_scale"].as_f64().unwrap(), 1e-5);
    }
}
