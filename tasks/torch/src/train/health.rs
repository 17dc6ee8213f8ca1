//! Whether a training is still worth its steps: losses that are no numbers, and losses that have left their bounds.

use std::fmt::Write as _;

use isoflop_kinds::train::Health;
use isoflop_worker::{Context, NotFinite};
use serde::{Deserialize, Serialize};

/// Losses that the running mean is made of before anything is held against it.
const SETTLED: u64 = 20;

/// The running mean forgets as an average over so many losses does.
const MEMORY: f64 = 50.0;

/// Losses that are told as evidence.
const EVIDENCE: usize = 5;

/// What is known of the losses so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watch {
    mean: f64,
    seen: u64,
    row: u64,
    /// Spikes there were.
    pub(super) spikes: u64,
    latest: Vec<f64>,
    /// Spikes that are not in the series yet: the step, and the loss as a multiple of the mean.
    unsaid: Vec<(u64, f64)>,
}

impl Watch {
    /// Takes in the loss and the gradient's norm of step number `step`. The error is the evidence that the training diverged.
    pub(super) fn look(&mut self, health: Health, step: u64, loss: f64, norm: f64) -> Result<(), String> {
        for (what, value) in [("the training loss", loss), ("the gradient's norm", norm)] {
            if !value.is_finite() {
                return Err(format!("{what} is {value} at step {step}{}", self.before()));
            }
        }
        let spike = self.seen >= SETTLED && loss > health.spike * self.mean;
        if spike {
            self.spikes += 1;
            self.row += 1;
            self.unsaid.push((step, loss / self.mean));
            if self.row >= health.patience {
                let (row, spike, mean) = (self.row, health.spike, self.mean);
                let before = self.before();
                return Err(format!(
                    "the training loss was above {spike} times its running mean ({mean:.4}) for {row} steps in a row, and is {loss:.4} at step {step}{before}"
                ));
            }
        } else {
            self.row = 0;
            self.seen += 1;
            self.mean += (loss - self.mean) / (self.seen as f64).min(MEMORY);
        }
        if self.latest.len() == EVIDENCE {
            self.latest.remove(0);
        }
        self.latest.push(loss);
        Ok(())
    }

    /// Puts spikes into the series that are not in it yet.
    pub(super) fn tell(&mut self, context: &mut Context) -> Result<(), NotFinite> {
        std::mem::take(&mut self.unsaid)
            .into_iter()
            .try_for_each(|(step, times)| context.metric("loss_spike", step, times))
    }

    /// The losses before, as the end of a sentence.
    fn before(&self) -> String {
        let mut said = String::new();
        for (i, loss) in self.latest.iter().enumerate() {
            let _ = write!(said, "{} {loss:.4}", if i == 0 { "; the losses before it were" } else { "," });
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTH: Health = Health { spike: 4.0, patience: 3 };

    fn settled() -> Watch {
        let mut watch = Watch::default();
        (1..=SETTLED).for_each(|step| watch.look(HEALTH, step, 0.1, 1.0).unwrap());
        watch
    }

    #[test]
    fn what_is_no_number_ends_it_at_once() {
        let error = settled().look(HEALTH, 21, f64::NAN, 1.0).unwrap_err();
        assert_eq!(
            error,
            "the training loss is NaN at step 21; the losses before it were 0.1000, 0.1000, 0.1000, 0.1000, 0.1000"
        );
        assert_eq!(
            Watch::default().look(HEALTH, 1, 0.1, f64::INFINITY).unwrap_err(),
            "the gradient's norm is inf at step 1"
        );
    }

    #[test]
    fn spikes_are_counted_and_only_many_in_a_row_end_it() {
        let mut watch = settled();
        for step in [21, 22] {
            watch.look(HEALTH, step, 0.5, 1.0).unwrap();
        }
        watch.look(HEALTH, 23, 0.1, 1.0).unwrap();
        assert!(watch.unsaid.iter().all(|(_, times)| (times - 5.0).abs() < 1e-9), "{:?}", watch.unsaid);
        assert_eq!(watch.unsaid.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [21, 22]);
        (24..26).for_each(|step| watch.look(HEALTH, step, 0.5, 1.0).unwrap());
        let error = watch.look(HEALTH, 26, 0.5, 1.0).unwrap_err();
        assert!(error.starts_with("the training loss was above 4 times its running mean (0.1000) for 3 steps in a row, and is 0.5000 at step 26"));
        assert_eq!(watch.spikes, 5);
        // Before there is a mean worth the name, nothing is a spike.
        let mut young = Watch::default();
        young.look(HEALTH, 1, 0.1, 1.0).unwrap();
        young.look(HEALTH, 2, 10.0, 1.0).unwrap();
        assert_eq!(young.spikes, 0);
    }
}
