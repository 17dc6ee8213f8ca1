//! A loader: portions of data read ahead by other threads.
//!
//! What portion `k` holds follows from `k` alone, so threads decide when something is read and never what. There is no state to save: resuming is
//! asking for another number.

use std::{
    cell::Cell,
    collections::VecDeque,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::error::TorchError;

/// Where examples come from. To add another: read some rows from wherever they lie, with nothing random and no libtorch operator whose bits
/// could depend on the thread.
pub trait Source: Send + Sync {
    /// Some examples, as training takes them.
    type Portion: Send;

    /// Reads these examples, in this order.
    fn read(&self, rows: &[i64]) -> Result<Self::Portion, TorchError>;
}

/// Which portions there are, in the order in which they will be asked for.
pub trait Sequence: Send + Sync {
    /// The rows of portion `k`.
    fn rows(&self, k: u64) -> Vec<i64>;

    /// The number of the portion after portion `k`; none after the last.
    fn after(&self, k: u64) -> Option<u64>;
}

/// Reads portions ahead.
pub struct Loader<S: Source> {
    shared: Arc<Shared<S>>,
    threads: Vec<JoinHandle<()>>,
    waited: Cell<Duration>,
}

struct Shared<S: Source> {
    source: S,
    sequence: Box<dyn Sequence>,
    ahead: usize,
    desk: Mutex<Desk<S::Portion>>,
    /// A portion was read.
    filled: Condvar,
    /// There is something to read again.
    wanted: Condvar,
}

/// What is being read and what was.
struct Desk<P> {
    /// Counts the times that somebody asked for something else than what came next.
    turn: u64,
    next: Option<u64>,
    slots: VecDeque<(u64, Option<Result<P, TorchError>>)>,
    over: bool,
}

impl<S: Source + 'static> Loader<S> {
    /// A loader whose `threads` threads keep at most `ahead` portions. Without threads it reads when asked.
    pub fn new(source: S, sequence: impl Sequence + 'static, threads: usize, ahead: usize) -> Result<Self, TorchError> {
        let desk = Desk { turn: 0, next: None, slots: VecDeque::new(), over: false };
        let shared = Arc::new(Shared {
            source,
            sequence: Box::new(sequence),
            ahead: ahead.max(1),
            desk: Mutex::new(desk),
            filled: Condvar::new(),
            wanted: Condvar::new(),
        });
        let mut loader = Self { shared, threads: Vec::new(), waited: Cell::default() };
        for _ in 0..threads {
            let shared = Arc::clone(&loader.shared);
            let thread = thread::Builder::new().name("loader".into()).spawn(move || shared.serve());
            loader.threads.push(thread.map_err(TorchError::Thread)?);
        }
        Ok(loader)
    }

    /// Portion `k`. Cheap if it is the one after the last that was asked for; any other is read anew.
    pub fn portion(&self, k: u64) -> Result<S::Portion, TorchError> {
        let began = Instant::now();
        let portion = if self.threads.is_empty() { self.shared.read(k) } else { self.shared.take(k) };
        self.waited.set(self.waited.get() + began.elapsed());
        portion
    }

    /// The time spent waiting for portions so far.
    pub fn waited(&self) -> Duration {
        self.waited.get()
    }

    /// Where the examples come from.
    pub fn source(&self) -> &S {
        &self.shared.source
    }
}

impl<S: Source> Shared<S> {
    fn desk(&self) -> MutexGuard<'_, Desk<S::Portion>> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self, k: u64) -> Result<S::Portion, TorchError> {
        self.source.read(&self.sequence.rows(k))
    }

    fn take(&self, k: u64) -> Result<S::Portion, TorchError> {
        let mut desk = self.desk();
        let due = desk.slots.front().map(|(k, _)| *k).or(desk.next);
        if due != Some(k) {
            desk.turn += 1;
            desk.slots.clear();
            desk.next = Some(k);
            self.wanted.notify_all();
        }
        loop {
            if let Some((_, portion)) = desk.slots.pop_front_if(|(_, portion)| portion.is_some()) {
                self.wanted.notify_one();
                return portion.expect("it was seen to be there");
            }
            desk = self.filled.wait(desk).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// A thread's life: reads what is to be read next, while there is room.
    fn serve(&self) {
        let mut desk = self.desk();
        loop {
            if desk.over {
                return;
            }
            let Some(k) = desk.next.filter(|_| desk.slots.len() < self.ahead) else {
                desk = self.wanted.wait(desk).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let turn = desk.turn;
            desk.next = self.sequence.after(k);
            desk.slots.push_back((k, None));
            drop(desk);
            let portion = catch_unwind(AssertUnwindSafe(|| self.read(k)));
            let portion =
                portion.unwrap_or_else(|_| Err(TorchError::Mismatch(format!("reading portion {k} panicked"))));
            desk = self.desk();
            if desk.turn == turn
                && let Some((_, slot)) = desk.slots.iter_mut().find(|(there, _)| *there == k)
            {
                *slot = Some(portion);
                self.filled.notify_all();
            }
        }
    }
}

impl<S: Source> Drop for Loader<S> {
    fn drop(&mut self) {
        self.shared.desk().over = true;
        self.shared.wanted.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join(); // it catches what it throws
        }
    }
}

impl<S: Source> fmt::Debug for Loader<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader")
            .field("threads", &self.threads.len())
            .field("ahead", &self.shared.ahead)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use isoflop_contract::Seed;

    use super::*;
    use crate::data::Order;

    /// Numbers themselves, read slowly or not, each counted.
    struct Numbers {
        reads: Arc<AtomicUsize>,
        bad: Option<i64>,
    }

    impl Source for Numbers {
        type Portion = Vec<i64>;

        fn read(&self, rows: &[i64]) -> Result<Vec<i64>, TorchError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            assert!(!rows.contains(&-1), "a reader that panics");
            if self.bad.is_some_and(|bad| rows.contains(&bad)) {
                return Err(TorchError::Mismatch("a bad row".into()));
            }
            Ok(rows.to_vec())
        }
    }

    struct Every {
        order: Order,
        step: u64,
        end: u64,
    }

    impl Sequence for Every {
        fn rows(&self, k: u64) -> Vec<i64> {
            self.order.batch(k, 7)
        }

        fn after(&self, k: u64) -> Option<u64> {
            Some(k + self.step).filter(|k| *k < self.end)
        }
    }

    fn loader(threads: usize, ahead: usize, bad: Option<i64>) -> (Loader<Numbers>, Arc<AtomicUsize>) {
        let reads = Arc::<AtomicUsize>::default();
        let order = Order::new(Seed::from_number(3), 100);
        let sequence = Every { order, step: 2, end: 60 };
        (Loader::new(Numbers { reads: Arc::clone(&reads), bad }, sequence, threads, ahead).unwrap(), reads)
    }

    #[test]
    fn threads_change_nothing_and_neither_does_where_one_begins() {
        let read = |threads: usize, asked: &[u64]| {
            let (loader, _) = loader(threads, 3, None);
            asked.iter().map(|&k| loader.portion(k).unwrap()).collect::<Vec<_>>()
        };
        let whole: Vec<u64> = (0..60).step_by(2).collect();
        let alone = read(0, &whole);
        for threads in [1, 8] {
            assert_eq!(read(threads, &whole), alone);
            assert_eq!(read(threads, &whole[20..]), alone[20..]);
            // Forwards, back, twice the same: nobody is confused by what was read ahead.
            assert_eq!(read(threads, &[0, 2, 40, 42, 4, 4, 58]), [0, 1, 20, 21, 2, 2, 29].map(|i| alone[i].clone()));
        }
    }

    #[test]
    fn no_more_is_read_ahead_than_there_is_room_for() {
        let (loader, reads) = loader(4, 5, None);
        loader.portion(0).unwrap();
        // Room for five: the first was taken, so six reads are what there can be.
        let began = Instant::now();
        while reads.load(Ordering::SeqCst) < 6 {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not read ahead");
            thread::sleep(Duration::from_millis(1));
        }
        loader.portion(2).unwrap();
        loader.portion(4).unwrap();
        assert!(reads.load(Ordering::SeqCst) <= 8);
        assert!(loader.waited() > Duration::ZERO);
    }

    #[test]
    fn what_cannot_be_read_fails_where_it_is_needed() {
        let order = Order::new(Seed::from_number(3), 100);
        let bad = order.batch(4, 7)[3];
        let (loader, _) = loader(2, 3, Some(bad));
        assert!(loader.portion(0).is_ok() && loader.portion(2).is_ok());
        assert_eq!(loader.portion(4).unwrap_err().to_string(), "a bad row");
        assert!(loader.portion(6).is_ok());
    }

    #[test]
    fn a_reader_that_panics_is_an_error() {
        struct Bad;
        impl Sequence for Bad {
            fn rows(&self, _: u64) -> Vec<i64> {
                vec![-1]
            }
            fn after(&self, _: u64) -> Option<u64> {
                None
            }
        }
        let loader = Loader::new(Numbers { reads: Arc::default(), bad: None }, Bad, 1, 1).unwrap();
        assert_eq!(loader.portion(0).unwrap_err().to_string(), "reading portion 0 panicked");
        assert_eq!(loader.portion(0).unwrap_err().to_string(), "reading portion 0 panicked");
    }
}
