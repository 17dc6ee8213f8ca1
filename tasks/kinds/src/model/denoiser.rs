//! A denoiser: a backbone and the text encoder that is trained with it.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    text::Text,
    unet::Unet,
};

/// A denoising network, by family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "family", rename_all = "kebab-case")]
pub enum Backbone {
    /// A UNet with cross-attending transformers.
    Unet(Unet),
}

impl Backbone {
    /// The family's name, as in `family:`.
    pub fn family(&self) -> &'static str {
        match self {
            Self::Unet(_) => "unet",
        }
    }

    /// Channels of what is denoised.
    pub fn in_channels(&self) -> u64 {
        match self {
            Self::Unet(unet) => unet.in_channels,
        }
    }

    /// Channels of what is predicted.
    pub fn out_channels(&self) -> u64 {
        match self {
            Self::Unet(unet) => unet.out_channels,
        }
    }

    /// Width of the text tokens it reads.
    pub fn text_width(&self) -> u64 {
        match self {
            Self::Unet(unet) => unet.cross_attention_dim,
        }
    }

    /// Refuses what cannot be built for `size × size` inputs; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        match self {
            Self::Unet(unet) => unet.check(size, at),
        }
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self, size: u64, tokens: u64) -> Vec<Block> {
        match self {
            Self::Unet(unet) => unet.blocks(size, tokens),
        }
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        match self {
            Self::Unet(unet) => unet.params(),
        }
    }

    /// Multiply-accumulates of one forward pass at batch 1.
    pub fn macs(&self, size: u64, tokens: u64) -> u64 {
        Count::of(&self.blocks(size, tokens)).macs
    }
}

/// Everything that is trained, and the size it is trained at: what `config.json` of a denoiser holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denoiser {
    /// The denoising network.
    pub backbone: Backbone,
    /// The text encoder.
    pub text: Text,
    /// Height and width of the images.
    pub resolution: u64,
    /// Squares of `patch × patch` pixels become the channels of one: a lossless latent space at a fraction of the compute.
    pub patch: u64,
}

impl Denoiser {
    /// Refuses what cannot be built.
    pub fn check(&self) -> Result<(), Complaint> {
        if !(1..=1 << 14).contains(&self.resolution) {
            return Err(Complaint::new("resolution", "must be between 1 and 16384"));
        }
        if !(1..=64).contains(&self.patch) || !self.resolution.is_multiple_of(self.patch) {
            return Err(Complaint::new("patch", format!("must divide the resolution, which is {}", self.resolution)));
        }
        self.backbone.check(self.size(), "backbone")?;
        self.text.check(self.backbone.text_width(), "text")?;
        Complaint::unless(self.count().is_sane(), "backbone", "has more multiply-accumulates than can be counted")
    }

    /// Height and width of what the backbone sees.
    pub fn size(&self) -> u64 {
        self.resolution / self.patch
    }

    /// Every part in the order of the forward pass, under `text.` and the backbone's family.
    pub fn blocks(&self) -> Vec<Block> {
        let under = |prefix: &str, blocks: Vec<Block>| {
            let prefix = prefix.to_owned();
            blocks.into_iter().map(move |block| Block { path: format!("{prefix}.{}", block.path), ..block })
        };
        let text = under("text", self.text.blocks(self.backbone.text_width()));
        let backbone = under(self.backbone.family(), self.backbone.blocks(self.size(), self.text.tokens));
        text.chain(backbone).collect()
    }

    /// Parameters and multiply-accumulates in all: the one account that planner, trainer and fit share.
    pub fn count(&self) -> Count {
        Count::of(&self.blocks())
    }
}
