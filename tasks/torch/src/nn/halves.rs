//! Weights in lower precision beside those that train, for devices.
//!
//! libtorch's lower precision casts every weight by itself at each forward pass, and every gradient back: on a device that is four operators a layer which do nothing
//! else. Here all weights are cast together, layers use what was cast, and gradients stay in lower precision until all are collected together. Each number is rounded
//! where it was, so the bits are those of one cast at a time.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use tch::{Device, Kind, Tensor, no_grad};

use super::Setting;
use crate::shim;

/// Numbers that a tensor starts at a multiple of: what is aligned otherwise, libraries multiply by slower kernels.
const ALIGNED: i64 = 64;

/// Parameters in bfloat16.
#[derive(Debug)]
pub struct Halves {
    /// The parameters.
    whole: Vec<Tensor>,
    /// Each in lower precision, in the same order; they ask for gradients.
    half: Vec<Tensor>,
    /// Which of them lies where, by the parameter's address.
    places: BTreeMap<usize, usize>,
}

thread_local! {
    static LENT: RefCell<Option<Rc<Halves>>> = const { RefCell::new(None) };
}

impl Halves {
    /// Of these parameters, as far as `setting` asks for lower precision on a device.
    pub fn of(whole: &[Tensor], setting: Setting) -> Option<Rc<Self>> {
        use isoflop_contract::environment::Precision;
        (matches!(setting.device, Device::Cuda(_)) && setting.precision == Precision::Bf16).then(|| Self::new(whole))
    }

    /// Of these parameters, which have numbers when it is [refreshed](Self::refresh).
    pub fn new(whole: &[Tensor]) -> Rc<Self> {
        let lengths = whole.iter().map(|tensor| (tensor.numel() as i64 + ALIGNED - 1) / ALIGNED * ALIGNED);
        let device = whole.first().map_or(Device::Cpu, Tensor::device);
        let half = no_grad(|| {
            let flat = Tensor::zeros([lengths.clone().sum::<i64>()], (Kind::BFloat16, device));
            let mut start = 0;
            let views = whole.iter().zip(lengths).map(|(tensor, length)| {
                let view = flat.narrow(0, start, tensor.numel() as i64).view(tensor.size().as_slice()).detach();
                start += length;
                view.set_requires_grad(true)
            });
            views.collect()
        });
        let whole: Vec<Tensor> = whole.iter().map(Tensor::shallow_clone).collect();
        let places = whole.iter().enumerate().map(|(i, tensor)| (tensor.data_ptr() as usize, i)).collect();
        Rc::new(Self { whole, half, places })
    }

    /// Casts the parameters as they are now.
    pub fn refresh(&self) {
        shim::copy_all(&self.half, &self.whole);
    }

    /// Lets layers use them on this thread while `run` runs, which must be in lower precision.
    pub fn lend<T>(self: &Rc<Self>, run: impl FnOnce() -> T) -> T {
        struct Back(Option<Rc<Halves>>);
        impl Drop for Back {
            fn drop(&mut self) {
                LENT.set(self.0.take());
            }
        }
        let _back = Back(LENT.replace(Some(Rc::clone(self))));
        run()
    }

    /// Each parameter in lower precision, in the order they were given.
    pub(super) fn all(&self) -> &[Tensor] {
        &self.half
    }
}

/// The weight that a layer multiplies with: `weight` itself, or it in lower precision where such are lent.
pub(super) fn lower(weight: &Tensor) -> Tensor {
    LENT.with_borrow(|lent| {
        let half =
            lent.as_ref().and_then(|lent| lent.places.get(&(weight.data_ptr() as usize)).map(|&i| &lent.half[i]));
        half.unwrap_or(weight).shallow_clone()
    })
}

#[cfg(test)]
mod tests {
    use isoflop_contract::{Seed, environment::Precision};

    use super::*;
    use crate::nn::{Conv2d, GroupNorm, Linear, Params, precise};

    /// Gradients of a convolution, a normalization and a linear layer that is used twice.
    fn gradients(lent: bool) -> (Tensor, Tensor) {
        let params = Params::new(Seed::from_number(1));
        let root = params.root();
        let conv = Conv2d::new(&(&root / "conv"), 3, 5, 3);
        let (norm, linear) = (GroupNorm::new(&(&root / "norm"), 5, 5, 1e-5), Linear::new(&(&root / "linear"), 7, 7));
        let mut packed = params.pack();
        let halves = Halves::new(&packed.views);
        if lent {
            packed.halves = Some(Rc::clone(&halves));
            halves.refresh();
        }
        let x = (Tensor::arange(2 * 3 * 7 * 7, (Kind::Float, Device::Cpu)) * 0.37).sin().view([2, 3, 7, 7]);
        let pass = || {
            let h = norm.forward(&conv.forward(&x)).silu();
            let h = linear.forward(&linear.forward(&h).tanh());
            (conv.forward(&x) * h).to_kind(Kind::Float).square().mean(Kind::Float)
        };
        let loss = precise(Precision::Bf16, || if lent { halves.lend(pass) } else { pass() });
        loss.backward();
        let gradient = no_grad(|| packed.flat.empty_like());
        packed.collect(&gradient);
        (loss.detach(), gradient)
    }

    #[test]
    fn numbers_are_those_of_one_cast_at_a_time() {
        let ((loss, gradient), (lent_loss, lent_gradient)) = (gradients(false), gradients(true));
        assert_eq!(loss, lent_loss);
        assert!(gradient.abs().sum(Kind::Float).double_value(&[]) > 0.1);
        assert_eq!(gradient, lent_gradient);
        assert_eq!(gradient, gradients(true).1, "nothing stays lent");
    }
}
