//! The noise levels, as tensors.

use isoflop_kinds::train::{Noise, Prediction, Weighting};
use tch::{Device, Kind, Tensor};

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
        let alphas = noise.alphas();
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
        let one = |&alpha: &f64| weighting.weight(prediction, alpha) as f32;
        let weights: Vec<f32> = self.alphas.iter().map(one).collect();
        weights
            .iter()
            .any(|weight| weight.to_bits() != 1_f32.to_bits())
            .then(|| Tensor::from_slice(&weights).to_device(self.signal.device()))
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
