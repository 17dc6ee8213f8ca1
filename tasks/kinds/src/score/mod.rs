//! Scores: numbers of samples by a frozen network, each with an interval and with what it is a number of.
//!
//! Every score's artifact has the one layout of [`artifact::Score`](crate::artifact::Score): `metric.json` says by what and of what, `values.csv` has a line a
//! prompt or image. Final numbers come in fours, as in `clip_score`, `clip_score_lower`, `clip_score_upper` and `clip_score_stderr`.

mod aesthetic;
mod clip;
mod frechet;
mod reward;

pub use aesthetic::{AestheticNeeds, ScoreAesthetic};
pub use clip::{ClipNeeds, ScoreClip};
pub use frechet::{FrechetNeeds, ScoreFrechet};
pub use reward::{RewardNeeds, ScoreReward};

use isoflop_contract::{Complaint, Fed};

/// How an interval is come by: the percentile bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Resampling {
    /// Resamples.
    pub draws: u64,
    /// The share of them that the interval holds.
    pub level: f64,
}

impl Resampling {
    /// Refuses what makes no interval.
    pub fn check(&self) -> Result<(), Complaint> {
        let draws = (100..=100_000).contains(&self.draws);
        Complaint::unless(draws, "bootstrap", "must be between 100 and 100,000: fewer resamples make no interval")?;
        Complaint::unless((0.5..=0.999).contains(&self.level), "level", "must be between 0.5 and 0.999")
    }
}

/// Gives a spec with the fields `bootstrap` and `level` a method that brings them together.
macro_rules! resampling {
    ($spec:ident) => {
        impl $spec {
            /// How its intervals are come by.
            pub fn resampling(&self) -> $crate::score::Resampling {
                $crate::score::Resampling { draws: self.bootstrap, level: self.level }
            }
        }
    };
}

pub(crate) use resampling;

pub(crate) fn bootstrap() -> u64 {
    1000
}

pub(crate) fn level() -> f64 {
    0.9
}

/// Complains unless exactly one of `ports` is fed.
pub(crate) fn one_of(fed: &Fed<'_>, ports: &[&str], what: &str) -> Option<Complaint> {
    let count = ports.iter().filter(|port| fed.ports.contains_key(*port)).count();
    let names: Vec<String> = ports.iter().map(|port| format!("`{port}`")).collect();
    let (last, others) = names.split_last()?;
    let problem = format!("{what}: feed exactly one of {} or {last}", others.join(", "));
    Complaint::unless(count == 1, "", &problem).err()
}
