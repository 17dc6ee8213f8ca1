//! PixArt-α, for the config and under the parameter names of `isoflop_kinds::model::Pixart`.
//!
//! Layout of diffusers' `PixArtTransformer2DModel`. What the authors' code starts at zero starts at zero: cross-attentions' ways out and the last
//! layer.

use std::rc::Rc;

use isoflop_kinds::model;
use tch::Tensor;

use super::{Attention, CaptionProjection, FeedForward, TimeEmbedding, Told};
use crate::nn::{Init, LayerNorm, Linear, Patches, Path, block, unpatch};

/// A transformer over patches that cross-attends to the text.
#[derive(Debug)]
pub struct Pixart {
    pos_embed: Patches,
    timestep_embedder: TimeEmbedding,
    modulation: Linear,
    caption_projection: Option<CaptionProjection>,
    blocks: Vec<Rc<Block>>,
    norm_out: LayerNorm,
    scale_shift_table: Tensor,
    proj_out: Linear,
    patch: i64,
}

/// Self-attention and a feed-forward, each shifted, scaled and gated by the noise level (adaLN-single), and a cross-attention between them.
#[derive(Debug)]
struct Block {
    scale_shift_table: Tensor,
    norm: LayerNorm,
    attn1: Attention,
    attn2: Attention,
    ff: FeedForward,
}

impl Block {
    fn new(path: &Path, width: i64, context: i64, heads: i64) -> Self {
        Self {
            scale_shift_table: table(path, 6, width),
            norm: LayerNorm::plain(width, 1e-6),
            attn1: Attention::biased(&(path / "attn1"), [width, width, heads], false),
            attn2: Attention::biased(&(path / "attn2"), [width, context, heads], true),
            ff: FeedForward::new(&(path / "ff"), width),
        }
    }

    /// `x: [B, N, h]`, `modulation: [B, 6, h]`, `text: [B, T, context]` to `[B, N, h]`.
    fn forward(&self, x: &Tensor, modulation: &Tensor, text: &Tensor, hidden: Option<&Tensor>) -> Tensor {
        let [shift_attn, scale_attn, gate_attn, shift_ff, scale_ff, gate_ff] =
            &(&self.scale_shift_table + modulation).chunk(6, 1)[..]
        else {
            unreachable!("six rows were added")
        };
        let normed = self.norm.forward(x) * (scale_attn + 1.0) + shift_attn;
        let x = x + gate_attn * self.attn1.forward(&normed, &normed);
        let x = &x + self.attn2.biased_forward(&x, text, hidden); // not normalized, as in the authors' code
        let normed = self.norm.forward(&x) * (scale_ff + 1.0) + shift_ff;
        &x + gate_ff * self.ff.forward(&normed)
    }
}

/// So many rows of a scale-shift table, as large as one over the root of the width.
fn table(path: &Path, rows: i64, width: i64) -> Tensor {
    path.param("scale_shift_table", &[rows, width], Init::Normal(1.0 / (width as f64).sqrt()))
}

impl Pixart {
    /// A transformer of this config, which has been checked.
    pub fn new(path: &Path, config: &model::Pixart) -> Self {
        let [h, heads, patch] = [config.width, config.heads, config.patch].map(|n| n as i64);
        let [channels, context] = [config.in_channels, config.cross_attention_dim()].map(|n| n as i64);
        // Larger models were trained on positions closer together.
        let span = config.sample_size.map(|size| (size as i64 / patch, (size / 64).max(1) as f64));
        let adaln = path / "adaln_single";
        let caption = || CaptionProjection::new(&(path / "caption_projection"), config.context as i64, h);
        Self {
            pos_embed: Patches::new(&(path / "pos_embed"), [channels, h, patch], span),
            timestep_embedder: TimeEmbedding::normal(
                &(&adaln / "emb.timestep_embedder"),
                model::Pixart::SINUSOID as i64,
                h,
            ),
            modulation: Linear::with(&(&adaln / "linear"), h, 6 * h, Init::Normal(0.02), Some(Init::Zeros)),
            caption_projection: config.caption_projection.then(caption),
            blocks: (0..config.depth)
                .map(|i| Rc::new(Block::new(&(path / "transformer_blocks" / i), h, context, heads)))
                .collect(),
            norm_out: LayerNorm::plain(h, 1e-6),
            scale_shift_table: table(path, 2, h),
            proj_out: Linear::zero(&(path / "proj_out"), h, patch * patch * config.out_channels() as i64),
            patch,
        }
    }

    /// `x: [B, in, S, S]`, `level: [B]` to `[B, out, S, S]`.
    pub fn forward(&self, x: &Tensor, level: &Tensor, told: &Told) -> Tensor {
        let (batch, _, high, wide) = x.size4().expect("images have four dimensions");

        // 1. The image as tokens, the noise level as a vector and as the shared modulation, the text at the width that attention reads.
        let mut h = self.pos_embed.forward(x); // [B, N, h]
        let time = self.timestep_embedder.forward(level); // [B, h]
        let modulation = self.modulation.forward(&time.silu()).view([batch, 6, time.size()[1]]);
        let text = match &self.caption_projection {
            Some(projection) => projection.forward(&told.tokens),
            None => told.tokens.shallow_clone(),
        };
        // What is not there gets a score that leaves nothing of it.
        let hidden = told.mask.as_ref().map(|mask| (mask.to_kind(x.kind()) - 1.0).unsqueeze(1).unsqueeze(1) * 10_000.0);

        // 2. The blocks.
        for one in &self.blocks {
            let (one, hidden) = (Rc::clone(one), hidden.as_ref().map(Tensor::shallow_clone));
            h = block(&[&h, &modulation, &text], move |inputs| {
                one.forward(&inputs[0], &inputs[1], &inputs[2], hidden.as_ref())
            });
        }

        // 3. Out.
        let last = (&self.scale_shift_table + time.unsqueeze(1)).chunk(2, 1); // shift, scale: [B, 1, h]
        let h = self.norm_out.forward(&h) * (&last[1] + 1.0) + &last[0];
        unpatch(&self.proj_out.forward(&h), [high / self.patch, wide / self.patch], self.patch)
    }
}
