//! `train-vqa`: a network that answers questions about scenes.

use isoflop_contract::{Complaint, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{artifact, model::Vqa, train::Decay};

/// How to train a question-answering network: cross-entropy over the answers, AdamW.
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
    #[serde(default = "warmup")]
    pub warmup: u64,
    /// What the learning rate does after warm-up.
    #[serde(default = "cosine")]
    pub schedule: Decay,
    /// AdamW's decoupled weight decay.
    #[serde(default = "weight_decay")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub weight_decay: f64,
    /// Held-out accuracy is measured every so many steps, and at the end.
    #[serde(default = "evaluate_every")]
    #[schemars(range(min = 1))]
    pub evaluate_every: u64,
}

fn questions() -> u64 {
    6
}

fn learning_rate() -> f64 {
    4e-3
}

fn warmup() -> u64 {
    50
}

fn cosine() -> Decay {
    Decay::Cosine
}

fn weight_decay() -> f64 {
    0.01
}

fn evaluate_every() -> u64 {
    500
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

impl Kind for TrainVqa {
    const NAME: &'static str = "train-vqa";
    const REVISION: u32 = 2; // 1: first version. 2: libtorch's fused AdamW by segment
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ABOUT: &'static str =
        "Trains a network that answers questions about scenes, the judge of text-image alignment.";
    const EXAMPLE: &'static str = "steps: 600\nbatch: 64\n";
    type Needs = Needs;
    type Makes = artifact::Vqa;

    fn check(&self) -> Result<(), Complaint> {
        self.network.check("network")?;
        let positive = |x: f64| x > 0.0 && x.is_finite();
        Complaint::unless(self.steps > 0, "steps", "must be positive")?;
        Complaint::unless((1..=1 << 16).contains(&self.batch), "batch", "must be between 1 and 65536")?;
        Complaint::unless((1..=1 << 10).contains(&self.questions), "questions", "must be between 1 and 1024")?;
        Complaint::unless(self.warmup <= self.steps, "warmup", "is longer than the training")?;
        Complaint::unless(positive(self.learning_rate), "learning_rate", "must be positive")?;
        Complaint::unless((0.0..1.0).contains(&self.weight_decay), "weight_decay", "must lie between 0 and 1")?;
        Complaint::unless(self.evaluate_every > 0, "evaluate_every", "must be positive")
    }
}
