//! The encoder of T5 v1.1, which Flan-T5 shares: relative positions, normalization without a mean, gated feed-forward.
//!
//! Raffel et al. 2020, arXiv 1910.10683; the gate is of Shazeer 2020, arXiv 2002.05202. Layout and parameter names are those of transformers'
//! `T5EncoderModel`.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    number,
};

/// What decides a T5 encoder's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct T5Encoder {
    /// Tokens there are.
    #[serde(default = "vocabulary")]
    pub vocabulary: u64,
    /// Width of the tokens.
    pub width: u64,
    /// Layers.
    pub layers: u64,
    /// Attention heads.
    pub heads: u64,
    /// Width of one head; heads times this need not be the width.
    #[serde(default = "number::sixty_four")]
    pub head_dim: u64,
    /// Width inside the feed-forward.
    pub mlp: u64,
    /// Kinds of distance that attention tells apart.
    #[serde(default = "number::thirty_two")]
    pub buckets: u64,
    /// Distance from which all are alike.
    #[serde(default = "distance")]
    pub max_distance: u64,
    /// Tokens of a text, as a study uses it; the encoder itself reads any number.
    #[serde(default = "tokens")]
    pub tokens: u64,
}

fn vocabulary() -> u64 {
    32_128
}

fn distance() -> u64 {
    128
}

fn tokens() -> u64 {
    120
}

impl T5Encoder {
    /// Refuses what cannot be built; `at` is the config's own place.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        let numbers = [
            ("width", self.width),
            ("layers", self.layers),
            ("heads", self.heads),
            ("head_dim", self.head_dim),
            ("mlp", self.mlp),
            ("buckets", self.buckets),
        ];
        number::sane(at, &numbers)?;
        let numbers = [("vocabulary", self.vocabulary), ("tokens", self.tokens), ("max_distance", self.max_distance)];
        number::within(at, &numbers, 1 << 20)?;
        let problem = format!("is {}; must be a multiple of 4", self.buckets);
        Complaint::unless(self.buckets.is_multiple_of(4), &format!("{at}.buckets"), &problem)?;
        let (farthest, near) = (self.max_distance, self.buckets / 4);
        let problem = format!("is {farthest}; must be above a quarter of `buckets`, {near}");
        Complaint::unless(farthest > near, &format!("{at}.max_distance"), &problem)
    }

    /// Width of all heads together.
    pub fn inner(&self) -> u64 {
        self.heads * self.head_dim
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self) -> Vec<Block> {
        let (width, inner, tokens) = (self.width, self.inner(), self.tokens);
        let norm = Count::table(1, width); // a scale and no shift
        let attention = Count::unbiased(width, inner, tokens) * 3
            + Count::attention(tokens, tokens, inner)
            + Count::unbiased(inner, width, tokens);
        let feed_forward = Count::unbiased(width, self.mlp, tokens) * 2 + Count::unbiased(self.mlp, width, tokens);
        let layer = norm * 2 + attention + feed_forward;
        // The first layer holds the table of distances that all layers share.
        let distances = Count::table(self.buckets, self.heads);
        let layers = (0..self.layers).map(|i| {
            let count = if i == 0 { layer + distances } else { layer };
            count.at(format!("encoder.block.{i}"))
        });
        let words = Count::table(self.vocabulary, width).at("shared");
        [words].into_iter().chain(layers).chain([norm.at("encoder.final_layer_norm")]).collect()
    }
}
