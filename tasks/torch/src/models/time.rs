//! The noise level as a vector.

use tch::{Kind, Tensor};

use crate::nn::{Linear, Path};

/// Cosines then sines of the level at geometrically spaced frequencies from 1 to 1/10000: `[B]` to `[B, width]`.
pub fn sinusoid(level: &Tensor, width: i64) -> Tensor {
    let half = width / 2;
    let frequencies: Vec<f32> = (0..half).map(|i| (-(10_000_f64.ln()) * i as f64 / half as f64).exp() as f32).collect();
    let angles = level.to_kind(Kind::Float).unsqueeze(1) * Tensor::from_slice(&frequencies).unsqueeze(0);
    Tensor::cat(&[angles.cos(), angles.sin()], 1)
}

/// The sinusoid of a level, then two linear layers.
#[derive(Debug)]
pub struct TimeEmbedding {
    linear_1: Linear,
    linear_2: Linear,
    from: i64,
}

impl TimeEmbedding {
    /// From sinusoids of `from` to vectors of `to`.
    pub fn new(path: &Path, from: i64, to: i64) -> Self {
        let (linear_1, linear_2) =
            (Linear::new(&(path / "linear_1"), from, to), Linear::new(&(path / "linear_2"), to, to));
        Self { linear_1, linear_2, from }
    }

    /// Levels `[B]` to `[B, to]`.
    pub fn forward(&self, level: &Tensor) -> Tensor {
        self.linear_2.forward(&self.linear_1.forward(&sinusoid(level, self.from)).silu())
    }
}
