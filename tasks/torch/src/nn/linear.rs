//! The linear layer.

use tch::{Kind, Tensor};

use super::{Init, Path, halves::lower, tally};

/// `x Wᵀ + b` over the last dimension.
#[derive(Debug)]
pub struct Linear {
    name: String,
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// A biased layer.
    pub fn new(path: &Path, from: i64, to: i64) -> Self {
        let start = Init::fan_in(from);
        Self::with(path, from, to, start, Some(start))
    }

    /// A layer without bias.
    pub fn unbiased(path: &Path, from: i64, to: i64) -> Self {
        Self::with(path, from, to, Init::fan_in(from), None)
    }

    /// A biased layer that is zero at first.
    pub fn zero(path: &Path, from: i64, to: i64) -> Self {
        Self::with(path, from, to, Init::Zeros, Some(Init::Zeros))
    }

    /// A biased layer as transformers start it: Glorot's uniform weights, no bias at first.
    pub fn xavier(path: &Path, from: i64, to: i64) -> Self {
        Self::with(path, from, to, Init::xavier(from, to), Some(Init::Zeros))
    }

    /// A layer whose weights start like this, and its bias, if it has one, like that.
    pub fn with(path: &Path, from: i64, to: i64, weight: Init, bias: Option<Init>) -> Self {
        Self {
            name: path.name().to_owned(),
            weight: path.param("weight", &[to, from], weight),
            bias: bias.map(|init| path.param("bias", &[to], init)),
        }
    }

    /// The precision of its numbers.
    pub fn kind(&self) -> Kind {
        self.weight.kind()
    }

    /// `[…, from]` to `[…, to]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let y = x.linear(&lower(&self.weight), self.bias.as_ref().map(lower).as_ref());
        tally::macs(&self.name, || tally::sample(x) * self.weight.size()[0] as u64);
        y
    }
}
