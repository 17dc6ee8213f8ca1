//! `train-vqa`: a network that answers questions about scenes.

use isoflop_contract::{Complaint, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    model::Vqa,
    plain::{self, plain},
    train::Decay,
};

/// How to train a question-answering network: cross-entropy over the answers, its own and, half as much, those of what its heads found alone; AdamW.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainVqa {
    /// The network.
    #[serde(default)]
    pub network: Vqa,
    /// Optimizer steps.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Scenes a step.
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: u64,
    /// Questions a scene, drawn anew each step.
    #[serde(default = "questions")]
    #[schemars(range(min = 1, max = 1024))]
    pub questions: u64,
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

fn questions() -> u64 {
    6
}

fn learning_rate() -> f64 {
    4e-3
}

ports! {
    /// What training needs.
    pub struct Needs {
        /// Scenes to learn from.
        data: One<artifact::Scenes>,
        /// Scenes to measure accuracy on.
        heldout: One<artifact::Scenes>,
    }
}

plain!(TrainVqa);

impl Kind for TrainVqa {
    const NAME: &'static str = "train-vqa";
    // 1: first version. 2: libtorch's fused AdamW by segment. 3: heads that choose words and tell where they look.
    const REVISION: u32 = 3;
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ALONE: bool = true;
    const ABOUT: &'static str =
        "Trains a network that answers questions about scenes, the judge of text-image alignment.";
    const EXAMPLE: &'static str = "steps: 600\nbatch: 64\n";
    type Needs = Needs;
    type Makes = artifact::Vqa;

    fn check(&self) -> Result<(), Complaint> {
        self.network.check("network")?;
        Complaint::unless((1..=1 << 10).contains(&self.questions), "questions", "must be between 1 and 1024")?;
        self.plain().check()
    }
}
