//! The text-conditioned UNet, for the config and under the parameter names of `isoflop_kinds::model::Unet`.
//!
//! Layout of diffusers' `UNet2DConditionModel`. What LDM's code starts at zero starts at zero: second convolutions of residual blocks,
//! transformers' ways out, the last convolution; so the first prediction is zero and every branch is silent.

use isoflop_kinds::model;
use tch::Tensor;

use super::{Resnet, Shape, TimeEmbedding, Told, Transformer, sinusoid};
use crate::nn::{Conv2d, GroupNorm, LayerNorm, Linear, Path};

/// A text-conditioned UNet.
#[derive(Debug)]
pub struct Unet {
    time_embedding: TimeEmbedding,
    add_embedding: Option<Added>,
    conv_in: Conv2d,
    down: Vec<Level>,
    middle: (Resnet, Option<Transformer>, Resnet),
    up: Vec<Level>,
    conv_norm_out: GroupNorm,
    conv_out: Conv2d,
}

/// What is added to the time embedding.
#[derive(Debug)]
enum Added {
    /// The text as a whole, normalized, through one layer.
    Pooled(LayerNorm, Linear),
    /// The text as a whole and sinusoids of six numbers, this wide, through two layers.
    TextTime(TimeEmbedding, i64),
}

/// One level on the way down or up: residual blocks, each with its transformer where the level has attention, then a change of size.
#[derive(Debug)]
struct Level {
    layers: Vec<(Resnet, Option<Transformer>)>,
    resize: Option<Conv2d>,
}

impl Unet {
    /// A UNet of this config, which has been checked.
    pub fn new(path: &Path, config: &model::Unet) -> Self {
        let (time, groups) = (config.time_width() as i64, config.norm_groups as i64);
        let channels: Vec<i64> = config.channels.iter().map(|&c| c as i64).collect();
        let layers = config.layers_per_block;
        let (first, levels) = (channels[0], channels.len());
        let transformer = |path: Path, width: i64, depth: u64, reads: bool| {
            let heads = config.heads_at(width as u64) as i64;
            let context = reads.then_some(config.cross_attention_dim as i64);
            let shape = Shape { width, depth, heads, context, groups, linear: config.linear_projection };
            (depth > 0).then(|| Transformer::new(&path, shape))
        };
        let resnet = |path: Path, from: i64, to: i64| Resnet::new(&path, from, to, time, groups);

        let time_embedding = TimeEmbedding::new(&(path / "time_embedding"), first, time);
        let added = path / "add_embedding";
        let add_embedding = match config.text_time {
            Some(text_time) => {
                let layers = TimeEmbedding::new(&added, text_time.joined() as i64, time);
                Some(Added::TextTime(layers, text_time.width as i64))
            }
            None => config.pooled_text.then(|| {
                let width = config.cross_attention_dim as i64;
                Added::Pooled(LayerNorm::new(&(&added / "norm"), width), Linear::new(&(&added / "linear"), width, time))
            }),
        };
        let conv_in = Conv2d::new(&(path / "conv_in"), config.in_channels as i64, first, 3);

        let mut kept = vec![first];
        let mut width = first;
        let mut down = Vec::with_capacity(levels);
        for (level, &to) in channels.iter().enumerate() {
            let path = path / "down_blocks" / level;
            let mut pairs = Vec::new();
            for layer in 0..layers {
                let (depth, reads) = (config.transformer_depth[level], config.cross_attention[level]);
                let attention = transformer(&path / "attentions" / layer, to, depth, reads);
                pairs.push((resnet(&path / "resnets" / layer, width, to), attention));
                width = to;
                kept.push(width);
            }
            let resize = (level + 1 < levels).then(|| {
                kept.push(width);
                Conv2d::halving(&(&path / "downsamplers.0.conv"), width, width)
            });
            down.push(Level { layers: pairs, resize });
        }

        let mid = path / "mid_block";
        let middle = (
            resnet(&mid / "resnets" / 0, width, width),
            transformer(&mid / "attentions" / 0, width, config.middle_depth, config.middle_cross_attention),
            resnet(&mid / "resnets" / 1, width, width),
        );

        let mut up = Vec::with_capacity(levels);
        for (block, level) in (0..levels).rev().enumerate() {
            let path = path / "up_blocks" / block;
            let to = channels[level];
            let mut pairs = Vec::new();
            for layer in 0..=layers {
                let skip = kept.pop().expect("as many are kept as are taken");
                let (depth, reads) = (config.transformer_depth[level], config.cross_attention[level]);
                let attention = transformer(&path / "attentions" / layer, to, depth, reads);
                pairs.push((resnet(&path / "resnets" / layer, width + skip, to), attention));
                width = to;
            }
            let resize = (level > 0).then(|| Conv2d::new(&(&path / "upsamplers.0.conv"), width, width, 3));
            up.push(Level { layers: pairs, resize });
        }

        let conv_norm_out = GroupNorm::new(&(path / "conv_norm_out"), width, groups, 1e-5);
        let conv_out = Conv2d::zero(&(path / "conv_out"), width, config.out_channels as i64, 3);
        Self { time_embedding, add_embedding, conv_in, down, middle, up, conv_norm_out, conv_out }
    }

    /// `x: [B, in, S, S]`, `level: [B]` to `[B, out, S, S]`.
    pub fn forward(&self, x: &Tensor, level: &Tensor, told: &Told) -> Tensor {
        let text = &told.tokens;
        // 1. The noise level, with the caption as a whole where the config says so, activated once for all residual blocks.
        let mut time = self.time_embedding.forward(level);
        match &self.add_embedding {
            Some(Added::Pooled(norm, linear)) => time += linear.forward(&norm.forward(told.pooled())),
            Some(Added::TextTime(layers, width)) => {
                let sizes = told.sizes();
                let waves = sinusoid(&sizes.reshape([-1]), *width).view([sizes.size()[0], sizes.size()[1] * width]);
                time += layers.embed(&Tensor::cat(&[told.pooled(), &waves], 1));
            }
            None => {}
        }
        let time = time.silu();
        let layer = |(resnet, transformer): &(Resnet, Option<Transformer>), h: &Tensor| {
            let h = resnet.forward(h, &time);
            transformer.as_ref().map_or_else(|| h.shallow_clone(), |transformer| transformer.forward(&h, text))
        };

        // 2. Down, keeping what leaves each block.
        let mut h = self.conv_in.forward(x);
        let mut kept = vec![h.shallow_clone()];
        for level in &self.down {
            for pair in &level.layers {
                h = layer(pair, &h);
                kept.push(h.shallow_clone());
            }
            if let Some(halve) = &level.resize {
                h = halve.forward(&h);
                kept.push(h.shallow_clone());
            }
        }

        // 3. Middle.
        let (before, transformer, after) = &self.middle;
        h = before.forward(&h, &time);
        if let Some(transformer) = transformer {
            h = transformer.forward(&h, text);
        }
        h = after.forward(&h, &time);

        // 4. Up, each block beside what was kept.
        for level in &self.up {
            for pair in &level.layers {
                let skip = kept.pop().expect("as many are kept as are taken");
                h = layer(pair, &Tensor::cat(&[h, skip], 1));
            }
            if let Some(conv) = &level.resize {
                let (_, _, high, wide) = h.size4().expect("feature maps have four dimensions");
                h = conv.forward(&h.upsample_nearest2d([2 * high, 2 * wide], None::<f64>, None::<f64>));
            }
        }

        // 5. Out.
        self.conv_out.forward(&self.conv_norm_out.forward(&h).silu())
    }
}
