//! A vigil over the ranks that a leader started.
//!
//! A rank that dies breaks its connection, and the leader finds that out when next it exchanges something. On devices it may never come to that: what a
//! device waits for from another one, it waits for without end, and whoever reads a number of it waits with it. So somebody looks on from the side, and
//! ends the process where it does not end by itself. The engine then reads what was printed last.

use std::{
    collections::VecDeque,
    process::{self, Child, ExitStatus},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{RecvTimeoutError, Sender, channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::team::how;

/// How often to look.
const LOOK: Duration = Duration::from_millis(250);

/// How long the leader may take to find out by itself: longer than it waits for an exit status then.
const GRACE: Duration = Duration::from_mins(1);

/// A follower's process, as several threads look at it.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) rank: usize,
    pub(super) child: Mutex<Child>,
    /// The last lines that it printed.
    pub(super) words: Mutex<VecDeque<String>>,
}

impl Life {
    /// How it ended, if it has.
    pub(super) fn ended(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait().ok().flatten()
    }

    /// What it printed last.
    pub(super) fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        words.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" / ")
    }
}

/// A thread that looks on until this is dropped.
#[derive(Debug)]
pub(super) struct Vigil {
    over: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Vigil {
    /// Looks after these, of a task of `world` ranks.
    pub(super) fn over(lives: impl Iterator<Item = Arc<Life>>, world: usize) -> Self {
        let lives: Vec<Arc<Life>> = lives.collect();
        let look = move || {
            lives
                .iter()
                .find_map(|life| Some((life.rank, life.ended().filter(|status| !status.success())?, life.last_words())))
        };
        Self::new(LOOK, GRACE, look, move |(rank, status, words)| {
            eprintln!(
                "isoflop-torch: rank {rank} of {world} {}, and the devices of the others wait for it; its last words: {words}",
                how(status)
            );
            process::exit(1);
        })
    }

    /// Looks every so often; once there is something to see and nobody ended the vigil for as long as `grace`, does `end` with it.
    fn new<T: Send + 'static>(
        every: Duration,
        grace: Duration,
        look: impl Fn() -> Option<T> + Send + 'static,
        end: impl FnOnce(T) + Send + 'static,
    ) -> Self {
        let (over, is_over) = channel::<()>();
        let watch = move || {
            let mut since: Option<Instant> = None;
            while is_over.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                let Some(seen) = look() else { continue };
                if since.get_or_insert_with(Instant::now).elapsed() >= grace {
                    return end(seen);
                }
            }
        };
        // Without it a task that hangs is found by the limit of its time.
        let thread = thread::Builder::new().name("vigil".into()).spawn(watch).ok();
        Self { over: Some(over), thread }
    }
}

impl Drop for Vigil {
    fn drop(&mut self) {
        self.over.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn who_hangs_is_ended_and_who_finds_out_is_left_alone() {
        let (ended, died) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let vigil = |grace: Duration| {
            let (ended, died) = (Arc::clone(&ended), Arc::clone(&died));
            let look = move || died.load(Ordering::SeqCst).then_some(7);
            Vigil::new(Duration::from_millis(1), grace, look, move |seen| ended.store(seen == 7, Ordering::SeqCst))
        };
        drop(vigil(Duration::ZERO)); // nothing happened
        died.store(true, Ordering::SeqCst);
        drop(vigil(Duration::from_hours(1))); // the leader found out
        assert!(!ended.load(Ordering::SeqCst));
        let hanging = vigil(Duration::ZERO);
        let began = Instant::now();
        while !ended.load(Ordering::SeqCst) {
            assert!(began.elapsed() < Duration::from_mins(1), "it does not look");
            thread::sleep(Duration::from_millis(1));
        }
        drop(hanging);
    }
}
