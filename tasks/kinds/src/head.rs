//! `train-aesthetic` and `train-reward`: small heads on the features of frozen CLIP towers.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    plain::{self, plain},
    train::Decay,
};

/// Which of an image tower's outputs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// The image's own token, before it is projected.
    #[default]
    Pooled,
    /// The same in the space shared with text: what LAION's aesthetic predictor reads.
    Projected,
    /// Means and deviations of all tokens behind the last layer: small towers keep grain and edges there, which no caption speaks of.
    Tokens,
}

fn tokens() -> Seen {
    Seen::Tokens
}

/// What stands between the layers of a head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Between {
    /// The exact `x Φ(x)`.
    #[default]
    Gelu,
    /// Nothing, as in the released aesthetic predictor and the released `ImageReward`: their layers together are one linear map.
    Nothing,
}

/// Layers from features down to one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Widths of the hidden layers.
    #[serde(default = "hidden")]
    #[schemars(length(max = 16), inner(range(min = 1, max = 65_536)))]
    pub hidden: Vec<u64>,
    /// What stands between layers.
    #[serde(default)]
    pub between: Between,
}

fn hidden() -> Vec<u64> {
    vec![64, 16]
}

impl Default for Head {
    fn default() -> Self {
        Self { hidden: hidden(), between: Between::default() }
    }
}

impl Head {
    /// Refuses what cannot be built; `at` is its own place.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        let sane = self.hidden.len() <= 16 && self.hidden.iter().all(|width| (1..=65_536).contains(width));
        Complaint::unless(sane, &format!("{at}.hidden"), "must be at most 16 widths between 1 and 65536")
    }
}

/// How to train an aesthetic head: squared error of the quality that scenes carry, from 1 to 10. The towers stay as they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainAesthetic {
    /// The head.
    #[serde(default)]
    pub head: Head,
    /// Which features it reads.
    #[serde(default = "tokens")]
    pub features: Seen,
    /// Optimizer steps.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Images a step.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: u64,
    /// The learning rate after warm-up.
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
    /// Held-out error is measured every so many steps, and at the end.
    #[serde(default = "plain::evaluate_every")]
    #[schemars(range(min = 1))]
    pub evaluate_every: u64,
}

fn learning_rate() -> f64 {
    2e-3
}

plain!(TrainAesthetic);

ports! {
    /// What training needs.
    pub struct AestheticNeeds {
        /// Sets of scenes with a quality, as `degrade:` gives it: as many as there are strengths of degradation.
        data: Many<artifact::Scenes>,
        /// Scenes with a quality to measure the error on.
        heldout: One<artifact::Scenes>,
        /// The towers whose features it reads.
        clip: One<artifact::Clip>,
    }
}

impl Kind for TrainAesthetic {
    const NAME: &'static str = "train-aesthetic";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ALONE: bool = true;
    const ABOUT: &'static str = "Trains a head on CLIP's image features to tell the quality that scenes carry.";
    const EXAMPLE: &'static str = "features: tokens\nsteps: 400\nbatch: 64\n";
    type Needs = AestheticNeeds;
    type Makes = artifact::Aesthetic;

    fn check(&self) -> Result<(), Complaint> {
        self.head.check("head")?;
        self.plain().check()
    }
}

/// How to train a preference, as `ImageReward` (Xu et al. 2023, arXiv 2304.05977) was: of two images for one text, the better one is to score higher, by
/// `−log σ(f(text, better) − f(text, worse))`. The better image is the scene that the caption describes; the worse one another scene, each time the one of a few
/// whose caption is most like it, or, where `worse` is fed, half the time the same scene degraded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainReward {
    /// The head.
    #[serde(default)]
    pub head: Head,
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
    /// The learning rate after warm-up.
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

pub(crate) fn rivals() -> u64 {
    4
}

/// That a preference which learns from degraded scenes is held to such, and none else is.
pub(crate) fn paired(fed: &Fed<'_>) -> Vec<Complaint> {
    let both = fed.ports.contains_key("worse") == fed.ports.contains_key("heldout_worse");
    let problem = "measures what it learns: feed both of `worse` and `heldout_worse`, or neither";
    Complaint::unless(both, "", problem).err().into_iter().collect()
}

plain!(TrainReward);

ports! {
    /// What training needs.
    pub struct RewardNeeds {
        /// Scenes as they should be.
        data: One<artifact::Scenes>,
        /// The same scenes degraded: the same `make-scenes` with the same `seed:` and with `degrade:`.
        worse: Maybe<artifact::Scenes>,
        /// Scenes to measure the preference on.
        heldout: One<artifact::Scenes>,
        /// The same degraded.
        heldout_worse: Maybe<artifact::Scenes>,
        /// The towers whose features it reads.
        clip: One<artifact::Clip>,
    }
}

impl Kind for TrainReward {
    const NAME: &'static str = "train-reward";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ALONE: bool = true;
    const ABOUT: &'static str = "Trains a head on the joint features of captions and images to prefer the right scene to an altered or degraded one.";
    const EXAMPLE: &'static str = "rivals: 4\nsteps: 400\nbatch: 64\n";
    type Needs = RewardNeeds;
    type Makes = artifact::Reward;

    fn check(&self) -> Result<(), Complaint> {
        self.head.check("head")?;
        Complaint::unless((1..=64).contains(&self.rivals), "rivals", "must be between 1 and 64")?;
        self.plain().check()
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        paired(fed)
    }
}
