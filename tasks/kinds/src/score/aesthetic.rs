//! `score-aesthetic`: how good images look, whatever they show.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bootstrap, level, one_of, resampling};
use crate::artifact;

/// How to score: the mean over images of what a head on image features says, from 1 to 10 for heads trained here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreAesthetic {
    /// Resamples of the images behind the interval.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u64,
    /// The share of the resamples that the interval holds.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
}

resampling!(ScoreAesthetic);

ports! {
    /// What scoring needs: images in one of three forms, and a head with the towers it was trained on.
    pub struct AestheticNeeds {
        /// Sampled images.
        images: Maybe<artifact::Images>,
        /// Drawn scenes instead.
        data: Maybe<artifact::Scenes>,
        /// Images from elsewhere instead.
        pictures: Maybe<artifact::Pictures>,
        /// The head.
        aesthetic: One<artifact::Aesthetic>,
        /// The towers whose features it reads.
        clip: One<artifact::Clip>,
    }
}

impl Kind for ScoreAesthetic {
    const NAME: &'static str = "score-aesthetic";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Scores how good images look, by a head on CLIP's image features.";
    const EXAMPLE: &'static str = "bootstrap: 1000\nlevel: 0.9\n";
    type Needs = AestheticNeeds;
    type Makes = artifact::Score;

    fn check(&self) -> Result<(), Complaint> {
        self.resampling().check()
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        one_of(fed, &["images", "data", "pictures"], "scores one set of images").into_iter().collect()
    }
}
