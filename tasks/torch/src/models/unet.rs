//! The text-conditioned UNet, for the config and under the parameter names of `isoflop_kinds::model::Unet`.
//!
//! Layout of diffusers' `UNet2DConditionModel`. What LDM's code starts at zero starts at zero: second convolutions of residual blocks,
//! transformers' ways out, the last convolution; so the first prediction is zero and every branch is silent.

use std::rc::Rc;

use isoflop_kinds::model::{self, Rung};
use tch::Tensor;

use super::{Ladder, Resnet, Shape, Style, TimeEmbedding, Told, Transformer, resnet::double, sinusoid};
use crate::nn::{Conv2d, GroupNorm, LayerNorm, Linear, Path, block};

/// A text-conditioned UNet.
#[derive(Debug)]
pub struct Unet {
    time_embedding: TimeEmbedding,
    add_embedding: Option<Added>,
    conv_in: Conv2d,
    ladder: Ladder<Layer, Conv2d>,
    middle: (Resnet, Option<Transformer>, Resnet),
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

/// A residual block, with a transformer behind it where the level has attention.
type Layer = Rc<(Resnet, Option<Transformer>)>;

impl Unet {
    /// A UNet of this config, which has been checked.
    pub fn new(path: &Path, config: &model::Unet) -> Self {
        let (time, groups) = (config.time_width() as i64, config.norm_groups as i64);
        let first = config.channels[0] as i64;
        let transformer = |path: Path, width: i64, depth: u64, reads: bool| {
            let heads = config.heads_at(width as u64) as i64;
            let context = reads.then_some(config.cross_attention_dim as i64);
            let shape = Shape { width, depth, heads, context, groups, linear: config.linear_projection };
            (depth > 0).then(|| Transformer::new(&path, shape))
        };
        let resnet = |path: Path, from: i64, to: i64| Resnet::new(&path, [from, to], groups, Style::Added(time));

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

        let rungs = model::Ladder::new(&config.channels, config.layers_per_block);
        let layer = |level: &Path, rung: &Rung, number: u64| {
            let (depth, reads) = (config.transformer_depth[rung.level], config.cross_attention[rung.level]);
            Rc::new((
                resnet(level / "resnets" / number, rung.from as i64, rung.to as i64),
                transformer(level / "attentions" / number, rung.to as i64, depth, reads),
            ))
        };
        let resize = |path: &Path, rung: &Rung| {
            let (path, width) = (path / "conv", rung.to as i64);
            if rung.halves() { Conv2d::halving(&path, width, width) } else { Conv2d::new(&path, width, width, 3) }
        };
        let ladder = Ladder::new(path, &rungs, layer, resize);

        let width = rungs.width as i64;
        let mid = path / "mid_block";
        let middle = (
            resnet(&mid / "resnets" / 0, width, width),
            transformer(&mid / "attentions" / 0, width, config.middle_depth, config.middle_cross_attention),
            resnet(&mid / "resnets" / 1, width, width),
        );

        let conv_norm_out = GroupNorm::new(&(path / "conv_norm_out"), first, groups, 1e-5);
        let conv_out = Conv2d::zero(&(path / "conv_out"), first, config.out_channels as i64, 3);
        Self { time_embedding, add_embedding, conv_in, ladder, middle, conv_norm_out, conv_out }
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
        let layer = |layer: &Layer, h: &Tensor| {
            let layer = Rc::clone(layer);
            block(&[h, &time, text], move |inputs| {
                let (resnet, transformer) = &*layer;
                let h = resnet.forward(&inputs[0], Some(&inputs[1]));
                match transformer {
                    Some(transformer) => transformer.forward(&h, &inputs[2]),
                    None => h,
                }
            })
        };

        // 2. Down, keeping what leaves each block.
        let (h, kept) = self.ladder.down(self.conv_in.forward(x), layer, Conv2d::forward);

        // 3. Middle.
        let (before, transformer, after) = &self.middle;
        let mut h = before.forward(&h, Some(&time));
        if let Some(transformer) = transformer {
            h = transformer.forward(&h, text);
        }
        let h = after.forward(&h, Some(&time));

        // 4. Up, each layer beside what was kept.
        let h = self.ladder.up(h, kept, layer, |conv, h| conv.forward(&double(h)));

        // 5. Out.
        self.conv_out.forward(&self.conv_norm_out.forward(&h).silu())
    }
}
