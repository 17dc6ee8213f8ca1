//! The residual block, told the noise level between its two convolutions.

use tch::Tensor;

use crate::nn::{Conv2d, GroupNorm, Linear, Path};

/// Two normalized 3×3 convolutions beside an identity, or a 1×1 convolution where widths differ.
#[derive(Debug)]
pub struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
}

impl Resnet {
    /// From `from` to `to` channels. Its second convolution starts at zero, as in the paper's code.
    pub fn new(path: &Path, from: i64, to: i64, time: i64, groups: i64) -> Self {
        Self {
            norm1: GroupNorm::new(&(path / "norm1"), from, groups, 1e-5),
            conv1: Conv2d::new(&(path / "conv1"), from, to, 3),
            time_emb_proj: Linear::new(&(path / "time_emb_proj"), time, to),
            norm2: GroupNorm::new(&(path / "norm2"), to, groups, 1e-5),
            conv2: Conv2d::zero(&(path / "conv2"), to, to, 3),
            conv_shortcut: (from != to).then(|| Conv2d::new(&(path / "conv_shortcut"), from, to, 1)),
        }
    }

    /// `x: [B, from, H, W]`, `time: [B, 4C]`, already activated, to `[B, to, H, W]`.
    pub fn forward(&self, x: &Tensor, time: &Tensor) -> Tensor {
        let h = self.conv1.forward(&self.norm1.forward(x).silu());
        let h = h + self.time_emb_proj.forward(time).unsqueeze(-1).unsqueeze(-1);
        let h = self.conv2.forward(&self.norm2.forward(&h).silu());
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(x) + h,
            None => x + h,
        }
    }
}
