//! Tensors that follow from sizes alone, made once for each device.

use std::{cell::RefCell, collections::BTreeMap};

use tch::{Device, Tensor};

/// What it is, its sizes and its device.
type Key = (&'static str, Vec<i64>, String);

thread_local! {
    static KEPT: RefCell<BTreeMap<Key, Tensor>> = const { RefCell::new(BTreeMap::new()) };
}

/// What `make` makes on the processor of `sizes`, which alone decide it beside `what` it is, brought to `device`. It is the same handle at every call, so nobody may
/// write to it. Nothing travels to the device but the first time: what is [recorded](super::Replay) must bring nothing there.
pub fn constant(what: &'static str, sizes: &[i64], device: Device, make: impl FnOnce() -> Tensor) -> Tensor {
    let key = (what, sizes.to_vec(), format!("{device:?}"));
    KEPT.with_borrow_mut(|kept| kept.entry(key).or_insert_with(|| make().to_device(device)).shallow_clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_made_once_for_each_of_its_sizes() {
        let made = RefCell::new(0);
        let line = |length: i64| {
            constant("line", &[length], Device::Cpu, || {
                *made.borrow_mut() += 1;
                Tensor::arange(length, (tch::Kind::Float, Device::Cpu))
            })
        };
        assert_eq!(line(3).data_ptr(), line(3).data_ptr());
        assert_eq!(line(4).size(), [4]);
        assert_eq!(made.into_inner(), 2);
    }
}
