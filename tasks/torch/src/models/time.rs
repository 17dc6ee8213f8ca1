//! The noise level as a vector.

use tch::{Kind, Tensor};

use crate::nn::{Init, Linear, Path, constant};

/// Cosines then sines of the level at geometrically spaced frequencies from 1 down to just before 1/10000: `[B]` to `[B, width]`.
pub fn sinusoid(level: &Tensor, width: i64) -> Tensor {
    waves(level, width, width / 2)
}

/// The same at frequencies from 1 to 1/10000, both ends there.
pub fn closed_sinusoid(level: &Tensor, width: i64) -> Tensor {
    waves(level, width, width / 2 - 1)
}

fn waves(level: &Tensor, width: i64, steps: i64) -> Tensor {
    let frequencies = constant("frequencies", &[width, steps], level.device(), || {
        let frequency = |i: i64| (-(10_000_f64.ln()) * i as f64 / steps as f64).exp() as f32;
        Tensor::from_slice(&(0..width / 2).map(frequency).collect::<Vec<_>>()).unsqueeze(0)
    });
    let angles = level.to_kind(Kind::Float).unsqueeze(1) * frequencies;
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

    /// The same as transformers start it: normal weights of deviation 0.02, no bias at first.
    pub fn normal(path: &Path, from: i64, to: i64) -> Self {
        let linear =
            |name: &str, from: i64| Linear::with(&(path / name), from, to, Init::Normal(0.02), Some(Init::Zeros));
        Self { linear_1: linear("linear_1", from), linear_2: linear("linear_2", to), from }
    }

    /// What the layers make of vectors `[B, from]`, of any precision: `[B, to]` in their own.
    pub fn embed(&self, vectors: &Tensor) -> Tensor {
        self.linear_2.forward(&self.linear_1.forward(&vectors.to_kind(self.linear_1.kind())).silu())
    }

    /// Levels `[B]` to `[B, to]`.
    pub fn forward(&self, level: &Tensor) -> Tensor {
        self.embed(&sinusoid(level, self.from))
    }
}
