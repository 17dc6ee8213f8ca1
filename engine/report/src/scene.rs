//! A drawing as a list of shapes and texts, in pixels from the upper left corner: what a figure becomes before it is written as SVG, PNG or PDF.
//! The three writers take the same scene, so a figure is one drawing whatever it is kept as.

use crate::color::Ink;

/// A place.
pub type Point = (f64, f64);

/// A drawing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scene {
    /// A name unique in its page, of letters, digits and hyphens.
    pub id: String,
    /// What it shows, in a line.
    pub title: String,
    /// What somebody is told who cannot see it.
    pub alt: String,
    /// How wide it is.
    pub width: f64,
    /// How high it is.
    pub height: f64,
    /// What is drawn, the first at the bottom.
    pub items: Vec<Item>,
}

/// One thing drawn.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// Lines and areas.
    Path {
        /// Its outline.
        outline: Vec<Verb>,
        /// What it is filled with.
        fill: Option<Fill>,
        /// What its outline is drawn with.
        stroke: Option<Stroke>,
        /// What is shown on hovering.
        tip: String,
    },
    /// A disc.
    Disc {
        /// Its middle.
        at: Point,
        /// Its radius.
        radius: f64,
        /// What it is filled with.
        fill: Fill,
        /// What its edge is drawn with.
        stroke: Option<Stroke>,
        /// What is shown on hovering.
        tip: String,
    },
    /// A line of text.
    Text {
        /// Where it hangs, at its base line.
        at: Point,
        /// Its parts, one after the other.
        parts: Vec<Part>,
        /// How it looks.
        look: Type,
        /// Whether it reads upwards.
        upwards: bool,
    },
    /// Until [`Item::End`], only what lies in this rectangle is seen.
    Clip {
        /// Its upper left corner.
        at: Point,
        /// Width and height.
        size: (f64, f64),
    },
    /// The end of a [`Item::Clip`].
    End,
}

/// One step of an outline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verb {
    /// Begin anew here.
    Move(f64, f64),
    /// A straight line to here.
    Line(f64, f64),
    /// Back to where it began.
    Close,
}

/// An area's colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fill {
    /// The colour.
    pub ink: Ink,
    /// From 0, not seen, to 1.
    pub opacity: f64,
}

/// A line's look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stroke {
    /// The colour.
    pub ink: Ink,
    /// How thick it is.
    pub width: f64,
    /// Lengths of dashes and gaps in turn; none for an unbroken line.
    pub dash: &'static [f64],
    /// From 0, not seen, to 1.
    pub opacity: f64,
}

/// A stretch of text at one height.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The text.
    pub text: String,
    /// Whether it is a power of what stands before it.
    pub raised: bool,
}

/// Where a text hangs on its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Anchor {
    /// The text begins there.
    Start,
    /// Its middle is there.
    Middle,
    /// It ends there.
    End,
}

/// A text's look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Type {
    /// Size in pixels.
    pub size: f64,
    /// Whether it is bold.
    pub bold: bool,
    /// Its colour.
    pub ink: Ink,
    /// Where it hangs.
    pub anchor: Anchor,
    /// Whether it stands out from what is behind it by an edge of paper.
    pub halo: bool,
}

/// How much smaller a power is, and how much higher it stands, in its size.
pub const RAISED: (f64, f64) = (0.74, 0.36);

/// `10^{15}` as parts: what stands in the braces is raised.
pub fn powers(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut push = |text: &str, raised| {
        if !text.is_empty() {
            parts.push(Part { text: text.to_owned(), raised });
        }
    };
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("^{") {
        let Some((power, tail)) = after.split_once('}') else { break };
        push(before, false);
        push(power, true);
        rest = tail;
    }
    push(rest, false);
    parts
}

/// How wide parts are at `size`.
pub fn parts_width(parts: &[Part], size: f64, bold: bool) -> f64 {
    parts
        .iter()
        .map(|part| crate::font::width(&part.text, if part.raised { size * RAISED.0 } else { size }, bold))
        .sum()
}

impl Type {
    /// How far to the left of its place text of these parts begins, for writers that place every letter.
    pub fn back(&self, parts: &[Part]) -> f64 {
        let width = parts_width(parts, self.size, self.bold);
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => width / 2.0,
            Anchor::End => width,
        }
    }
}

impl Fill {
    /// Opaque.
    pub fn of(ink: Ink) -> Self {
        Self { ink, opacity: 1.0 }
    }
}

impl Stroke {
    /// Unbroken and opaque.
    pub fn of(ink: Ink, width: f64) -> Self {
        Self { ink, width, dash: &[], opacity: 1.0 }
    }
}

impl Scene {
    /// The letters of its texts that the font of pictures lacks, each once: boxes in PNG and PDF.
    pub fn lacking(&self) -> Vec<char> {
        let texts = self.items.iter().filter_map(|item| match item {
            Item::Text { parts, .. } => Some(parts),
            _ => None,
        });
        let letters = texts.flatten().flat_map(|part| part.text.chars());
        let mut missing: Vec<char> = letters.filter(|c| !crate::font::has(*c)).collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// A straight line.
    pub fn line(&mut self, from: Point, to: Point, stroke: Stroke) {
        self.polyline(&[from, to], stroke, "");
    }

    /// A line through `points`.
    pub fn polyline(&mut self, points: &[Point], stroke: Stroke, tip: &str) {
        self.path(outline(points, false), None, Some(stroke), tip);
    }

    /// Any outline.
    pub fn path(&mut self, outline: Vec<Verb>, fill: Option<Fill>, stroke: Option<Stroke>, tip: &str) {
        if !outline.is_empty() {
            self.items.push(Item::Path { outline, fill, stroke, tip: tip.to_owned() });
        }
    }

    /// A filled rectangle.
    pub fn rect(&mut self, (x, y): Point, (width, height): (f64, f64), fill: Fill) {
        let (right, bottom) = (x + width.max(0.0), y + height.max(0.0));
        self.path(outline(&[(x, y), (right, y), (right, bottom), (x, bottom)], true), Some(fill), None, "");
    }

    /// A text taken as it is.
    pub fn text(&mut self, at: Point, text: &str, look: Type) {
        let parts = vec![Part { text: text.to_owned(), raised: false }];
        self.items.push(Item::Text { at, parts, look, upwards: false });
    }

    /// A text of ours, in which `10^{15}` is a power.
    pub fn power(&mut self, at: Point, text: &str, look: Type) {
        self.items.push(Item::Text { at, parts: powers(text), look, upwards: false });
    }

    /// A text that reads upwards.
    pub fn upwards(&mut self, at: Point, text: &str, look: Type) {
        let parts = vec![Part { text: text.to_owned(), raised: false }];
        self.items.push(Item::Text { at, parts, look, upwards: true });
    }
}

/// The outline through `points`.
pub fn outline(points: &[Point], closed: bool) -> Vec<Verb> {
    let mut verbs: Vec<Verb> = points
        .iter()
        .enumerate()
        .map(|(i, (x, y))| if i == 0 { Verb::Move(*x, *y) } else { Verb::Line(*x, *y) })
        .collect();
    if closed && !verbs.is_empty() {
        verbs.push(Verb::Close);
    }
    verbs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_raised_wherever_they_stand() {
        let told = |text| powers(text).into_iter().map(|part| (part.text, part.raised)).collect::<Vec<_>>();
        assert_eq!(told("2·10^{15} FLOP"), [("2·10".into(), false), ("15".into(), true), (" FLOP".into(), false)]);
        assert_eq!(told("a^{b"), [("a^{b".into(), false)]);
        assert!(told("").is_empty());
    }
}
