//! The noise levels of DDPM (Ho et al. 2020, arXiv 2006.11239) with latent diffusion's scaled-linear betas.

use isoflop_kinds::train::Noise;
use tch::{Kind, Tensor};

/// The cumulative products ᾱ of every level: an image at level `t` is `√ᾱ_t · x + √(1 − ᾱ_t) · ε`.
#[derive(Debug)]
pub struct Schedule {
    alphas: Vec<f64>,
    signal: Tensor,
    noise: Tensor,
}

impl Schedule {
    /// `β_t = (√start + t / (T − 1) · (√end − √start))²`.
    pub fn new(noise: &Noise) -> Self {
        let (first, last) = (noise.start.sqrt(), noise.end.sqrt());
        let mut product = 1.0;
        let alphas: Vec<f64> = (0..noise.levels)
            .map(|t| {
                let root = first + t as f64 / (noise.levels - 1) as f64 * (last - first);
                product *= 1.0 - root * root;
                product
            })
            .collect();
        let column = |f: fn(f64) -> f64| {
            let values: Vec<f32> = alphas.iter().map(|&a| f(a) as f32).collect();
            Tensor::from_slice(&values).view([-1, 1, 1, 1])
        };
        Self { signal: column(f64::sqrt), noise: column(|a| (1.0 - a).sqrt()), alphas }
    }

    /// Number of levels.
    pub fn levels(&self) -> usize {
        self.alphas.len()
    }

    /// ᾱ at `level`.
    pub fn alpha(&self, level: usize) -> f64 {
        self.alphas[level]
    }

    /// Images `[B, C, S, S]` at levels `[B]`, mixed with `noise`.
    pub fn mix(&self, images: &Tensor, noise: &Tensor, level: &Tensor) -> Tensor {
        let level = level.to_kind(Kind::Int64);
        images * self.signal.index_select(0, &level) + noise * self.noise.index_select(0, &level)
    }
}
