//! The colours of figures: one sequential map for what has an order (model size) and one categorical map for what has none (family), both
//! readable with the common kinds of colour blindness, each in a version for light and for dark paper.
//!
//! An [`Ink`] is written as a literal colour for light paper plus a class; the style sheet of a page recolours the class on a dark screen. So a
//! figure is right in any viewer, including those that know no style sheets.

use crate::html::put;

/// The paper that something is drawn on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Theme {
    /// White.
    Light,
    /// Nearly black.
    Dark,
}

/// What something in a figure is drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Text and axes.
    Text,
    /// Secondary text and rules.
    Muted,
    /// Grid lines.
    Grid,
    /// The paper itself.
    Paper,
    /// A fitted law.
    Law,
    /// A step of the sequential map, 0 (dark end) to 11.
    Step(u8),
    /// An entry of the categorical map.
    Family(u8),
}

/// Viridis from 0 to 0.80: the yellow end vanishes on white.
const STEPS_LIGHT: [&str; 12] = [
    "#440154", "#471b6d", "#45327e", "#3f4988", "#365e8c", "#2d708e", "#27818e", "#21928c", "#23a386", "#33b47b",
    "#51c56a", "#7bd250",
];
/// The same hues from a lighter violet, rising in lightness to yellow: viridis' own violet vanishes on black.
const STEPS_DARK: [&str; 12] = [
    "#7d6bc9", "#6b7ccf", "#568bd1", "#429ac9", "#33a6ba", "#2eb1a7", "#3abb8f", "#55c673", "#7bd052", "#a6d93a",
    "#d2e12b", "#fde725",
];
/// Okabe and Ito's set without its yellow.
const FAMILIES_LIGHT: [&str; 8] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#3f97c9", "#7a4fbf", "#555555"];
const FAMILIES_DARK: [&str; 8] =
    ["#5cb3e6", "#ff8a4c", "#2fcb9b", "#e6a3c9", "#e0c04a", "#9fdcff", "#b79cf0", "#bbbbbb"];

impl Ink {
    /// How many families have a colour of their own.
    pub const FAMILIES: usize = FAMILIES_LIGHT.len();

    /// The ink of item `i` of `n` in order.
    pub fn step(i: usize, n: usize) -> Self {
        let top = STEPS_LIGHT.len() - 1;
        Self::Step(if n < 2 { 5 } else { ((i.min(n - 1) * top * 2 + (n - 1)) / (2 * (n - 1))) as u8 })
    }

    /// The ink of family `i`; they repeat after eight.
    pub fn family(i: usize) -> Self {
        Self::Family((i % FAMILIES_LIGHT.len()) as u8)
    }

    /// The colour on light paper.
    pub fn light(self) -> &'static str {
        match self {
            Self::Text => "#1c2430",
            Self::Muted => "#5b6675",
            Self::Grid => "#e3e7ec",
            Self::Paper => "#ffffff",
            Self::Law => "#b3261e",
            Self::Step(i) => STEPS_LIGHT[usize::from(i) % 12],
            Self::Family(i) => FAMILIES_LIGHT[usize::from(i) % 8],
        }
    }

    /// The colour on dark paper.
    pub fn dark(self) -> &'static str {
        match self {
            Self::Text => "#e6e9ee",
            Self::Muted => "#9aa5b4",
            Self::Grid => "#2b323c",
            Self::Paper => "#14181e",
            Self::Law => "#ff8b7e",
            Self::Step(i) => STEPS_DARK[usize::from(i) % 12],
            Self::Family(i) => FAMILIES_DARK[usize::from(i) % 8],
        }
    }

    /// The three channels on the paper of `theme`.
    pub fn rgb(self, theme: Theme) -> [u8; 3] {
        let text = if theme == Theme::Light { self.light() } else { self.dark() };
        let number = u32::from_str_radix(text.trim_start_matches('#'), 16).unwrap_or(0);
        [(number >> 16) as u8, (number >> 8) as u8, number as u8]
    }

    /// What a style sheet calls it, after `if-` for areas and `is-` for lines.
    pub fn class(self) -> String {
        match self {
            Self::Text => "t".to_owned(),
            Self::Muted => "m".to_owned(),
            Self::Grid => "g".to_owned(),
            Self::Paper => "p".to_owned(),
            Self::Law => "l".to_owned(),
            Self::Step(i) => format!("q{i}"),
            Self::Family(i) => format!("c{i}"),
        }
    }
}

/// The rules that recolour figures on a dark screen, for the page that holds them. Paper stays light in print.
pub fn dark_rules() -> String {
    let fixed = [Ink::Text, Ink::Muted, Ink::Grid, Ink::Paper, Ink::Law];
    let inks = fixed.into_iter().chain((0..12).map(Ink::Step)).chain((0..8).map(Ink::Family));
    let mut rules = String::from("@media screen and (prefers-color-scheme:dark){");
    for ink in inks {
        let (class, dark) = (ink.class(), ink.dark());
        put!(rules, ".if-{class}{{fill:{dark}}}.is-{class}{{stroke:{dark}}}");
    }
    rules.push('}');
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_span_the_map_and_never_leave_it() {
        let steps: Vec<Ink> = (0..6).map(|i| Ink::step(i, 6)).collect();
        assert_eq!(steps, [0, 2, 4, 7, 9, 11].map(Ink::Step));
        assert_eq!((Ink::step(0, 1), Ink::step(40, 6)), (Ink::Step(5), Ink::Step(11)));
    }
}
