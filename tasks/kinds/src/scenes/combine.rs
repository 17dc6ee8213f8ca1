//! Which pairs of color and shape a set shows: what compositional tests are made of.

use std::collections::BTreeSet;

use isoflop_contract::{Complaint, Seed};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Color, Shape};

/// A color on a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The color.
    pub color: Color,
    /// The shape.
    pub shape: Shape,
}

/// Which pairs of color and shape are held out, and which are shown. What is held out depends on the set's shapes and colors and on this alone,
/// never on the task's seed: a set that shows what was seen and one that shows what was held out agree.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Combinations {
    /// Which pairs there are.
    pub show: Show,
    /// The share of all pairs that is held out, rounded up; which ones, only `split` decides.
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub share: f64,
    /// Another number holds out other pairs.
    pub split: u64,
    /// Pairs that are held out besides.
    pub listed: BTreeSet<Pair>,
}

/// Which pairs of color and shape are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Show {
    /// All of them.
    #[default]
    All,
    /// Those that are not held out.
    Seen,
    /// At least one that is held out in every scene.
    HeldOut,
}

impl Combinations {
    /// The pairs that are held out of a world of these shapes and colors.
    pub fn held_out(&self, shapes: &BTreeSet<Shape>, colors: &BTreeSet<Color>) -> BTreeSet<Pair> {
        let pairs = colors.iter().flat_map(|&color| shapes.iter().map(move |&shape| Pair { color, shape }));
        let chance = |pair: &Pair| {
            let number = pair.color as u64 * 1000 + pair.shape as u64;
            Seed::from_number(self.split).stream("combination", number).get()
        };
        let mut ranked: Vec<Pair> = pairs.collect();
        ranked.sort_by_key(|pair| (chance(pair), *pair));
        ranked.truncate((self.share * ranked.len() as f64).ceil() as usize);
        let listed = self.listed.iter().filter(|pair| shapes.contains(&pair.shape) && colors.contains(&pair.color));
        ranked.into_iter().chain(listed.copied()).collect()
    }

    /// Refuses what leaves nothing to show.
    pub(super) fn check(&self) -> Result<(), Complaint> {
        let share = (0.0..1.0).contains(&self.share);
        Complaint::unless(share, "combinations.share", "must be a share between 0 and 1, 1 left out")?;
        let some = self.show != Show::HeldOut || self.share > 0.0 || !self.listed.is_empty();
        Complaint::unless(some, "combinations.show", "asks for pairs that are held out, and none is")
    }
}
