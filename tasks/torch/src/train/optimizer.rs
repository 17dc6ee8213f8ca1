//! AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) over a range of the flat parameters, with its state in plain sight.

use std::ops::Range;

use isoflop_kinds::train::Decays;
use tch::{Kind, Tensor, no_grad};

use crate::{nn::Packed, shim};

/// AdamW's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Keeps the quotient finite.
    pub epsilon: f64,
    /// Decoupled decay.
    pub weight_decay: f64,
    /// The parameters that decay.
    pub decays: Decays,
    /// The gradient's norm is held to this.
    pub clip: f64,
}

/// Parameters, the moments of a range of them, and the number of steps taken.
///
/// A step is: backward passes, which leave gradients at the parameters; [`collect`](Packed::collect); [`descend`](Self::descend). Nothing of it
/// waits for a device.
#[derive(Debug)]
pub struct AdamW {
    settings: Settings,
    packed: Packed,
    range: Range<i64>,
    first: Tensor,
    second: Tensor,
    steps: i32,
}

impl AdamW {
    /// An optimizer of all of `packed` that has taken no step.
    pub fn new(packed: Packed, settings: Settings) -> Self {
        let whole = 0..packed.len();
        Self::of_range(packed, settings, whole)
    }

    /// An optimizer of the numbers `range` of `packed` alone: the others are somebody else's to step.
    pub fn of_range(packed: Packed, settings: Settings, range: Range<i64>) -> Self {
        let part = packed.flat.narrow(0, range.start, range.end - range.start);
        let (first, second) = (part.zeros_like(), part.zeros_like());
        Self { settings, packed, range, first, second, steps: 0 }
    }

    /// Its constants.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The parameters.
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// Which numbers of the flat parameters it steps.
    pub fn range(&self) -> Range<i64> {
        self.range.clone()
    }

    /// Both moments of its range, end to end as the parameters are.
    pub fn moments(&self) -> (&Tensor, &Tensor) {
        (&self.first, &self.second)
    }

    /// Steps taken.
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// Goes back to these moments and this number of steps. The parameters are the caller's to put back.
    pub fn restore(&mut self, first: &Tensor, second: &Tensor, steps: i32) {
        no_grad(|| {
            self.first.copy_(first);
            self.second.copy_(second);
        });
        self.steps = steps;
    }

    /// A whole step down the gradient of `loss` at this learning rate. Answers with the gradient's norm before it was held to the clip.
    pub fn step(&mut self, loss: &Tensor, rate: f64) -> Tensor {
        loss.backward();
        self.packed.collect();
        let norm = no_grad(|| self.packed.gradient.norm());
        self.descend(&norm, rate);
        norm
    }

    /// Steps its range down the collected gradient, whose norm (all of it, not of the range) is `norm`, at this learning rate.
    pub fn descend(&mut self, norm: &Tensor, rate: f64) {
        let Settings { betas, epsilon, weight_decay, decays, clip } = self.settings;
        self.steps += 1;
        // As in PyTorch's clip_grad_norm_, except that a gradient within bounds is left to the bit: it is divided by one.
        let scale = no_grad(|| ((norm + 1e-6) / clip).clamp_min(1.0));
        let count = Tensor::full([1], f64::from(self.steps), (Kind::Float, norm.device()));
        let matrices = self.packed.matrices.clamp(self.range.start, self.range.end);
        let others = if decays == Decays::Everything { weight_decay } else { 0.0 };
        for (part, decay) in [(self.range.start..matrices, weight_decay), (matrices..self.range.end, others)] {
            let length = part.end - part.start;
            if length > 0 {
                let own = |moment: &Tensor| moment.narrow(0, part.start - self.range.start, length);
                let all = |flat: &Tensor| flat.narrow(0, part.start, length);
                let tensors = [all(&self.packed.flat), all(&self.packed.gradient), own(&self.first), own(&self.second)];
                shim::adamw(tensors.each_ref(), &count, &scale, shim::Step { rate, betas, decay, epsilon });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use isoflop_contract::Seed;

    use super::*;
    use crate::nn::{Init, Params};

    const SETTINGS: Settings =
        Settings { betas: [0.9, 0.99], epsilon: 1e-8, weight_decay: 0.5, decays: Decays::Everything, clip: 1.0 };

    fn network() -> Params {
        let params = Params::new(Seed::from_number(1));
        let _ = params.root().param("weight", &[3, 2], Init::Normal(1.0));
        let _ = params.root().param("bias", &[2], Init::Normal(1.0));
        params
    }

    fn loss(params: &Params) -> Tensor {
        let named = params.named();
        (&named["weight"] + &named["bias"]).square().sum(None)
    }

    fn numbers(params: &Params) -> BTreeMap<String, Tensor> {
        params.named().into_iter().map(|(name, tensor)| (name, tensor.detach().copy())).collect()
    }

    /// Two optimizers that share the work, and tell each other, do what one does.
    #[test]
    fn ranges_step_as_the_whole() {
        let whole = network();
        let mut one = AdamW::new(whole.pack(), SETTINGS);
        let networks = [network(), network()];
        let mut halves = [(0..5), (5..8)].into_iter().zip(&networks);
        let mut halves: [AdamW; 2] = std::array::from_fn(|_| {
            let (range, params) = halves.next().unwrap();
            AdamW::of_range(params.pack(), SETTINGS, range)
        });
        for _ in 0..3 {
            let _ = one.step(&loss(&whole), 0.1);
            for (half, params) in halves.iter_mut().zip(&networks) {
                let _ = half.step(&loss(params), 0.1);
            }
            for (from, to) in [(0, 1), (1, 0)] {
                let range = halves[from].range();
                let part = |half: &AdamW| half.packed.flat.narrow(0, range.start, range.end - range.start);
                part(&halves[to]).copy_(&part(&halves[from]));
            }
        }
        for (name, tensor) in numbers(&whole) {
            let apart = (tensor - &numbers(&networks[0])[&name]).abs().max().double_value(&[]);
            assert!(apart < 1e-6, "{name} is {apart:e} apart");
        }
    }

    /// Where nothing pulls, only decay moves.
    #[test]
    fn only_what_decays_decays() {
        for (decays, bias) in [(Decays::Everything, 0.95), (Decays::Matrices, 1.0)] {
            let params = network();
            let before = numbers(&params);
            let mut optimizer = AdamW::new(params.pack(), Settings { decays, ..SETTINGS });
            let _ = optimizer.step(&(loss(&params) * 0.0), 0.1);
            let after = numbers(&params);
            for (name, share) in [("weight", 0.95), ("bias", bias)] {
                assert!(after[name].allclose(&(&before[name] * share), 1e-6, 0.0, false), "{name} under {decays:?}");
            }
        }
    }

    #[test]
    fn a_gradient_is_held_to_the_clip_or_left_alone() {
        let first_moment = |clip: f64| {
            let params = network();
            let mut optimizer = AdamW::new(params.pack(), Settings { clip, ..SETTINGS });
            let norm = optimizer.step(&loss(&params), 0.1).double_value(&[]);
            (norm, optimizer.moments().0.norm().double_value(&[]) / 0.1)
        };
        let (norm, free) = first_moment(1e6);
        assert!((free / norm - 1.0).abs() < 1e-6);
        let (same, held) = first_moment(0.5);
        assert!((same - norm).abs() < f64::EPSILON && (held - 0.5).abs() < 1e-5, "held to {held}");
    }
}
