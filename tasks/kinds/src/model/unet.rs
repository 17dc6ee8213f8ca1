//! The text-conditioned UNet: down, middle, up, with residual blocks and cross-attending transformers.
//!
//! One config covers the SD2 and SDXL families and everything between (Rombach et al. 2022, arXiv 2112.10752; Podell et al. 2023, arXiv
//! 2307.01952; the ablations of Li et al. 2024, arXiv 2404.02883, Table 1). Layout and parameter names are those of diffusers'
//! `UNet2DConditionModel`, so that weights load by name. A level's transformer depth is 0 where it has no attention.
//!
//! What is seldom written (`heads`, `cross_attention`, `middle_cross_attention`, `text_time`) is left out of the canonical text where it has
//! its default, so that a config that does without says the same as before there was such a field.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::number;

mod blocks;

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
    /// Whether the transformers of each level read the text; where not, they have self-attention and the feed-forward alone.
    #[serde(skip_serializing_if = "everywhere")]
    pub cross_attention: Vec<bool>,
    /// Whether the middle's transformer reads the text.
    #[serde(skip_serializing_if = "is_true")]
    pub middle_cross_attention: bool,
    /// Width of one attention head, so that the number of heads grows with the level's width.
    pub head_dim: u64,
    /// So many heads at every level instead, whatever its width: Stable Diffusion 1 has 8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heads: Option<u64>,
    /// Width of the text tokens that cross-attention reads.
    pub cross_attention_dim: u64,
    /// Groups of each group normalization.
    pub norm_groups: u64,
    /// Whether transformers are entered and left by linear layers rather than 1×1 convolutions: the same counts, another weight shape.
    pub linear_projection: bool,
    /// Whether the mean of the text tokens is added to the time embedding too, as SDXL does with its pooled text.
    pub pooled_text: bool,
    /// SDXL's conditioning on a text as a whole and on sizes and places of the crop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_time: Option<TextTime>,
}

/// SDXL's added conditioning: a text vector beside the sinusoids of [six numbers](Self::NUMBERS), through two layers into the time embedding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextTime {
    /// Width of the text vector.
    #[schemars(range(min = 1, max = 65_536))]
    pub pooled: u64,
    /// Width of each number's sinusoid.
    #[schemars(range(min = 2, max = 65_536), extend("multipleOf" = 2))]
    pub width: u64,
}

impl TextTime {
    /// Height and width before cropping, top and left of the crop, height and width after it.
    pub const NUMBERS: u64 = 6;

    /// Width of all that goes in.
    pub fn joined(self) -> u64 {
        self.pooled + Self::NUMBERS * self.width
    }
}

/// A UNet as people write it, with defaults that depend on other fields. What editors show of each is what stands here.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Channels of what is denoised.
    #[serde(default = "number::three")]
    #[schemars(range(min = 1, max = 65_536))]
    in_channels: u64,
    /// Channels of what is predicted; as many as are denoised, where nothing is said.
    #[schemars(range(min = 1, max = 65_536))]
    out_channels: Option<u64>,
    /// Width of each level, from full resolution down. The first is C of the paper; the time embedding is 4C wide.
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 65_536)))]
    channels: Vec<u64>,
    /// Residual blocks a level on the way down; one more on the way up.
    #[serde(default = "number::two")]
    #[schemars(range(min = 1, max = 65_536))]
    layers_per_block: u64,
    /// Transformer blocks behind each residual block of a level; 0 is no attention.
    #[schemars(length(min = 1, max = 8), inner(range(max = 1000)))]
    transformer_depth: Vec<u64>,
    /// Transformer blocks in the middle; as many as the last level has, where nothing is said.
    middle_depth: Option<u64>,
    /// Whether the transformers of each level read the text, everywhere where nothing is said; where not, they have self-attention and the
    /// feed-forward alone.
    #[schemars(length(min = 1, max = 8))]
    cross_attention: Option<Vec<bool>>,
    /// Whether the middle's transformer reads the text.
    #[serde(default = "number::yes")]
    middle_cross_attention: bool,
    /// Width of one attention head, so that the number of heads grows with the level's width.
    #[serde(default = "number::sixty_four")]
    #[schemars(range(min = 1, max = 65_536))]
    head_dim: u64,
    /// So many heads at every level instead, whatever its width: Stable Diffusion 1 has 8.
    #[schemars(range(min = 1, max = 65_536))]
    heads: Option<u64>,
    /// Width of the text tokens that cross-attention reads.
    #[schemars(range(min = 1, max = 65_536))]
    cross_attention_dim: u64,
    /// Groups of each group normalization.
    #[serde(default = "number::thirty_two")]
    #[schemars(range(min = 1, max = 65_536))]
    norm_groups: u64,
    /// Whether transformers are entered and left by linear layers rather than 1×1 convolutions: the same counts, another weight shape.
    #[serde(default = "number::yes")]
    linear_projection: bool,
    /// Whether the mean of the text tokens is added to the time embedding too, as SDXL does with its pooled text.
    #[serde(default)]
    pooled_text: bool,
    /// SDXL's conditioning on a text as a whole and on sizes and places of the crop.
    text_time: Option<TextTime>,
}

fn everywhere(places: &[bool]) -> bool {
    places.iter().all(|&there| there)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
fn is_true(flag: &bool) -> bool {
    *flag
}

impl From<Written> for Unet {
    fn from(written: Written) -> Self {
        Self {
            in_channels: written.in_channels,
            out_channels: written.out_channels.unwrap_or(written.in_channels),
            middle_depth: written.middle_depth.or(written.transformer_depth.last().copied()).unwrap_or(0),
            cross_attention: written.cross_attention.unwrap_or_else(|| vec![true; written.channels.len()]),
            middle_cross_attention: written.middle_cross_attention,
            channels: written.channels,
            layers_per_block: written.layers_per_block,
            transformer_depth: written.transformer_depth,
            head_dim: written.head_dim,
            heads: written.heads,
            cross_attention_dim: written.cross_attention_dim,
            norm_groups: written.norm_groups,
            linear_projection: written.linear_projection,
            pooled_text: written.pooled_text,
            text_time: written.text_time,
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

    /// Attention heads at a level of this `width`.
    pub fn heads_at(&self, width: u64) -> u64 {
        self.heads.unwrap_or(width / self.head_dim)
    }

    /// Refuses what cannot be built, at an image size of `size`; `at` is the config's own place in the spec.
    pub fn check(&self, size: u64, at: &str) -> Result<(), Complaint> {
        let complain = |field: &str, problem: String| Err(Complaint::new(format!("{at}.{field}"), problem));
        if self.channels.is_empty() || self.channels.len() > 8 {
            return complain("channels", "must name 1 to 8 levels".into());
        }
        let levels = self.levels();
        for (field, entries) in
            [("transformer_depth", self.transformer_depth.len()), ("cross_attention", self.cross_attention.len())]
        {
            if entries != levels {
                return complain(field, format!("has {entries} entries and there are {levels} levels"));
            }
        }
        number::sane(
            at,
            &[
                ("in_channels", self.in_channels),
                ("out_channels", self.out_channels),
                ("layers_per_block", self.layers_per_block),
                ("head_dim", self.head_dim),
                ("heads", self.heads.unwrap_or(1)),
                ("cross_attention_dim", self.cross_attention_dim),
                ("norm_groups", self.norm_groups),
            ],
        )?;
        for &width in &self.channels {
            number::groups(&format!("{at}.channels"), width, self.norm_groups)?;
        }
        let last = *self.channels.last().expect("at least one level, seen above");
        let depths = self.transformer_depth.iter().zip(&self.channels).map(|(&depth, &width)| (depth, width));
        for (field, depth, width) in depths.map(|(depth, width)| ("transformer_depth", depth, width)).chain([(
            "middle_depth",
            self.middle_depth,
            last,
        )]) {
            if depth > 1000 {
                return complain(field, format!("{depth} blocks are too many"));
            }
            match self.heads {
                Some(heads) if depth > 0 && !width.is_multiple_of(heads) => {
                    return complain("heads", format!("{heads} do not divide the width {width} of an attention"));
                }
                None if depth > 0 && !width.is_multiple_of(self.head_dim) => {
                    let head = self.head_dim;
                    return complain("head_dim", format!("{head} does not divide the width {width} of an attention"));
                }
                _ => {}
            }
        }
        if !self.channels[0].is_multiple_of(2) {
            return complain("channels", "the first must be even: half sines, half cosines of the noise level".into());
        }
        if let Some(text_time) = self.text_time {
            let at = format!("{at}.text_time");
            number::sane(&at, &[("pooled", text_time.pooled), ("width", text_time.width)])?;
            Complaint::unless(text_time.width.is_multiple_of(2), &format!("{at}.width"), "must be even")?;
            Complaint::unless(!self.pooled_text, &at, "and `pooled_text` stand for the same layers: leave one out")?;
        }
        number::halvings(&format!("{at}.channels"), size, levels as u32 - 1)
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
        assert_eq!(refused(|u| u.heads = Some(3), 16).field, "backbone.heads");
        assert_eq!(refused(|u| u.cross_attention.clear(), 16).field, "backbone.cross_attention");
        let text_time = |u: &mut Unet| u.text_time = Some(TextTime { pooled: 8, width: 3 });
        assert_eq!(refused(text_time, 16).field, "backbone.text_time.width");
        assert_eq!(refused(|u| u.head_dim = 24, 16).field, "backbone.head_dim");
        assert_eq!(refused(|u| u.norm_groups = 0, 16).field, "backbone.norm_groups");
        let odd = refused(|u| u.transformer_depth.push(1), 16);
        assert_eq!(odd.problem, "has 3 entries and there are 2 levels");
        assert_eq!(refused(|_| (), 15).problem, "images of 15×15 cannot be halved 1 times");
    }
}
