//! The convolution.

use tch::Tensor;

use super::{Init, Path, tally};

/// A biased square convolution whose padding keeps the size at stride 1.
#[derive(Debug)]
pub struct Conv2d {
    name: String,
    weight: Tensor,
    bias: Tensor,
    stride: i64,
}

impl Conv2d {
    /// `kernel × kernel`, stride 1.
    pub fn new(path: &Path, from: i64, to: i64, kernel: i64) -> Self {
        let start = Init::fan_in(from * kernel * kernel);
        Self::with(path, [to, from, kernel, kernel], start, 1)
    }

    /// 3×3 with stride 2: halves the size.
    pub fn halving(path: &Path, from: i64, to: i64) -> Self {
        Self::with(path, [to, from, 3, 3], Init::fan_in(from * 9), 2)
    }

    /// `kernel × kernel`, stride 1, zero at first.
    pub fn zero(path: &Path, from: i64, to: i64, kernel: i64) -> Self {
        Self::with(path, [to, from, kernel, kernel], Init::Zeros, 1)
    }

    fn with(path: &Path, shape: [i64; 4], init: Init, stride: i64) -> Self {
        Self {
            name: path.name().to_owned(),
            weight: path.param("weight", &shape, init),
            bias: path.param("bias", &shape[..1], init),
            stride,
        }
    }

    /// `[B, from, H, W]` to `[B, to, H / stride, W / stride]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let [_, from, kernel, _] = self.weight.size()[..] else { unreachable!("made with four dimensions") };
        let pad = kernel / 2;
        let y = x.conv2d(&self.weight, Some(&self.bias), [self.stride, self.stride], [pad, pad], [1, 1], 1);
        tally::add(&self.name, || y.numel() as u64 * (from * kernel * kernel) as u64);
        y
    }
}
