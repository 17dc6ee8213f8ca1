//! The noise levels of DDPM (Ho et al. 2020, arXiv 2006.11239), and how much an error counts at each.

use isoflop_contract::Complaint;

use crate::train::{Betas, Noise, Prediction, Weighting};

/// The largest beta of the cosine schedule.
const CAPPED: f64 = 0.999;

impl Noise {
    /// The cumulative products ᾱ of every level: an image at level `t` is `√ᾱ_t · x + √(1 − ᾱ_t) · ε`.
    pub fn alphas(&self) -> Vec<f64> {
        let mut product = 1.0;
        let product_to = |beta: f64| {
            product *= 1.0 - beta;
            product
        };
        let mut alphas: Vec<f64> = betas(self).into_iter().map(product_to).collect();
        if self.zero_terminal_snr {
            rescale(&mut alphas);
        }
        alphas
    }
}

impl Weighting {
    /// How much the squared error of what is predicted counts at a level of this ᾱ.
    pub fn weight(self, prediction: Prediction, alpha: f64) -> f64 {
        let snr = alpha / (1.0 - alpha);
        match (self, prediction) {
            (Self::Output, _) | (Self::Noise, Prediction::Epsilon) => 1.0,
            (Self::Noise, Prediction::Velocity) => alpha,
            (Self::Noise, Prediction::Image) => snr,
            (Self::MinSnr(gamma), Prediction::Epsilon) => snr.min(gamma) / snr,
            (Self::MinSnr(gamma), Prediction::Velocity) => snr.min(gamma) / (snr + 1.0),
            (Self::MinSnr(gamma), Prediction::Image) => snr.min(gamma),
        }
    }

    /// Refuses to train a level with a weight that teaches nothing of it: a sampler would visit it all the same.
    pub(crate) fn teaches(self, prediction: Prediction, noise: &Noise) -> Result<(), Complaint> {
        if matches!((self, prediction), (Self::Output, _) | (Self::Noise, Prediction::Epsilon)) {
            return Ok(());
        }
        let weights = noise.alphas().into_iter().map(|alpha| self.weight(prediction, alpha) as f32);
        match weights.enumerate().find(|(_, weight)| !(*weight > 0.0 && weight.is_finite())) {
            None => Ok(()),
            Some((level, weight)) => {
                let last = noise.levels - 1;
                let problem = format!(
                    "gives noise level {level} of 0 to {last} the weight {weight}, so that it is never learned: say `weighting: output`, which counts all alike"
                );
                Err(Complaint::new("weighting", problem))
            }
        }
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

    /// A last level that is all noise has no signal to be weighed by.
    #[test]
    fn a_level_without_weight_is_refused() {
        let plain = Noise::default();
        let terminal = Noise { zero_terminal_snr: true, ..plain };
        let cosine = Noise { schedule: Betas::Cosine, ..plain };
        // Betas so large that the last levels are all noise to the last bit.
        let steep = Noise { schedule: Betas::Linear, end: 0.9, ..plain };
        let all = [Prediction::Epsilon, Prediction::Velocity, Prediction::Image];
        for prediction in all {
            for noise in [&plain, &terminal, &cosine, &steep] {
                assert_eq!(Weighting::Output.teaches(prediction, noise), Ok(()));
            }
            for weighting in [Weighting::Noise, Weighting::MinSnr(5.0)] {
                assert_eq!(weighting.teaches(prediction, &plain), Ok(()));
                assert_eq!(weighting.teaches(prediction, &cosine), Ok(()));
                if prediction != Prediction::Epsilon {
                    let complaint = weighting.teaches(prediction, &terminal).unwrap_err();
                    assert_eq!(complaint.field, "weighting");
                    assert!(complaint.problem.starts_with("gives noise level 999 of 0 to 999 the weight 0, so"));
                    assert!(weighting.teaches(prediction, &steep).is_err());
                }
            }
        }
    }
}
