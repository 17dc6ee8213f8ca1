//! One account of cost: closed forms in `tasks/kinds` against the networks that are built and the layers that run.
//!
//! Models of any size are built over hollow parameters and run on a batch of nothing: real operators, real shapes, no memory and no time.

#![expect(clippy::cast_possible_wrap, reason = "torch counts in i64, Rust in u64; these are small")]

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use isoflop_contract::Seed;
use isoflop_kinds::model::{
    self, Activation, AutoencoderKl, Backbone, Block, COMPANIONS, ClipImage, ClipText, Companion, Count, Dit, IfUnet,
    Inception, Network, PRESETS, Pixart, T5Encoder, TextTime, Tower, Unet, Uvit, inception::Resize,
};
use isoflop_torch::{
    forward::{Outputs, build, example},
    models::Denoiser,
    nn::{
        Params,
        tally::{self, Tally},
    },
};
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestRng, TestRunner},
};
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

/// Builds `config` over `params` and runs it on made-up inputs, on one thread: others that spin would wait for this small work.
fn hold(config: &Network, params: &Params, batch: u64, size: Option<u64>, tokens: Option<u64>) {
    tch::set_num_threads(1);
    let blocks = config.blocks_at(size, tokens).unwrap_or_else(|complaint| panic!("{config:?}: {complaint:?}"));
    let size = size.or(config.size()).unwrap_or(1);
    let network = build(params, config);
    let inputs = example(config, batch, size, tokens.or(config.tokens()).unwrap_or(1));
    let mut out = Outputs::new();
    let tally = tally::tally(|| out = no_grad(|| network.run(&inputs)).unwrap_or_else(|e| panic!("{config:?}: {e}")));
    inputs.all_used().unwrap();
    if let Some(sample) = out.get("sample") {
        let channels = match config {
            Network::Backbone(backbone) => backbone.out_channels(),
            Network::Companion(_) => inputs_of(config),
        };
        assert_eq!(sample.size(), [batch, channels, size, size].map(|n| n as i64));
    }
    assert!(!out.is_empty() && out.values().all(|tensor| tensor.size()[0] == batch as i64));
    agree(&blocks, params, &tally);
}

/// Channels of an autoencoder's images.
fn inputs_of(config: &Network) -> u64 {
    let Network::Companion(Companion::AutoencoderKl(config)) = config else { unreachable!("it makes images") };
    config.in_channels
}

#[test]
fn every_named_network_is_built_and_runs_as_counted() {
    let mut names = 0;
    for (name, _) in model::networks() {
        println!("{name}");
        hold(&model::network(name).unwrap(), &Params::hollow(), 0, None, None);
        names += 1;
    }
    assert_eq!(names, PRESETS.len() + COMPANIONS.len());
}

/// Counted by hooks on the layers of the public implementations.
#[test]
fn counts_are_those_of_the_public_implementations() {
    let all: Value = serde_json::from_str(include_str!("../golden/companions/reference.json")).unwrap();
    let counts = all["counts"].as_object().unwrap();
    assert!(counts.len() >= 14);
    for (name, theirs) in counts {
        let ours = Count::of(&model::network(name).unwrap().blocks());
        assert_eq!(ours.params, theirs["params"], "{name}");
        assert_eq!(ours.macs, theirs["macs"], "{name}");
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

fn tower() -> impl Strategy<Value = Tower> {
    (1..5_u64, 1..5_u64, 1..4_u64, 1..40_u64, any::<bool>()).prop_map(|(heads, head, layers, mlp, quick)| Tower {
        width: heads * head,
        layers,
        heads,
        mlp,
        activation: if quick { Activation::QuickGelu } else { Activation::Gelu },
    })
}

fn companion() -> impl Strategy<Value = Companion> {
    let autoencoder = (prop::collection::vec(1..4_u64, 1..5), 1..4_u64, 1..5_u64, 1..5_u64).prop_map(
        |(channels, layers_per_block, in_channels, latent_channels)| {
            Companion::AutoencoderKl(AutoencoderKl {
                in_channels,
                latent_channels,
                channels: channels.iter().map(|width| 4 * width).collect(),
                layers_per_block,
                norm_groups: 4,
                scaling_factor: 1.0,
            })
        },
    );
    let text = (tower(), 2..60_u64, 1..20_u64, prop::option::of(1..20_u64), any::<bool>()).prop_map(
        |(tower, vocabulary, tokens, projection, logit_scale)| {
            Companion::ClipText(ClipText { tower, vocabulary, tokens, end: vocabulary - 1, projection, logit_scale })
        },
    );
    let image = (tower(), 1..6_u64, 0..40_u64, 1..20_u64).prop_map(|(tower, patch, more, projection)| {
        Companion::ClipImage(ClipImage { tower, resolution: patch + more, patch, projection })
    });
    let t5 = ((1..30_u64, 1..4_u64, 1..5_u64, 1..9_u64), (1..40_u64, 1..5_u64, 1..60_u64, 1..20_u64)).prop_map(
        |((width, layers, heads, head_dim), (mlp, quarter, vocabulary, tokens))| {
            Companion::T5Encoder(T5Encoder {
                vocabulary,
                width,
                layers,
                heads,
                head_dim,
                mlp,
                buckets: 4 * quarter,
                max_distance: 4 * quarter,
                tokens,
            })
        },
    );
    let inception = any::<bool>().prop_map(|fid| {
        Companion::Inception(Inception { resize: if fid { Resize::PytorchFid } else { Resize::Tensorflow } })
    });
    prop_oneof![6 => autoencoder, 6 => text, 6 => image, 6 => t5, 1 => inception]
}

/// So many configs of backbones, and as many of what stands beside them.
const CONFIGS: u32 = 200;

/// Runs `holds` on random configs, the same in every run, and counts them by family.
fn for_any(strategy: &impl Strategy<Value = Network>, families: &[&str], holds: impl Fn(&Network)) {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(CONFIGS) };
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &[17; 32]);
    let met: RefCell<BTreeMap<&str, u32>> = RefCell::default();
    let run = TestRunner::new_with_rng(config, random).run(strategy, |network| {
        holds(&network);
        *met.borrow_mut().entry(network.family()).or_default() += 1;
        Ok(())
    });
    run.unwrap_or_else(|error| panic!("{error}"));
    let met = met.into_inner();
    println!("{met:?}");
    assert_eq!(met.values().sum::<u32>(), CONFIGS);
    assert_eq!(met.keys().copied().collect::<BTreeSet<_>>(), families.iter().copied().collect());
}

/// Free configs of every family of denoisers, on a batch of nothing and, with numbers, on one image.
#[test]
fn any_backbone_is_built_and_runs_as_counted() {
    let any = prop_oneof![2 => unet(), 1 => if_unet(), 3 => transformer()].prop_map(Network::Backbone);
    for_any(&any, &["unet", "if-unet", "pixart", "dit", "uvit"], |config| {
        let tokens = Some(6);
        hold(config, &Params::hollow(), 0, Some(8), tokens);
        hold(config, &Params::new(Seed::from_number(1)), 1, Some(8), tokens);
    });
}

/// Free configs of every family beside them, on a batch of nothing.
#[test]
fn any_companion_is_built_and_runs_as_counted() {
    let any = companion().prop_map(Network::Companion);
    for_any(&any, Companion::FAMILIES, |config| hold(config, &Params::hollow(), 0, None, None));
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
