//! AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101) over one flat tensor, with its state in plain sight.

use tch::{Tensor, no_grad};

use crate::nn::Packed;

/// AdamW's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Decay rates of the two moments.
    pub betas: [f64; 2],
    /// Keeps the quotient finite.
    pub epsilon: f64,
    /// Decoupled decay of every parameter.
    pub weight_decay: f64,
    /// The gradient's norm is held to this.
    pub clip: f64,
}

/// Parameters, their moments and the number of steps taken.
#[derive(Debug)]
pub struct AdamW {
    settings: Settings,
    packed: Packed,
    first: Tensor,
    second: Tensor,
    steps: i32,
}

impl AdamW {
    /// An optimizer of `packed` that has taken no step.
    pub fn new(packed: Packed, settings: Settings) -> Self {
        let (first, second) = (packed.flat.zeros_like(), packed.flat.zeros_like());
        Self { settings, packed, first, second, steps: 0 }
    }

    /// Both moments, end to end as the parameters are.
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

    /// One step down the gradient of `loss` at this learning rate. Returns the gradient's norm before it was held to the clip.
    pub fn step(&mut self, loss: &Tensor, rate: f64) -> f64 {
        let gradients = Tensor::run_backward(&[loss], &self.packed.views, false, false);
        let Settings { betas: [b1, b2], epsilon, weight_decay, clip } = self.settings;
        no_grad(|| {
            // A parameter that the loss does not depend on (text, where nothing attends to it) has no gradient: it counts as zero.
            let whole = |(gradient, view): (&Tensor, &Tensor)| {
                if gradient.defined() { gradient.reshape([-1]) } else { view.zeros_like().reshape([-1]) }
            };
            let flat: Vec<Tensor> = gradients.iter().zip(&self.packed.views).map(whole).collect();
            let mut gradient = Tensor::cat(&flat, 0);
            let norm = gradient.norm().double_value(&[]);
            // As in PyTorch's clip_grad_norm_, except that a gradient within bounds is left to the bit.
            if norm > clip {
                gradient *= clip / (norm + 1e-6);
            }
            self.steps += 1;
            self.packed.flat *= 1.0 - rate * weight_decay;
            self.first *= b1;
            self.first += &gradient * (1.0 - b1);
            self.second *= b2;
            self.second += gradient.square() * (1.0 - b2);
            let (first, second) = (1.0 - b1.powi(self.steps), 1.0 - b2.powi(self.steps));
            let scale = self.second.sqrt() / second.sqrt() + epsilon;
            self.packed.flat -= &self.first / scale * (rate / first);
            norm
        })
    }
}
