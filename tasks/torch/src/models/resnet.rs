//! The residual block of UNets and autoencoders.

use tch::Tensor;

use crate::nn::{Conv2d, GroupNorm, Linear, Path};

/// Two normalized 3×3 convolutions beside an identity, or a 1×1 convolution where widths differ.
#[derive(Debug)]
pub struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time_emb_proj: Option<Linear>,
    norm2: GroupNorm,
    conv2: Conv2d,
    conv_shortcut: Option<Conv2d>,
    style: Style,
}

/// What a residual block is told of the noise level, and what it does to the size.
#[derive(Debug, Clone, Copy)]
pub enum Style {
    /// A vector of this width is added between the convolutions; `SiLU`. Latent diffusion's.
    Added(i64),
    /// A vector of this width scales and shifts what the second convolution gets; GELU. DeepFloyd's, which changes sizes by it too.
    Modulated(i64, Resize),
    /// Nothing; `SiLU`. The autoencoder's.
    Untold,
}

/// A change of size, before the first convolution and beside it.
#[derive(Debug, Clone, Copy)]
pub enum Resize {
    /// None.
    Keep,
    /// To half of it, by means.
    Halve,
    /// To twice of it, by repetition.
    Double,
}

impl Resize {
    fn forward(self, x: &Tensor) -> Tensor {
        match self {
            Self::Keep => x.shallow_clone(),
            Self::Halve => x.avg_pool2d([2, 2], [2, 2], [0, 0], false, true, None::<i64>),
            Self::Double => double(x),
        }
    }
}

/// `[B, C, H, W]` to `[B, C, 2 H, 2 W]`: each pixel becomes four.
pub(super) fn double(x: &Tensor) -> Tensor {
    let (_, _, high, wide) = x.size4().expect("feature maps have four dimensions");
    x.upsample_nearest2d([2 * high, 2 * wide], None::<f64>, None::<f64>)
}

impl Resnet {
    /// From `from` to `to` channels. Where it is told something its second convolution starts at zero, as in the papers' code.
    pub fn new(path: &Path, [from, to]: [i64; 2], groups: i64, style: Style) -> Self {
        let epsilon = if matches!(style, Style::Untold) { 1e-6 } else { 1e-5 };
        let time = |time: i64, to: i64| Linear::new(&(path / "time_emb_proj"), time, to);
        let last = path / "conv2";
        Self {
            norm1: GroupNorm::new(&(path / "norm1"), from, groups, epsilon),
            conv1: Conv2d::new(&(path / "conv1"), from, to, 3),
            time_emb_proj: match style {
                Style::Added(width) => Some(time(width, to)),
                Style::Modulated(width, _) => Some(time(width, 2 * to)),
                Style::Untold => None,
            },
            norm2: GroupNorm::new(&(path / "norm2"), to, groups, epsilon),
            conv2: match style {
                Style::Untold => Conv2d::new(&last, to, to, 3),
                _ => Conv2d::zero(&last, to, to, 3),
            },
            conv_shortcut: (from != to).then(|| Conv2d::new(&(path / "conv_shortcut"), from, to, 1)),
            style,
        }
    }

    /// `x: [B, from, H, W]`, and `time: [B, 4C]`, already activated, where it is told the level, to `[B, to, H', W']`.
    pub fn forward(&self, x: &Tensor, time: Option<&Tensor>) -> Tensor {
        let resize = if let Style::Modulated(_, resize) = self.style { resize } else { Resize::Keep };
        let h = self.conv1.forward(&resize.forward(&self.activate(&self.norm1.forward(x))));
        let x = resize.forward(x);
        let told = time.zip(self.time_emb_proj.as_ref());
        let told = told.map(|(time, project)| project.forward(time).unsqueeze(-1).unsqueeze(-1)); // [B, to or 2 to, 1, 1]
        let h = match (self.style, told) {
            (Style::Added(_), Some(told)) => self.norm2.forward(&(h + told)),
            (Style::Modulated(..), Some(told)) => {
                let told = told.chunk(2, 1); // scale, shift
                self.norm2.forward(&h) * (&told[0] + 1.0) + &told[1]
            }
            _ => self.norm2.forward(&h),
        };
        let h = self.conv2.forward(&self.activate(&h));
        match &self.conv_shortcut {
            Some(shortcut) => shortcut.forward(&x) + h,
            None => x + h,
        }
    }

    fn activate(&self, x: &Tensor) -> Tensor {
        if matches!(self.style, Style::Modulated(..)) { x.gelu("none") } else { x.silu() }
    }
}
