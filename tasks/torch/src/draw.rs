//! Random numbers that depend on a seed alone.

use std::sync::{Mutex, PoisonError};

/// Held while somebody draws.
static DRAWING: Mutex<()> = Mutex::new(());

/// What `draw` makes of libtorch's generator, set to `seed`, of which it takes the low 32 bits: its mt19937 on the processor has room for no more. So of `n`
/// seeds about `n² / 2³³` pairs draw the same numbers, as of a hundred thousand parts of batches two may have the same noise. One generator serves the process, so seeding it and drawing from it are one act
/// that no other thread comes into; hence `draw` must not draw through here again.
pub fn drawn<T>(seed: u64, draw: impl FnOnce() -> T) -> T {
    let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed as i64);
    draw()
}

#[cfg(test)]
mod tests {
    use tch::{Device, Kind, Tensor};

    use super::*;

    /// Eight threads draw at the same time, each the numbers of its seed.
    #[test]
    fn threads_do_not_draw_each_others_numbers() {
        let numbers = |seed: u64| drawn(seed, || Tensor::randn([64], (Kind::Float, Device::Cpu)));
        let alone: Vec<Tensor> = (0..8).map(numbers).collect();
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|seed| scope.spawn(move || (0..200).map(|_| numbers(seed)).collect::<Vec<_>>())).collect();
            for (thread, alone) in threads.into_iter().zip(&alone) {
                assert!(thread.join().unwrap().iter().all(|numbers| numbers == alone));
            }
        });
    }
}
