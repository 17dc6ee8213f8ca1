//! Normalizations.

use tch::Tensor;

use super::{Init, Path};

/// Normalizes groups of channels, then scales and shifts each channel.
#[derive(Debug)]
pub struct GroupNorm {
    weight: Tensor,
    bias: Tensor,
    groups: i64,
    epsilon: f64,
}

impl GroupNorm {
    /// Over `channels` in `groups`.
    pub fn new(path: &Path, channels: i64, groups: i64, epsilon: f64) -> Self {
        let (weight, bias) =
            (path.param("weight", &[channels], Init::Ones), path.param("bias", &[channels], Init::Zeros));
        Self { weight, bias, groups, epsilon }
    }

    /// `[B, C, H, W]` to the same.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.group_norm(self.groups, Some(&self.weight), Some(&self.bias), self.epsilon, false)
    }
}

/// Normalizes each vector, then scales and shifts each entry.
#[derive(Debug)]
pub struct LayerNorm {
    weight: Tensor,
    bias: Tensor,
}

impl LayerNorm {
    /// Over vectors of `width`.
    pub fn new(path: &Path, width: i64) -> Self {
        Self { weight: path.param("weight", &[width], Init::Ones), bias: path.param("bias", &[width], Init::Zeros) }
    }

    /// `[…, width]` to the same.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.layer_norm(self.weight.size().as_slice(), Some(&self.weight), Some(&self.bias), 1e-5, false)
    }
}
