//! The UNet of DeepFloyd IF, in pixel or latent space: resizing by residual blocks, noise levels as scales and shifts, and one attention over
//! pixels and text tokens together.
//!
//! The text enters twice: its tokens stand beside the pixels as keys and values, and an attention pooling of them is added to the time
//! embedding. Layout and parameter names are those of diffusers' `UNet2DConditionModel` with its `SimpleCrossAttn…` blocks, as released for
//! IF-I-XL. Li et al. 2024 (arXiv 2404.02883, Table 1) train it on latents with 1024-wide text tokens, which it reads as they are.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    ladder::{Ladder, Rung},
    number,
};

/// What decides the layers of an IF UNet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IfUnet {
    /// Channels of what is denoised.
    #[serde(default = "number::three")]
    #[schemars(range(min = 1, max = 65_536))]
    pub in_channels: u64,
    /// Whether a variance is predicted beside the noise: twice as many channels come out.
    #[serde(default)]
    pub learned_variance: bool,
    /// Width of each level, from full resolution down. The first is C of the paper; the time embedding is 4C wide.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65_536)))]
    pub channels: Vec<u64>,
    /// Residual blocks a level on the way down, besides the one that halves; one more on the way up.
    #[serde(default = "number::three")]
    #[schemars(range(min = 1, max = 65_536))]
    pub layers_per_block: u64,
    /// Whether an attention stands behind each residual block of a level. In the middle there always is one.
    #[schemars(length(min = 1, max = 8))]
    pub attention: Vec<bool>,
    /// Width of one attention head.
    #[serde(default = "number::sixty_four")]
    #[schemars(range(min = 1, max = 65_536))]
    pub head_dim: u64,
    /// Width of the text tokens as attention reads them.
    #[schemars(range(min = 1, max = 65_536))]
    pub cross_attention_dim: u64,
    /// Width of the text tokens as they come, if they are projected for attention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_536))]
    pub encoder_hid_dim: Option<u64>,
    /// Heads of the attention that pools the text.
    #[serde(default = "number::sixty_four")]
    #[schemars(range(min = 1, max = 65_536))]
    pub pooling_heads: u64,
    /// Groups of each group normalization.
    #[serde(default = "number::thirty_two")]
    #[schemars(range(min = 1, max = 65_536))]
    pub norm_groups: u64,
}

impl IfUnet {
    /// Channels of what is predicted.
    pub fn out_channels(&self) -> u64 {
        number::predicted(self.in_channels, self.learned_variance)
    }

    /// Width of the time embedding: 4C.
    pub fn time_width(&self) -> u64 {
        4 * self.channels[0]
    }

    /// Width of the text tokens as they come.
    pub fn text_width(&self) -> u64 {
        self.encoder_hid_dim.unwrap_or(self.cross_attention_dim)
    }

    /// Refuses what cannot be built, at an image size of `size`; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        let field = |name: &str| format!("{at}.{name}");
        let levels = self.channels.len();
        Complaint::unless((1..=8).contains(&levels), &field("channels"), "must name 1 to 8 levels")?;
        let entries = format!("has {} entries and there are {levels} levels", self.attention.len());
        Complaint::unless(self.attention.len() == levels, &field("attention"), &entries)?;
        number::sane(
            at,
            &[
                ("in_channels", self.in_channels),
                ("layers_per_block", self.layers_per_block),
                ("head_dim", self.head_dim),
                ("cross_attention_dim", self.cross_attention_dim),
                ("encoder_hid_dim", self.text_width()),
                ("pooling_heads", self.pooling_heads),
                ("norm_groups", self.norm_groups),
            ],
        )?;
        for &width in &self.channels {
            number::groups(&field("channels"), width, self.norm_groups)?;
        }
        number::groups(&field("cross_attention_dim"), self.cross_attention_dim, self.norm_groups)?;
        let last = self.channels[levels - 1];
        let attending = self.channels.iter().zip(&self.attention).filter(|(_, there)| **there).map(|(&width, _)| width);
        for width in attending.chain([last]) {
            let problem = format!("{} does not divide the width {width} of an attention", self.head_dim);
            Complaint::unless(width.is_multiple_of(self.head_dim), &field("head_dim"), &problem)?;
        }
        let (text, heads) = (self.text_width(), self.pooling_heads);
        let pooled = format!("{heads} do not divide the width {text} of the text tokens");
        Complaint::unless(text.is_multiple_of(heads), &field("pooling_heads"), &pooled)?;
        let even = self.channels[0].is_multiple_of(2);
        Complaint::unless(even, &field("channels"), "the first must be even: half sines, half cosines")?;
        number::halvings(&field("channels"), size, levels as u32 - 1)
    }

    /// Every part in the order of the forward pass, for `size × size` inputs and `tokens` text tokens.
    pub fn blocks(&self, size: u64, tokens: u64) -> Vec<Block> {
        let (time, text, first) = (self.time_width(), self.text_width(), self.channels[0]);
        let mut blocks = vec![
            (Count::linear(first, time, 1) + Count::linear(time, time, 1)).at("time_embedding"),
            self.pooling(tokens).at("add_embedding"),
        ];
        if self.encoder_hid_dim.is_some() {
            blocks.push(Count::linear(text, self.cross_attention_dim, tokens).at("encoder_hid_proj"));
        }
        blocks.push(Count::conv(self.in_channels, first, 3, size * size).at("conv_in"));

        let ladder = Ladder::new(&self.channels, self.layers_per_block);
        let along = |rungs: &[Rung], blocks: &mut Vec<Block>| {
            for rung in rungs {
                let side = size >> rung.halvings;
                let residual = self.residual(rung.from, rung.to, side);
                let Some(layer) = rung.layer else {
                    blocks.push(residual.at(format!("{}.{}.0", rung.block, rung.sampler())));
                    continue;
                };
                blocks.push(residual.at(format!("{}.resnets.{layer}", rung.block)));
                if self.attention[rung.level] {
                    let path = format!("{}.attentions.{layer}", rung.block);
                    blocks.push(self.attend(rung.to, side, tokens).at(path));
                }
            }
        };
        along(&ladder.down, &mut blocks);

        let (width, side) = (ladder.width, size >> ladder.halvings);
        blocks.push(self.residual(width, width, side).at("mid_block.resnets.0"));
        blocks.push(self.attend(width, side, tokens).at("mid_block.attentions.0"));
        blocks.push(self.residual(width, width, side).at("mid_block.resnets.1"));

        along(&ladder.up, &mut blocks);
        blocks.push(Count::norm(first).at("conv_norm_out"));
        blocks.push(Count::conv(first, self.out_channels(), 3, size * size).at("conv_out"));
        blocks
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        Count::of(&self.blocks(1 << (self.channels.len() - 1), 1)).params
    }

    /// A residual block at the size that comes out of it: the time embedding becomes a scale and a shift of the second normalization.
    fn residual(&self, from: u64, to: u64, size: u64) -> Count {
        Count::residual(from, to, size * size) + Count::linear(self.time_width(), 2 * to, 1)
    }

    /// Pixels attend to pixels and text tokens.
    fn attend(&self, width: u64, size: u64, tokens: u64) -> Count {
        let (pixels, context) = (size * size, self.cross_attention_dim);
        Count::norm(width)
            + Count::norm(context)
            + Count::linear(width, width, pixels) * 4
            + Count::linear(context, width, tokens) * 2
            + Count::attention(pixels, pixels + tokens, width)
    }

    /// The mean of the text tokens attends to them and to itself, and goes into the time embedding.
    fn pooling(&self, tokens: u64) -> Count {
        let text = self.text_width();
        Count::norm(text)
            + Count::vector(text)
            + Count::linear(text, text, 1)
            + Count::linear(text, text, tokens + 1) * 2
            + Count::attention(1, tokens + 1, text)
            + Count::linear(text, self.time_width(), 1)
            + Count::norm(self.time_width())
    }
}
