//! `make-scenes`: a drawn world in which every caption is true and every question has one right answer.
//!
//! A scene is one to three groups of identical objects on a ground, and perhaps a relation between two of them. Scene `k` depends on
//! the task's seed and `k` alone, so a set of `n` is the first `n` of a larger one, and the same scenes can be had at any resolution. Textures,
//! grounds, synthetic captions and degradations come from streams of their own: turning one on changes nothing else.

mod combine;
mod degrade;
mod numbers;
mod words;

use std::collections::BTreeSet;

pub use combine::{Combinations, Pair, Show};
pub use degrade::{Degrade, Way};
pub use numbers::WORDS;
pub use words::{Captions, Category, Color, Ground, Shape, Size, Texture};

use isoflop_contract::{Complaint, Kind, Runtime, port::NoNeeds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::Scenes;

/// The most groups in a scene.
pub const MAX_GROUPS: u32 = 3;
/// The most identical objects in a group.
pub const MAX_COPIES: u32 = 3;
/// The most objects in a scene.
pub const MAX_OBJECTS: u32 = 4;
/// The most that the pictures of a set may take.
const MAX_BYTES: u64 = 64 << 30;
/// Synthetic captions that are written for an image; a set keeps the best so many of them.
pub const SYNTHETIC: u32 = 5;
/// Words in a row of `captions`: "three small red circles and a … and a …", the longest the first grammar makes.
pub const CAPTION_WIDTH: usize = 14;
/// The same of a [rich](MakeScenes::is_rich) set: "an image of three small striped red circles and … and … on a gray ground".
pub const RICH_CAPTION_WIDTH: usize = 24;
/// Words in a row of `words`: "is the red circle left of the blue square", the longest the grammar makes.
pub const QUESTION_WIDTH: usize = 9;

/// A whole number between two bounds, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Between {
    /// The least.
    #[schemars(range(min = 1, max = 3))]
    pub min: u32,
    /// The most.
    #[schemars(range(min = 1, max = 3))]
    pub max: u32,
}

/// What `make-scenes` is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MakeScenes {
    /// How many scenes.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub images: u32,
    /// Pixels on a side.
    #[serde(default = "resolution")]
    #[schemars(range(min = 16, max = 256))]
    pub resolution: u32,
    /// How much the captions say.
    #[serde(default = "captions")]
    pub captions: Captions,
    /// How many synthetic captions an image has besides: the best of five by their writer's own confidence. They say more of the scene than
    /// alternative text does, less than dense captions, and not always the truth. What a trainer makes of them is its own matter.
    #[serde(default)]
    #[schemars(range(min = 0, max = 5))]
    pub synthetic: u32,
    /// The shapes there are. At 16 pixels the small ones of the default four can be told apart; star and diamond want 24 or more.
    #[serde(default = "shapes")]
    #[schemars(length(min = 1))]
    pub shapes: BTreeSet<Shape>,
    /// The colors there are.
    #[serde(default = "colors")]
    #[schemars(length(min = 1))]
    pub colors: BTreeSet<Color>,
    /// The sizes there are.
    #[serde(default = "sizes")]
    #[schemars(length(min = 1))]
    pub sizes: BTreeSet<Size>,
    /// The textures there are.
    #[serde(default = "textures")]
    #[schemars(length(min = 1))]
    pub textures: BTreeSet<Texture>,
    /// The grounds there are.
    #[serde(default = "grounds")]
    #[schemars(length(min = 1))]
    pub grounds: BTreeSet<Ground>,
    /// How many groups of identical objects.
    #[serde(default = "groups")]
    pub groups: Between,
    /// The most objects in a group; half of the groups have one.
    #[serde(default = "copies")]
    #[schemars(range(min = 1, max = 3))]
    pub copies: u32,
    /// The share of the scenes with two groups in which the two are single objects that stand in a relation.
    #[serde(default = "relations")]
    #[schemars(range(min = 0, max = 1))]
    pub relations: f64,
    /// Which pairs of color and shape there are.
    #[serde(default)]
    pub combinations: Combinations,
    /// What pictures and captions suffer.
    #[serde(default)]
    pub degrade: Degrade,
    /// All scenes follow from this number, instead of from the study's seed and the task's name and cell: so sets that differ in one thing can show the
    /// same scenes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

fn resolution() -> u32 {
    16
}

fn captions() -> Captions {
    Captions::Dense
}

fn shapes() -> BTreeSet<Shape> {
    BTreeSet::from([Shape::Circle, Shape::Square, Shape::Triangle, Shape::Cross])
}

fn colors() -> BTreeSet<Color> {
    Color::FIRST.iter().copied().collect()
}

fn textures() -> BTreeSet<Texture> {
    BTreeSet::from([Texture::Solid])
}

fn grounds() -> BTreeSet<Ground> {
    BTreeSet::from([Ground::Dark])
}

fn sizes() -> BTreeSet<Size> {
    Size::ALL.iter().copied().collect()
}

fn groups() -> Between {
    Between { min: 1, max: 2 }
}

fn copies() -> u32 {
    MAX_COPIES
}

fn relations() -> f64 {
    0.5
}

impl MakeScenes {
    /// `images` scenes, everything else by default.
    pub fn of(images: u32) -> Self {
        Self {
            images,
            resolution: resolution(),
            captions: captions(),
            synthetic: 0,
            shapes: shapes(),
            colors: colors(),
            sizes: sizes(),
            textures: textures(),
            grounds: grounds(),
            groups: groups(),
            copies: copies(),
            relations: relations(),
            combinations: Combinations::default(),
            degrade: Degrade::default(),
            seed: None,
        }
    }

    /// Whether objects are of more than one color each.
    pub fn has_textures(&self) -> bool {
        self.textures != textures()
    }

    /// Whether scenes differ in their ground, or have another than the dark one.
    pub fn has_grounds(&self) -> bool {
        self.grounds != grounds()
    }

    /// Whether the set wants words, answers or categories that the first vocabulary did not have. Sets that do not are numbered, and
    /// networks sized, as they were before.
    pub fn is_rich(&self) -> bool {
        self.has_textures()
            || self.has_grounds()
            || self.captions == Captions::Alt
            || self.synthetic > 0
            || !self.shapes.iter().all(|shape| Shape::FIRST.contains(shape))
            || !self.colors.iter().all(|color| Color::FIRST.contains(color))
    }

    /// The pairs of color and shape that are held out.
    pub fn held_out(&self) -> BTreeSet<Pair> {
        self.combinations.held_out(&self.shapes, &self.colors)
    }

    /// Words in a row of `captions`.
    pub fn caption_width(&self) -> usize {
        if self.is_rich() { RICH_CAPTION_WIDTH } else { CAPTION_WIDTH }
    }
}

impl Kind for MakeScenes {
    const NAME: &'static str = "make-scenes";
    // 1: first version. 2: textures, grounds, more shapes and colors, alternative and synthetic captions, combinations, degradations;
    // what revision 1 could be asked comes out with the same bits, but for the spec in the recipe.
    const REVISION: u32 = 2;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true;
    const ABOUT: &'static str = "Draws scenes of simple objects with captions of chosen density and quality, and questions that have one right answer.";
    const EXAMPLE: &'static str = "\
images: 4096
resolution: 16
captions: dense
synthetic: 0
shapes: [circle, square, triangle, cross]
colors: [red, green, blue, yellow, magenta, cyan]
sizes: [small, large]
textures: [solid]
grounds: [dark]
groups: { min: 1, max: 2 }
copies: 3
relations: 0.5
combinations: { show: all, share: 0, split: 0, listed: [] }
degrade: { share: 0, ways: [blur, noise, compression, watermark, wrong-caption], strength: 0.5 }
";
    type Needs = NoNeeds;
    type Makes = Scenes;

    fn check(&self) -> Result<(), Complaint> {
        let Between { min, max } = self.groups;
        Complaint::unless((1..=1_000_000).contains(&self.images), "images", "must be between 1 and 1,000,000")?;
        Complaint::unless((16..=256).contains(&self.resolution), "resolution", "must be between 16 and 256 pixels")?;
        let bytes = u64::from(self.images) * 3 * u64::from(self.resolution).pow(2);
        Complaint::unless(
            bytes <= MAX_BYTES,
            "images",
            "must be fewer: at this resolution they take more than 64 GiB",
        )?;
        Complaint::unless(!self.shapes.is_empty(), "shapes", "must name at least one shape")?;
        Complaint::unless(!self.colors.is_empty(), "colors", "must name at least one color")?;
        Complaint::unless(!self.sizes.is_empty(), "sizes", "must name at least one size")?;
        Complaint::unless(!self.textures.is_empty(), "textures", "must name at least one texture")?;
        Complaint::unless(!self.grounds.is_empty(), "grounds", "must name at least one ground")?;
        Complaint::unless(self.synthetic <= SYNTHETIC, "synthetic", "must be between 0 and 5")?;
        self.combinations.check()?;
        self.degrade.check()?;
        Complaint::unless((1..=MAX_GROUPS).contains(&min), "groups.min", "must be between 1 and 3")?;
        Complaint::unless((min..=MAX_GROUPS).contains(&max), "groups.max", "must be between `min` and 3")?;
        Complaint::unless(
            self.shapes.len() * self.colors.len() >= max as usize,
            "groups.max",
            "must not exceed the number of shapes times the number of colors: no two groups look the same",
        )?;
        let (pairs, held) = (self.shapes.len() * self.colors.len(), self.held_out().len());
        let (there, some) = match self.combinations.show {
            Show::All => (pairs, true),
            Show::Seen => (pairs - held, true),
            Show::HeldOut => (pairs, held > 0),
        };
        Complaint::unless(some, "combinations.listed", "names no pair of the set's shapes and colors")?;
        Complaint::unless(there >= max as usize, "combinations", "leave fewer pairs than there are groups in a scene")?;
        Complaint::unless((1..=MAX_COPIES).contains(&self.copies), "copies", "must be between 1 and 3")?;
        Complaint::unless((0.0..=1.0).contains(&self.relations), "relations", "must be a share between 0 and 1")
    }

    fn seeded(&self) -> bool {
        self.seed.is_none()
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Entry;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_example_is_the_defaults_written_out() {
        let entry = Entry::of::<MakeScenes>();
        let short = entry.read(&json!({"images": 4096})).unwrap();
        let long = json!({
            "images": 4096, "resolution": 16, "captions": "dense", "sizes": ["large", "small"],
            "shapes": ["cross", "square", "triangle", "circle"], "relations": 0.5,
            "colors": ["red", "green", "blue", "yellow", "magenta", "cyan"],
            "groups": {"min": 1, "max": 2}, "copies": 3,
        });
        assert_eq!(short, entry.read(&long).unwrap(), "the order of a set does not count");
        assert_eq!(serde_json::to_value(MakeScenes::of(4096)).unwrap()["groups"], json!({"min": 1, "max": 2}));
    }

    #[test]
    fn what_is_held_out_is_a_share_and_does_not_depend_on_what_is_shown() {
        let mut spec = MakeScenes::of(1);
        spec.combinations.share = 0.25;
        let held = spec.held_out();
        assert_eq!(held.len(), 6, "a quarter of four shapes in six colors");
        spec.combinations.show = Show::HeldOut;
        assert_eq!(spec.held_out(), held);
        spec.combinations.split = 1;
        assert_ne!(spec.held_out(), held);
        let listed = Pair { color: Color::Red, shape: Shape::Circle };
        spec.combinations.listed.insert(listed);
        assert!(spec.held_out().contains(&listed));
    }

    #[test]
    fn what_cannot_be_drawn_is_refused_by_field() {
        for (field, change) in [
            ("images", json!({"images": 0})),
            ("resolution", json!({"resolution": 8})),
            ("resolution", json!({"resolution": 257})),
            ("images", json!({"images": 1_000_000, "resolution": 256})),
            ("textures", json!({"textures": []})),
            ("grounds", json!({"grounds": []})),
            ("synthetic", json!({"synthetic": 6})),
            ("combinations.share", json!({"combinations": {"share": 1.0}})),
            ("combinations.show", json!({"combinations": {"show": "held-out"}})),
            (
                "combinations.listed",
                json!({"combinations": {"show": "held-out", "listed": [{"color": "white", "shape": "ring"}]}}),
            ),
            (
                "combinations",
                json!({"shapes": ["ring"], "colors": ["red", "blue"], "combinations": {"show": "seen", "share": 0.5}}),
            ),
            ("degrade.share", json!({"degrade": {"share": 2}})),
            ("degrade.ways", json!({"degrade": {"ways": []}})),
            ("degrade.strength", json!({"degrade": {"strength": 0}})),
            ("shapes", json!({"shapes": []})),
            ("groups.max", json!({"groups": {"min": 2, "max": 1}})),
            ("groups.max", json!({"shapes": ["star"], "colors": ["red"]})),
            ("copies", json!({"copies": 4})),
            ("relations", json!({"relations": 1.5})),
        ] {
            let mut with = json!({"images": 8});
            for (name, value) in change.as_object().unwrap() {
                with[name] = value.clone();
            }
            let kind: MakeScenes = serde_json::from_value(with).unwrap();
            assert_eq!(kind.check().unwrap_err().field, field);
        }
    }
}
