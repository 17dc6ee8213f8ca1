//! `split-pictures`: a part of imported images, with the words of their captions numbered, so that everything that learns from scenes learns from them.

use isoflop_contract::{Complaint, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact;

/// Which images, and which words. Both parts of a split come from the same `with:` but for `part`, so they number their words alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SplitPictures {
    /// Which part is taken.
    pub part: Part,
    /// The share that is held out. What becomes of an image depends on where it came from and on `split` alone, so more images change nothing for
    /// those that are there.
    #[serde(default = "share")]
    #[schemars(extend("exclusiveMinimum" = 0, "exclusiveMaximum" = 1))]
    pub share: f64,
    /// Another number holds out others.
    #[serde(default)]
    pub split: u64,
    /// How many words are numbered: those that captions of the training part have most often. The others are one word, `<unknown>`.
    #[serde(default = "words")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub words: u64,
    /// How often a word must be there to be numbered.
    #[serde(default = "one")]
    #[schemars(range(min = 1))]
    pub least: u64,
    /// Words of a caption that are kept, from its beginning.
    #[serde(default = "tokens")]
    #[schemars(range(min = 1, max = 1024))]
    pub tokens: u64,
    /// How many further captions an image has: the best so many of the set's. An image with fewer repeats what it has, its own caption where it has none.
    #[serde(default)]
    #[schemars(range(max = 1024))]
    pub synthetic: u64,
}

/// A part of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What is learned from; its words are those that are numbered.
    Training,
    /// What is not.
    HeldOut,
}

fn share() -> f64 {
    0.05
}

fn words() -> u64 {
    4096
}

fn one() -> u64 {
    1
}

fn tokens() -> u64 {
    32
}

ports! {
    /// What is split.
    pub struct Needs {
        /// Imported images.
        pictures: One<artifact::Pictures>,
    }
}

impl Kind for SplitPictures {
    const NAME: &'static str = "split-pictures";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false; // who is held out follows from where images came from
    const ABOUT: &'static str =
        "Takes the training or the held-out part of imported images and numbers the words of their captions.";
    const EXAMPLE: &'static str = "part: training\nshare: 0.05\nwords: 4096\ntokens: 32\n";
    type Needs = Needs;
    type Makes = artifact::Captioned;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless(self.share > 0.0 && self.share < 1.0, "share", "must be a share between 0 and 1")?;
        Complaint::unless((1..=1 << 20).contains(&self.words), "words", "must be between 1 and 1048576")?;
        Complaint::unless(self.least > 0, "least", "must be positive")?;
        Complaint::unless((1..=1024).contains(&self.tokens), "tokens", "must be between 1 and 1024")?;
        Complaint::unless(self.synthetic <= 1024, "synthetic", "must be at most 1024")
    }
}
