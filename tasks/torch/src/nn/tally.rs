//! A tally of multiply-accumulates, kept while somebody counts.
//!
//! Layers add what they do from the shapes they really see, so that the closed forms in `tasks/kinds` can be held against what runs. What is
//! added is what one sample takes, whatever the batch: a batch of none, over [hollow](super::Params::hollow) parameters, counts a model of any size at
//! once.

use std::{cell::RefCell, collections::BTreeMap};

use tch::Tensor;

/// What was done for one sample, by the layer's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Multiply-accumulates of convolutions and linear layers.
    pub macs: BTreeMap<String, u64>,
    /// Multiply-accumulates of attention products.
    pub products: BTreeMap<String, u64>,
}

thread_local! {
    static TALLY: RefCell<Option<Tally>> = const { RefCell::new(None) };
}

/// Everything that is done while `run` runs.
pub fn tally(run: impl FnOnce()) -> Tally {
    TALLY.set(Some(Tally::default()));
    run();
    TALLY.take().expect("nothing else ends a count")
}

/// What convolutions and linear layers do while `run` runs, by the layer's name.
pub fn count(run: impl FnOnce()) -> BTreeMap<String, u64> {
    tally(run).macs
}

/// Numbers that one sample of `batch` has.
pub(crate) fn sample(batch: &Tensor) -> u64 {
    batch.size().iter().skip(1).product::<i64>() as u64
}

/// Adds the multiply-accumulates of a convolution or linear layer if somebody counts.
pub(crate) fn macs(layer: &str, macs: impl FnOnce() -> u64) {
    TALLY.with_borrow_mut(|tally| {
        if let Some(tally) = tally {
            *tally.macs.entry(layer.to_owned()).or_default() += macs();
        }
    });
}

/// Adds the multiply-accumulates of attention products if somebody counts.
pub(crate) fn products(layer: &str, products: impl FnOnce() -> u64) {
    TALLY.with_borrow_mut(|tally| {
        if let Some(tally) = tally {
            *tally.products.entry(layer.to_owned()).or_default() += products();
        }
    });
}
