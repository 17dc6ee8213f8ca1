//! The spatial transformer of latent diffusion (Rombach et al. 2022, arXiv 2112.10752, section 3.3).

use tch::Tensor;

use super::Attention;
use crate::nn::{Conv2d, GroupNorm, LayerNorm, Linear, Path};

/// Self-attention, cross-attention where the text is read, and a gated feed-forward, each behind a normalization and beside an identity.
#[derive(Debug)]
pub struct TransformerBlock {
    norm1: LayerNorm,
    attn1: Attention,
    cross: Option<(LayerNorm, Attention)>,
    norm3: LayerNorm,
    ff_in: Linear,
    ff_out: Linear,
}

impl TransformerBlock {
    /// Over sequences of `width`, reading contexts of `context`, if any.
    pub fn new(path: &Path, width: i64, context: Option<i64>, heads: i64) -> Self {
        let cross = |context| {
            let attention = Attention::new(&(path / "attn2"), width, context, heads);
            (LayerNorm::new(&(path / "norm2"), width), attention)
        };
        Self {
            norm1: LayerNorm::new(&(path / "norm1"), width),
            attn1: Attention::new(&(path / "attn1"), width, width, heads),
            cross: context.map(cross),
            norm3: LayerNorm::new(&(path / "norm3"), width),
            ff_in: Linear::new(&(path / "ff.net.0.proj"), width, 8 * width),
            ff_out: Linear::new(&(path / "ff.net.2"), 4 * width, width),
        }
    }

    /// `x: [B, N, width]`, `context: [B, M, context]` to `[B, N, width]`.
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        let normed = self.norm1.forward(x);
        let mut x = x + self.attn1.forward(&normed, &normed);
        if let Some((norm, attention)) = &self.cross {
            x = &x + attention.forward(&norm.forward(&x), context);
        }
        let halves = self.ff_in.forward(&self.norm3.forward(&x)).chunk(2, -1); // GEGLU, arXiv 2002.05202
        let gated = &halves[0] * halves[1].gelu("none");
        &x + self.ff_out.forward(&gated)
    }
}

/// Transformer blocks over the pixels of a feature map.
#[derive(Debug)]
pub struct Transformer {
    norm: GroupNorm,
    proj_in: Projection,
    blocks: Vec<TransformerBlock>,
    proj_out: Projection,
}

/// The way in or out: a linear layer over pixels, or its older spelling as a 1×1 convolution.
#[derive(Debug)]
enum Projection {
    Linear(Linear),
    Conv(Conv2d),
}

/// What decides a transformer.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Channels of the feature map.
    pub width: i64,
    /// Number of blocks.
    pub depth: u64,
    /// Attention heads.
    pub heads: i64,
    /// Width of the text tokens, if they are read.
    pub context: Option<i64>,
    /// Groups of the normalization.
    pub groups: i64,
    /// Linear layers rather than 1×1 convolutions around the blocks.
    pub linear: bool,
}

impl Transformer {
    /// A transformer of this shape. It is the identity at first: its way out starts at zero, as in the paper's code.
    pub fn new(path: &Path, shape: Shape) -> Self {
        let Shape { width, depth, heads, context, groups, linear } = shape;
        let (way_in, way_out) = (path / "proj_in", path / "proj_out");
        let (proj_in, proj_out) = if linear {
            let (way_in, way_out) = (Linear::new(&way_in, width, width), Linear::zero(&way_out, width, width));
            (Projection::Linear(way_in), Projection::Linear(way_out))
        } else {
            let (way_in, way_out) = (Conv2d::new(&way_in, width, width, 1), Conv2d::zero(&way_out, width, width, 1));
            (Projection::Conv(way_in), Projection::Conv(way_out))
        };
        let norm = GroupNorm::new(&(path / "norm"), width, groups, 1e-6);
        let block = |i| TransformerBlock::new(&(path / "transformer_blocks" / i), width, context, heads);
        Self { norm, proj_in, blocks: (0..depth).map(block).collect(), proj_out }
    }

    /// `x: [B, C, H, W]`, `context: [B, M, context]` to `[B, C, H, W]`.
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        let (batch, width, high, wide) = x.size4().expect("feature maps have four dimensions");
        let tokens = |map: &Tensor| map.permute([0, 2, 3, 1]).reshape([batch, high * wide, width]);
        let map = |tokens: &Tensor| tokens.reshape([batch, high, wide, width]).permute([0, 3, 1, 2]).contiguous();
        let normed = self.norm.forward(x);
        let mut h = match &self.proj_in {
            Projection::Linear(linear) => linear.forward(&tokens(&normed)),
            Projection::Conv(conv) => tokens(&conv.forward(&normed)),
        };
        for block in &self.blocks {
            h = block.forward(&h, context);
        }
        x + match &self.proj_out {
            Projection::Linear(linear) => map(&linear.forward(&h)),
            Projection::Conv(conv) => conv.forward(&map(&h)),
        }
    }
}
