//! U-ViT: a plain transformer over noise level, text and image tokens in one sequence, with long skips from its first half to its second.
//!
//! Bao et al. 2023, arXiv 2209.12152. Parameter names are those of the authors' text-to-image code. Positions are a learned table, so that a
//! model belongs to one image size and one number of text tokens.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    number,
};

/// What decides a U-ViT's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uvit {
    /// Channels of what is denoised, and of what is predicted.
    #[serde(default = "number::three")]
    #[schemars(range(min = 1, max = 65_536))]
    pub in_channels: u64,
    /// Height and width of what is denoised.
    #[schemars(range(min = 1, max = 65_536))]
    pub size: u64,
    /// Squares of `patch × patch` become one image token.
    #[serde(default = "number::two")]
    #[schemars(range(min = 1, max = 65_536))]
    pub patch: u64,
    /// Width of the transformer.
    #[schemars(range(min = 4, max = 65_536), extend("multipleOf" = 4))]
    pub width: u64,
    /// Blocks besides the middle one, half of them before it and half behind.
    #[schemars(range(min = 2, max = 1000), extend("multipleOf" = 2))]
    pub depth: u64,
    /// Attention heads.
    #[schemars(range(min = 1, max = 65_536))]
    pub heads: u64,
    /// Width of the text tokens.
    #[schemars(range(min = 1, max = 65_536))]
    pub context: u64,
    /// Text tokens there are.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub tokens: u64,
    /// Whether queries, keys and values have a bias.
    #[serde(default)]
    pub qkv_bias: bool,
    /// Whether the noise level's sinusoid goes through two layers before it becomes a token.
    #[serde(default)]
    pub time_layers: bool,
    /// Whether a 3×3 convolution comes last.
    #[serde(default = "number::yes")]
    pub final_conv: bool,
}

impl Uvit {
    /// Image tokens.
    pub fn patches(&self) -> u64 {
        (self.size / self.patch) * (self.size / self.patch)
    }

    /// Tokens in the sequence: the noise level, the text, the image.
    pub fn length(&self) -> u64 {
        1 + self.tokens + self.patches()
    }

    /// Refuses what cannot be built, at an image size of `size`; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        let field = |name: &str| format!("{at}.{name}");
        number::sane(at, &[("in_channels", self.in_channels), ("size", self.size), ("context", self.context)])?;
        number::transformer(at, self.size, [self.width, self.depth, self.heads, self.patch])?;
        let tokens = format!("is {}; must be between 1 and 1048576", self.tokens);
        Complaint::unless((1..=1 << 20).contains(&self.tokens), &field("tokens"), &tokens)?;
        let halves = format!("{} blocks are not two halves", self.depth);
        Complaint::unless(self.depth.is_multiple_of(2), &field("depth"), &halves)?;
        let other =
            format!("is {} and inputs are {size}×{size}: its table of positions belongs to one size", self.size);
        Complaint::unless(self.size == size, &field("size"), &other)
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self) -> Vec<Block> {
        let (w, n, length) = (self.width, self.patches(), self.length());
        let mut blocks = vec![Count::conv(self.in_channels, w, self.patch, n).at("patch_embed")];
        if self.time_layers {
            blocks.push((Count::linear(w, 4 * w, 1) + Count::linear(4 * w, w, 1)).at("time_embed"));
        }
        blocks.push(Count::linear(self.context, w, self.tokens).at("context_embed"));
        blocks.push(Count::table(length, w).at("pos_embed"));
        let qkv = if self.qkv_bias { Count::linear(w, 3 * w, length) } else { Count::unbiased(w, 3 * w, length) };
        let attention = qkv + Count::attention(length, length, w) + Count::linear(w, w, length);
        let feed_forward = Count::linear(w, 4 * w, length) + Count::linear(4 * w, w, length);
        let block = Count::norm(w) * 2 + attention + feed_forward;
        let skip = Count::linear(2 * w, w, length);
        let half = self.depth / 2;
        blocks.extend((0..half).map(|i| block.at(format!("in_blocks.{i}"))));
        blocks.push(block.at("mid_block"));
        blocks.extend((0..half).map(|i| (skip + block).at(format!("out_blocks.{i}"))));
        blocks.push(Count::norm(w).at("norm"));
        // The way out is taken by all tokens, and what came of level and text is dropped behind it.
        blocks.push(Count::linear(w, self.patch * self.patch * self.in_channels, length).at("decoder_pred"));
        if self.final_conv {
            blocks.push(Count::conv(self.in_channels, self.in_channels, 3, self.size * self.size).at("final_layer"));
        }
        blocks
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        Count::of(&self.blocks()).params
    }
}
