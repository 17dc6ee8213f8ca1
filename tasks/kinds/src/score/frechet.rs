//! `score-frechet`: how far a set of images is from another, by a network's features.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{level, one_of, resampling};
use crate::{artifact, head::Seen};

/// How to compare: the Fréchet distance of Gaussians fitted to features (Heusel et al. 2017, arXiv 1706.08500), and the unbiased kernel distance beside it
/// (Bińkowski et al. 2018, arXiv 1801.01401). Distances depend on the number of images: compare like with like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreFrechet {
    /// Which of the image tower's outputs are the features, where a CLIP gives them.
    #[serde(default)]
    pub features: Seen,
    /// Whether to tell the distance that endless samples would have, too (Chong and Forsyth 2020, arXiv 1911.07023): fifteen distances instead of one.
    #[serde(default)]
    pub endless: bool,
    /// Resamples of the images behind the intervals. The reference stays as it is.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u64,
    /// The share of the resamples that the interval holds.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
}

/// Each resample costs a decomposition.
fn bootstrap() -> u64 {
    200
}

resampling!(ScoreFrechet);

ports! {
    /// What comparing needs: images, a reference, and a network, each in one of several forms.
    pub struct FrechetNeeds {
        /// Sampled images.
        images: Maybe<artifact::Images>,
        /// Drawn scenes instead.
        data: Maybe<artifact::Scenes>,
        /// Images from elsewhere instead.
        pictures: Maybe<artifact::Pictures>,
        /// Drawn scenes to compare with, or a part of a set from elsewhere.
        reference: Maybe<artifact::Set>,
        /// Images from elsewhere to compare with.
        reference_pictures: Maybe<artifact::Pictures>,
        /// Features by CLIP's image tower.
        clip: Maybe<artifact::Clip>,
        /// Features by the trunk of a question-answering network.
        vqa: Maybe<artifact::Vqa>,
        /// Features by Inception-v3, the published definition.
        inception: Maybe<artifact::Inception>,
    }
}

impl Kind for ScoreFrechet {
    const NAME: &'static str = "score-frechet";
    // 1: first version. 2: of fewer images than features, by a matrix as large as there are images: other last bits. 3: eigenvalues of our own, which do not
    // depend on the processor as LAPACK's do: other last bits.
    const REVISION: u32 = 3;
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Measures the Fréchet distance and the kernel distance between a set of images and a reference, by a network's features.";
    const EXAMPLE: &'static str = "features: pooled\nendless: true\nbootstrap: 200\n";
    type Needs = FrechetNeeds;
    type Makes = artifact::Score;

    fn check(&self) -> Result<(), Complaint> {
        self.resampling().check()
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let choices = [
            one_of(fed, &["images", "data", "pictures"], "measures one set of images"),
            one_of(fed, &["reference", "reference_pictures"], "measures the distance from one reference"),
            one_of(fed, &["clip", "vqa", "inception"], "takes features from one network"),
        ];
        choices.into_iter().flatten().collect()
    }
}
