//! Counts of layers: parameters and multiply-accumulates in closed form.
//!
//! Convention (the one that reproduces Table 1 of Li et al. 2024): convolution and linear layers only, at batch 1. Normalizations, activations,
//! embeddings' look-ups and the attention products `QKᵀ` and `AV` cost nothing.

use std::{
    iter::Sum,
    ops::{Add, Mul},
};

use serde::Serialize;

/// Parameters and multiply-accumulates of a layer or of many. What 64 bits cannot hold stays at the largest number there is, and
/// [`is_sane`](Self::is_sane) tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Trainable numbers.
    pub params: u64,
    /// Multiply-accumulates of one forward pass at batch 1.
    pub macs: u64,
}

/// One named part of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Where it sits, as its parameters' names begin.
    pub path: String,
    /// Trainable numbers.
    pub params: u64,
    /// Multiply-accumulates of one forward pass at batch 1.
    pub macs: u64,
}

impl Count {
    /// A biased `kernel × kernel` convolution onto `pixels` output pixels.
    pub fn conv(from: u64, to: u64, kernel: u64, pixels: u64) -> Self {
        let weights = (kernel * kernel).saturating_mul(from).saturating_mul(to);
        Self { params: weights.saturating_add(to), macs: weights.saturating_mul(pixels) }
    }

    /// A biased linear layer over `tokens` vectors.
    pub fn linear(from: u64, to: u64, tokens: u64) -> Self {
        Self::unbiased(from, to, tokens) + Self { params: to, macs: 0 }
    }

    /// A linear layer without bias over `tokens` vectors.
    pub fn unbiased(from: u64, to: u64, tokens: u64) -> Self {
        let weights = from.saturating_mul(to);
        Self { params: weights, macs: weights.saturating_mul(tokens) }
    }

    /// A normalization with scale and shift.
    pub fn norm(width: u64) -> Self {
        Self { params: 2 * width, macs: 0 }
    }

    /// A table of `rows` learned vectors.
    pub fn table(rows: u64, width: u64) -> Self {
        Self { params: rows.saturating_mul(width), macs: 0 }
    }

    /// This much, named.
    pub fn at(self, path: impl Into<String>) -> Block {
        Block { path: path.into(), params: self.params, macs: self.macs }
    }

    /// Whether it is a count, and not the largest number there is.
    pub fn is_sane(self) -> bool {
        self.params < u64::MAX && self.macs < u64::MAX
    }

    /// The sum over `blocks`.
    pub fn of(blocks: &[Block]) -> Self {
        blocks.iter().map(|block| Self { params: block.params, macs: block.macs }).sum()
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { params: self.params.saturating_add(other.params), macs: self.macs.saturating_add(other.macs) }
    }
}

impl Mul<u64> for Count {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { params: self.params.saturating_mul(times), macs: self.macs.saturating_mul(times) }
    }
}

impl Sum for Count {
    fn sum<I: Iterator<Item = Self>>(counts: I) -> Self {
        counts.fold(Self::default(), Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_count_by_hand() {
        assert_eq!(Count::conv(3, 8, 3, 256), Count { params: 224, macs: 55_296 });
        assert_eq!(Count::linear(4, 6, 10), Count { params: 30, macs: 240 });
        assert_eq!(Count::unbiased(4, 6, 10) + Count::norm(4), Count { params: 32, macs: 240 });
        assert_eq!(Count::table(5, 4) * 2, Count { params: 40, macs: 0 });
    }
}
