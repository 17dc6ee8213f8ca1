//! What all short trainings share: how long, how fast, and how often they are measured.

use isoflop_contract::Complaint;

use crate::train::Decay;

/// Steps and rates of a training whose spec has these fields; the macro `plain!` gives a spec the method that brings them together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plain {
    /// Optimizer steps.
    pub steps: u64,
    /// Samples a step.
    pub batch: u64,
    /// The learning rate after warm-up.
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    pub warmup: u64,
    /// What the learning rate does after warm-up.
    pub schedule: Decay,
    /// AdamW's decoupled weight decay.
    pub weight_decay: f64,
    /// Steps between held-out measures.
    pub evaluate_every: u64,
}

/// Gives a spec with the fields of [`Plain`] a method that brings them together.
macro_rules! plain {
    ($spec:ident) => {
        impl $spec {
            /// Steps and rates.
            pub fn plain(&self) -> $crate::plain::Plain {
                let Self { steps, batch, learning_rate, warmup, schedule, weight_decay, evaluate_every, .. } = *self;
                $crate::plain::Plain { steps, batch, learning_rate, warmup, schedule, weight_decay, evaluate_every }
            }
        }
    };
}

pub(crate) use plain;

impl Plain {
    /// Refuses what cannot be trained.
    pub fn check(&self) -> Result<(), Complaint> {
        let positive = self.learning_rate > 0.0 && self.learning_rate.is_finite();
        Complaint::unless(self.steps > 0, "steps", "must be positive")?;
        Complaint::unless((1..=1 << 16).contains(&self.batch), "batch", "must be between 1 and 65536")?;
        warms_up(self.warmup, self.steps, warmup())?;
        Complaint::unless(positive, "learning_rate", "must be positive")?;
        Complaint::unless((0.0..1.0).contains(&self.weight_decay), "weight_decay", "must lie between 0 and 1")?;
        Complaint::unless(self.evaluate_every > 0, "evaluate_every", "must be positive")
    }
}

/// Refuses a warm-up of more steps than the training has; `default` is what a spec has that says nothing of it.
pub(crate) fn warms_up(warmup: u64, steps: u64, default: u64) -> Result<(), Complaint> {
    if warmup <= steps {
        return Ok(());
    }
    let unsaid = if warmup == default { ", as it is unless said otherwise," } else { "" };
    let problem = format!("is longer than the training: {warmup} steps{unsaid} where there are {steps} in all");
    Err(Complaint::new("warmup", problem))
}

pub(crate) fn cosine() -> Decay {
    Decay::Cosine
}

pub(crate) fn weight_decay() -> f64 {
    0.01
}

pub(crate) fn evaluate_every() -> u64 {
    500
}

pub(crate) fn warmup() -> u64 {
    50
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warm_up_that_is_too_long_is_told_with_both_numbers() {
        assert_eq!(warms_up(10, 10, warmup()), Ok(()));
        let problem = |steps: u64| warms_up(steps, 10, warmup()).unwrap_err().problem;
        assert_eq!(problem(11), "is longer than the training: 11 steps where there are 10 in all");
        assert_eq!(
            problem(50),
            "is longer than the training: 50 steps, as it is unless said otherwise, where there are 10 in all"
        );
    }
}
