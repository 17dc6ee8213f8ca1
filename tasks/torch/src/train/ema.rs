//! The exponential moving average of the parameters: other weights, kept beside those that train.

use std::ops::Range;

use isoflop_kinds::train;
use tch::{Tensor, no_grad};

use crate::nn::Packed;

/// An average over a range of the flat parameters.
#[derive(Debug)]
pub struct Ema {
    settings: train::Ema,
    range: Range<i64>,
    flat: Tensor,
}

impl Ema {
    /// The average that has seen no step: the parameters `range` of `packed` as they are.
    pub fn new(packed: &Packed, range: Range<i64>, settings: train::Ema) -> Self {
        let flat = no_grad(|| packed.flat.narrow(0, range.start, range.end - range.start).copy());
        Self { settings, range, flat }
    }

    /// The averages of its range, end to end as the parameters are.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Takes in the parameters after `steps` steps.
    pub fn update(&mut self, packed: &Packed, steps: u64) {
        let part = packed.flat.narrow(0, self.range.start, self.range.end - self.range.start);
        let _ = no_grad(|| self.flat.lerp_(&part, 1.0 - decay(self.settings, steps)));
    }

    /// Goes back to these averages.
    pub fn restore(&mut self, flat: &Tensor) {
        no_grad(|| self.flat.copy_(flat));
    }

    /// What `run` finds with the averages in place of the parameters, where its range is all of them.
    pub fn in_place<T>(&self, packed: &Packed, run: impl FnOnce() -> T) -> T {
        let mut flat = packed.flat.shallow_clone();
        let raw = no_grad(|| {
            let raw = flat.copy();
            flat.copy_(&self.flat);
            raw
        });
        let found = run();
        no_grad(|| flat.copy_(&raw));
        found
    }
}

/// The share of the average that step number `steps` (from one) leaves of it. Ramped, it rises as `steps / (9 + steps)`, from nothing at the first step,
/// so that the start is soon forgotten.
fn decay(settings: train::Ema, steps: u64) -> f64 {
    let ramp = if steps < 2 { 0.0 } else { steps as f64 / (9.0 + steps as f64) };
    if settings.ramp { settings.decay.min(ramp) } else { settings.decay }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Seed;

    use super::*;
    use crate::nn::{Init, Params};

    /// Parameters that are `n` after `n` steps, averaged by hand.
    #[test]
    fn it_is_the_average_it_says() {
        for ramp in [false, true] {
            let params = Params::new(Seed::from_number(1));
            let _ = params.root().param("a", &[3], Init::Zeros);
            let mut packed = params.pack();
            let settings = train::Ema { decay: 0.5, ramp };
            let mut ema = Ema::new(&packed, 0..3, settings);
            let mut expected = 0.0;
            for step in 1..=12_u32 {
                let _ = no_grad(|| packed.flat.fill_(f64::from(step)));
                ema.update(&packed, step.into());
                let kept = if !ramp {
                    0.5
                } else if step == 1 {
                    0.0
                } else {
                    (f64::from(step) / f64::from(9 + step)).min(0.5)
                };
                expected = kept * expected + (1.0 - kept) * f64::from(step);
            }
            assert!((ema.flat().double_value(&[1]) - expected).abs() < 1e-5);
            let seen = ema.in_place(&packed, || params.named()["a"].double_value(&[0]));
            assert!((seen - expected).abs() < 1e-5);
            assert!((params.named()["a"].double_value(&[0]) - 12.0).abs() < f64::EPSILON);
        }
    }
}
