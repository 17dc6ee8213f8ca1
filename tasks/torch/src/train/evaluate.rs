//! The held-out denoising loss.
//!
//! Noise and levels are fixed: image `i` of `n` is always looked at with the same noise and at the same level, levels spread evenly over the
//! schedule. So two models, two seeds and two points of a curve differ by the model alone.

use std::cell::RefCell;

use isoflop_contract::Seed;
use isoflop_kinds::train::Prediction;
use tch::{Device, Kind, Tensor};

use crate::{
    diffusion::{Schedule, estimate},
    draw::drawn,
    models::{Denoiser, Said},
    nn::{Replay, Setting},
};

/// Where the fixed noise comes from: the same in every study.
const FIXED: Seed = Seed::from_number(2_404_028_831);

/// Images at a time.
const BATCH: i64 = 64;

/// Held-out images, mixed once and for all with fixed noise.
#[derive(Debug)]
pub struct Heldout {
    prediction: Prediction,
    noisy: Tensor,
    noise: Tensor,
    level: Tensor,
    said: Said,
    replay: RefCell<Replay>,
}

impl Heldout {
    /// Images or latents as a denoiser sees them without noise, `[N, C, S, S]`, and what is said of them, mixed where they are.
    pub fn new(images: &Tensor, said: Said, schedule: &Schedule, prediction: Prediction) -> Self {
        let count = images.size()[0];
        let one = &images.size()[1..];
        let noise: Vec<Tensor> = (0..count).map(|i| normal(FIXED.stream("heldout-noise", i as u64), one)).collect();
        let noise = Tensor::stack(&noise, 0);
        let levels: Vec<i64> =
            (0..count).map(|i| ((i as f64 + 0.5) / count as f64 * schedule.levels() as f64) as i64).collect();
        let level = Tensor::from_slice(&levels);
        let noisy = schedule.mix(images, &noise, &level);
        Self { prediction, noisy, noise, level, said, replay: RefCell::new(Replay::on(Device::Cpu)) }
    }

    /// The same on another device.
    #[must_use]
    pub fn on(self, setting: Setting) -> Self {
        let bring = |tensor: &Tensor| setting.bring(tensor);
        Self {
            prediction: self.prediction,
            noisy: bring(&self.noisy),
            noise: bring(&self.noise),
            level: bring(&self.level),
            said: self.said.map(bring),
            replay: RefCell::new(Replay::on(setting.device)),
        }
    }

    /// Fixed normal numbers that latents of held-out images are drawn with, for images of `size[1..]`.
    pub fn draws(size: &[i64]) -> Tensor {
        let draw = |i: i64| normal(FIXED.stream("heldout-latent", i as u64), &size[1..]);
        Tensor::stack(&(0..size[0]).map(draw).collect::<Vec<_>>(), 0)
    }

    /// How many images there are.
    fn count(&self) -> i64 {
        self.level.size()[0]
    }

    /// In how many parts the images are looked at.
    pub fn looks(&self) -> u64 {
        self.count().cast_unsigned().div_ceil(BATCH.cast_unsigned())
    }

    /// The squared errors of the noise that `model` sees in part `look`: an image's mean, summed over its images.
    pub fn error(&self, model: &Denoiser, schedule: &Schedule, look: u64) -> f64 {
        let start = look as i64 * BATCH;
        let length = BATCH.min(self.count() - start);
        let part = |t: &Tensor| t.narrow(0, start, length);
        let (noisy, level) = (part(&self.noisy), part(&self.level));
        let given = [noisy, level].into_iter().chain(self.said.narrow(start, length).into_tensors());
        let given: Vec<Tensor> = given.collect();
        let pass = |given: &[Tensor]| {
            let [noisy, level, said @ ..] = given else { unreachable!("they are given above") };
            model.denoise(noisy, level, &model.told(&Said::of(said))).to_kind(Kind::Float)
        };
        let mut replay = self.replay.borrow_mut();
        let output = match replay.again(&given, |given| vec![pass(given)]) {
            Some(made) => made[0].shallow_clone(),
            None => pass(&given),
        };
        let [noisy, level, ..] = &given[..] else { unreachable!("they are given above") };
        let seen = estimate(self.prediction, schedule, noisy, output, level).noise;
        let error = (seen - part(&self.noise)).square().mean(Kind::Float).double_value(&[]);
        error * length as f64
    }

    /// The mean squared error of the noise, from those of all parts in their order.
    pub fn loss(&self, errors: &[f64]) -> f64 {
        errors.iter().sum::<f64>() / self.count() as f64
    }
}

/// Standard normal numbers that depend on `seed` alone.
pub fn normal(seed: Seed, size: &[i64]) -> Tensor {
    drawn(seed.get(), || Tensor::randn(size, (Kind::Float, Device::Cpu)))
}
