//! One account of cost: closed forms in `tasks/kinds` against the models that train and the layers that run.

use std::collections::BTreeMap;

use isoflop_contract::Seed;
use isoflop_kinds::model::{self, Block};
use isoflop_torch::{
    models::Denoiser,
    nn::{Params, tally},
};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, no_grad};

/// Sums of parameters and multiply-accumulates over what begins with each block's path.
fn by_block(blocks: &[Block], params: &Params, macs: &BTreeMap<String, u64>) -> Vec<Block> {
    let inside =
        |path: &str, name: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let sizes = params.named();
    let sum = |path: &str| Block {
        path: path.to_owned(),
        params: sizes.iter().filter(|(name, _)| inside(path, name)).map(|(_, t)| t.numel() as u64).sum(),
        macs: macs.iter().filter(|(name, _)| inside(path, name)).map(|(_, n)| n).sum(),
    };
    blocks.iter().map(|block| sum(&block.path)).collect()
}

fn check(backbone: &Value, size: i64, patch: i64) {
    let config: model::Denoiser = serde_json::from_value(json!({
        "backbone": backbone, "text": {"vocabulary": 20, "tokens": 7, "depth": 2, "heads": 2}, "resolution": size, "patch": patch
    }))
    .unwrap();
    config.check().unwrap();
    let params = Params::new(Seed::from_number(1));
    let denoiser = Denoiser::new(&params, &config);
    let images = Tensor::zeros([1, 3, size, size], (Kind::Float, Device::Cpu)).pixel_unshuffle(patch);
    let level = Tensor::from_slice(&[500_i64]);
    let captions = Tensor::zeros([1, 7], (Kind::Int64, Device::Cpu));
    let macs = no_grad(|| {
        tally::count(|| {
            let _ = denoiser.denoise(&images, &level, &denoiser.read(&captions));
        })
    });

    let blocks = config.blocks();
    assert_eq!(by_block(&blocks, &params, &macs), blocks);
    let count = config.count();
    assert_eq!((params.count(), macs.values().sum::<u64>()), (count.params, count.macs));
}

#[test]
fn counts_hold_for_an_sdxl_like_unet() {
    let backbone = json!({
        "family": "unet", "channels": [16, 32, 64], "layers_per_block": 2, "transformer_depth": [0, 2, 3], "head_dim": 16,
        "cross_attention_dim": 24, "norm_groups": 8
    });
    check(&backbone, 16, 1);
}

#[test]
fn counts_hold_for_an_sd2_like_unet() {
    let backbone = json!({
        "family": "unet", "channels": [16, 32, 64, 64], "layers_per_block": 1, "transformer_depth": [1, 1, 1, 0],
        "middle_depth": 1, "head_dim": 8, "cross_attention_dim": 32, "norm_groups": 8, "linear_projection": false
    });
    check(&backbone, 32, 1);
}

#[test]
fn counts_hold_without_attention() {
    let backbone = json!({
        "family": "unet", "channels": [8], "layers_per_block": 1, "transformer_depth": [0], "head_dim": 8,
        "cross_attention_dim": 16, "norm_groups": 4
    });
    check(&backbone, 5, 1);
}

#[test]
fn counts_hold_for_patches_and_pooled_text() {
    let backbone = json!({
        "family": "unet", "in_channels": 12, "channels": [16, 32], "layers_per_block": 1, "transformer_depth": [1, 2],
        "head_dim": 8, "cross_attention_dim": 24, "norm_groups": 8, "pooled_text": true
    });
    check(&backbone, 16, 2);
}
