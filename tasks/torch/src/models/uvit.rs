//! U-ViT, for the config and under the parameter names of `isoflop_kinds::model::Uvit`: those of the authors' text-to-image code.

use std::rc::Rc;

use isoflop_kinds::model;
use tch::Tensor;

use super::{Told, sinusoid};
use crate::nn::{Conv2d, Init, LayerNorm, Linear, Path, attend, block, unpatch};

/// How linear layers and positions start.
const START: Init = Init::Normal(0.02);

/// A transformer over noise level, text and image tokens, with long skips.
#[derive(Debug)]
pub struct Uvit {
    patch_embed: Conv2d,
    time_embed: Option<(Linear, Linear)>,
    context_embed: Linear,
    pos_embed: Tensor,
    in_blocks: Vec<Rc<Block>>,
    mid_block: Rc<Block>,
    out_blocks: Vec<Rc<Block>>,
    norm: LayerNorm,
    decoder_pred: Linear,
    final_layer: Option<Conv2d>,
    width: i64,
    patch: i64,
}

/// Self-attention and a feed-forward, each behind a normalization and beside an identity; in the second half, what an early block left comes in first.
#[derive(Debug)]
struct Block {
    name: String,
    skip_linear: Option<Linear>,
    norm1: LayerNorm,
    qkv: Linear,
    proj: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    heads: i64,
}

/// A biased layer.
fn linear(path: &Path, from: i64, to: i64) -> Linear {
    Linear::with(path, from, to, START, Some(Init::Zeros))
}

impl Block {
    fn new(path: &Path, config: &model::Uvit, skip: bool) -> Self {
        let width = config.width as i64;
        let bias = config.qkv_bias.then_some(Init::Zeros);
        Self {
            name: (path / "attn").name().to_owned(),
            skip_linear: skip.then(|| linear(&(path / "skip_linear"), 2 * width, width)),
            norm1: LayerNorm::new(&(path / "norm1"), width),
            qkv: Linear::with(&(path / "attn.qkv"), width, 3 * width, START, bias),
            proj: linear(&(path / "attn.proj"), width, width),
            norm2: LayerNorm::new(&(path / "norm2"), width),
            fc1: linear(&(path / "mlp.fc1"), width, 4 * width),
            fc2: linear(&(path / "mlp.fc2"), 4 * width, width),
            heads: config.heads as i64,
        }
    }

    /// `x`, and for the second half `skip`: `[B, L, width]`, to the same.
    fn forward(&self, x: &Tensor, skip: Option<&Tensor>) -> Tensor {
        let x = match (&self.skip_linear, skip) {
            (Some(linear), Some(skip)) => linear.forward(&Tensor::cat(&[x, skip], 2)),
            _ => x.shallow_clone(),
        };
        let qkv = self.qkv.forward(&self.norm1.forward(&x)).chunk(3, 2);
        // The fused kernel wants each of the three on its own.
        let [q, k, v] = [0, 1, 2].map(|i: usize| qkv[i].contiguous());
        let x = &x + self.proj.forward(&attend(&self.name, [&q, &k, &v], self.heads, None));
        &x + self.fc2.forward(&self.fc1.forward(&self.norm2.forward(&x)).gelu("none"))
    }
}

impl Uvit {
    /// A transformer of this config, which has been checked.
    pub fn new(path: &Path, config: &model::Uvit) -> Self {
        let [width, patch, channels] = [config.width, config.patch, config.in_channels].map(|n| n as i64);
        let (half, length) = (config.depth / 2, config.length() as i64);
        let made = |path: Path, skips: bool| Rc::new(Block::new(&path, config, skips));
        let time = path / "time_embed";
        let time_embed = || (linear(&(&time / 0), width, 4 * width), linear(&(&time / 2), 4 * width, width));
        Self {
            patch_embed: Conv2d::patches(
                &(path / "patch_embed.proj"),
                channels,
                width,
                patch,
                Init::fan_in(channels * patch * patch),
            ),
            time_embed: config.time_layers.then(time_embed),
            context_embed: linear(&(path / "context_embed"), config.context as i64, width),
            pos_embed: path.param("pos_embed", &[1, length, width], START),
            in_blocks: (0..half).map(|i| made(path / "in_blocks" / i, false)).collect(),
            mid_block: made(path / "mid_block", false),
            out_blocks: (0..half).map(|i| made(path / "out_blocks" / i, true)).collect(),
            norm: LayerNorm::new(&(path / "norm"), width),
            decoder_pred: linear(&(path / "decoder_pred"), width, patch * patch * channels),
            final_layer: config.final_conv.then(|| Conv2d::new(&(path / "final_layer"), channels, channels, 3)),
            width,
            patch,
        }
    }

    /// `x: [B, C, S, S]`, `level: [B]` to `[B, C, S, S]`.
    pub fn forward(&self, x: &Tensor, level: &Tensor, told: &Told) -> Tensor {
        let (_, _, high, wide) = x.size4().expect("images have four dimensions");

        // 1. One sequence [B, 1 + T + N, width]: the noise level, the text, the image.
        let image = self.patch_embed.forward(x).flatten(2, 3).transpose(1, 2);
        let mut time = sinusoid(level, self.width).to_kind(x.kind());
        if let Some((first, second)) = &self.time_embed {
            time = second.forward(&first.forward(&time).silu());
        }
        let text = self.context_embed.forward(&told.tokens);
        let before = 1 + text.size()[1];
        let mut h = Tensor::cat(&[time.unsqueeze(1), text, image], 1) + &self.pos_embed;

        // 2. The first half, whose results are kept, the middle, and the second half, which takes them last first.
        let mut kept = Vec::with_capacity(self.in_blocks.len());
        let alone = |one: &Rc<Block>, h: &Tensor| {
            let one = Rc::clone(one);
            block(&[h], move |inputs| one.forward(&inputs[0], None))
        };
        for one in &self.in_blocks {
            h = alone(one, &h);
            kept.push(h.shallow_clone());
        }
        h = alone(&self.mid_block, &h);
        for one in &self.out_blocks {
            let (one, skip) = (Rc::clone(one), kept.pop().expect("the halves are as long"));
            h = block(&[&h, &skip], move |inputs| one.forward(&inputs[0], Some(&inputs[1])));
        }

        // 3. Out, without what came of level and text.
        let out = self.decoder_pred.forward(&self.norm.forward(&h));
        let image = out.narrow(1, before, out.size()[1] - before);
        let image = unpatch(&image, [high / self.patch, wide / self.patch], self.patch);
        self.final_layer.as_ref().map_or(image.shallow_clone(), |conv| conv.forward(&image))
    }
}
