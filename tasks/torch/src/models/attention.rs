//! Multi-head attention between sequences, under diffusers' names.

use tch::Tensor;

use crate::nn::{Init, Linear, Path, attend};

/// Attention of one sequence to itself or to another.
#[derive(Debug)]
pub struct Attention {
    name: String,
    to_q: Linear,
    to_k: Linear,
    to_v: Linear,
    to_out: Linear,
    heads: i64,
}

impl Attention {
    /// From sequences of `width` to sequences of `context`, with `heads` heads. Queries, keys and values have no bias; the way out has one.
    pub fn new(path: &Path, width: i64, context: i64, heads: i64) -> Self {
        Self {
            name: path.name().to_owned(),
            to_q: Linear::unbiased(&(path / "to_q"), width, width),
            to_k: Linear::unbiased(&(path / "to_k"), context, width),
            to_v: Linear::unbiased(&(path / "to_v"), context, width),
            to_out: Linear::new(&(path / "to_out" / 0), width, width), // diffusers' 1 is a dropout
            heads,
        }
    }

    /// The same with biases everywhere, started as transformers are. `silent`, its way out is zero at first.
    pub fn biased(path: &Path, [width, context, heads]: [i64; 3], silent: bool) -> Self {
        let out = if silent { Init::Zeros } else { Init::xavier(width, width) };
        Self {
            name: path.name().to_owned(),
            to_q: Linear::xavier(&(path / "to_q"), width, width),
            to_k: Linear::xavier(&(path / "to_k"), context, width),
            to_v: Linear::xavier(&(path / "to_v"), context, width),
            to_out: Linear::with(&(path / "to_out" / 0), width, width, out, Some(Init::Zeros)),
            heads,
        }
    }

    /// `x: [B, N, width]`, `context: [B, M, context]` to `[B, N, width]`.
    pub fn forward(&self, x: &Tensor, context: &Tensor) -> Tensor {
        self.biased_forward(x, context, None)
    }

    /// The same with a `bias` on the scores that broadcasts to `[B, heads, N, M]`.
    pub fn biased_forward(&self, x: &Tensor, context: &Tensor, bias: Option<&Tensor>) -> Tensor {
        let (q, k, v) = (self.to_q.forward(x), self.to_k.forward(context), self.to_v.forward(context));
        self.to_out.forward(&attend(&self.name, [&q, &k, &v], self.heads, bias))
    }
}
