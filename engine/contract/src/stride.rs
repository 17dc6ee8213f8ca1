//! How long a worker that is asked to end may take for it. Both sides reckon by this rule: the worker from one look to the next whether it should end, the
//! engine from one notice of progress to the next. A body that saves gives both at each step.

use std::time::{Duration, Instant};

/// The least that a body which looks has.
const LEAST: Duration = Duration::from_secs(5);

/// The most.
const MOST: Duration = Duration::from_mins(10);

/// How many strides it has: one may have begun just now, and one among many, as a held-out pass between two steps, takes longer than others.
const STRIDES: u32 = 4;

/// How long a checkpoint may take that is written before the end.
pub const SAVING: Duration = Duration::from_mins(10);

/// From one place at which a body can end to the next: of a training, a step. What is in the midst of one is lost if it is not waited for, and a step of a
/// large model takes its time.
#[derive(Debug, Clone, Copy)]
pub struct Stride {
    since: Instant,
    longest: Duration,
}

impl Stride {
    /// A body begins.
    #[must_use]
    pub const fn begun(now: Instant) -> Self {
        Self { since: now, longest: Duration::ZERO }
    }

    /// It is at such a place.
    pub fn take(&mut self, now: Instant) {
        self.longest = self.longest.max(now.saturating_duration_since(self.since));
        self.since = now;
    }

    /// How long it may take from being asked to end until it does, or begins to save.
    #[must_use]
    pub fn grace(&self) -> Duration {
        (self.longest * STRIDES).clamp(LEAST, MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_long_steps_is_given_time_for_some() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut stride = Stride::begun(began);
        assert_eq!(stride.grace(), Duration::from_secs(5));
        stride.take(at(20));
        stride.take(at(21));
        assert_eq!(stride.grace(), Duration::from_secs(80));
        stride.take(at(10_000));
        assert_eq!(stride.grace(), Duration::from_mins(10));
    }
}
