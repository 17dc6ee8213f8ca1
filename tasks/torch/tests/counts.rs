//! One account of cost: closed forms in `tasks/kinds` against the models that are built and the layers that run.
//!
//! Models of any size are built over hollow parameters and run on a batch of nothing: real operators, real shapes, no memory and no time.

#![expect(clippy::cast_possible_wrap, reason = "torch counts in i64, Rust in u64; these are small")]

use isoflop_contract::Seed;
use isoflop_kinds::model::{self, Backbone, Block, Count, Dit, IfUnet, PRESETS, Pixart, Preset, TextTime, Unet, Uvit};
use isoflop_torch::{
    models::{self, Denoiser, Told},
    nn::{
        Params,
        tally::{self, Tally},
    },
};
use proptest::prelude::*;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor, no_grad};

/// Sums of parameters and multiply-accumulates over what begins with each block's path.
fn by_block(blocks: &[Block], params: &Params, tally: &Tally) -> Vec<Block> {
    let inside =
        |path: &str, name: &str| name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let sizes = params.named();
    let sum = |path: &str| Block {
        path: path.to_owned(),
        params: sizes.iter().filter(|(name, _)| inside(path, name)).map(|(_, t)| t.numel() as u64).sum(),
        macs: tally.macs.iter().filter(|(name, _)| inside(path, name)).map(|(_, n)| n).sum(),
        products: tally.products.iter().filter(|(name, _)| inside(path, name)).map(|(_, n)| n).sum(),
    };
    blocks.iter().map(|block| sum(&block.path)).collect()
}

/// Block by block and in total: no parameter and no layer is outside of all blocks.
fn agree(blocks: &[Block], params: &Params, tally: &Tally) {
    assert_eq!(by_block(blocks, params, tally), blocks);
    let run =
        Count { params: params.count(), macs: tally.macs.values().sum(), products: tally.products.values().sum() };
    assert_eq!(run, Count::of(blocks));
}

/// Builds `config` and runs it on a batch of `batch` images, on one thread: others that spin would wait for this small work.
fn hold(config: &Backbone, params: &Params, batch: i64, size: i64, tokens: i64) {
    tch::set_num_threads(1);
    let backbone = models::Backbone::new(&params.root(), config);
    let zeros = |shape: &[i64]| Tensor::zeros(shape, (Kind::Float, Device::Cpu));
    let whole = |shape: &[i64]| Tensor::zeros(shape, (Kind::Int64, Device::Cpu));
    let width = config.text_width().unwrap_or(0) as i64;
    let pooled = match config {
        Backbone::Unet(Unet { text_time: Some(text_time), .. }) => text_time.pooled as i64,
        _ => width,
    };
    let told = Told {
        pooled: Some(zeros(&[batch, pooled])),
        sizes: Some(whole(&[batch, TextTime::NUMBERS as i64])),
        classes: Some(whole(&[batch])),
        ..Told::tokens(zeros(&[batch, tokens, width]))
    };
    let images = zeros(&[batch, config.in_channels() as i64, size, size]);
    let mut out = None;
    let tally = tally::tally(|| out = Some(no_grad(|| backbone.forward(&images, &whole(&[batch]), &told))));
    assert_eq!(out.unwrap().size(), [batch, config.out_channels() as i64, size, size]);
    agree(&config.blocks(size as u64, tokens as u64), params, &tally);
}

#[test]
fn every_preset_is_built_and_runs_as_counted() {
    for preset in PRESETS {
        println!("{}", preset.name);
        hold(&preset.backbone(), &Params::hollow(), 0, Preset::SIZE as i64, Preset::TOKENS as i64);
    }
}

fn unet() -> impl Strategy<Value = Backbone> {
    let levels = prop::collection::vec((1..4_u64, 0..3_u64, any::<bool>()), 1..4);
    let rest = (1..3_u64, 0..3_u64, any::<bool>(), prop::option::of(1..3_u64), any::<bool>(), 0..3_u8);
    (levels, rest, 1..5_u64, 1..30_u64).prop_map(|(levels, rest, channels, context)| {
        let (layers_per_block, middle_depth, middle_cross_attention, heads, linear_projection, told) = rest;
        Backbone::Unet(Unet {
            in_channels: channels,
            out_channels: 5 - channels,
            channels: levels.iter().map(|level| level.0 * 8).collect(),
            layers_per_block,
            transformer_depth: levels.iter().map(|level| level.1).collect(),
            middle_depth,
            cross_attention: levels.iter().map(|level| level.2).collect(),
            middle_cross_attention,
            head_dim: 4,
            heads,
            cross_attention_dim: context,
            norm_groups: 4,
            linear_projection,
            pooled_text: told == 1,
            text_time: (told == 2).then_some(TextTime { pooled: 7, width: 4 }),
        })
    })
}

fn if_unet() -> impl Strategy<Value = Backbone> {
    let levels = prop::collection::vec((1..4_u64, any::<bool>()), 1..4);
    (levels, 1..3_u64, 1..4_u64, prop::option::of(1..4_u64), any::<bool>()).prop_map(
        |(levels, layers_per_block, context, projected, learned_variance)| {
            Backbone::IfUnet(IfUnet {
                in_channels: 3,
                learned_variance,
                channels: levels.iter().map(|level| level.0 * 8).collect(),
                layers_per_block,
                attention: levels.iter().map(|level| level.1).collect(),
                head_dim: 8,
                cross_attention_dim: context * 8,
                encoder_hid_dim: projected.map(|width| width * 6),
                pooling_heads: 2,
                norm_groups: 4,
            })
        },
    )
}

fn transformer() -> impl Strategy<Value = Backbone> {
    let numbers = (1..5_u64, 1..5_u64, 1..4_u64, 0..3_u32, 1..30_u64);
    (numbers, 0..3_u8, any::<[bool; 3]>()).prop_map(|((heads, head, depth, patch, context), family, flags)| {
        let (width, patch, [learned_variance, second, third]) = (heads * head * 4, 1 << patch, flags);
        match family {
            0 => Backbone::Pixart(Pixart {
                in_channels: 3,
                learned_variance,
                width,
                depth,
                heads,
                patch,
                context,
                caption_projection: second,
                sample_size: third.then_some(8),
            }),
            1 => Backbone::Dit(Dit {
                in_channels: 3,
                learned_variance,
                width,
                depth,
                heads,
                patch,
                condition: if second { model::Condition::Classes(context) } else { model::Condition::Text(context) },
                embedding: if third { model::Embedding::Shared } else { model::Embedding::EachBlock },
                sample_size: None,
            }),
            _ => Backbone::Uvit(Uvit {
                in_channels: 3,
                size: 8,
                patch,
                width,
                depth: 2 * depth,
                heads,
                context,
                tokens: 6,
                qkv_bias: learned_variance,
                time_layers: second,
                final_conv: third,
            }),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Free configs, on a batch of nothing and, with numbers, on one image.
    #[test]
    fn any_config_is_built_and_runs_as_counted(config in prop_oneof![2 => unet(), 1 => if_unet(), 3 => transformer()]) {
        prop_assert_eq!(config.check(8, "backbone"), Ok(()));
        hold(&config, &Params::hollow(), 0, 8, 6);
        hold(&config, &Params::new(Seed::from_number(1)), 1, 8, 6);
    }
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
    let tally = no_grad(|| {
        tally::tally(|| {
            let out = denoiser.denoise(&images, &level, &denoiser.read(&captions));
            assert_eq!(out.size(), images.size());
        })
    });
    agree(&config.blocks(), &params, &tally);
}

/// The text encoder that is trained along is counted too.
#[test]
fn counts_hold_for_denoisers_of_every_family() {
    for mut backbone in [
        json!({"family": "unet", "channels": [16, 32, 64, 64], "transformer_depth": [1, 1, 1, 0], "middle_depth": 1, "head_dim": 8,
            "cross_attention_dim": 32, "norm_groups": 8, "linear_projection": false}),
        json!({"family": "unet", "channels": [16, 32], "transformer_depth": [1, 2], "head_dim": 8, "cross_attention_dim": 24,
            "norm_groups": 8, "pooled_text": true}),
        json!({"family": "unet", "channels": [8], "transformer_depth": [0], "head_dim": 8, "cross_attention_dim": 16, "norm_groups": 4,
            "text_time": {"pooled": 16, "width": 4}}),
        json!({"family": "if-unet", "channels": [16, 32], "attention": [true, false], "head_dim": 8, "cross_attention_dim": 24,
            "pooling_heads": 2, "norm_groups": 8}),
        json!({"family": "pixart", "width": 16, "depth": 2, "heads": 2, "context": 24, "learned_variance": true}),
        json!({"family": "dit", "width": 16, "depth": 2, "heads": 2, "condition": {"text": 24}}),
        json!({"family": "uvit", "size": 8, "width": 16, "depth": 2, "heads": 2, "context": 24, "tokens": 7}),
    ] {
        backbone["in_channels"] = 12.into();
        check(&backbone, 16, 2);
    }
}
