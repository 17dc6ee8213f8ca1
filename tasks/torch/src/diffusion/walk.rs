//! The walk back from noise to an image, by four samplers, all in terms of ᾱ: DDIM (Song et al. 2020, arXiv 2010.02502), DDPM (Ho et al. 2020, arXiv
//! 2006.11239), Euler on the probability-flow equation (Karras et al. 2022, arXiv 2206.00364) and DPM-Solver++(2M) (Lu et al. 2022, arXiv
//! 2211.01095). Levels, ends and coefficients are those of diffusers' schedulers, which the golden numbers hold them to.

use isoflop_kinds::sample::Sampler;
use tch::Tensor;

use super::Schedule;

/// A walk under way. Steps must be taken in order.
#[derive(Debug)]
pub struct Walk {
    sampler: Sampler,
    eta: f64,
    clip: bool,
    /// ᾱ at every level, and where the walk ends.
    alphas: Vec<f64>,
    /// The estimate of the image one step before, for samplers that remember.
    before: Option<Tensor>,
}

impl Walk {
    /// A walk through these levels, from noise to image. With `clip`, each estimate of the image is held to [-1, 1]. `eta` is DDIM's: 0 adds no noise.
    pub fn new(sampler: Sampler, schedule: &Schedule, levels: &[usize], eta: f64, clip: bool) -> Self {
        // DDIM ends at the first level of the schedule, as with Stable Diffusion, the others at no noise at all.
        let end = if sampler == Sampler::Ddim { schedule.alpha(0) } else { 1.0 };
        let alphas = levels.iter().map(|&level| schedule.alpha(level)).chain([end]).collect();
        Self { sampler, eta, clip, alphas, before: None }
    }

    /// From the level of `step` to the next, given the image and the noise that the model sees in `x`. `fresh` draws as much new noise as there is in
    /// `x`; it is called where the sampler adds some.
    pub fn step(&mut self, step: usize, x: &Tensor, seen: (Tensor, Tensor), fresh: impl FnOnce() -> Tensor) -> Tensor {
        let (from, to) = (self.alphas[step], self.alphas[step + 1]);
        let (mut image, mut noise) = seen;
        if self.clip {
            // A clipped estimate goes with the noise that agrees with it.
            image = image.clamp(-1.0, 1.0);
            noise = (x - &image * from.sqrt()) / (1.0 - from).sqrt();
        }
        match self.sampler {
            Sampler::Ddim => {
                let added = self.eta * ((1.0 - to) / (1.0 - from) * (1.0 - from / to)).max(0.0).sqrt();
                let next = &image * to.sqrt() + noise * (1.0 - to - added * added).max(0.0).sqrt();
                if added > 0.0 { next + fresh() * added } else { next }
            }
            Sampler::Euler => &image * to.sqrt() + noise * (1.0 - to).sqrt(),
            Sampler::Ddpm => {
                let kept = from / to;
                let mean =
                    &image * (to.sqrt() * (1.0 - kept) / (1.0 - from)) + x * (kept.sqrt() * (1.0 - to) / (1.0 - from));
                let variance = (1.0 - to) / (1.0 - from) * (1.0 - kept);
                if variance > 0.0 { mean + fresh() * variance.sqrt() } else { mean }
            }
            Sampler::DpmSolver => self.multistep(step, x, image),
        }
    }

    /// The second-order step through this estimate and the one before it; of first order at both ends of the walk.
    fn multistep(&mut self, step: usize, x: &Tensor, image: Tensor) -> Tensor {
        let half_log_ratio = |alpha: f64| 0.5 * (alpha / (1.0 - alpha)).ln();
        let (from, to) = (self.alphas[step], self.alphas[step + 1]);
        let h = half_log_ratio(to) - half_log_ratio(from); // infinite at the last step, where exp(-h) is zero
        let (shrink, gain) = (((1.0 - to) / (1.0 - from)).sqrt(), -to.sqrt() * (-h).exp_m1());
        let next = match &self.before {
            Some(before) if step + 2 < self.alphas.len() => {
                let r = (half_log_ratio(from) - half_log_ratio(self.alphas[step - 1])) / h;
                let slope = (&image - before) / r;
                x * shrink + &image * gain + slope * (0.5 * gain)
            }
            _ => x * shrink + &image * gain,
        };
        self.before = Some(image);
        next
    }
}

#[cfg(test)]
mod tests {
    use isoflop_kinds::train::Noise;

    use super::*;

    /// A single point as the whole of the data: the noise is known exactly, and every sampler must come out at the point.
    #[test]
    fn every_sampler_finds_the_only_image_there_is() {
        let schedule = Schedule::new(&Noise::default());
        let point = Tensor::from_slice(&[0.5_f64, -0.25, 0.75]);
        for sampler in [Sampler::Ddim, Sampler::Ddpm, Sampler::Euler, Sampler::DpmSolver] {
            for eta in [0.0, 1.0] {
                let visited: Vec<usize> = (0..20).rev().map(|i| 50 * i + 1).collect();
                let mut walk = Walk::new(sampler, &schedule, &visited, eta, false);
                let mut x = Tensor::from_slice(&[1.5_f64, 0.5, -1.0]);
                for (step, &level) in visited.iter().enumerate() {
                    let alpha = schedule.alpha(level);
                    let noise = (&x - &point * alpha.sqrt()) / (1.0 - alpha).sqrt();
                    x = walk
                        .step(step, &x, (point.shallow_clone(), noise), || Tensor::from_slice(&[0.3_f64, -1.2, 0.8]));
                }
                // DDIM stops at the first level, where a little of the noise is left.
                let left = if sampler == Sampler::Ddim { 0.08 } else { 1e-9 };
                assert!((&x - &point).abs().max().double_value(&[]) <= left, "{sampler:?} {eta}: {x}");
            }
        }
    }
}
