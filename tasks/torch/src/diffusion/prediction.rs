//! What a network's output stands for: what it should have been, and the image and the noise that it means.

use isoflop_kinds::train::Prediction;
use tch::{Tensor, no_grad};

use super::Schedule;

/// The image and the noise that a noisy image is taken to be made of.
#[derive(Debug)]
pub struct Estimate {
    /// The image.
    pub image: Tensor,
    /// The noise.
    pub noise: Tensor,
}

/// What the output for `images: [B, C, S, S]`, mixed with `noise` at levels `[B]`, should be.
pub fn target(prediction: Prediction, schedule: &Schedule, images: &Tensor, noise: &Tensor, level: &Tensor) -> Tensor {
    match prediction {
        Prediction::Epsilon => noise.shallow_clone(),
        Prediction::Velocity => no_grad(|| schedule.mix(noise, &-images, level)),
        Prediction::Image => images.shallow_clone(),
    }
}

/// What is in `x: [B, C, S, S]` at levels `[B]`, given what the network put out.
pub fn estimate(prediction: Prediction, schedule: &Schedule, x: &Tensor, output: Tensor, level: &Tensor) -> Estimate {
    let (signal, share) = schedule.shares(level);
    match prediction {
        Prediction::Epsilon => Estimate { image: (x - &output * share) / signal, noise: output },
        Prediction::Velocity => Estimate { image: x * &signal - &output * &share, noise: output * signal + x * share },
        Prediction::Image => Estimate { noise: (x - &output * signal) / share, image: output },
    }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::train::Noise;
    use tch::{Device, Kind};

    use super::*;
    use crate::draw::drawn;

    #[test]
    fn a_right_output_gives_back_image_and_noise() {
        let schedule = Schedule::new(&Noise::default());
        let normal = |seed| drawn(seed, || Tensor::randn([2, 3, 4, 4], (Kind::Float, Device::Cpu)));
        let (images, noise, level) = (normal(1), normal(2), Tensor::from_slice(&[3_i64, 700]));
        let x = schedule.mix(&images, &noise, &level);
        for prediction in [Prediction::Epsilon, Prediction::Velocity, Prediction::Image] {
            let output = target(prediction, &schedule, &images, &noise, &level);
            let found = estimate(prediction, &schedule, &x, output, &level);
            assert!((found.noise - &noise).abs().max().double_value(&[]) < 1e-4);
            assert!((found.image - &images).abs().max().double_value(&[]) < 1e-4);
        }
    }
}
