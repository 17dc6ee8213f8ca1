//! `score-clip`: how near images are to their prompts in a space that texts and images share.

use isoflop_contract::{Complaint, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{bootstrap, level, resampling};
use crate::artifact;

/// How to score: the raw mean cosine of image and prompt, as Li et al. 2024 report it; `CLIPScore` (Hessel et al. 2021, arXiv 2104.08718) without its factor 2.5 and
/// without its floor at zero.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreClip {
    /// Resamples of the prompts behind the interval.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u64,
    /// The share of the resamples that the interval holds.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
}

resampling!(ScoreClip);

ports! {
    /// What scoring needs.
    pub struct ClipNeeds {
        /// The images to score.
        images: One<artifact::Images>,
        /// The images whose captions they were sampled for.
        prompts: One<artifact::Set>,
        /// The two towers, trained here or released.
        clip: One<artifact::Clip>,
    }
}

impl Kind for ScoreClip {
    const NAME: &'static str = "score-clip";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str =
        "Scores images by their mean cosine with their prompts, in the space of two CLIP towers.";
    const EXAMPLE: &'static str = "bootstrap: 1000\nlevel: 0.9\n";
    type Needs = ClipNeeds;
    type Makes = artifact::Score;

    fn check(&self) -> Result<(), Complaint> {
        self.resampling().check()
    }
}
