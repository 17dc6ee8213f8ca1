//! Learned preferences, in the form of `ImageReward` (Xu et al. 2023, arXiv 2304.05977).

use tch::{Kind, Tensor};

/// The mean of `−log σ(f(better) − f(worse))` over pairs with these margins `[N]`.
pub fn preference_loss(margins: &Tensor) -> Tensor {
    -margins.log_sigmoid().mean(Kind::Float)
}

/// The share of pairs whose better image is above the other: a tie is no preference.
pub fn preferred(margins: &[f64]) -> f64 {
    margins.iter().filter(|&&margin| margin > 0.0).count() as f64 / margins.len() as f64
}
