//! The convolution.

use tch::Tensor;

use super::{Init, Path, halves::lower, tally};

/// A biased square convolution whose padding keeps the size at stride 1; patches of its kernel's size take none.
#[derive(Debug)]
pub struct Conv2d {
    name: String,
    weight: Tensor,
    bias: Tensor,
    stride: i64,
    padding: i64,
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

    /// Squares of `kernel × kernel` become one, started like this.
    pub fn patches(path: &Path, from: i64, to: i64, kernel: i64, weight: Init) -> Self {
        let shape = [to, from, kernel, kernel];
        Self { padding: 0, ..Self::starting(path, shape, [weight, Init::Zeros], kernel) }
    }

    fn with(path: &Path, shape: [i64; 4], init: Init, stride: i64) -> Self {
        Self::starting(path, shape, [init, init], stride)
    }

    fn starting(path: &Path, shape: [i64; 4], [weight, bias]: [Init; 2], stride: i64) -> Self {
        Self {
            name: path.name().to_owned(),
            weight: path.param("weight", &shape, weight),
            bias: path.param("bias", &shape[..1], bias),
            stride,
            padding: shape[2] / 2,
        }
    }

    /// `[B, from, H, W]` to `[B, to, H / stride, W / stride]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let [_, from, kernel, _] = self.weight.size()[..] else { unreachable!("made with four dimensions") };
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        let y = x.conv2d(&lower(&self.weight), Some(lower(&self.bias)), stride, padding, [1, 1], 1);
        tally::macs(&self.name, || tally::sample(&y) * (from * kernel * kernel) as u64);
        y
    }
}
