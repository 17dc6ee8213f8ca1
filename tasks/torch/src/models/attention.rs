//! Multi-head attention (Vaswani et al. 2017, arXiv 1706.03762).

use tch::Tensor;

use crate::nn::{Linear, Path};

/// Attention of one sequence to itself or to another. Queries, keys and values have no bias; the way out has one.
#[derive(Debug)]
pub struct Attention {
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: i64,
}

impl Attention {
    /// From sequences of `width` to sequences of `context`, with `heads` heads.
    pub fn new(path: &Path, width: i64, context: i64, heads: i64) -> Self {
        Self {
            to_q: Linear::unbiased(&(path / "to_q"), width, width),
            to_k: Linear::unbiased(&(path / "to_k"), context, width),
            to_v: Linear::unbiased(&(path / "to_v"), context, width),
            to_out: Linear::new(&(path / "to_out" / 0), width, width), // diffusers' 1 is a dropout
            heads,
        }
    }

    /// `x: [B, N, width]`, `context: [B, M, context]` to `[B, N, width]`.
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        let (batch, length, width) = x.size3().expect("sequences have three dimensions");
        let split = |t: Tensor| {
            let (b, n, w) = t.size3().expect("sequences have three dimensions");
            t.view([b, n, self.heads, w / self.heads]).transpose(1, 2) // [B, heads, N, head]
        };
        let (q, k, v) = (self.to_q.forward(x), self.to_k.forward(context), self.to_v.forward(context));
        let out = Tensor::scaled_dot_product_attention(
            &split(q),
            &split(k),
            &split(v),
            None::<&Tensor>,
            0.0,
            false,
            None::<f64>,
            false,
        );
        self.to_out.forward(&out.transpose(1, 2).reshape([batch, length, width]))
    }
}
