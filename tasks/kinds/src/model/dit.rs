//! DiT: a transformer over patches, each block modulated by noise level and class or caption, and the identity at first (adaLN-zero).
//!
//! Peebles & Xie 2023, arXiv 2212.09748. Layout and parameter names are those of diffusers' `DiTTransformer2DModel`. The paper embeds noise level
//! and class once for all blocks; the released diffusers checkpoint holds a copy of that embedding in every block. Both are here.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    number,
};

/// What decides a DiT's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dit {
    /// Channels of what is denoised.
    #[serde(default = "number::three")]
    #[schemars(range(min = 1, max = 65_536))]
    pub in_channels: u64,
    /// Whether a variance is predicted beside the noise: twice as many channels come out.
    #[serde(default)]
    pub learned_variance: bool,
    /// Width of the transformer.
    #[schemars(range(min = 4, max = 65_536), extend("multipleOf" = 4))]
    pub width: u64,
    /// Transformer blocks.
    #[schemars(range(min = 1, max = 1000))]
    pub depth: u64,
    /// Attention heads.
    #[schemars(range(min = 1, max = 65_536))]
    pub heads: u64,
    /// Squares of `patch × patch` become one image token.
    #[serde(default = "number::two")]
    #[schemars(range(min = 1, max = 65_536))]
    pub patch: u64,
    /// What it is told beside the noise level.
    pub condition: Condition,
    /// Where the embedding of what it is told sits.
    #[serde(default)]
    pub embedding: Embedding,
    /// The input size whose patches are one apart; at other sizes the same span is divided otherwise. The size of the input, where nothing is
    /// said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub sample_size: Option<u64>,
}

/// What a DiT is told beside the noise level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Condition {
    /// One of so many classes; one more stands for none of them.
    Classes(#[schemars(range(min = 1, max = 1_048_576))] u64),
    /// The mean of the text tokens, of this width, through two layers.
    Text(#[schemars(range(min = 1, max = 65_536))] u64),
}

/// Where the embedding of noise level and class or caption sits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Embedding {
    /// One for all blocks, under the first block's name: the paper's.
    #[default]
    Shared,
    /// One in each block: the layout of the released diffusers checkpoint. The last layer is told what the first block is.
    EachBlock,
}

impl Dit {
    /// Width of a noise level's sinusoid.
    pub const SINUSOID: u64 = 256;

    /// Channels of what is predicted.
    pub fn out_channels(&self) -> u64 {
        number::predicted(self.in_channels, self.learned_variance)
    }

    /// Width of the text tokens it reads, if it reads any.
    pub fn text_width(&self) -> Option<u64> {
        match self.condition {
            Condition::Text(width) => Some(width),
            Condition::Classes(_) => None,
        }
    }

    /// Refuses what cannot be built, at an image size of `size`; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        number::sane(at, &[("in_channels", self.in_channels), ("sample_size", self.sample_size.unwrap_or(1))])?;
        number::transformer(at, size, [self.width, self.depth, self.heads, self.patch])?;
        match self.condition {
            Condition::Text(width) => number::sane(&format!("{at}.condition"), &[("text", width)])?,
            Condition::Classes(classes) => {
                let field = format!("{at}.condition.classes");
                let problem = format!("is {classes}; must be between 1 and 1048576");
                Complaint::unless((1..=1 << 20).contains(&classes), &field, &problem)?;
            }
        }
        let cut = self.sample_size.unwrap_or(size).is_multiple_of(self.patch);
        Complaint::unless(cut, &format!("{at}.sample_size"), "is no multiple of `patch`")
    }

    /// Every part in the order of the forward pass, for `size × size` inputs; of the text it reads only the mean.
    pub fn blocks(&self, size: u64) -> Vec<Block> {
        let (h, patch) = (self.width, self.patch);
        let n = (size / patch) * (size / patch);
        let mut blocks = vec![Count::conv(self.in_channels, h, patch, n).at("pos_embed")];
        let time = Count::linear(Self::SINUSOID, h, 1) + Count::linear(h, h, 1);
        let embedding = match self.condition {
            Condition::Classes(classes) => time + Count::table(classes + 1, h),
            Condition::Text(width) => {
                blocks.push((Count::linear(width, h, 1) + Count::linear(h, h, 1)).at("caption_projection"));
                time
            }
        };
        let attention = Count::linear(h, h, n) * 4 + Count::attention(n, n, h);
        let feed_forward = Count::linear(h, 4 * h, n) + Count::linear(4 * h, h, n);
        let block = Count::linear(h, 6 * h, 1) + attention + feed_forward;
        for i in 0..self.depth {
            let own = i == 0 || self.embedding == Embedding::EachBlock;
            let block = if own { embedding + block } else { block };
            blocks.push(block.at(format!("transformer_blocks.{i}")));
        }
        blocks.push(Count::linear(h, 2 * h, 1).at("proj_out_1"));
        blocks.push(Count::linear(h, patch * patch * self.out_channels(), n).at("proj_out_2"));
        blocks
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        Count::of(&self.blocks(self.patch)).params
    }
}
