//! The encoder of T5 v1.1 (Raffel et al. 2020, arXiv 1910.10683), for the config of `isoflop_kinds::model::T5Encoder`.

use isoflop_kinds::model;
use tch::{Kind, Tensor};

use crate::nn::{Embedding, Init, Linear, Path, attend};

/// The encoder.
#[derive(Debug)]
pub struct T5Encoder {
    shared: Embedding,
    relative_attention_bias: Embedding,
    blocks: Vec<Block>,
    final_layer_norm: RootNorm,
    buckets: i64,
    max_distance: i64,
}

impl T5Encoder {
    /// An encoder of this config, which has been checked.
    pub fn new(path: &Path, config: &model::T5Encoder) -> Self {
        let (width, buckets) = (config.width as i64, config.buckets as i64);
        let blocks = path / "encoder.block";
        let distances = &blocks / "0.layer.0.SelfAttention.relative_attention_bias";
        Self {
            shared: Embedding::new(&(path / "shared"), config.vocabulary as i64, width, 1.0),
            relative_attention_bias: {
                Embedding::new(&distances, buckets, config.heads as i64, (width as f64).powf(-0.5))
            },
            blocks: (0..config.layers).map(|i| Block::new(&(&blocks / i), config)).collect(),
            final_layer_norm: RootNorm::new(&(path / "encoder.final_layer_norm"), width),
            buckets,
            max_distance: config.max_distance as i64,
        }
    }

    /// Token numbers `[B, T]` to `[B, T, width]`. Tokens where `mask`, `[B, T]`, is 0 are seen by none.
    pub fn forward(&self, ids: &Tensor, mask: Option<&Tensor>) -> Tensor {
        let (_, length) = ids.size2().expect("token numbers have two dimensions");
        let rows = buckets(length, self.buckets, self.max_distance).to_device(ids.device());
        let mut bias = self.relative_attention_bias.forward(&rows).permute([2, 0, 1]).unsqueeze(0); // [1, heads, T, T]
        if let Some(mask) = mask {
            let hidden = mask.eq(0).unsqueeze(1).unsqueeze(1); // [B, 1, 1, T]
            bias = bias.masked_fill(&hidden, least(bias.kind()));
        }
        let h = self.blocks.iter().fold(self.shared.forward(ids), |h, block| block.forward(&h, &bias));
        self.final_layer_norm.forward(&h)
    }
}

/// Which row of the table of distances each pair of places reads, `[T, T]`: half of the rows for keys before the query and half for those after it, of
/// which half are single distances and the rest grow wider up to `farthest`.
fn buckets(length: i64, rows: i64, farthest: i64) -> Tensor {
    let half = rows / 2;
    let single = half / 2;
    let row = |query: i64, key: i64| {
        let distance = (key - query).abs();
        let side = if key > query { half } else { 0 };
        if distance < single {
            return side + distance;
        }
        // In single precision and in this order, as the reference does: rows must not differ by a rounding.
        let octave = (distance as f32 / single as f32).ln() / ((farthest as f64 / single as f64).ln() as f32);
        let grown = single + (octave * (half - single) as f32) as i64;
        side + grown.min(half - 1)
    };
    let rows: Vec<i64> = (0..length).flat_map(|query| (0..length).map(move |key| row(query, key))).collect();
    Tensor::from_slice(&rows).view([length, length])
}

/// The least number of a precision.
fn least(kind: Kind) -> f64 {
    match kind {
        Kind::BFloat16 => -3.389_531_389_251_535_5e38, // -(2 - 2⁻⁷) 2¹²⁷
        _ => f64::from(f32::MIN),
    }
}

/// Self-attention and a gated feed-forward, each behind a normalization and beside an identity.
#[derive(Debug)]
struct Block {
    name: String,
    attention_norm: RootNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    feed_forward_norm: RootNorm,
    gate: Linear,
    up: Linear,
    down: Linear,
    heads: i64,
    head_dim: i64,
}

impl Block {
    fn new(path: &Path, config: &model::T5Encoder) -> Self {
        let (width, inner, mlp) = (config.width as i64, config.inner() as i64, config.mlp as i64);
        let (attention, feed_forward) = (path / "layer.0.SelfAttention", path / "layer.1.DenseReluDense");
        // The paper's own starts: scores are not divided, so queries start small.
        let start = |path: Path, from: i64, to: i64, variance: f64| {
            Linear::with(&path, from, to, Init::Normal(variance.powf(-0.5)), None)
        };
        let (width_f, inner_f, head_f) = (width as f64, inner as f64, config.head_dim as f64);
        Self {
            name: attention.name().to_owned(),
            attention_norm: RootNorm::new(&(path / "layer.0.layer_norm"), width),
            q: start(&attention / "q", width, inner, width_f * head_f),
            k: start(&attention / "k", width, inner, width_f),
            v: start(&attention / "v", width, inner, width_f),
            o: start(&attention / "o", inner, width, inner_f),
            feed_forward_norm: RootNorm::new(&(path / "layer.1.layer_norm"), width),
            gate: start(&feed_forward / "wi_0", width, mlp, width_f),
            up: start(&feed_forward / "wi_1", width, mlp, width_f),
            down: start(&feed_forward / "wo", mlp, width, mlp as f64),
            heads: config.heads as i64,
            head_dim: config.head_dim as i64,
        }
    }

    /// `[B, T, width]` to the same; `bias`, `[1 or B, heads, T, T]`, is added to the scores.
    fn forward(&self, x: &Tensor, bias: &Tensor) -> Tensor {
        // T5 does not divide its scores by the root of a head's width, which attention elsewhere does: undone beforehand.
        let h = self.attention_norm.forward(x);
        let q = self.q.forward(&h) * (self.head_dim as f64).sqrt();
        let (k, v) = (self.k.forward(&h), self.v.forward(&h));
        let x = x + self.o.forward(&attend(&self.name, [&q, &k, &v], self.heads, Some(bias)));
        let h = self.feed_forward_norm.forward(&x);
        let gated = self.gate.forward(&h).gelu("tanh") * self.up.forward(&h);
        x + self.down.forward(&gated)
    }
}

/// Divides each vector by its root mean square, then scales each entry: no mean is taken out and none is added.
#[derive(Debug)]
struct RootNorm {
    weight: Tensor,
}

impl RootNorm {
    fn new(path: &Path, width: i64) -> Self {
        Self { weight: path.param("weight", &[width], Init::Ones) }
    }

    /// In single precision, and back to its own before it scales.
    fn forward(&self, x: &Tensor) -> Tensor {
        let x = x.to_kind(Kind::Float);
        let mean_square = x.square().mean_dim(-1_i64, true, None::<Kind>);
        (x * (mean_square + 1e-6).rsqrt()).to_kind(self.weight.kind()) * &self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Distances as the paper describes them: 32 rows, exact up to 7, then wider up to 128.
    #[test]
    fn distances_are_exact_near_by_and_wider_far_off() {
        let rows = buckets(200, 32, 128);
        let row = |query: i64, key: i64| rows.int64_value(&[query, key]);
        assert_eq!([row(5, 5), row(5, 4), row(8, 1), row(8, 0)], [0, 1, 7, 8]);
        assert_eq!([row(5, 6), row(1, 8), row(0, 8)], [17, 23, 24]);
        assert_eq!([row(199, 199 - 127), row(199, 199 - 128), row(199, 0)], [15, 15, 15]);
        assert_eq!(row(0, 199), 31);
    }
}
