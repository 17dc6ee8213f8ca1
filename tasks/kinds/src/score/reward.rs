//! `score-reward`: how much images for prompts would be preferred.

use isoflop_contract::{Complaint, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bootstrap, level, resampling};
use crate::artifact;

/// How to score, in the form of `ImageReward` (Xu et al. 2023, arXiv 2304.05977): the mean over prompts of a learned preference, standardized on a reference set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreReward {
    /// Resamples of the prompts behind the interval.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u64,
    /// The share of the resamples that the interval holds.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
}

resampling!(ScoreReward);

ports! {
    /// What scoring needs.
    pub struct RewardNeeds {
        /// The images to score.
        images: One<artifact::Images>,
        /// The scenes whose captions they were sampled for.
        prompts: One<artifact::Scenes>,
        /// The head.
        reward: One<artifact::Reward>,
        /// The towers whose features it reads.
        clip: One<artifact::Clip>,
    }
}

impl Kind for ScoreReward {
    const NAME: &'static str = "score-reward";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Scores images for prompts by a learned preference, standardized on a reference set.";
    const EXAMPLE: &'static str = "bootstrap: 1000\nlevel: 0.9\n";
    type Needs = RewardNeeds;
    type Makes = artifact::Score;

    fn check(&self) -> Result<(), Complaint> {
        self.resampling().check()
    }
}
