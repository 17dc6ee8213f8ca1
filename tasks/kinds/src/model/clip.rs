//! CLIP's two towers: text and images in one space.
//!
//! Radford et al. 2021, arXiv 2103.00020, and the larger ones of OpenCLIP (Cherti et al. 2023, arXiv 2212.07143). Layout and parameter names are
//! those of transformers' `CLIPTextModelWithProjection` and `CLIPVisionModelWithProjection`.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    count::{Block, Count},
    number,
};

/// What stands between the two linear layers of a feed-forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Activation {
    /// `x σ(1.702 x)`, as CLIP was trained.
    QuickGelu,
    /// The exact `x Φ(x)`, as OpenCLIP trained.
    Gelu,
}

/// What decides a tower's transformer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tower {
    /// Width of the tokens.
    pub width: u64,
    /// Transformer layers.
    pub layers: u64,
    /// Attention heads.
    pub heads: u64,
    /// Width inside the feed-forward.
    pub mlp: u64,
    /// Inside the feed-forward.
    pub activation: Activation,
}

/// What decides a text encoder's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipText {
    /// The transformer.
    pub tower: Tower,
    /// Tokens there are.
    #[serde(default = "vocabulary")]
    pub vocabulary: u64,
    /// Tokens a text has at most; shorter ones are padded.
    #[serde(default = "tokens")]
    pub tokens: u64,
    /// The token that ends a text, where the text as a whole is read off.
    #[serde(default = "end")]
    pub end: u64,
    /// Width of the space shared with images; none where the weights are without that projection.
    pub projection: Option<u64>,
    /// Whether the weights hold the temperature of the contrastive loss too.
    #[serde(default)]
    pub logit_scale: bool,
}

/// What decides an image tower's layers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClipImage {
    /// The transformer.
    pub tower: Tower,
    /// Height and width of the images.
    #[serde(default = "resolution")]
    pub resolution: u64,
    /// Squares of `patch × patch` pixels become tokens.
    pub patch: u64,
    /// Width of the space shared with text.
    pub projection: u64,
}

fn vocabulary() -> u64 {
    49_408
}

fn tokens() -> u64 {
    77
}

fn end() -> u64 {
    49_407
}

fn resolution() -> u64 {
    224
}

impl Tower {
    fn check(&self, at: &str) -> Result<(), Complaint> {
        let numbers = [("width", self.width), ("layers", self.layers), ("heads", self.heads), ("mlp", self.mlp)];
        number::sane(&format!("{at}.tower"), &numbers)?;
        let problem = || format!("{} does not divide the width {}", self.heads, self.width);
        Complaint::unless(self.width.is_multiple_of(self.heads), &format!("{at}.tower.heads"), &problem())
    }

    /// One layer over `tokens` vectors: self-attention and feed-forward, each behind a normalization; all of it biased.
    fn layer(&self, tokens: u64) -> Count {
        Count::norm(self.width) * 2
            + Count::linear(self.width, self.width, tokens) * 4
            + Count::attention(tokens, tokens, self.width)
            + Count::linear(self.width, self.mlp, tokens)
            + Count::linear(self.mlp, self.width, tokens)
    }

    fn blocks(&self, tokens: u64, under: &str) -> impl Iterator<Item = Block> {
        let layer = self.layer(tokens);
        (0..self.layers).map(move |i| layer.at(format!("{under}.encoder.layers.{i}")))
    }
}

impl ClipText {
    /// Refuses what cannot be built; `at` is the config's own place.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        self.tower.check(at)?;
        let numbers =
            [("vocabulary", self.vocabulary), ("tokens", self.tokens), ("projection", self.projection.unwrap_or(1))];
        number::within(at, &numbers, 1 << 20)?;
        let problem = format!("is {}, and there are {} tokens", self.end, self.vocabulary);
        Complaint::unless(self.end < self.vocabulary, &format!("{at}.end"), &problem)
    }

    /// Every part in the order of the forward pass over a text of full length.
    pub fn blocks(&self) -> Vec<Block> {
        let width = self.tower.width;
        let mut blocks = vec![
            Count::table(self.vocabulary, width).at("text_model.embeddings.token_embedding"),
            Count::table(self.tokens, width).at("text_model.embeddings.position_embedding"),
        ];
        blocks.extend(self.tower.blocks(self.tokens, "text_model"));
        blocks.push(Count::norm(width).at("text_model.final_layer_norm"));
        if let Some(projection) = self.projection {
            blocks.push(Count::unbiased(width, projection, 1).at("text_projection"));
        }
        if self.logit_scale {
            blocks.push(Count::table(1, 1).at("logit_scale"));
        }
        blocks
    }
}

impl ClipImage {
    /// Refuses what cannot be built; `at` is the config's own place.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        self.tower.check(at)?;
        let numbers = [("resolution", self.resolution), ("patch", self.patch), ("projection", self.projection)];
        number::sane(at, &numbers)?;
        let problem = format!("{} is larger than the image, which is {}", self.patch, self.resolution);
        Complaint::unless(self.patch <= self.resolution, &format!("{at}.patch"), &problem)
    }

    /// Tokens of one image: its patches, and one for the image as a whole.
    pub fn tokens(&self) -> u64 {
        self.patches() + 1
    }

    fn patches(&self) -> u64 {
        (self.resolution / self.patch).pow(2)
    }

    /// Every part in the order of the forward pass.
    pub fn blocks(&self) -> Vec<Block> {
        let width = self.tower.width;
        let mut blocks = vec![
            Count::unbiased(3 * self.patch * self.patch, width, self.patches())
                .at("vision_model.embeddings.patch_embedding"),
            Count::table(1, width).at("vision_model.embeddings.class_embedding"),
            Count::table(self.tokens(), width).at("vision_model.embeddings.position_embedding"),
            Count::norm(width).at("vision_model.pre_layrnorm"), // so it is spelt in every released file
        ];
        blocks.extend(self.tower.blocks(self.tokens(), "vision_model"));
        blocks.push(Count::norm(width).at("vision_model.post_layernorm"));
        blocks.push(Count::unbiased(width, self.projection, 1).at("visual_projection"));
        blocks
    }
}
