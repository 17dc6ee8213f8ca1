//! Where networks run, and in what precision.

use std::rc::Rc;

use isoflop_contract::environment::Precision;
use tch::{Device, Tensor};

use super::Halves;
use crate::shim;

/// A device and a precision. Whatever is random is drawn on the processor and brought there, so that it is the same on every device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The device that has the parameters.
    pub device: Device,
    /// The precision of products, convolutions and attention.
    pub precision: Precision,
}

/// On the processor.
impl From<Precision> for Setting {
    fn from(precision: Precision) -> Self {
        Self { device: Device::Cpu, precision }
    }
}

impl Setting {
    /// The same precision on the processor.
    #[must_use]
    pub fn at_home(self) -> Self {
        self.precision.into()
    }

    /// A tensor there. On its way to a CUDA device it goes through memory that the device reads by itself, so that nobody waits for its arrival.
    pub fn bring(self, tensor: &Tensor) -> Tensor {
        match self.device {
            Device::Cuda(_) if tensor.device() == Device::Cpu => {
                shim::pinned(tensor).to_device_(self.device, tensor.kind(), true, false)
            }
            device => tensor.to_device(device),
        }
    }
}

/// What `pass` makes in the precision of this setting, in which layers use `halves`, where there are such, of the weights as they are now.
pub fn precisely<T>(setting: Setting, halves: Option<&Rc<Halves>>, pass: impl FnOnce() -> T) -> T {
    match halves {
        None => precise(setting, pass),
        Some(halves) => {
            halves.refresh();
            precise(setting, || halves.lend(pass))
        }
    }
}

/// Runs `run` in the precision of this setting. Nothing may change a weight inside.
pub fn precise<T>(setting: impl Into<Setting>, run: impl FnOnce() -> T) -> T {
    let Setting { device, precision } = setting.into();
    match precision {
        Precision::Fp32 => run(),
        Precision::Bf16 => shim::in_bfloat16(device, run),
    }
}
