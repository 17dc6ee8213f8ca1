//! A writer of SVG text: coordinates with two decimals, everything escaped, nothing that depends on a machine.

use crate::{
    color::Ink,
    html::{escape, put},
};

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
#[derive(Debug, Clone, Copy)]
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

/// An SVG under way.
#[derive(Debug, Default)]
pub struct Svg(String);

/// A coordinate: two decimals, and one zero.
pub fn at(value: f64) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text }
}

/// The path through these points.
pub fn path(points: &[(f64, f64)]) -> String {
    let mut out = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        put!(out, "{}{} {}", if i == 0 { "M" } else { "L" }, at(*x), at(*y));
    }
    out
}

impl Svg {
    /// Adds text that is SVG already.
    pub fn raw(&mut self, svg: &str) {
        self.0.push_str(svg);
        self.0.push('\n');
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), attributes: &str) {
        let (x1, y1, x2, y2) = (at(from.0), at(from.1), at(to.0), at(to.1));
        self.raw(&format!("<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\" {attributes}/>"));
    }

    /// A path, with what is shown on hovering.
    pub fn path(&mut self, d: &str, attributes: &str, tip: &str) {
        if tip.is_empty() {
            self.raw(&format!("<path d=\"{d}\" {attributes}/>"));
        } else {
            self.raw(&format!("<path d=\"{d}\" {attributes}><title>{}</title></path>", escape(tip)));
        }
    }

    /// A rectangle.
    pub fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), attributes: &str) {
        let (x, y, width, height) = (at(x), at(y), at(width.max(0.0)), at(height.max(0.0)));
        self.raw(&format!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" {attributes}/>"));
    }

    /// A text taken as it is.
    pub fn text(&mut self, at: (f64, f64), text: &str, look: Type) {
        self.put(at, &escape(text), look, "");
    }

    /// A text of ours, in which `10^{15}` is a power.
    pub fn power(&mut self, at: (f64, f64), text: &str, look: Type) {
        let raised = match (text.find("^{"), text.rfind('}')) {
            (Some(open), Some(close)) if open < close => format!(
                "{}<tspan dy=\"-{:.2}\" font-size=\"{:.2}\">{}</tspan>",
                escape(&text[..open]),
                look.size * 0.38,
                look.size * 0.76,
                escape(&text[open + 2..close])
            ),
            _ => escape(text),
        };
        self.put(at, &raised, look, "");
    }

    /// A text that reads upwards.
    pub fn upwards(&mut self, point: (f64, f64), text: &str, look: Type) {
        let turn = format!(" transform=\"rotate(-90 {} {})\"", at(point.0), at(point.1));
        self.put(point, &escape(text), look, &turn);
    }

    fn put(&mut self, (x, y): (f64, f64), content: &str, look: Type, more: &str) {
        let anchor = match look.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let weight = if look.bold { " font-weight=\"600\"" } else { "" };
        let (paint, size) = (look.ink.fill(), look.size);
        if look.halo {
            // A copy below instead of `paint-order`, which some viewers do not know.
            let edge = Ink::Paper.fill_and_stroke(Ink::Paper);
            self.raw(&format!(
                "<text x=\"{}\" y=\"{}\" font-size=\"{size:.2}\"{anchor}{weight}{more} {edge} stroke-width=\"3.5\" stroke-linejoin=\"round\" aria-hidden=\"true\">{content}</text>",
                at(x), at(y)
            ));
        }
        self.raw(&format!(
            "<text x=\"{}\" y=\"{}\" font-size=\"{size:.2}\"{anchor}{weight}{more} {paint}>{content}</text>",
            at(x),
            at(y)
        ));
    }

    /// The text so far.
    pub fn finish(self) -> String {
        self.0
    }
}

/// Widths of ` ` to `~` in Helvetica, in thousandths of its size (Adobe font metrics).
const WIDTHS: [u16; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556, 556, 556, 556, 556,
    556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833,
    722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556,
    556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334,
    260, 334, 584,
];

/// About how wide `text` is at `size`; on the safe side.
pub fn width(text: &str, size: f64) -> f64 {
    let thousandths: u32 = text
        .chars()
        .map(|c| match u32::from(c) {
            code @ 32..=126 => u32::from(WIDTHS[code as usize - 32]),
            0x2009 | 0xb7 => 250,
            0x1100.. if !('\u{2000}'..='\u{2bff}').contains(&c) => 1000,
            _ => 600,
        })
        .sum();
    f64::from(thousandths) / 1000.0 * size * 1.04
}

/// `text` in lines of at most `limit` pixels, broken at spaces; a longer word is cut short.
pub fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = cut(word, size, limit);
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size) <= limit => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// `text`, cut short with an ellipsis where it is wider than `limit`.
pub fn cut(text: &str, size: f64, limit: f64) -> String {
    if width(text, size) <= limit {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width(&short, size) + size > limit {
            break;
        }
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_have_two_decimals_and_one_zero() {
        assert_eq!((at(1.0 / 3.0), at(-0.001), at(12.0)), ("0.33".into(), "0.00".into(), "12.00".into()));
    }

    #[test]
    fn long_texts_are_broken_and_cut() {
        let lines = wrap("power law, exponent −0.124 [−0.151, −0.098]", 12.0, 120.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 12.0) <= 120.0), "{lines:?}");
        assert!(cut(&"x".repeat(100), 12.0, 60.0).ends_with('…'));
    }
}
