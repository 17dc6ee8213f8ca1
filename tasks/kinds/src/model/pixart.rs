//! PixArt-α: a transformer over patches that cross-attends to the text, all blocks modulated from one shared layer (adaLN-single).
//!
//! Chen et al. 2023, arXiv 2310.00426. Layout and parameter names are those of diffusers' `PixArtTransformer2DModel` without the conditioning
//! on resolution and aspect ratio that only the 1024-pixel checkpoint has. Li et al. 2024 (arXiv 2404.02883, Table 2) vary width and depth.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    number,
};

/// What decides a PixArt transformer's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pixart {
    /// Channels of what is denoised.
    #[serde(default = "number::three")]
    #[schemars(range(min = 1, max = 65_536))]
    pub in_channels: u64,
    /// Whether a variance is predicted beside the noise: twice as many channels come out.
    #[serde(default)]
    pub learned_variance: bool,
    /// Width of the transformer: h of the paper.
    #[schemars(range(min = 4, max = 65_536), extend("multipleOf" = 4))]
    pub width: u64,
    /// Transformer blocks: d of the paper.
    #[schemars(range(min = 1, max = 1000))]
    pub depth: u64,
    /// Attention heads.
    #[serde(default = "number::sixteen")]
    #[schemars(range(min = 1, max = 65_536))]
    pub heads: u64,
    /// Squares of `patch × patch` become one image token.
    #[serde(default = "number::two")]
    #[schemars(range(min = 1, max = 65_536))]
    pub patch: u64,
    /// Width of the text tokens as they come.
    #[schemars(range(min = 1, max = 65_536))]
    pub context: u64,
    /// Whether two layers bring the text tokens to the transformer's width (a caption embedding) before attention reads them.
    #[serde(default = "number::yes")]
    pub caption_projection: bool,
    /// The input size it is made for, whose patches are one apart; above 128, that divided by the whole part of a 64th of the size. Other sizes
    /// divide the same span otherwise. The size of the input, where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub sample_size: Option<u64>,
}

impl Pixart {
    /// Width of a noise level's sinusoid.
    pub const SINUSOID: u64 = 256;

    /// Channels of what is predicted.
    pub fn out_channels(&self) -> u64 {
        number::predicted(self.in_channels, self.learned_variance)
    }

    /// Width of the text tokens as attention reads them.
    pub fn cross_attention_dim(&self) -> u64 {
        if self.caption_projection { self.width } else { self.context }
    }

    /// Refuses what cannot be built, at an image size of `size`; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        number::sane(
            at,
            &[
                ("in_channels", self.in_channels),
                ("context", self.context),
                ("sample_size", self.sample_size.unwrap_or(1)),
            ],
        )?;
        number::transformer(at, size, [self.width, self.depth, self.heads, self.patch])?;
        let cut = self.sample_size.unwrap_or(size).is_multiple_of(self.patch);
        Complaint::unless(cut, &format!("{at}.sample_size"), "is no multiple of `patch`")
    }

    /// Every part in the order of the forward pass, for `size × size` inputs and `tokens` text tokens.
    pub fn blocks(&self, size: u64, tokens: u64) -> Vec<Block> {
        let (h, patch) = (self.width, self.patch);
        let n = (size / patch) * (size / patch);
        let mut blocks = vec![Count::conv(self.in_channels, h, patch, n).at("pos_embed")];
        let time = Count::linear(Self::SINUSOID, h, 1) + Count::linear(h, h, 1) + Count::linear(h, 6 * h, 1);
        blocks.push(time.at("adaln_single"));
        if self.caption_projection {
            let caption = Count::linear(self.context, h, tokens) + Count::linear(h, h, tokens);
            blocks.push(caption.at("caption_projection"));
        }
        let self_attention = Count::linear(h, h, n) * 4 + Count::attention(n, n, h);
        let cross_attention = Count::linear(h, h, n) * 2
            + Count::linear(self.cross_attention_dim(), h, tokens) * 2
            + Count::attention(n, tokens, h);
        let feed_forward = Count::linear(h, 4 * h, n) + Count::linear(4 * h, h, n);
        let block = Count::table(6, h) + self_attention + cross_attention + feed_forward;
        blocks.extend((0..self.depth).map(|i| block.at(format!("transformer_blocks.{i}"))));
        blocks.push(Count::table(2, h).at("scale_shift_table"));
        blocks.push(Count::linear(h, patch * patch * self.out_channels(), n).at("proj_out"));
        blocks
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        Count::of(&self.blocks(self.patch, 1)).params
    }
}
