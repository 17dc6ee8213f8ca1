//! DiT, for the config and under the parameter names of `isoflop_kinds::model::Dit`.
//!
//! Layout of diffusers' `DiTTransformer2DModel`. Modulations and the last layer start at zero, so that every block is the identity at first
//! (adaLN-zero).

use std::rc::Rc;

use isoflop_kinds::model::{self, Condition, Embedding as Place};
use tch::Tensor;

use super::{Attention, CaptionProjection, FeedForward, TimeEmbedding, Told, closed_sinusoid};
use crate::nn::{Embedding, LayerNorm, Linear, Patches, Path, block, unpatch};

/// A transformer over patches, modulated by noise level and class or caption.
#[derive(Debug)]
pub struct Dit {
    pos_embed: Patches,
    caption_projection: Option<CaptionProjection>,
    blocks: Vec<Rc<Block>>,
    norm_out: LayerNorm,
    proj_out_1: Linear,
    proj_out_2: Linear,
    patch: i64,
}

/// The noise level as a vector, and the class with it.
#[derive(Debug)]
struct Emb {
    timestep_embedder: TimeEmbedding,
    class_embedder: Option<Embedding>,
    closed: bool,
}

impl Emb {
    fn new(path: &Path, config: &model::Dit) -> Self {
        let (from, width) = (model::Dit::SINUSOID as i64, config.width as i64);
        let table =
            |classes: u64| Embedding::new(&(path / "class_embedder.embedding_table"), classes as i64 + 1, width, 0.02);
        Self {
            timestep_embedder: TimeEmbedding::normal(&(path / "timestep_embedder"), from, width),
            class_embedder: match config.condition {
                Condition::Classes(classes) => Some(table(classes)),
                Condition::Text(_) => None,
            },
            // diffusers spaces the frequencies otherwise than the paper's code.
            closed: config.embedding == Place::EachBlock,
        }
    }

    /// Levels `[B]`, and what a text-conditioned network is told, `[B, h]`, to `[B, h]`.
    fn forward(&self, level: &Tensor, caption: Option<&Tensor>, told: &Told) -> Tensor {
        let time = if self.closed {
            self.timestep_embedder.embed(&closed_sinusoid(level, model::Dit::SINUSOID as i64))
        } else {
            self.timestep_embedder.forward(level)
        };
        match (&self.class_embedder, caption) {
            (Some(table), _) => time + table.forward(told.classes()),
            (None, Some(caption)) => time + caption,
            (None, None) => time,
        }
    }
}

/// Self-attention and a feed-forward, each shifted, scaled and gated by what the network is told.
#[derive(Debug)]
struct Block {
    emb: Option<Emb>,
    modulation: Linear,
    norm1: LayerNorm,
    attn1: Attention,
    norm3: LayerNorm,
    ff: FeedForward,
}

impl Block {
    fn new(path: &Path, config: &model::Dit, own: bool) -> Self {
        let (width, heads) = (config.width as i64, config.heads as i64);
        let norm1 = path / "norm1";
        Self {
            emb: own.then(|| Emb::new(&(&norm1 / "emb"), config)),
            modulation: Linear::zero(&(&norm1 / "linear"), width, 6 * width),
            norm1: LayerNorm::plain(width, 1e-6),
            attn1: Attention::biased(&(path / "attn1"), [width, width, heads], false),
            norm3: LayerNorm::plain(width, 1e-5),
            ff: FeedForward::new(&(path / "ff"), width),
        }
    }

    /// `x: [B, N, h]`, `told: [B, h]` to `[B, N, h]`.
    fn forward(&self, x: &Tensor, told: &Tensor) -> Tensor {
        let [shift_attn, scale_attn, gate_attn, shift_ff, scale_ff, gate_ff] =
            &self.modulation.forward(&told.silu()).unsqueeze(1).chunk(6, 2)[..]
        else {
            unreachable!("the modulation is six wide")
        };
        let normed = self.norm1.forward(x) * (scale_attn + 1.0) + shift_attn;
        let x = x + gate_attn * self.attn1.forward(&normed, &normed);
        let normed = self.norm3.forward(&x) * (scale_ff + 1.0) + shift_ff;
        &x + gate_ff * self.ff.forward(&normed)
    }
}

impl Dit {
    /// A transformer of this config, which has been checked.
    pub fn new(path: &Path, config: &model::Dit) -> Self {
        let [h, patch, channels] = [config.width, config.patch, config.in_channels].map(|n| n as i64);
        let span = config.sample_size.map(|size| (size as i64 / patch, 1.0));
        let made = |i| {
            let own = i == 0 || config.embedding == Place::EachBlock;
            Rc::new(Block::new(&(path / "transformer_blocks" / i), config, own))
        };
        let caption = |width| CaptionProjection::new(&(path / "caption_projection"), width as i64, h);
        Self {
            pos_embed: Patches::new(&(path / "pos_embed"), [channels, h, patch], span),
            caption_projection: config.text_width().map(caption),
            blocks: (0..config.depth).map(made).collect(),
            norm_out: LayerNorm::plain(h, 1e-6),
            proj_out_1: Linear::zero(&(path / "proj_out_1"), h, 2 * h),
            proj_out_2: Linear::zero(&(path / "proj_out_2"), h, patch * patch * config.out_channels() as i64),
            patch,
        }
    }

    /// `x: [B, in, S, S]`, `level: [B]` to `[B, out, S, S]`.
    pub fn forward(&self, x: &Tensor, level: &Tensor, told: &Told) -> Tensor {
        let (_, _, high, wide) = x.size4().expect("images have four dimensions");
        let mut h = self.pos_embed.forward(x); // [B, N, h]
        let caption = self.caption_projection.as_ref().map(|projection| projection.forward(told.pooled()));

        // The first block's embedding is everybody's who has none, and the last layer's.
        let embed = |block: &Block| block.emb.as_ref().map(|emb| emb.forward(level, caption.as_ref(), told));
        let first = self.blocks.first().and_then(|block| embed(block)).expect("the first block has an embedding");
        for (i, one) in self.blocks.iter().enumerate() {
            let own = if i == 0 { None } else { embed(one) };
            let one = Rc::clone(one);
            h = block(&[&h, own.as_ref().unwrap_or(&first)], move |inputs| one.forward(&inputs[0], &inputs[1]));
        }

        let last = self.proj_out_1.forward(&first.silu()).unsqueeze(1).chunk(2, 2); // shift, scale: [B, 1, h]
        let h = self.norm_out.forward(&h) * (&last[1] + 1.0) + &last[0];
        unpatch(&self.proj_out_2.forward(&h), [high / self.patch, wide / self.patch], self.patch)
    }
}
