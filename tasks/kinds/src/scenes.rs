//! `make-scenes`: a drawn world in which every caption is true and every question has one right answer.
//!
//! A scene is one to three groups of identical objects on a dark ground, and perhaps a relation between two of them. Scene `k` depends on
//! the task's seed and `k` alone, so a set of `n` is the first `n` of a larger one, and the same scenes can be had at any resolution.

use std::collections::BTreeSet;

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
const MAX_BYTES: u64 = 2 << 30;
/// Words in a row of `captions`: "three small red circles and a … and a …", the longest the grammar makes.
pub const CAPTION_WIDTH: usize = 14;
/// Words in a row of `words`: "is the red circle left of the blue square", the longest the grammar makes.
pub const QUESTION_WIDTH: usize = 9;

macro_rules! words {
    ($(#[doc = $about:literal])* $name:ident { $( $(#[doc = $one:literal])* $variant:ident = $word:literal, )* }) => {
        $(#[doc = $about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $( $(#[doc = $one])* $variant, )* }

        impl $name {
            /// All of them, in the order of their numbers.
            pub const ALL: &'static [Self] = &[$( Self::$variant ),*];

            /// Its word.
            pub const fn word(self) -> &'static str {
                match self { $( Self::$variant => $word, )* }
            }
        }
    };
}

words! {
    /// What an object looks like.
    Shape {
        /// A disc.
        Circle = "circle",
        /// A square that stands on its side.
        Square = "square",
        /// A triangle that points up.
        Triangle = "triangle",
        /// A five-pointed star.
        Star = "star",
        /// A square that stands on its corner.
        Diamond = "diamond",
        /// A plus.
        Cross = "cross",
    }
}

words! {
    /// An object's color.
    Color {
        /// Red.
        Red = "red",
        /// Green.
        Green = "green",
        /// Blue.
        Blue = "blue",
        /// Yellow.
        Yellow = "yellow",
        /// Magenta.
        Magenta = "magenta",
        /// Cyan.
        Cyan = "cyan",
    }
}

words! {
    /// An object's size.
    Size {
        /// Five sixteenths of the image wide.
        Small = "small",
        /// Seven and a half sixteenths of the image wide.
        Large = "large",
    }
}

words! {
    /// What a question asks about.
    Category {
        /// Is there such an object?
        Existence = "existence",
        /// What color is it?
        Color = "color",
        /// What shape is it?
        Shape = "shape",
        /// How many are there?
        Counting = "counting",
        /// Is one left of, right of, above or below the other?
        Spatial = "spatial",
        /// Is it small or large?
        Size = "size",
    }
}

words! {
    /// How much of a scene its caption says. Questions are about the whole scene, so alignment is scored on dense sets: only their captions
    /// settle every question.
    Captions {
        /// Everything: number, size, color and shape of every group, and the relation.
        Dense = "dense",
        /// Number, color and shape of every group.
        Plain = "plain",
        /// Number, color and shape of one group.
        Sparse = "sparse",
    }
}

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
    #[schemars(range(min = 16, max = 128))]
    pub resolution: u32,
    /// How much the captions say.
    #[serde(default = "captions")]
    pub captions: Captions,
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
    Color::ALL.iter().copied().collect()
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
            shapes: shapes(),
            colors: colors(),
            sizes: sizes(),
            groups: groups(),
            copies: copies(),
            relations: relations(),
        }
    }
}

impl Kind for MakeScenes {
    const NAME: &'static str = "make-scenes";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true;
    const ABOUT: &'static str =
        "Draws scenes of simple objects with true captions and questions that have one right answer.";
    const EXAMPLE: &'static str = "\
images: 4096
resolution: 16
captions: dense
shapes: [circle, square, triangle, cross]
colors: [red, green, blue, yellow, magenta, cyan]
sizes: [small, large]
groups: { min: 1, max: 2 }
copies: 3
relations: 0.5
";
    type Needs = NoNeeds;
    type Makes = Scenes;

    fn check(&self) -> Result<(), Complaint> {
        let Between { min, max } = self.groups;
        Complaint::unless((1..=1_000_000).contains(&self.images), "images", "must be between 1 and 1,000,000")?;
        Complaint::unless((16..=128).contains(&self.resolution), "resolution", "must be between 16 and 128 pixels")?;
        let bytes = u64::from(self.images) * 3 * u64::from(self.resolution).pow(2);
        Complaint::unless(bytes <= MAX_BYTES, "images", "must be fewer: at this resolution they take more than 2 GiB")?;
        Complaint::unless(!self.shapes.is_empty(), "shapes", "must name at least one shape")?;
        Complaint::unless(!self.colors.is_empty(), "colors", "must name at least one color")?;
        Complaint::unless(!self.sizes.is_empty(), "sizes", "must name at least one size")?;
        Complaint::unless((1..=MAX_GROUPS).contains(&min), "groups.min", "must be between 1 and 3")?;
        Complaint::unless((min..=MAX_GROUPS).contains(&max), "groups.max", "must be between `min` and 3")?;
        Complaint::unless(
            self.shapes.len() * self.colors.len() >= max as usize,
            "groups.max",
            "must not exceed the number of shapes times the number of colors: no two groups look the same",
        )?;
        Complaint::unless((1..=MAX_COPIES).contains(&self.copies), "copies", "must be between 1 and 3")?;
        Complaint::unless((0.0..=1.0).contains(&self.relations), "relations", "must be a share between 0 and 1")
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
    fn what_cannot_be_drawn_is_refused_by_field() {
        for (field, change) in [
            ("images", json!({"images": 0})),
            ("resolution", json!({"resolution": 8})),
            ("images", json!({"images": 1_000_000, "resolution": 128})),
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
