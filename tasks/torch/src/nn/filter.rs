//! The convolution with everything said.

use tch::Tensor;

use super::{Init, Path, halves::lower, tally};

/// A convolution of any kernel, stride and padding, with a bias or without.
#[derive(Debug)]
pub struct Filter {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
    stride: [i64; 2],
    padding: [i64; 2],
}

/// What decides a [`Filter`]. Heights stand before widths.
#[derive(Debug, Clone, Copy)]
pub struct FilterShape {
    /// Channels it reads.
    pub from: i64,
    /// Channels it makes.
    pub to: i64,
    /// Height and width of its kernel.
    pub kernel: [i64; 2],
    /// Steps between outputs, the same both ways.
    pub stride: i64,
    /// Zeros around its input, above and below, left and right.
    pub padding: [i64; 2],
}

impl Filter {
    /// A convolution whose weights start like this, and its bias, if it has one, at zero.
    pub fn new(path: &Path, shape: FilterShape, weight: Init, bias: bool) -> Self {
        let FilterShape { from, to, kernel: [high, wide], stride, padding } = shape;
        Self {
            name: path.name().to_owned(),
            weight: path.param("weight", &[to, from, high, wide], weight),
            bias: bias.then(|| path.param("bias", &[to], Init::Zeros)),
            stride: [stride; 2],
            padding,
        }
    }

    /// `[B, from, H, W]` to `[B, to, H', W']`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let [_, from, high, wide] = self.weight.size()[..] else { unreachable!("made with four dimensions") };
        let (weight, bias) = (lower(&self.weight), self.bias.as_ref().map(lower));
        let y = x.conv2d(&weight, bias.as_ref(), self.stride, self.padding, [1, 1], 1);
        tally::macs(&self.name, || tally::sample(&y) * (from * high * wide) as u64);
        y
    }
}
