//! Counts of layers: parameters and multiply-accumulates in closed form.
//!
//! Convention (the one that reproduces Table 1 of Li et al. 2024): convolution and linear layers only, at batch 1. Normalizations, activations
//! and embeddings' look-ups cost nothing; the attention products `QKᵀ` and `AV` are counted apart.

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
    /// Multiply-accumulates of one forward pass at batch 1: convolutions and linear layers.
    pub macs: u64,
    /// Multiply-accumulates of the attention products, which are in no `macs`.
    pub products: u64,
}

/// One named part of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// Where it sits, as its parameters' names begin.
    pub path: String,
    /// Trainable numbers.
    pub params: u64,
    /// Multiply-accumulates of one forward pass at batch 1: convolutions and linear layers.
    pub macs: u64,
    /// Multiply-accumulates of the attention products, which are in no `macs`.
    pub products: u64,
}

impl Count {
    /// A biased `kernel × kernel` convolution onto `pixels` output pixels.
    pub fn conv(from: u64, to: u64, kernel: u64, pixels: u64) -> Self {
        let weights = (kernel * kernel).saturating_mul(from).saturating_mul(to);
        Self { params: weights.saturating_add(to), macs: weights.saturating_mul(pixels), products: 0 }
    }

    /// A biased linear layer over `tokens` vectors.
    pub fn linear(from: u64, to: u64, tokens: u64) -> Self {
        Self::unbiased(from, to, tokens) + Self::vector(to)
    }

    /// A linear layer without bias over `tokens` vectors.
    pub fn unbiased(from: u64, to: u64, tokens: u64) -> Self {
        let weights = from.saturating_mul(to);
        Self { params: weights, macs: weights.saturating_mul(tokens), products: 0 }
    }

    /// A normalization with scale and shift.
    pub fn norm(width: u64) -> Self {
        Self::vector(width.saturating_mul(2))
    }

    /// A residual block onto `pixels`: two normalized 3×3 convolutions, and a 1×1 shortcut where widths differ.
    pub fn residual(from: u64, to: u64, pixels: u64) -> Self {
        let shortcut = if from == to { Self::default() } else { Self::conv(from, to, 1, pixels) };
        Self::norm(from) + Self::conv(from, to, 3, pixels) + Self::norm(to) + Self::conv(to, to, 3, pixels) + shortcut
    }

    /// A learned vector.
    pub fn vector(width: u64) -> Self {
        Self { params: width, ..Self::default() }
    }

    /// The products of `queries` with `keys` and of what comes out with the values, all heads together `width` wide.
    pub fn attention(queries: u64, keys: u64, width: u64) -> Self {
        let one = queries.saturating_mul(keys).saturating_mul(width);
        Self { products: one.saturating_mul(2), ..Self::default() }
    }

    /// A table of `rows` learned vectors.
    pub fn table(rows: u64, width: u64) -> Self {
        Self::vector(rows.saturating_mul(width))
    }

    /// This much, named.
    pub fn at(self, path: impl Into<String>) -> Block {
        Block { path: path.into(), params: self.params, macs: self.macs, products: self.products }
    }

    /// Whether it is a count, and not the largest number there is.
    pub fn is_sane(self) -> bool {
        self.params < u64::MAX && self.macs < u64::MAX && self.products < u64::MAX
    }

    /// The sum over `blocks`.
    pub fn of(blocks: &[Block]) -> Self {
        blocks.iter().map(Block::count).sum()
    }
}

impl Block {
    /// It without its name.
    pub fn count(&self) -> Count {
        Count { params: self.params, macs: self.macs, products: self.products }
    }
}

impl Add for Count {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            params: self.params.saturating_add(other.params),
            macs: self.macs.saturating_add(other.macs),
            products: self.products.saturating_add(other.products),
        }
    }
}

impl Mul<u64> for Count {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self {
            params: self.params.saturating_mul(times),
            macs: self.macs.saturating_mul(times),
            products: self.products.saturating_mul(times),
        }
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
        let count = |params, macs| Count { params, macs, products: 0 };
        assert_eq!(Count::conv(3, 8, 3, 256), count(224, 55_296));
        assert_eq!(Count::linear(4, 6, 10), count(30, 240));
        assert_eq!(Count::unbiased(4, 6, 10) + Count::norm(4), count(32, 240));
        assert_eq!(Count::table(5, 4) * 2, count(40, 0));
        assert_eq!(Count::attention(3, 5, 4) * 2, Count { products: 240, ..Count::default() });
        assert!(!(Count::table(u64::MAX, 4) + Count::norm(1)).is_sane());
    }
}
