//! A tally of multiply-accumulates, kept while somebody counts.
//!
//! Layers add what they do from the shapes they really see, so that the closed forms in `tasks/kinds` can be held against what runs.

use std::{cell::RefCell, collections::BTreeMap};

thread_local! {
    static TALLY: RefCell<Option<BTreeMap<String, u64>>> = const { RefCell::new(None) };
}

/// What every layer does while `run` runs, by the layer's name.
pub fn count(run: impl FnOnce()) -> BTreeMap<String, u64> {
    TALLY.set(Some(BTreeMap::new()));
    run();
    TALLY.take().expect("nothing else ends a count")
}

/// Adds `macs()` to `layer` if somebody counts.
pub(crate) fn add(layer: &str, macs: impl FnOnce() -> u64) {
    TALLY.with_borrow_mut(|tally| {
        if let Some(tally) = tally {
            *tally.entry(layer.to_owned()).or_default() += macs();
        }
    });
}
