//! One account of cost: closed forms against the networks that are built and the layers that run.

use isoflop_kinds::model::{
    self, Activation, Block, COMPANIONS, ClipImage, ClipText, Companion, Count, T5Encoder, Tower, companion,
};
use isoflop_torch::{
    models,
    nn::{
        Params,
        tally::{self, Tally},
    },
};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor, no_grad};

use crate::reference;

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

/// Builds `config` without memory and runs it on a batch of nothing: block by block and in total, closed form, tensors and layers agree.
fn hold(config: &Companion) {
    tch::set_num_threads(1);
    assert_eq!(config.check("model"), Ok(()));
    let params = Params::hollow();
    let root = &params.root();
    let size = config.size().unwrap_or(0) as i64;
    let images = |channels: u64| Tensor::zeros([0, channels as i64, size, size], (Kind::Float, Device::Cpu));
    let ids = Tensor::zeros([0, config.tokens().unwrap_or(0) as i64], (Kind::Int64, Device::Cpu));
    let run = |network: &dyn Fn()| tally::tally(|| no_grad(network));
    let tally = match config {
        Companion::AutoencoderKl(config) => {
            let network = models::AutoencoderKl::new(root, config);
            run(&|| {
                let posterior = network.encode(&images(config.in_channels));
                let out = network.decode(&posterior.mean).size();
                assert_eq!(out, [0, config.in_channels as i64, size, size]);
            })
        }
        Companion::ClipText(config) => {
            let network = models::ClipText::new(root, config);
            run(&|| assert_eq!(network.forward(&ids).pooled.size(), [0, config.tower.width as i64]))
        }
        Companion::ClipImage(config) => {
            let network = models::ClipImage::new(root, config);
            run(&|| assert_eq!(network.forward(&images(3)).projected.size(), [0, config.projection as i64]))
        }
        Companion::T5Encoder(config) => {
            let network = models::T5Encoder::new(root, config);
            run(&|| assert_eq!(network.forward(&ids, None).size()[2], config.width as i64))
        }
        Companion::Inception(config) => {
            let network = models::Inception::new(root, config);
            run(&|| assert_eq!(network.forward(&images(3)).size(), [0, model::Inception::FEATURES as i64]))
        }
    };
    let blocks = config.blocks();
    assert_eq!(by_block(&blocks, &params, &tally), blocks);
    let run =
        Count { params: params.count(), macs: tally.macs.values().sum(), products: tally.products.values().sum() };
    assert_eq!(run, Count::of(&blocks));
}

#[test]
fn every_named_companion_is_built_and_runs_as_counted() {
    for named in COMPANIONS {
        println!("{}", named.name);
        hold(&named.config());
    }
}

/// Counted by hooks on the layers of the public implementations.
#[test]
fn counts_are_those_of_the_public_implementations() {
    let counts = reference("counts");
    let counts = counts.as_object().unwrap();
    assert!(counts.len() >= 14);
    for (name, theirs) in counts {
        let ours = Count::of(&companion(name).unwrap().config().blocks());
        assert_eq!(ours.params, theirs["params"], "{name}");
        assert_eq!(ours.macs, theirs["macs"], "{name}");
    }
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

fn any_companion() -> impl Strategy<Value = Companion> {
    let autoencoder = (prop::collection::vec(1..4_u64, 1..5), 1..4_u64, 1..5_u64, 1..5_u64).prop_map(
        |(channels, layers_per_block, in_channels, latent_channels)| {
            Companion::AutoencoderKl(model::AutoencoderKl {
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
    prop_oneof![autoencoder, text, image, t5]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_companion_is_built_and_runs_as_counted(config in any_companion()) {
        hold(&config);
    }
}
