//! A small network that answers questions about an image: convolutions see the picture, the question modulates what they saw, and heads look in it for
//! what parts of the question name.

use isoflop_contract::Complaint;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What decides the network's layers, besides the data's vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vqa {
    /// Channels of the first convolutions.
    #[serde(default = "channels")]
    #[schemars(range(min = 1, max = 4096), extend("multipleOf" = 8))]
    pub channels: u64,
    /// Width of cells and questions.
    #[serde(default = "width")]
    #[schemars(range(min = 1, max = 4096), extend("multipleOf" = 8))]
    pub width: u64,
    /// Residual convolutions behind the first two.
    #[serde(default = "depth")]
    #[schemars(range(min = 1, max = 4096))]
    pub depth: u64,
    /// Heads: places a question looks at, each for words that it chooses. A relation takes two.
    #[serde(default = "heads")]
    #[schemars(range(min = 1, max = 4096))]
    pub heads: u64,
}

fn channels() -> u64 {
    32
}

fn width() -> u64 {
    64
}

fn depth() -> u64 {
    2
}

fn heads() -> u64 {
    4
}

impl Default for Vqa {
    fn default() -> Self {
        Self { channels: channels(), width: width(), depth: depth(), heads: heads() }
    }
}

impl Vqa {
    /// How much smaller the grid of cells is than the picture.
    pub const SHRINK: u64 = 2;

    /// Refuses what cannot be built; `at` is the config's own place in the spec.
    pub fn check(&self, at: &str) -> Result<(), Complaint> {
        let numbers =
            [("channels", self.channels), ("width", self.width), ("depth", self.depth), ("heads", self.heads)];
        for (field, n) in numbers {
            if !(1..=1 << 12).contains(&n) {
                return Err(Complaint::new(format!("{at}.{field}"), format!("is {n}; must be between 1 and 4096")));
            }
        }
        for (field, width) in [("channels", self.channels), ("width", self.width)] {
            if width % 8 != 0 {
                return Err(Complaint::new(format!("{at}.{field}"), format!("{width} is no multiple of 8")));
            }
        }
        Ok(())
    }
}
