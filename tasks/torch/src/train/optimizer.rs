//! AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) over segments of the flat parameters, with its state in plain sight.

use std::ops::Range;

use isoflop_kinds::train::Decays;
use tch::{Kind, Tensor, no_grad};

use crate::{nn::Packed, parallel::cut::Cut, shim};

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

/// Parameters, the moments of the segments that are one's own, and the number of steps taken.
///
/// Whatever is done to a segment is done to it alone, so that its bits do not depend on who owns the others. Nothing here waits for a device.
#[derive(Debug)]
pub struct AdamW {
    settings: Settings,
    packed: Packed,
    cut: Cut,
    own: Range<u64>,
    first: Tensor,
    second: Tensor,
    steps: i32,
    /// Where [`step`](Self::step) has its gradient.
    spare: Option<Tensor>,
}

impl AdamW {
    /// An optimizer of all of `packed` that has taken no step.
    pub fn new(packed: Packed, settings: Settings) -> Self {
        Self::of(packed, settings, 0, 1)
    }

    /// An optimizer of what rank `rank` of `world` owns of `packed`: the others are somebody else's to step.
    pub fn of(packed: Packed, settings: Settings, rank: usize, world: usize) -> Self {
        let cut = Cut::new(packed.len() as u64);
        let range = cut.range(rank, world);
        let part = packed.flat.narrow(0, range.start as i64, (range.end - range.start) as i64);
        let (first, second) = (part.zeros_like(), part.zeros_like());
        Self { settings, packed, cut, own: cut.owned(rank, world), first, second, steps: 0, spare: None }
    }

    /// Its constants.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// The parameters.
    pub fn packed(&self) -> &Packed {
        &self.packed
    }

    /// How the parameters are cut.
    pub fn cut(&self) -> Cut {
        self.cut
    }

    /// Which of the flat parameters it steps.
    pub fn range(&self) -> Range<i64> {
        let Range { start, end } = self.cut.stretch(self.own.clone());
        start as i64..end as i64
    }

    /// The segments it owns, each as a range of the flat parameters.
    pub fn segments(&self) -> impl Iterator<Item = Range<i64>> {
        self.own.clone().map(|index| {
            let Range { start, end } = self.cut.segment(index);
            start as i64..end as i64
        })
    }

    /// Both moments of its range, end to end as the parameters are.
    pub fn moments(&self) -> (&Tensor, &Tensor) {
        (&self.first, &self.second)
    }

    /// Steps taken.
    pub fn steps(&self) -> i32 {
        self.steps
    }

    /// Goes back to this number of steps. Parameters and moments are the caller's to put back.
    pub fn go_on(&mut self, steps: i32) {
        self.steps = steps;
    }

    /// A whole step of one that owns all parameters down the gradient of `loss`, at this learning rate. Answers with the gradient's norm before it was
    /// held to the clip.
    pub fn step(&mut self, loss: &Tensor, rate: f64) -> Tensor {
        loss.backward();
        let gradient = self.gradient();
        let norm = self.follow(&gradient, rate);
        self.spare = Some(gradient);
        norm
    }

    /// The gradients that backward passes left at the parameters, which have none afterwards.
    pub fn gradient(&mut self) -> Tensor {
        let gradient = self.spare.take().unwrap_or_else(|| no_grad(|| self.packed.flat.empty_like()));
        self.packed.collect(&gradient);
        gradient
    }

    /// The same down `gradient`, of all parameters, which is used up.
    pub fn follow(&mut self, gradient: &Tensor, rate: f64) -> Tensor {
        let norm = norm(&self.norms(gradient));
        self.descend(gradient, &norm, rate);
        norm
    }

    /// The norms of its segments of `gradient`, which has its range.
    pub fn norms(&self, gradient: &Tensor) -> Tensor {
        let start = self.range().start;
        let parts: Vec<Tensor> =
            self.segments().map(|part| gradient.narrow(0, part.start - start, part.end - part.start)).collect();
        if parts.is_empty() { gradient.narrow(0, 0, 0) } else { shim::norms(&parts) }
    }

    /// Steps its range down `gradient`, which has that range and is used up, at this learning rate. `norm` is that of the whole gradient.
    pub fn descend(&mut self, gradient: &Tensor, norm: &Tensor, rate: f64) {
        let Settings { betas, epsilon, weight_decay, decays, clip } = self.settings;
        self.steps += 1;
        // As in PyTorch's clip_grad_norm_, except that a gradient within bounds is left to the bit: it is divided by one.
        let scale = no_grad(|| ((norm + 1e-6) / clip).clamp_min(1.0));
        let count = Tensor::full([1], f64::from(self.steps), (Kind::Float, norm.device()));
        let (start, matrices) = (self.range().start, self.packed.matrices);
        let tensors = |part: Range<i64>| {
            let length = part.end - part.start;
            let own = |tensor: &Tensor| tensor.narrow(0, part.start - start, length);
            [self.packed.flat.narrow(0, part.start, length), own(gradient), own(&self.first), own(&self.second)]
        };
        // What decays and what does not meet in one segment at most.
        let (before, after): (Vec<_>, Vec<_>) = self
            .segments()
            .map(|part| (part.start..part.end.min(matrices), part.start.max(matrices)..part.end))
            .unzip();
        let others = if decays == Decays::Everything { weight_decay } else { 0.0 };
        for (parts, decay) in [(before, weight_decay), (after, others)] {
            let parts: Vec<[Tensor; 4]> = parts.into_iter().filter(|part| !part.is_empty()).map(tensors).collect();
            shim::adamw(&parts, &count, &scale, shim::Step { rate, betas, decay, epsilon });
        }
    }
}

/// The norm of a gradient whose segments, all of them in order, have `norms`.
pub fn norm(norms: &Tensor) -> Tensor {
    no_grad(|| norms.to_kind(Kind::Double).square().sum(Kind::Double).sqrt().to_kind(Kind::Float))
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

    /// Optimizers that share the work, and tell each other, do what one does, to the bit; and each has the moments of its own range only.
    #[test]
    fn ranks_step_as_one_does() {
        let large = || {
            let params = Params::new(Seed::from_number(1));
            let _ = params.root().param("weight", &[97, 211], Init::Normal(1.0));
            let _ = params.root().param("bias", &[3001], Init::Normal(1.0));
            params
        };
        let settings = Settings { decays: Decays::Matrices, clip: 0.3, ..SETTINGS };
        let gradient = |step: i64, length: i64| {
            ((Tensor::arange(length, (Kind::Float, tch::Device::Cpu)) + step) * 0.37).sin() * 0.01
        };
        let whole = AdamW::new(large().pack(), settings);
        let length = whole.packed.len();
        assert_eq!(whole.segments().count(), 6);
        for world in [2, 3, 4] {
            let networks: Vec<Params> = (0..world).map(|_| large()).collect();
            let ranked = networks.iter().enumerate();
            let mut ranks: Vec<AdamW> =
                ranked.map(|(rank, params)| AdamW::of(params.pack(), settings, rank, world)).collect();
            let mut one = AdamW::new(large().pack(), settings);
            let held: usize = ranks.iter().map(|rank| rank.moments().0.numel()).sum();
            assert_eq!(held, length as usize);
            let most = ranks.iter().map(|rank| rank.moments().0.numel()).max().unwrap();
            assert!(most <= 6_usize.div_ceil(world) * 4096, "{most} of {length} on one of {world} ranks");
            for step in 0..3 {
                let all = gradient(step, length);
                let norm = norm(&one.norms(&all));
                one.descend(&all.copy(), &norm, 0.1);
                let part = |rank: &AdamW, flat: &Tensor| {
                    flat.narrow(0, rank.range().start, rank.range().end - rank.range().start)
                };
                let norms: Vec<Tensor> = ranks.iter().map(|rank| rank.norms(&part(rank, &all))).collect();
                let together = super::norm(&Tensor::cat(&norms, 0));
                assert_eq!(together, norm);
                for rank in &mut ranks {
                    let own = part(rank, &all).copy();
                    rank.descend(&own, &together, 0.1);
                }
            }
            for rank in &ranks {
                let range = rank.range();
                let part = |flat: &Tensor| flat.narrow(0, range.start, range.end - range.start);
                assert_eq!(part(&rank.packed.flat), part(&one.packed.flat), "{world} ranks");
                assert_eq!(*rank.moments().1, part(one.moments().1));
            }
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
