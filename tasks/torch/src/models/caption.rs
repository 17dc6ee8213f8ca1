//! The caption embedding of PixArt, under diffusers' names.

use tch::Tensor;

use crate::nn::{Init, Linear, Path};

/// Two layers with the tanh approximation of GELU between them.
#[derive(Debug)]
pub struct CaptionProjection {
    linear_1: Linear,
    linear_2: Linear,
}

impl CaptionProjection {
    /// From vectors of `context` to vectors of `width`.
    pub fn new(path: &Path, context: i64, width: i64) -> Self {
        let linear =
            |name: &str, from: i64| Linear::with(&(path / name), from, width, Init::Normal(0.02), Some(Init::Zeros));
        Self { linear_1: linear("linear_1", context), linear_2: linear("linear_2", width) }
    }

    /// `[…, context]` to `[…, width]`.
    pub fn forward(&self, text: &Tensor) -> Tensor {
        self.linear_2.forward(&self.linear_1.forward(text).gelu("tanh"))
    }
}
