//! Work that is cut into numbered pieces: the result of piece `k` depends on `k` alone, so the number of threads changes no bit.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

/// `of(0)`, …, `of(count - 1)`, in this order, on so many threads. Each thread makes a scratch space of its own.
pub fn each<S, T: Send>(
    count: usize,
    threads: usize,
    scratch: impl Fn() -> S + Sync,
    of: impl Fn(usize, &mut S) -> T + Sync,
) -> Vec<T> {
    if threads <= 1 || count < 2 {
        let mut space = scratch();
        return (0..count).map(|k| of(k, &mut space)).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut space = scratch();
        let mut made = Vec::new();
        loop {
            let k = next.fetch_add(1, Ordering::Relaxed);
            if k >= count {
                return made;
            }
            made.push((k, of(k, &mut space)));
        }
    };
    let mut all: Vec<(usize, T)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.min(count)).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a piece of work does not panic")).collect()
    });
    all.sort_by_key(|(k, _)| *k);
    all.into_iter().map(|(_, made)| made).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_does_not_depend_on_threads() {
        let squares = |threads| each(100, threads, || 0, |k, _| k * k);
        assert_eq!(squares(1), squares(16));
        assert_eq!(squares(3)[99], 9801);
    }
}
