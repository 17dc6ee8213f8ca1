//! `describe-data`: what a set of images is, in the columns of Li et al. 2024, Table 3.

use std::collections::BTreeSet;

use isoflop_contract::{Complaint, Fed, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact;

/// Which captions count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DescribeData {
    /// Whether synthetic captions count too: the paper's rows "w. Syn".
    #[serde(default = "yes")]
    pub synthetic: bool,
    /// Nouns that do not count, in the singular, such as `image` and `picture`, by which captioners begin whatever they see.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub ignored: BTreeSet<String>,
}

fn yes() -> bool {
    true
}

ports! {
    /// What is described: drawn scenes or images from elsewhere.
    pub struct Needs {
        /// Drawn scenes, or a part of a set from elsewhere.
        data: Maybe<artifact::Set>,
        /// Images from elsewhere.
        pictures: Maybe<artifact::Pictures>,
        /// How good the images look, as `score-aesthetic` tells of the same set: its mean is then the column `quality`.
        aesthetic: Maybe<artifact::Score>,
    }
}

impl Kind for DescribeData {
    const NAME: &'static str = "describe-data";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str =
        "Counts images, image-noun pairs, unique nouns and nouns per image of a set, and its mean quality.";
    const EXAMPLE: &'static str = "synthetic: true\n";
    type Needs = Needs;
    type Makes = artifact::Description;

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let one = fed.ports.contains_key("data") != fed.ports.contains_key("pictures");
        Complaint::unless(one, "", "describes exactly one set: feed `data` or `pictures`").err().into_iter().collect()
    }
}
