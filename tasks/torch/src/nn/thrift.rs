//! Activation checkpointing (Chen et al. 2016, arXiv 1604.06174): blocks whose insides are computed again when their backward comes.

use std::cell::Cell;

use tch::Tensor;

use crate::shim;

thread_local! {
    static THRIFTY: Cell<bool> = const { Cell::new(false) };
}

/// What `run` does, with [blocks](block) keeping their inputs alone if `thrifty`.
pub fn thriftily<T>(thrifty: bool, run: impl FnOnce() -> T) -> T {
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            THRIFTY.set(self.0);
        }
    }
    let _before = Before(THRIFTY.replace(thrifty));
    run()
}

/// A block of a network: what `run` makes of `inputs`. It must not depend on anything that changes between its forward and its backward, and holds
/// its layers itself, since it may run long after this call.
pub fn block(inputs: &[&Tensor], run: impl Fn(&[Tensor]) -> Tensor + 'static) -> Tensor {
    if THRIFTY.get() && inputs.iter().any(|input| input.requires_grad()) {
        shim::recompute(inputs, run)
    } else {
        // What several blocks read gets its gradient summed within each block first, as it is when they are run again: rounding is the same.
        run(&inputs.iter().map(|input| input.alias()).collect::<Vec<_>>())
    }
}
