//! The text-conditioned UNet: down, middle, up, with residual blocks and cross-attending transformers.
//!
//! One config covers the SD2 and SDXL families and everything between (Rombach et al. 2022, arXiv 2112.10752; Podell et al. 2023, arXiv
//! 2307.01952; the ablations of Li et al. 2024, arXiv 2404.02883, Table 1). Layout and parameter names are those of diffusers'
//! `UNet2DConditionModel`, so that weights load by name. A level's transformer depth is 0 where it has no attention.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::count::{Block, Count};

/// What decides a UNet's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, from = "Written")]
pub struct Unet {
    /// Channels of what is denoised.
    pub in_channels: u64,
    /// Channels of what is predicted.
    pub out_channels: u64,
    /// Width of each level, from full resolution down. The first is C of the paper; the time embedding is 4C wide.
    pub channels: Vec<u64>,
    /// Residual blocks a level on the way down; one more on the way up.
    pub layers_per_block: u64,
    /// Transformer blocks behind each residual block of a level; 0 is no attention.
    pub transformer_depth: Vec<u64>,
    /// Transformer blocks in the middle; as many as the last level has, where nothing is said.
    pub middle_depth: u64,
    /// Width of one attention head, so that the number of heads grows with the level's width.
    pub head_dim: u64,
    /// Width of the text tokens that cross-attention reads.
    pub cross_attention_dim: u64,
    /// Groups of each group normalization.
    pub norm_groups: u64,
    /// Whether transformers are entered and left by linear layers rather than 1×1 convolutions: the same counts, another weight shape.
    pub linear_projection: bool,
    /// Whether the mean of the text tokens is added to the time embedding too, as SDXL does with its pooled text.
    pub pooled_text: bool,
}

/// A UNet as people write it, with defaults that depend on other fields. What editors show of each is what stands here.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Channels of what is denoised.
    #[serde(default = "rgb")]
    #[schemars(range(min = 1, max = 65_536))]
    in_channels: u64,
    /// Channels of what is predicted; as many as are denoised, where nothing is said.
    #[schemars(range(min = 1, max = 65_536))]
    out_channels: Option<u64>,
    /// Width of each level, from full resolution down. The first is C of the paper; the time embedding is 4C wide.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65_536)))]
    channels: Vec<u64>,
    /// Residual blocks a level on the way down; one more on the way up.
    #[serde(default = "two")]
    #[schemars(range(min = 1, max = 65_536))]
    layers_per_block: u64,
    /// Transformer blocks behind each residual block of a level; 0 is no attention.
    #[schemars(length(min = 1, max = 8), inner(range(max = 1000)))]
    transformer_depth: Vec<u64>,
    /// Transformer blocks in the middle; as many as the last level has, where nothing is said.
    middle_depth: Option<u64>,
    /// Width of one attention head, so that the number of heads grows with the level's width.
    #[serde(default = "sixty_four")]
    #[schemars(range(min = 1, max = 65_536))]
    head_dim: u64,
    /// Width of the text tokens that cross-attention reads.
    #[schemars(range(min = 1, max = 65_536))]
    cross_attention_dim: u64,
    /// Groups of each group normalization.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 1, max = 65_536))]
    norm_groups: u64,
    /// Whether transformers are entered and left by linear layers rather than 1×1 convolutions: the same counts, another weight shape.
    #[serde(default = "yes")]
    linear_projection: bool,
    /// Whether the mean of the text tokens is added to the time embedding too, as SDXL does with its pooled text.
    #[serde(default)]
    pooled_text: bool,
}

fn rgb() -> u64 {
    3
}

fn two() -> u64 {
    2
}

fn sixty_four() -> u64 {
    64
}

fn thirty_two() -> u64 {
    32
}

fn yes() -> bool {
    true
}

impl From<Written> for Unet {
    fn from(written: Written) -> Self {
        Self {
            in_channels: written.in_channels,
            out_channels: written.out_channels.unwrap_or(written.in_channels),
            middle_depth: written.middle_depth.or(written.transformer_depth.last().copied()).unwrap_or(0),
            channels: written.channels,
            layers_per_block: written.layers_per_block,
            transformer_depth: written.transformer_depth,
            head_dim: written.head_dim,
            cross_attention_dim: written.cross_attention_dim,
            norm_groups: written.norm_groups,
            linear_projection: written.linear_projection,
            pooled_text: written.pooled_text,
        }
    }
}

impl Unet {
    /// Width of the time embedding: 4C.
    pub fn time_width(&self) -> u64 {
        4 * self.channels[0]
    }

    /// Number of levels.
    pub fn levels(&self) -> usize {
        self.channels.len()
    }

    /// Refuses what cannot be built, at an image size of `size`; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        let complain = |field: &str, problem: String| Err(Complaint::new(format!("{at}.{field}"), problem));
        let sane = |n: u64| (1..=1 << 16).contains(&n);
        if self.channels.is_empty() || self.channels.len() > 8 {
            return complain("channels", "must name 1 to 8 levels".into());
        }
        if self.transformer_depth.len() != self.channels.len() {
            let (depths, levels) = (self.transformer_depth.len(), self.channels.len());
            return complain("transformer_depth", format!("has {depths} entries and there are {levels} levels"));
        }
        let numbers = [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("layers_per_block", self.layers_per_block),
            ("head_dim", self.head_dim),
            ("cross_attention_dim", self.cross_attention_dim),
            ("norm_groups", self.norm_groups),
        ];
        if let Some((field, n)) = numbers.into_iter().find(|(_, n)| !sane(*n)) {
            return complain(field, format!("is {n}; must be between 1 and 65536"));
        }
        for (&width, &depth) in self.channels.iter().zip(&self.transformer_depth) {
            if !sane(width) || width % self.norm_groups != 0 {
                let groups = self.norm_groups;
                return complain("channels", format!("{width} is no multiple of the {groups} groups of `norm_groups`"));
            }
            if depth > 1000 {
                return complain("transformer_depth", format!("{depth} blocks are too many"));
            }
            if depth > 0 && width % self.head_dim != 0 {
                let head = self.head_dim;
                return complain(
                    "head_dim",
                    format!("{head} does not divide the width {width} of a level with attention"),
                );
            }
        }
        if !self.channels[0].is_multiple_of(2) {
            return complain("channels", "the first must be even: half sines, half cosines of the noise level".into());
        }
        let last = *self.channels.last().expect("at least one level, seen above");
        if self.middle_depth > 0 && !last.is_multiple_of(self.head_dim) {
            return complain("head_dim", format!("{} does not divide the middle's width {last}", self.head_dim));
        }
        let halvings = self.levels() as u32 - 1;
        if size == 0 || !size.is_multiple_of(1 << halvings) {
            return complain("channels", format!("images of {size}×{size} cannot be halved {halvings} times"));
        }
        Ok(())
    }

    /// Every part in the order of the forward pass, for `size × size` inputs and `tokens` text tokens.
    pub fn blocks(&self, size: u64, tokens: u64) -> Vec<Block> {
        let mut blocks = Vec::new();
        let time = self.time_width();
        let first = self.channels[0];
        let last = self.levels() - 1;
        blocks.push((Count::linear(first, time, 1) + Count::linear(time, time, 1)).at("time_embedding"));
        if self.pooled_text {
            let text = self.cross_attention_dim;
            blocks.push((Count::norm(text) + Count::linear(text, time, 1)).at("add_embedding"));
        }
        blocks.push(Count::conv(self.in_channels, first, 3, size * size).at("conv_in"));

        // Down. What leaves each residual block, and each halving, is kept for the way up.
        let mut kept = vec![first];
        let mut width = first;
        let mut size = size;
        for (level, &channels) in self.channels.iter().enumerate() {
            for layer in 0..self.layers_per_block {
                blocks.push(self.residual(width, channels, size).at(format!("down_blocks.{level}.resnets.{layer}")));
                width = channels;
                let depth = self.transformer_depth[level];
                if depth > 0 {
                    let path = format!("down_blocks.{level}.attentions.{layer}");
                    blocks.push(self.transformer(width, depth, size, tokens).at(path));
                }
                kept.push(width);
            }
            if level < last {
                size /= 2;
                let path = format!("down_blocks.{level}.downsamplers.0");
                blocks.push(Count::conv(width, width, 3, size * size).at(path));
                kept.push(width);
            }
        }

        blocks.push(self.residual(width, width, size).at("mid_block.resnets.0"));
        if self.middle_depth > 0 {
            blocks.push(self.transformer(width, self.middle_depth, size, tokens).at("mid_block.attentions.0"));
        }
        blocks.push(self.residual(width, width, size).at("mid_block.resnets.1"));

        // Up, mirrored; every residual block takes one kept tensor beside its input.
        for (block, level) in (0..self.levels()).rev().enumerate() {
            let channels = self.channels[level];
            for layer in 0..=self.layers_per_block {
                let skip = kept.pop().expect("as many are kept as are taken");
                blocks
                    .push(self.residual(width + skip, channels, size).at(format!("up_blocks.{block}.resnets.{layer}")));
                width = channels;
                let depth = self.transformer_depth[level];
                if depth > 0 {
                    let path = format!("up_blocks.{block}.attentions.{layer}");
                    blocks.push(self.transformer(width, depth, size, tokens).at(path));
                }
            }
            if level > 0 {
                size *= 2;
                blocks.push(Count::conv(width, width, 3, size * size).at(format!("up_blocks.{block}.upsamplers.0")));
            }
        }

        blocks.push(Count::norm(width).at("conv_norm_out"));
        blocks.push(Count::conv(width, self.out_channels, 3, size * size).at("conv_out"));
        blocks
    }

    /// Parameters in all.
    pub fn params(&self) -> u64 {
        let size = 1 << (self.levels() - 1);
        Count::of(&self.blocks(size, 1)).params
    }

    /// Multiply-accumulates of one forward pass.
    pub fn macs(&self, size: u64, tokens: u64) -> u64 {
        Count::of(&self.blocks(size, tokens)).macs
    }

    /// A residual block: two normalized convolutions with the time embedding added between, and a 1×1 shortcut where widths differ.
    fn residual(&self, from: u64, to: u64, size: u64) -> Count {
        let pixels = size * size;
        let shortcut = if from == to { Count::default() } else { Count::conv(from, to, 1, pixels) };
        Count::norm(from)
            + Count::conv(from, to, 3, pixels)
            + Count::linear(self.time_width(), to, 1)
            + Count::norm(to)
            + Count::conv(to, to, 3, pixels)
            + shortcut
    }

    /// A transformer over a level's pixels: in, `depth` blocks of self-attention, cross-attention and gated feed-forward, out.
    fn transformer(&self, width: u64, depth: u64, size: u64, tokens: u64) -> Count {
        let pixels = size * size;
        let around = Count::norm(width) + Count::linear(width, width, pixels) * 2;
        let self_attention = Count::unbiased(width, width, pixels) * 3 + Count::linear(width, width, pixels);
        let cross_attention = Count::unbiased(width, width, pixels)
            + Count::unbiased(self.cross_attention_dim, width, tokens) * 2
            + Count::linear(width, width, pixels);
        let feed_forward = Count::linear(width, 8 * width, pixels) + Count::linear(4 * width, width, pixels);
        around + (Count::norm(width) * 3 + self_attention + cross_attention + feed_forward) * depth
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn small() -> Unet {
        serde_json::from_value(json!({
            "channels": [16, 32], "layers_per_block": 1, "transformer_depth": [0, 2], "head_dim": 16,
            "cross_attention_dim": 24, "norm_groups": 8
        }))
        .unwrap()
    }

    #[test]
    fn defaults_that_depend_on_other_fields_are_written_out() {
        let unet = small();
        assert_eq!((unet.in_channels, unet.out_channels, unet.middle_depth), (3, 3, 2));
        let again: Unet = serde_json::from_value(serde_json::to_value(&unet).unwrap()).unwrap();
        assert_eq!(again, unet);
    }

    #[test]
    fn blocks_are_named_as_parameters_are() {
        let paths: Vec<String> = small().blocks(8, 4).into_iter().map(|block| block.path).collect();
        let wanted = "time_embedding conv_in down_blocks.0.resnets.0 down_blocks.0.downsamplers.0 down_blocks.1.resnets.0 \
                      down_blocks.1.attentions.0 mid_block.resnets.0 mid_block.attentions.0 mid_block.resnets.1 \
                      up_blocks.0.resnets.0 up_blocks.0.attentions.0 up_blocks.0.resnets.1 up_blocks.0.attentions.1 \
                      up_blocks.0.upsamplers.0 up_blocks.1.resnets.0 up_blocks.1.resnets.1 conv_norm_out conv_out";
        assert_eq!(paths.join(" "), wanted);
    }

    #[test]
    fn what_cannot_be_built_is_refused_at_its_field() {
        let refused = |change: fn(&mut Unet), size: u64| {
            let mut unet = small();
            change(&mut unet);
            unet.check(size, "backbone").unwrap_err()
        };
        assert_eq!(small().check(16, "backbone"), Ok(()));
        assert_eq!(refused(|u| u.channels[1] = 36, 16).field, "backbone.channels");
        assert_eq!(refused(|u| u.head_dim = 24, 16).field, "backbone.head_dim");
        assert_eq!(refused(|u| u.norm_groups = 0, 16).field, "backbone.norm_groups");
        let odd = refused(|u| u.transformer_depth.push(1), 16);
        assert_eq!(odd.problem, "has 3 entries and there are 2 levels");
        assert_eq!(refused(|_| (), 15).problem, "images of 15×15 cannot be halved 1 times");
    }
}
