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

/// Normalizes each vector, then, unless it is plain, scales and shifts each entry.
#[derive(Debug)]
pub struct LayerNorm {
    width: i64,
    scale: Option<(Tensor, Tensor)>,
    epsilon: f64,
}

impl LayerNorm {
    /// Over vectors of `width`.
    pub fn new(path: &Path, width: i64) -> Self {
        let scale = (path.param("weight", &[width], Init::Ones), path.param("bias", &[width], Init::Zeros));
        Self { width, scale: Some(scale), epsilon: 1e-5 }
    }

    /// Over vectors of `width`, with nothing learned: somebody else modulates what comes out.
    pub fn plain(width: i64, epsilon: f64) -> Self {
        Self { width, scale: None, epsilon }
    }

    /// `[…, width]` to the same.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (weight, bias) = self.scale.as_ref().map_or((None, None), |(weight, bias)| (Some(weight), Some(bias)));
        x.layer_norm([self.width], weight, bias, self.epsilon, false)
    }
}
