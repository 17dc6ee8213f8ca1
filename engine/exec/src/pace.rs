//! Pace: how many tasks to claim before there is room for them. Pure arithmetic over what the reactor saw.
//!
//! A claim is a transaction, and a slot that waits for one lies idle. Where tasks take milliseconds that is most of the time, so as many are
//! claimed ahead as are likely to be under way within a moment. Where tasks are long none is: it would gain nothing, and keep keys from
//! another engine that has room for them now.

use std::time::{Duration, Instant};

/// Claims are ahead by so much time.
const MOMENT: Duration = Duration::from_millis(150);

/// And by no more tasks than this.
const MOST: usize = 48;

/// After so long without a task that ended, what is claimed ahead goes back.
const STALLED: Duration = Duration::from_secs(1);

/// What is known of the tasks of a run.
#[derive(Debug)]
pub(crate) struct Pace {
    jobs: u32,
    /// How long a task occupied its slot, lately, in seconds.
    mean: Option<f64>,
    last: Option<Instant>,
}

impl Pace {
    /// Of a run in `jobs` slots.
    pub(crate) const fn new(jobs: u32) -> Self {
        Self { jobs, mean: None, last: None }
    }

    /// Notes that a task gave its slot back at `now`, after so long.
    pub(crate) fn note(&mut self, now: Instant, took: Duration) {
        let took = took.as_secs_f64();
        // One long task ends the haste; it takes several short ones to begin it.
        self.mean = Some(
            self.mean
                .map_or(took, |mean| if took > mean { took.midpoint(mean) } else { mean.mul_add(0.75, took / 4.0) }),
        );
        self.last = Some(now);
    }

    /// How many to claim ahead at `now`.
    pub(crate) fn ahead(&self, now: Instant) -> usize {
        let (Some(mean), Some(last)) = (self.mean, self.last) else { return 0 };
        if now.saturating_duration_since(last) > STALLED {
            return 0;
        }
        ((MOMENT.as_secs_f64() * f64::from(self.jobs) / mean.max(1e-6)) as usize).min(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_short_tasks_are_claimed_ahead_and_only_while_they_end() {
        let now = Instant::now();
        let mut pace = Pace::new(2);
        assert_eq!(pace.ahead(now), 0, "nothing is known yet");
        for _ in 0..10 {
            pace.note(now, Duration::from_millis(10));
        }
        assert_eq!(pace.ahead(now), 30);
        assert_eq!(pace.ahead(now + STALLED), 30);
        assert_eq!(pace.ahead(now + 2 * STALLED), 0, "a long task is in the way");
        pace.note(now, Duration::from_hours(1));
        assert_eq!(pace.ahead(now), 0);
        for _ in 0..100 {
            pace.note(now, Duration::from_micros(1));
        }
        assert_eq!(pace.ahead(now), MOST);
    }
}
