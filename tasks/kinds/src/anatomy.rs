//! `count-model`: what a network holds and takes, from its config alone.

use isoflop_contract::{Complaint, Kind, Runtime, port::NoNeeds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    model::{Backbone, Block, Count, Preset},
};

/// Which network to count, at which setting. Convolution and linear layers are counted, at batch 1, as in Table 1 of Li et al. 2024.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CountModel {
    /// The denoising network; a preset's is `"{{ preset('sdxl-td4_4') }}"`.
    pub backbone: Backbone,
    /// Height and width of what it denoises: 32 for images of 256×256 pixels behind an eightfold autoencoder.
    #[serde(default = "size")]
    #[schemars(range(min = 1, max = 16384))]
    pub size: u64,
    /// Text tokens it reads.
    #[serde(default = "tokens")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub tokens: u64,
}

fn size() -> u64 {
    Preset::SIZE
}

fn tokens() -> u64 {
    Preset::TOKENS
}

impl CountModel {
    /// Every part in the order of the forward pass.
    pub fn blocks(&self) -> Vec<Block> {
        self.backbone.blocks(self.size, self.tokens)
    }

    /// The final numbers of the task, by name: all are whole, and exact below 2^53.
    ///
    /// `params`, `macs`; `attention_macs`, the linear layers of the parts that attend; `outer_attention_macs`, the same without the part between
    /// the way down and the way up; `attention_products`, the multiply-accumulates of `QKᵀ` and `AV`, which are in no other number.
    pub fn scalars(&self) -> [(&'static str, u64); 5] {
        let blocks = self.blocks();
        let Count { params, macs, products } = Count::of(&blocks);
        let attending = || blocks.iter().filter(|block| attends(&block.path));
        let attention = attending().map(|block| block.macs).sum();
        let outer = attending().filter(|block| !block.path.starts_with("mid_block")).map(|block| block.macs).sum();
        [
            ("params", params),
            ("macs", macs),
            ("attention_macs", attention),
            ("outer_attention_macs", outer),
            ("attention_products", products),
        ]
    }
}

/// Whether the part at `path` is a stack of transformer blocks, or one of a transformer's own.
fn attends(path: &str) -> bool {
    path.contains(".attentions.")
        || ["transformer_blocks.", "in_blocks.", "out_blocks."].iter().any(|name| path.starts_with(name))
        || path == "mid_block"
}

impl Kind for CountModel {
    const NAME: &'static str = "count-model";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Counts a network's parameters and multiply-accumulates, by block, from its config.";
    const EXAMPLE: &'static str = "\
backbone:
  family: unet
  channels: [320, 640, 1280]
  layers_per_block: 2
  transformer_depth: [0, 4, 4]
  cross_attention_dim: 1024
";
    type Needs = NoNeeds;
    type Makes = artifact::Anatomy;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless((1..=1 << 14).contains(&self.size), "size", "must be between 1 and 16384")?;
        Complaint::unless((1..=1 << 20).contains(&self.tokens), "tokens", "must be between 1 and 1048576")?;
        self.backbone.check(self.size, "backbone")?;
        let (there, read) = (self.tokens, self.backbone.text_tokens().unwrap_or(self.tokens));
        Complaint::unless(there == read, "tokens", &format!("is {there} and the backbone reads {read}"))?;
        Complaint::unless(Count::of(&self.blocks()).is_sane(), "backbone", "has more than can be counted")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::preset;

    fn scalars(name: &str) -> [u64; 5] {
        let backbone = preset(name).unwrap().backbone();
        CountModel { backbone, size: 32, tokens: 77 }.scalars().map(|(_, number)| number)
    }

    /// GMACs of attention as Table 1 of Li et al. 2024 prints them: with the middle of SD2 and IF-XL, without that of SDXL's variants.
    #[test]
    fn attention_is_counted_as_in_the_table() {
        for (name, printed, with_middle) in [
            ("sd2.1", 34, true),
            ("sd2-c512", 85, true),
            ("if-xl-c512", 23, true),
            ("if-xl-c704", 42, true),
            ("sdxl-c128", 23, false),
            ("sdxl-c192", 48, false),
            ("sdxl-c384", 179, false),
            ("sdxl-td2", 43, false),
            ("sdxl-td4_4", 84, false),
            ("sdxl-td14", 168, false),
        ] {
            let [_, macs, attention, outer, _] = scalars(name);
            let counted = if with_middle { attention } else { outer };
            assert_eq!((counted as f64 / 1e9).round() as u64, printed, "{name}");
            assert!(outer < attention && attention < macs, "{name}");
        }
    }

    /// A transformer's blocks are nearly all of it.
    #[test]
    fn transformers_attend_everywhere() {
        for name in ["pixart-h1152-d28", "dit-xl2", "uvit-l2"] {
            let [_, macs, attention, _, products] = scalars(name);
            assert!(attention as f64 > 0.95 * macs as f64 && attention < macs && products > 0, "{name}");
        }
    }
}
