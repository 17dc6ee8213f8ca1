//! The exponential moving average of the parameters: other weights, kept beside those that train.

use std::ops::Range;

use isoflop_kinds::train;
use tch::{Tensor, no_grad};

use super::AdamW;
use crate::{nn::Packed, shim};

/// An average over a range of the flat parameters.
#[derive(Debug)]
pub struct Ema {
    settings: train::Ema,
    range: Range<i64>,
    flat: Tensor,
}

impl Ema {
    /// The average that has seen no step: those of the parameters that `optimizer` owns, as they are.
    pub fn new(optimizer: &AdamW, settings: train::Ema) -> Self {
        let range = optimizer.range();
        let flat = no_grad(|| optimizer.packed().flat.narrow(0, range.start, range.end - range.start).copy());
        Self { settings, range, flat }
    }

    /// The averages of its range, end to end as the parameters are.
    pub fn flat(&self) -> &Tensor {
        &self.flat
    }

    /// Takes in the parameters after `steps` steps of `optimizer`, each of its segments by itself.
    pub fn update(&mut self, optimizer: &AdamW, steps: u64) {
        let pair = |part: Range<i64>| {
            let length = part.end - part.start;
            let average = self.flat.narrow(0, part.start - self.range.start, length);
            [average, optimizer.packed().flat.narrow(0, part.start, length)]
        };
        let pairs: Vec<[Tensor; 2]> = optimizer.segments().map(pair).collect();
        shim::lerp(&pairs, 1.0 - decay(self.settings, steps));
    }
}

/// What `run` finds with `averages`, all of them, in place of the parameters.
pub fn in_place<T>(packed: &Packed, averages: &Tensor, run: impl FnOnce() -> T) -> T {
    let mut flat = packed.flat.shallow_clone();
    let raw = no_grad(|| {
        let raw = flat.copy();
        flat.copy_(averages);
        raw
    });
    let found = run();
    no_grad(|| flat.copy_(&raw));
    found
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

    use isoflop_kinds::train::Decays;

    use super::*;
    use crate::{
        nn::{Init, Params},
        train::Settings,
    };

    /// Parameters that are `n` after `n` steps, averaged by hand.
    #[test]
    fn it_is_the_average_it_says() {
        for ramp in [false, true] {
            let params = Params::new(Seed::from_number(1));
            let _ = params.root().param("a", &[3], Init::Zeros);
            let constants = Settings {
                betas: [0.9, 0.99],
                epsilon: 1e-8,
                weight_decay: 0.0,
                decays: Decays::Everything,
                clip: 1.0,
            };
            let optimizer = AdamW::new(params.pack(), constants);
            let mut ema = Ema::new(&optimizer, train::Ema { decay: 0.5, ramp });
            let mut expected = 0.0;
            for step in 1..=12_u32 {
                let _ = no_grad(|| optimizer.packed().flat.shallow_clone().fill_(f64::from(step)));
                ema.update(&optimizer, step.into());
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
            let seen = in_place(optimizer.packed(), ema.flat(), || params.named()["a"].double_value(&[0]));
            assert!((seen - expected).abs() < 1e-5);
            assert!((params.named()["a"].double_value(&[0]) - 12.0).abs() < f64::EPSILON);
        }
    }
}
