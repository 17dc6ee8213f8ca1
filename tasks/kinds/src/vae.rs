//! `train-vae`: an autoencoder trained on scenes, so that latent space is a task of the study.

use isoflop_contract::{Complaint, Cost, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    model::{AutoencoderKl, Count, number},
    plain::{self, plain},
    train::Decay,
};

/// How to train an autoencoder (Rombach et al. 2022, arXiv 2112.10752, section 3.1): the mean squared error of what comes out again, and a pull of the
/// latents towards the standard normal. Small images need no adversary and no perceptual loss, and there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainVae {
    /// Width of each level, from full resolution down; each further level halves the size.
    #[serde(default = "channels")]
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65_536)))]
    pub channels: Vec<u64>,
    /// Residual blocks a level on the way in; one more on the way out.
    #[serde(default = "number::one")]
    #[schemars(range(min = 1, max = 65_536))]
    pub layers_per_block: u64,
    /// Channels of the latents.
    #[serde(default = "number::four")]
    #[schemars(range(min = 1, max = 65_536))]
    pub latent_channels: u64,
    /// Groups of each group normalization.
    #[serde(default = "number::eight")]
    #[schemars(range(min = 1, max = 65_536))]
    pub norm_groups: u64,
    /// Height and width of the images.
    #[serde(default = "number::sixteen")]
    #[schemars(range(min = 1, max = 16_384))]
    pub resolution: u64,
    /// Weight of the latents' divergence from the standard normal, in nats for each number of an image, beside the mean squared error of pixels in [-1, 1].
    #[serde(default = "divergence")]
    #[schemars(range(min = 0))]
    pub divergence: f64,
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
    /// Held-out reconstruction is measured every so many steps, and at the end.
    #[serde(default = "plain::evaluate_every")]
    #[schemars(range(min = 1))]
    pub evaluate_every: u64,
}

fn channels() -> Vec<u64> {
    vec![16, 32]
}

fn divergence() -> f64 {
    1e-4
}

fn learning_rate() -> f64 {
    2e-3
}

ports! {
    /// What training needs.
    pub struct Needs {
        /// Scenes to learn from.
        data: One<artifact::Set>,
        /// Scenes to measure the reconstruction on.
        heldout: One<artifact::Set>,
    }
}

impl TrainVae {
    /// The network; its scaling factor is measured when it has been trained.
    pub fn network(&self) -> AutoencoderKl {
        AutoencoderKl {
            in_channels: 3,
            latent_channels: self.latent_channels,
            channels: self.channels.clone(),
            layers_per_block: self.layers_per_block,
            norm_groups: self.norm_groups,
            scaling_factor: 1.0,
        }
    }
}

plain!(TrainVae);

impl Kind for TrainVae {
    const NAME: &'static str = "train-vae";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ALONE: bool = true;
    const ABOUT: &'static str = "Trains an autoencoder on scenes and measures how well images come out again.";
    const EXAMPLE: &'static str = "channels: [16, 32]\nresolution: 16\nsteps: 600\nbatch: 64\n";
    type Needs = Needs;
    type Makes = artifact::Vae;

    fn check(&self) -> Result<(), Complaint> {
        let network = self.network().check(self.resolution, "");
        network.map_err(|complaint| Complaint::new(complaint.field.trim_start_matches('.'), complaint.problem))?;
        let weight = self.divergence.is_finite() && self.divergence >= 0.0;
        Complaint::unless(weight, "divergence", "must not be negative")?;
        self.plain().check()
    }

    fn cost(&self) -> Cost {
        let count = Count::of(&self.network().blocks(self.resolution));
        Cost::training(count.params, count.macs, self.batch, self.steps)
    }
}
