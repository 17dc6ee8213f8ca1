//! `score-reward`: how much images for prompts would be preferred.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bootstrap, level, one_of, resampling};
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
        /// The images whose captions they were sampled for.
        prompts: One<artifact::Set>,
        /// The head.
        reward: Maybe<artifact::Reward>,
        /// The towers whose features it reads.
        clip: Maybe<artifact::Clip>,
        /// What a preference of the study's own has said of each image, instead of head and towers.
        ratings: Maybe<artifact::Ratings>,
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

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let (head, towers) = (fed.ports.contains_key("reward"), fed.ports.contains_key("clip"));
        let problem = "reads towers' features with a head: feed both of `reward` and `clip`, or `ratings` alone";
        let halves = (head != towers).then(|| Complaint::new("", problem));
        halves.map_or_else(
            || one_of(fed, &["reward", "ratings"], "asks one preference").into_iter().collect(),
            |one| vec![one],
        )
    }
}
