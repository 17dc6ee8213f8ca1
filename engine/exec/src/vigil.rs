//! The vigil over one worker: whether it gives signs of life, and whether it stays within its memory. Pure: looks come in, alarms go out.
//!
//! A worker that works is told from one that does not by two things, whatever its task and however long that takes. A thread of the worker's
//! own says every second that the process lives: a process that was stopped, or hangs in the kernel, falls silent. And no process that it
//! started may stay stopped: a program on which SIGSTOP was sent does nothing, though its worker beats on. How *much* it achieves nobody
//! can know; for that there is `on: time`.
//!
//! Time counts only while the engine looks. An engine that was itself stopped, with its machine or alone, finds its workers' signs of life
//! in the pipe when it goes on, and must not blame them for its own absence.

use std::time::{Duration, Instant};

use isoflop_contract::quantity::{Bytes, Seconds};

use crate::census::Usage;

/// How often to look at a worker.
const PACE: Duration = Duration::from_secs(1);

/// How often to look at one whose memory is limited.
const CLOSE: Duration = Duration::from_millis(200);

/// What is wrong with a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Alarm {
    /// It says nothing any more.
    Silent(Duration),
    /// One of its processes is stopped.
    Stopped(i32, Duration),
    /// It uses more memory than it may.
    Memory { used: u64, limit: u64 },
}

#[derive(Debug)]
pub(crate) struct Vigil {
    /// How long a worker may be without a sign of life.
    patience: Duration,
    /// Memory it may use, in bytes.
    limit: Option<u64>,
    quiet: Duration,
    stopped: Duration,
    looked: Instant,
}

impl Vigil {
    pub(crate) const fn new(patience: Duration, limit: Option<u64>, now: Instant) -> Self {
        Self { patience, limit, quiet: Duration::ZERO, stopped: Duration::ZERO, looked: now }
    }

    /// How often [`Vigil::look`] wants to be called.
    pub(crate) const fn pace(&self) -> Duration {
        if self.limit.is_some() { CLOSE } else { PACE }
    }

    /// It gave a sign of life.
    pub(crate) const fn hear(&mut self) {
        self.quiet = Duration::ZERO;
    }

    /// Looks at it. `usage` is what is known of its processes; `exactly` finds out what memory they use if that is in doubt.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        usage: Option<&Usage>,
        exactly: impl FnOnce(&Usage) -> Option<u64>,
    ) -> Option<Alarm> {
        let passed = now.saturating_duration_since(self.looked).min(self.pace() * 2);
        self.looked = now;
        self.quiet += passed;
        let stopped = usage.and_then(|usage| usage.stopped);
        self.stopped = if stopped.is_some() { self.stopped + passed } else { Duration::ZERO };
        if let (Some(limit), Some(usage)) = (self.limit, usage)
            && usage.resident > limit
        {
            // Pages that several processes share were counted for each.
            let used = exactly(usage).map_or(usage.resident, |exact| exact.min(usage.resident));
            if used > limit {
                return Some(Alarm::Memory { used, limit });
            }
        }
        match stopped {
            Some(pid) if self.stopped >= self.patience => Some(Alarm::Stopped(pid, self.stopped)),
            _ if self.quiet >= self.patience => Some(Alarm::Silent(self.quiet)),
            _ => None,
        }
    }
}

impl Alarm {
    /// What is said of it.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Silent(time) => {
                format!("the worker gave no sign of life for {}; its process hangs or was stopped", seconds(*time))
            }
            Self::Stopped(pid, time) => {
                format!("process {pid} of it was stopped (SIGSTOP) and did nothing for {}", seconds(*time))
            }
            Self::Memory { used, limit } => format!(
                "it used {} of memory, with all that it started; `on: memory` allows {}",
                Bytes(*used),
                Bytes(*limit)
            ),
        }
    }
}

fn seconds(time: Duration) -> Seconds {
    Seconds(time.as_secs_f64().round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(resident: u64, stopped: Option<i32>) -> Usage {
        Usage { resident, processes: vec![1], stopped }
    }

    #[test]
    fn silence_counts_while_the_engine_looks_and_no_longer() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut vigil = Vigil::new(Duration::from_secs(5), None, start);
        let mut look = |second| vigil.look(at(second), Some(&usage(1, None)), |_| None);
        for second in 1..5 {
            assert_eq!(look(second), None);
        }
        assert_eq!(look(5), Some(Alarm::Silent(Duration::from_secs(5))));
        let mut absent = Vigil::new(Duration::from_secs(5), None, start);
        assert_eq!(absent.look(at(1000), None, |_| None), None, "the engine was away, not the worker");
        for second in 1001..1100 {
            absent.hear();
            assert_eq!(absent.look(at(second), None, |_| None), None);
        }
    }

    #[test]
    fn a_stopped_process_is_found_though_its_worker_beats() {
        let start = Instant::now();
        let mut vigil = Vigil::new(Duration::from_secs(3), None, start);
        let mut alarm = None;
        for second in 1..=3 {
            vigil.hear();
            alarm = vigil.look(start + Duration::from_secs(second), Some(&usage(1, Some(42))), |_| None);
        }
        assert_eq!(alarm, Some(Alarm::Stopped(42, Duration::from_secs(3))));
        let said = alarm.unwrap().message();
        assert_eq!(said, "process 42 of it was stopped (SIGSTOP) and did nothing for 3s");
    }

    #[test]
    fn shared_pages_count_once() {
        let now = Instant::now();
        let mut vigil = Vigil::new(Duration::from_mins(1), Some(1 << 30), now);
        assert_eq!(vigil.look(now, Some(&usage(1 << 30, None)), |_| panic!("not in doubt")), None);
        assert_eq!(vigil.look(now, Some(&usage(2 << 30, None)), |_| Some(1 << 20)), None);
        let over = vigil.look(now, Some(&usage(3 << 30, None)), |_| Some(3 << 29)).unwrap();
        assert_eq!(over.message(), "it used 1.5 GiB of memory, with all that it started; `on: memory` allows 1.0 GiB");
        assert!(vigil.look(now, Some(&usage(2 << 30, None)), |_| None).is_some(), "the worst is assumed");
    }
}
