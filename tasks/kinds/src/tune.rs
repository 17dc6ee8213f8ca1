//! `tune-clip`: CLIP's own towers, trained on until they prefer one image to another.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    head::{paired, rivals},
    plain::{self, plain},
    train::Decay,
};

/// Layers at the beginning of each tower that are not trained, and the embeddings before them with them. With 0 the whole tower is trained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Frozen {
    /// Of the tower that reads texts. HPS v2 has 13 of 24.
    pub text: u64,
    /// Of the tower that sees images. HPS v2 has 13 of 32.
    pub image: u64,
}

/// How to make CLIP prefer, as HPS v2 (Wu et al. 2023, arXiv 2306.09341) does: of two images for one text, the better one's cosine with the text is to be above the
/// other's. The loss is the cross-entropy of both cosines over CLIP's own temperature, which is trained along. Pairs are those of `train-reward`: the better image is the
/// scene that the caption describes, the worse one another scene, each time the one of a few whose caption is most like it, or, where `worse` is fed, half the time the
/// same scene degraded. What comes out is a CLIP again: `score-clip` with it gives the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TuneClip {
    /// What is not trained.
    #[serde(default)]
    pub frozen: Frozen,
    /// Other scenes among which the worse image is looked for: more make harder pairs.
    #[serde(default = "rivals")]
    #[schemars(range(min = 1, max = 64))]
    pub rivals: u64,
    /// Optimizer steps.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Pairs a step.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: u64,
    /// The learning rate after warm-up. Large towers want far less: HPS v2 has 3.3e-6.
    #[serde(default = "learning_rate")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    #[serde(default = "plain::warmup")]
    pub warmup: u64,
    /// What the learning rate does after warm-up.
    #[serde(default = "plain::cosine")]
    pub schedule: Decay,
    /// AdamW's decoupled weight decay.
    #[serde(default = "plain::weight_decay")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub weight_decay: f64,
    /// Held-out accuracy is measured every so many steps, and at the end.
    #[serde(default = "plain::evaluate_every")]
    #[schemars(range(min = 1))]
    pub evaluate_every: u64,
}

fn learning_rate() -> f64 {
    1e-3
}

plain!(TuneClip);

ports! {
    /// What training needs.
    pub struct Needs {
        /// Scenes as they should be.
        data: One<artifact::Scenes>,
        /// The same scenes degraded: the same `make-scenes` with the same `seed:` and with `degrade:`.
        worse: Maybe<artifact::Scenes>,
        /// Scenes to measure the preference on.
        heldout: One<artifact::Scenes>,
        /// The same degraded.
        heldout_worse: Maybe<artifact::Scenes>,
        /// The towers to begin with: both, and the temperature.
        clip: One<artifact::Clip>,
    }
}

impl Kind for TuneClip {
    const NAME: &'static str = "tune-clip";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ALONE: bool = true;
    const ABOUT: &'static str =
        "Trains CLIP's towers on, so that the right scene is nearer to its caption than an altered or degraded one.";
    const EXAMPLE: &'static str = "frozen: { text: 0, image: 0 }\nrivals: 4\nsteps: 400\nbatch: 64\n";
    type Needs = Needs;
    type Makes = artifact::Clip;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless((1..=64).contains(&self.rivals), "rivals", "must be between 1 and 64")?;
        self.plain().check()
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        paired(fed)
    }
}
