//! What scenes are made of, each a closed list in the order of its numbers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
        /// A disc with a hole.
        Ring = "ring",
        /// A regular hexagon.
        Hexagon = "hexagon",
        /// An arrow that points right.
        Arrow = "arrow",
        /// A disc that another one has bitten.
        Crescent = "crescent",
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
        /// Orange.
        Orange = "orange",
        /// Purple.
        Purple = "purple",
        /// White.
        White = "white",
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
    /// How an object is filled. Textures want 32 pixels or more.
    Texture {
        /// Of one color.
        Solid = "solid",
        /// With bands.
        Striped = "striped",
        /// With spots.
        Dotted = "dotted",
        /// With fields.
        Checkered = "checkered",
    }
}

words! {
    /// What a scene's objects lie on.
    Ground {
        /// Nearly black.
        Dark = "dark",
        /// Gray.
        Gray = "gray",
        /// Pale.
        Light = "light",
        /// Brown.
        Brown = "brown",
        /// Dark and gray tiles.
        Tiled = "tiled",
        /// From dark above to gray below.
        Graded = "graded",
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
        /// How is it filled?
        Texture = "texture",
        /// What does it lie on?
        Ground = "ground",
    }
}

words! {
    /// How much of a scene its caption says. Questions are about the whole scene, so alignment is scored on dense sets: only their captions
    /// settle every question.
    Captions {
        /// Everything: number, size, texture, color and shape of every group, the relation, and the ground.
        Dense = "dense",
        /// Number, color and shape of every group.
        Plain = "plain",
        /// Number, color and shape of one group.
        Sparse = "sparse",
        /// What a page on the web says beside a picture: a noun or two of the scene at most, among names and words that have nothing to do with it.
        Alt = "alt",
    }
}

impl Shape {
    /// The shapes there were at first: sets of these alone are numbered without the others.
    pub const FIRST: &'static [Self] =
        &[Self::Circle, Self::Square, Self::Triangle, Self::Star, Self::Diamond, Self::Cross];
}

impl Color {
    /// The colors there were at first.
    pub const FIRST: &'static [Self] = &[Self::Red, Self::Green, Self::Blue, Self::Yellow, Self::Magenta, Self::Cyan];
}
