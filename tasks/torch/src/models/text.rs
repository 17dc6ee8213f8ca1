//! The small text encoder, for the config of `isoflop_kinds::model::Text`.

use isoflop_kinds::model;
use tch::Tensor;

use super::Attention;
use crate::nn::{Embedding, LayerNorm, Linear, Path};

/// Word and position tables, then pre-norm transformer layers.
#[derive(Debug)]
pub struct TextEncoder {
    token_embedding: Embedding,
    position_embedding: Embedding,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
}

/// Self-attention and a feed-forward, each behind a normalization and beside an identity.
#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    attn: Attention,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

impl TextEncoder {
    /// An encoder of this config, with tokens of `width`.
    pub fn new(path: &Path, config: &model::Text, width: i64) -> Self {
        let layer = |i: u64| {
            let path = path / "layers" / i;
            Layer {
                norm1: LayerNorm::new(&(&path / "norm1"), width),
                attn: Attention::new(&(&path / "attn"), width, width, config.heads as i64),
                norm2: LayerNorm::new(&(&path / "norm2"), width),
                fc1: Linear::new(&(&path / "fc1"), width, 4 * width),
                fc2: Linear::new(&(&path / "fc2"), 4 * width, width),
            }
        };
        Self {
            token_embedding: Embedding::new(&(path / "token_embedding"), config.vocabulary as i64, width, 1.0),
            position_embedding: Embedding::new(&(path / "position_embedding"), config.tokens as i64, width, 1.0),
            layers: (0..config.depth).map(layer).collect(),
            final_norm: LayerNorm::new(&(path / "final_norm"), width),
        }
    }

    /// Word numbers `[B, T]` to `[B, T, width]`.
    pub fn forward(&self, words: &Tensor) -> Tensor {
        let mut h = self.token_embedding.forward(words) + self.position_embedding.rows();
        for layer in &self.layers {
            let normed = layer.norm1.forward(&h);
            h = &h + layer.attn.forward(&normed, &normed);
            h = &h + layer.fc2.forward(&layer.fc1.forward(&layer.norm2.forward(&h)).gelu("none"));
        }
        self.final_norm.forward(&h)
    }
}
