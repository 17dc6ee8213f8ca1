//! What a network's output stands for, and the noise that it means.

use isoflop_kinds::train::Prediction;
use tch::Tensor;

use super::Schedule;

/// The noise in `x: [B, C, S, S]` at levels `[B]`, given what the network put out.
pub fn noise_in(prediction: Prediction, schedule: &Schedule, x: &Tensor, output: Tensor, level: &Tensor) -> Tensor {
    match prediction {
        Prediction::Epsilon => output,
        Prediction::Velocity => schedule.mix(&output, x, level),
    }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::train::Noise;
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn a_right_output_gives_back_the_noise() {
        let schedule = Schedule::new(&Noise::default());
        let normal = || Tensor::randn([2, 3, 4, 4], (Kind::Float, Device::Cpu));
        let (images, noise, level) = (normal(), normal(), Tensor::from_slice(&[3_i64, 700]));
        let x = schedule.mix(&images, &noise, &level);
        // v = √ᾱ ε − √(1 − ᾱ) x: the mix of noise and negated image.
        let velocity = schedule.mix(&noise, &-&images, &level);
        for (prediction, output) in [(Prediction::Epsilon, noise.shallow_clone()), (Prediction::Velocity, velocity)] {
            let found = noise_in(prediction, &schedule, &x, output, &level);
            assert!((found - &noise).abs().max().double_value(&[]) < 1e-5);
        }
    }
}
