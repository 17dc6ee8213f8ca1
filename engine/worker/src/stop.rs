//! Stopping: the engine closes stdin (or dies, which closes it too) and sends SIGTERM. A body that looks at
//! [`Context::should_stop`](crate::Context::should_stop) then has some of its own [strides](Stride) to end by itself, and a checkpoint that is being
//! written [`SAVING`] more; the process of any other ends at once.

use std::{
    io::{self, BufRead, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

use isoflop_contract::stride::{SAVING, Stride};
use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};

/// Whether to stop, shared by the body and the thread that watches.
#[derive(Debug, Clone)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    looked: Arc<AtomicBool>,
    saving: Arc<AtomicBool>,
    stride: Arc<Mutex<Stride>>,
}

impl Stop {
    /// A body begins.
    pub(crate) fn begun() -> Self {
        let stride = Arc::new(Mutex::new(Stride::begun(Instant::now())));
        Self { asked: Arc::default(), looked: Arc::default(), saving: Arc::default(), stride }
    }

    /// Whether the body should stop, asked by the body where it can.
    pub(crate) fn look(&self) -> bool {
        self.looked.store(true, Ordering::Relaxed);
        self.stride.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        self.asked.load(Ordering::Relaxed)
    }

    /// Says whether a checkpoint is being written.
    pub(crate) fn set_saving(&self, saving: bool) {
        self.saving.store(saving, Ordering::Relaxed);
    }

    /// Watches stdin and SIGTERM from now on.
    pub(crate) fn watch(&self) -> io::Result<()> {
        // The belt to the braces of stdin: the kernel kills this process when the engine's thread that started it ends.
        #[cfg(target_os = "linux")]
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let term = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&term))?;
        let (closed, ended) = mpsc::channel::<()>();
        thread::Builder::new().name("stdin".into()).spawn(move || {
            let _open = closed;
            let _ = io::stdin().lock().read(&mut [0]); // a byte, the end or an error: all mean stop
        })?;
        let stop = self.clone();
        thread::Builder::new().name("stop".into()).spawn(move || {
            while !term.load(Ordering::Relaxed) {
                match ended.recv_timeout(Duration::from_millis(50)) {
                    Err(mpsc::RecvTimeoutError::Timeout) => {}
                    _ => break,
                }
            }
            stop.asked.store(true, Ordering::Relaxed);
            if stop.looked.load(Ordering::Relaxed) {
                let grace = stop.stride.lock().unwrap_or_else(PoisonError::into_inner).grace();
                thread::sleep(grace);
                let began = Instant::now();
                while stop.saving.load(Ordering::Relaxed) && began.elapsed() < SAVING {
                    thread::sleep(Duration::from_millis(50));
                }
            }
            // Not `exit`: destructors of native libraries must not run under a body that still computes.
            let _ = kill_process(getpid(), Signal::KILL);
        })?;
        Ok(())
    }
}

/// One line from `from`, without its end; `None` if there is none or it is longer than `limit`.
pub(crate) fn line(from: &mut impl BufRead, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(limit as u64 + 1).read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_and_within_the_limit_or_none() {
        assert_eq!(line(&mut &b"abc\ndef"[..], 8).unwrap(), Some(b"abc".to_vec()));
        assert_eq!(line(&mut &b"abc"[..], 8).unwrap(), None);
        assert_eq!(line(&mut &b""[..], 8).unwrap(), None);
        assert_eq!(line(&mut &b"abcdefgh\n"[..], 4).unwrap(), None);
    }
}
