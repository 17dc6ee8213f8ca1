//! What a set's pictures and captions suffer: quality, the paper's third axis of data.

use std::collections::BTreeSet;

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many images are degraded, in which ways, and how badly. One image suffers one way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Degrade {
    /// The share of the images.
    #[schemars(range(min = 0, max = 1))]
    pub share: f64,
    /// The ways, each as likely.
    #[schemars(length(min = 1))]
    pub ways: BTreeSet<Way>,
    /// How badly, from 0 to 1.
    #[schemars(extend("exclusiveMinimum" = 0), range(max = 1))]
    pub strength: f64,
}

/// One way to degrade an image or what is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// Three box blurs, nearly a Gaussian one.
    Blur,
    /// Nearly normal noise on every channel of every pixel.
    Noise,
    /// Blocks of eight pixels cut down as JPEG cuts them down.
    Compression,
    /// Pale letters across the picture.
    Watermark,
    /// The caption of another scene. The picture stays, and so do synthetic captions, whose writer has seen it.
    WrongCaption,
}

impl Way {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Blur, Self::Noise, Self::Compression, Self::Watermark, Self::WrongCaption];
}

impl Default for Degrade {
    fn default() -> Self {
        Self { share: 0.0, ways: Way::ALL.iter().copied().collect(), strength: 0.5 }
    }
}

impl Degrade {
    /// Refuses shares that are none.
    pub(super) fn check(&self) -> Result<(), Complaint> {
        Complaint::unless((0.0..=1.0).contains(&self.share), "degrade.share", "must be a share between 0 and 1")?;
        Complaint::unless(!self.ways.is_empty(), "degrade.ways", "must name at least one way")?;
        let strength = self.strength > 0.0 && self.strength <= 1.0;
        Complaint::unless(strength, "degrade.strength", "must be above 0 and at most 1")
    }
}
