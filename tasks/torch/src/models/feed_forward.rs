//! The feed-forward of PixArt and DiT, under diffusers' names.

use tch::Tensor;

use crate::nn::{Linear, Path};

/// To four times the width and back, through the tanh approximation of GELU.
#[derive(Debug)]
pub struct FeedForward {
    way_in: Linear,
    way_out: Linear,
}

impl FeedForward {
    /// Over vectors of `width`.
    pub fn new(path: &Path, width: i64) -> Self {
        let way_in = Linear::xavier(&(path / "net.0.proj"), width, 4 * width);
        Self { way_in, way_out: Linear::xavier(&(path / "net.2"), 4 * width, width) } // diffusers' 1 is a dropout
    }

    /// `[…, width]` to the same.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.way_out.forward(&self.way_in.forward(x).gelu("tanh"))
    }
}
