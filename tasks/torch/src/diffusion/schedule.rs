//! The noise levels of DDPM (Ho et al. 2020, arXiv 2006.11239).

use isoflop_kinds::train::{Betas, Noise, Prediction, Weighting};
use tch::{Device, Kind, Tensor};

/// The largest beta of the cosine schedule.
const CAPPED: f64 = 0.999;

/// The cumulative products ᾱ of every level: an image at level `t` is `√ᾱ_t · x + √(1 − ᾱ_t) · ε`.
#[derive(Debug)]
pub struct Schedule {
    alphas: Vec<f64>,
    signal: Tensor,
    noise: Tensor,
}

impl Schedule {
    /// The levels of this schedule, which has been checked.
    pub fn new(noise: &Noise) -> Self {
        let mut product = 1.0;
        let product_to = |beta: f64| {
            product *= 1.0 - beta;
            product
        };
        let mut alphas: Vec<f64> = betas(noise).into_iter().map(product_to).collect();
        if noise.zero_terminal_snr {
            rescale(&mut alphas);
        }
        let column = |f: fn(f64) -> f64| {
            let values: Vec<f32> = alphas.iter().map(|&a| f(a) as f32).collect();
            Tensor::from_slice(&values).view([-1, 1, 1, 1])
        };
        Self { signal: column(f64::sqrt), noise: column(|a| (1.0 - a).sqrt()), alphas }
    }

    /// The same for images and levels on this device.
    #[must_use]
    pub fn on(self, device: Device) -> Self {
        Self { signal: self.signal.to_device(device), noise: self.noise.to_device(device), ..self }
    }

    /// Number of levels.
    pub fn levels(&self) -> usize {
        self.alphas.len()
    }

    /// ᾱ at `level`.
    pub fn alpha(&self, level: usize) -> f64 {
        self.alphas[level]
    }

    /// √ᾱ and √(1 − ᾱ) at levels `[B]`, each `[B, 1, 1, 1]`.
    pub fn shares(&self, level: &Tensor) -> (Tensor, Tensor) {
        let level = level.to_kind(Kind::Int64);
        (self.signal.index_select(0, &level), self.noise.index_select(0, &level))
    }

    /// Images `[B, C, S, S]` at levels `[B]`, mixed with `noise`.
    pub fn mix(&self, images: &Tensor, noise: &Tensor, level: &Tensor) -> Tensor {
        let (signal, share) = self.shares(level);
        images * signal + noise * share
    }

    /// How much the squared error of an output counts at each level, `[T]`, on the device that the levels are on; nothing where all count as one.
    pub fn weights(&self, prediction: Prediction, weighting: Weighting) -> Option<Tensor> {
        let one = |alpha: f64| {
            let snr = alpha / (1.0 - alpha);
            match (weighting, prediction) {
                (Weighting::Output, _) | (Weighting::Noise, Prediction::Epsilon) => 1.0,
                (Weighting::Noise, Prediction::Velocity) => alpha,
                (Weighting::Noise, Prediction::Image) => snr,
                (Weighting::MinSnr(gamma), Prediction::Epsilon) => snr.min(gamma) / snr,
                (Weighting::MinSnr(gamma), Prediction::Velocity) => snr.min(gamma) / (snr + 1.0),
                (Weighting::MinSnr(gamma), Prediction::Image) => snr.min(gamma),
            }
        };
        let weights: Vec<f32> = self.alphas.iter().map(|&alpha| one(alpha) as f32).collect();
        weights
            .iter()
            .any(|weight| weight.to_bits() != 1_f32.to_bits())
            .then(|| Tensor::from_slice(&weights).to_device(self.signal.device()))
    }
}

fn betas(noise: &Noise) -> Vec<f64> {
    let Noise { start, end, levels, .. } = *noise;
    let line = |from: f64, to: f64, t: u64| from + t as f64 / (levels - 1) as f64 * (to - from);
    let beta = |t: u64| match noise.schedule {
        Betas::Linear => line(start, end, t),
        Betas::ScaledLinear => line(start.sqrt(), end.sqrt(), t).powi(2),
        Betas::Cosine => {
            let cumulative =
                |t: u64| ((t as f64 / levels as f64 + 0.008) / 1.008 * std::f64::consts::FRAC_PI_2).cos().powi(2);
            (1.0 - cumulative(t + 1) / cumulative(t)).min(CAPPED)
        }
    };
    (0..levels).map(beta).collect()
}

/// Shifts √ᾱ so that the last is zero, and stretches it so that the first stays.
fn rescale(alphas: &mut [f64]) {
    let (first, last) = (alphas[0].sqrt(), alphas[alphas.len() - 1].sqrt());
    for alpha in alphas.iter_mut() {
        *alpha = ((alpha.sqrt() - last) * first / (first - last)).powi(2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error in the image is the same error in noise and velocity but for known factors: all three ways to predict must weigh it alike.
    #[test]
    fn weights_agree_whatever_is_predicted() {
        let schedule = Schedule::new(&Noise::default());
        for weighting in [Weighting::Noise, Weighting::MinSnr(5.0)] {
            for level in [0, 300, 700, 999] {
                let alpha = schedule.alpha(level);
                // An image that is off by one: noise off by √(ᾱ / (1 − ᾱ)), velocity by √(1 / (1 − ᾱ)).
                let counts = |prediction, squared: f64| {
                    let weight = schedule.weights(prediction, weighting);
                    squared * weight.map_or(1.0, |weights| weights.double_value(&[level as i64]))
                };
                let image = counts(Prediction::Image, 1.0);
                let noise = counts(Prediction::Epsilon, alpha / (1.0 - alpha));
                let velocity = counts(Prediction::Velocity, 1.0 / (1.0 - alpha));
                assert!((noise / image - 1.0).abs() < 1e-5 && (velocity / image - 1.0).abs() < 1e-5);
            }
        }
        assert!(schedule.weights(Prediction::Image, Weighting::Output).is_none());
    }

    #[test]
    fn the_last_level_can_be_all_noise() {
        let noise = Noise { zero_terminal_snr: true, ..Noise::default() };
        let (plain, rescaled) = (Schedule::new(&Noise::default()), Schedule::new(&noise));
        assert!(rescaled.alpha(999).abs() < f64::EPSILON && plain.alpha(999) > 1e-3);
        assert!((rescaled.alpha(0) - plain.alpha(0)).abs() < 1e-12);
        for prediction in [Prediction::Velocity, Prediction::Image] {
            for weighting in [Weighting::Noise, Weighting::MinSnr(5.0)] {
                let weights = rescaled.weights(prediction, weighting).expect("they differ");
                assert_eq!(weights.isfinite().all().int64_value(&[]), 1);
            }
        }
    }
}
