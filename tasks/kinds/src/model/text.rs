//! A small text encoder, trained together with the denoiser: word and position tables, then pre-norm transformer layers.
//!
//! It stands where the paper has a frozen OpenCLIP: studies on synthetic scenes have a vocabulary of dozens of words, so that everything
//! is learned from the study's own data. Its width is the backbone's `cross_attention_dim`.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    number,
};

/// What decides the text encoder's layers, together with its width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Words it knows; data may use fewer.
    #[serde(default = "vocabulary")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub vocabulary: u64,
    /// Tokens a caption has; shorter ones are padded.
    #[serde(default = "tokens")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub tokens: u64,
    /// Transformer layers.
    #[serde(default = "depth")]
    #[schemars(range(max = 1000))]
    pub depth: u64,
    /// Attention heads.
    #[serde(default = "heads")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub heads: u64,
}

fn vocabulary() -> u64 {
    64
}

fn tokens() -> u64 {
    16
}

fn depth() -> u64 {
    1
}

fn heads() -> u64 {
    2
}

impl Default for Text {
    fn default() -> Self {
        Self { vocabulary: vocabulary(), tokens: tokens(), depth: depth(), heads: heads() }
    }
}

impl Text {
    /// Refuses what cannot be built at this `width`; `at` is the config's own place in the spec.
    pub fn check(&self, width: u64, at: &str) -> Result<(), Complaint> {
        let numbers = [("vocabulary", self.vocabulary), ("tokens", self.tokens), ("heads", self.heads)];
        number::within(at, &numbers, 1 << 20)?;
        if self.depth > 1000 {
            return Err(Complaint::new(format!("{at}.depth"), format!("{} layers are too many", self.depth)));
        }
        if !width.is_multiple_of(self.heads) {
            let problem = format!("{} does not divide the width {width}", self.heads);
            return Err(Complaint::new(format!("{at}.heads"), problem));
        }
        Ok(())
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self, width: u64) -> Vec<Block> {
        let tokens = self.tokens;
        let attention = Count::unbiased(width, width, tokens) * 3
            + Count::linear(width, width, tokens)
            + Count::attention(tokens, tokens, width);
        let feed_forward = Count::linear(width, 4 * width, tokens) + Count::linear(4 * width, width, tokens);
        let layer = Count::norm(width) * 2 + attention + feed_forward;
        let tables = [
            Count::table(self.vocabulary, width).at("token_embedding"),
            Count::table(tokens, width).at("position_embedding"),
        ];
        let layers = (0..self.depth).map(|i| layer.at(format!("layers.{i}")));
        tables.into_iter().chain(layers).chain([Count::norm(width).at("final_norm")]).collect()
    }
}
