//! `score-alignment`: how faithfully images show what their captions say.

use isoflop_contract::{Complaint, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact;

/// How to score: TIFA (arXiv 2303.11897), the mean over captions of the share of their questions that a network answers rightly from the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreAlignment {
    /// Scenes at a time. It changes speed, and perhaps the last bits.
    #[serde(default = "batch")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: u64,
}

fn batch() -> u64 {
    64
}

ports! {
    /// What scoring needs.
    pub struct Needs {
        /// The images to judge.
        images: One<artifact::Images>,
        /// The scenes whose captions they were sampled for, with the questions.
        prompts: One<artifact::Scenes>,
        /// The network that answers.
        vqa: One<artifact::Vqa>,
    }
}

impl Kind for ScoreAlignment {
    const NAME: &'static str = "score-alignment";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Scores images by the questions about their captions that a network answers rightly.";
    const EXAMPLE: &'static str = "batch: 64\n";
    type Needs = Needs;
    type Makes = artifact::Alignment;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless((1..=1 << 16).contains(&self.batch), "batch", "must be between 1 and 65536")
    }
}
