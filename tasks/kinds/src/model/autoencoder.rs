//! The autoencoder that latent diffusion works inside of: images to a small grid of latent Gaussians, and back.
//!
//! Rombach et al. 2022, arXiv 2112.10752, section 3.1. Layout and parameter names are those of diffusers' `AutoencoderKL`. Stable Diffusion and
//! SDXL share the network and differ in the weights and in the factor that brings latents to unit deviation.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    number,
};

/// What decides an autoencoder's layers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AutoencoderKl {
    /// Channels of the images.
    #[serde(default = "number::three")]
    pub in_channels: u64,
    /// Channels of the latents.
    #[serde(default = "number::four")]
    pub latent_channels: u64,
    /// Width of each level, from full resolution down; each further level halves the size.
    pub channels: Vec<u64>,
    /// Residual blocks a level on the way in; one more on the way out.
    #[serde(default = "number::two")]
    pub layers_per_block: u64,
    /// Groups of each group normalization.
    #[serde(default = "number::thirty_two")]
    pub norm_groups: u64,
    /// What latents are multiplied by before a denoiser sees them.
    pub scaling_factor: f64,
}

impl AutoencoderKl {
    /// How many times smaller latents are than images, in height and in width.
    pub fn shrink(&self) -> u64 {
        1 << (self.channels.len() - 1)
    }

    /// Refuses what cannot be built, for `size × size` images; `at` is the config's own place.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        let field = |name: &str| format!("{at}.{name}");
        let levels = self.channels.len();
        Complaint::unless((1..=8).contains(&levels), &field("channels"), "must name 1 to 8 levels")?;
        let numbers = [
            ("in_channels", self.in_channels),
            ("latent_channels", self.latent_channels),
            ("layers_per_block", self.layers_per_block),
            ("norm_groups", self.norm_groups),
        ];
        number::sane(at, &numbers)?;
        for &width in &self.channels {
            number::groups(&field("channels"), width, self.norm_groups)?;
        }
        let positive = self.scaling_factor.is_finite() && self.scaling_factor > 0.0;
        let problem = format!("is {}; must be positive", self.scaling_factor);
        Complaint::unless(positive, &field("scaling_factor"), &problem)?;
        number::halvings(&field("channels"), size, levels as u32 - 1)
    }

    /// Every part in the order of the forward pass, in and out again, for `size × size` images.
    pub fn blocks(&self, size: u64) -> Vec<Block> {
        let mut blocks = Vec::new();
        let (first, deepest) = (self.channels[0], self.channels[self.channels.len() - 1]);
        let levels = self.channels.len();

        // In.
        blocks.push(Count::conv(self.in_channels, first, 3, size * size).at("encoder.conv_in"));
        let (mut width, mut side) = (first, size);
        for (level, &channels) in self.channels.iter().enumerate() {
            for layer in 0..self.layers_per_block {
                let path = format!("encoder.down_blocks.{level}.resnets.{layer}");
                blocks.push(Count::residual(width, channels, side * side).at(path));
                width = channels;
            }
            if level + 1 < levels {
                side /= 2;
                let path = format!("encoder.down_blocks.{level}.downsamplers.0");
                blocks.push(Count::conv(width, width, 3, side * side).at(path));
            }
        }
        middle("encoder", deepest, side, &mut blocks);
        blocks.push(Count::norm(deepest).at("encoder.conv_norm_out"));
        let moments = 2 * self.latent_channels; // a mean and a log-variance each
        blocks.push(Count::conv(deepest, moments, 3, side * side).at("encoder.conv_out"));
        blocks.push(Count::conv(moments, moments, 1, side * side).at("quant_conv"));

        // Out.
        let latent = self.latent_channels;
        blocks.push(Count::conv(latent, latent, 1, side * side).at("post_quant_conv"));
        blocks.push(Count::conv(latent, deepest, 3, side * side).at("decoder.conv_in"));
        middle("decoder", deepest, side, &mut blocks);
        for (block, &channels) in self.channels.iter().rev().enumerate() {
            for layer in 0..=self.layers_per_block {
                let path = format!("decoder.up_blocks.{block}.resnets.{layer}");
                blocks.push(Count::residual(width, channels, side * side).at(path));
                width = channels;
            }
            if block + 1 < levels {
                side *= 2;
                let path = format!("decoder.up_blocks.{block}.upsamplers.0");
                blocks.push(Count::conv(width, width, 3, side * side).at(path));
            }
        }
        blocks.push(Count::norm(width).at("decoder.conv_norm_out"));
        blocks.push(Count::conv(width, self.in_channels, 3, side * side).at("decoder.conv_out"));
        blocks
    }
}

/// Two residual blocks with one head of self-attention between them.
fn middle(part: &str, width: u64, size: u64, blocks: &mut Vec<Block>) {
    let pixels = size * size;
    let attention =
        Count::norm(width) + Count::linear(width, width, pixels) * 4 + Count::attention(pixels, pixels, width);
    blocks.push(Count::residual(width, width, pixels).at(format!("{part}.mid_block.resnets.0")));
    blocks.push(attention.at(format!("{part}.mid_block.attentions.0")));
    blocks.push(Count::residual(width, width, pixels).at(format!("{part}.mid_block.resnets.1")));
}
