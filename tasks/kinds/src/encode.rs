//! `encode-latents` and `encode-text`: what frozen networks make of a set of scenes, once for all trainings.

use isoflop_contract::{Complaint, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact;

/// How to encode images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncodeLatents {
    /// Where the factor comes from that latents are multiplied by before a denoiser sees them.
    #[serde(default)]
    pub scaling: Scaling,
    /// Images at a time. It changes speed, and perhaps the last bits.
    #[serde(default = "batch")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: u64,
    /// Images in a file.
    #[serde(default = "shard")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub shard: u64,
}

/// Where a scaling factor comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scaling {
    /// One over the deviation of all numbers of all latents drawn, as latent diffusion chose its own.
    #[default]
    Measured,
    /// What the autoencoder's config says: of released ones, that which their denoisers were trained with.
    Stated,
}

/// How to encode captions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EncodeText {
    /// Which of the encoder's outputs.
    #[serde(default)]
    pub output: TextOutput,
    /// How many of an image's synthetic captions are encoded besides its own: the surest so many.
    #[serde(default, skip_serializing_if = "is_none")]
    #[schemars(range(max = 1024))]
    pub synthetic: u64,
    /// Captions at a time. It changes speed, and perhaps the last bits.
    #[serde(default = "batch")]
    #[schemars(range(min = 1, max = 65_536))]
    pub batch: u64,
    /// Captions in a file.
    #[serde(default = "shard")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub shard: u64,
}

/// Which tokens of a text encoder a denoiser reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TextOutput {
    /// Those behind the last layer, normalized: SD 1's, and T5's.
    #[default]
    Last,
    /// Those behind the last layer but one: SDXL's.
    Penultimate,
    /// The same, normalized as the last are: SD 2's.
    PenultimateNormed,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks by reference")]
fn is_none(count: &u64) -> bool {
    *count == 0
}

fn batch() -> u64 {
    64
}

fn shard() -> u64 {
    4096
}

fn check(batch: u64, shard: u64) -> Result<(), Complaint> {
    Complaint::unless((1..=1 << 16).contains(&batch), "batch", "must be between 1 and 65536")?;
    Complaint::unless((1..=1 << 20).contains(&shard), "shard", "must be between 1 and 1048576")
}

ports! {
    /// What encoding images needs.
    pub struct LatentNeeds {
        /// The autoencoder.
        vae: One<artifact::Vae>,
        /// The images that are encoded.
        data: One<artifact::Set>,
    }
}

ports! {
    /// What encoding captions needs.
    pub struct TextNeeds {
        /// The text encoder.
        text: One<artifact::Clip>,
        /// The images whose captions are encoded.
        data: One<artifact::Set>,
    }
}

impl Kind for EncodeLatents {
    const NAME: &'static str = "encode-latents";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str =
        "Encodes the images of scenes by an autoencoder, in shards, and measures the scaling factor.";
    const EXAMPLE: &'static str = "scaling: measured\n";
    type Needs = LatentNeeds;
    type Makes = artifact::Latents;

    fn check(&self) -> Result<(), Complaint> {
        check(self.batch, self.shard)
    }
}

impl Kind for EncodeText {
    const NAME: &'static str = "encode-text";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Encodes the captions of scenes by a frozen text encoder, in shards.";
    const EXAMPLE: &'static str = "output: last\n";
    type Needs = TextNeeds;
    type Makes = artifact::Texts;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless(self.synthetic <= 1024, "synthetic", "must be at most 1024")?;
        check(self.batch, self.shard)
    }
}
