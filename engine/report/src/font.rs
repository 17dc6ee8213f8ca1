//! The font that figures are set in: Arimo, whose letters are as wide as Helvetica's and Arial's. An SVG names those and lets the reader's machine
//! choose; a picture and a PDF carry these outlines, so that they are the same everywhere. Widths are read here by all, so that one layout fits each.

use std::sync::LazyLock;

use ttf_parser::{Face, GlyphId};

/// The file of the regular letters.
pub const REGULAR: &[u8] = include_bytes!("../fonts/Arimo-Regular.ttf");
/// The file of the bold ones.
pub const BOLD: &[u8] = include_bytes!("../fonts/Arimo-Bold.ttf");

static FACES: LazyLock<[Face<'static>; 2]> = LazyLock::new(|| {
    [REGULAR, BOLD]
        .map(|file| Face::parse(file, 0).expect("the fonts of this crate can be read: a test measures with both"))
});

/// The bold or the regular letters.
pub fn face(bold: bool) -> &'static Face<'static> {
    &FACES[usize::from(bold)]
}

/// The glyph of `c`; what the font lacks is a box.
pub fn glyph(bold: bool, c: char) -> GlyphId {
    face(bold).glyph_index(c).or_else(|| face(bold).glyph_index('\u{fffd}')).unwrap_or(GlyphId(0))
}

/// Whether pictures show this letter as it is.
pub fn has(c: char) -> bool {
    c.is_whitespace() || [false, true].into_iter().all(|bold| face(bold).glyph_index(c).is_some())
}

/// How far a glyph reaches, in thousandths of the size.
pub fn advance(bold: bool, glyph: GlyphId) -> f64 {
    let face = face(bold);
    f64::from(face.glyph_hor_advance(glyph).unwrap_or(0)) * 1000.0 / f64::from(face.units_per_em())
}

/// How wide `text` is at `size`.
pub fn width(text: &str, size: f64, bold: bool) -> f64 {
    let thousandths: f64 = text
        .chars()
        .map(|c| match c {
            // Wide letters that the font lacks are as wide as they are high elsewhere.
            '\u{1100}'.. if face(bold).glyph_index(c).is_none() => 1000.0,
            c => advance(bold, glyph(bold, c)),
        })
        .sum();
    thousandths / 1000.0 * size
}

/// `text` in lines of at most `limit`, broken at spaces; a longer word is cut short.
pub fn wrap(text: &str, size: f64, limit: f64) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let word = cut(word, size, limit);
        match lines.last_mut() {
            Some(line) if width(&format!("{line} {word}"), size, false) <= limit => {
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
    if width(text, size, false) <= limit {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        short.push(c);
        if width(&short, size, false) + size > limit {
            break;
        }
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Helvetica's published widths (Adobe font metrics): `H` 722, `e` 556, `l` 222, `5` 556, space 278; bold `H` 722, `e` 556, `l` 278.
    #[test]
    fn widths_are_helveticas() {
        for (text, bold, thousandths) in [
            ("H", false, 722.0),
            ("e", false, 556.0),
            ("l", false, 222.0),
            ("5", false, 556.0),
            (" ", false, 278.0),
            ("l", true, 278.0),
        ] {
            assert!((width(text, 1000.0, bold) - thousandths).abs() < 1.0, "{text} is {}", width(text, 1000.0, bold));
        }
    }

    #[test]
    fn every_sign_that_figures_write_is_in_the_font() {
        for bold in [false, true] {
            let missing: Vec<char> = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻−×·≤≥±…–—†σαβγδελ∞→↑↓\u{202f}\u{2009}µ√≈§’"
                .chars()
                .filter(|c| face(bold).glyph_index(*c).is_none())
                .collect();
            assert_eq!(missing, Vec::<char>::new());
        }
    }

    #[test]
    fn long_texts_are_broken_and_cut() {
        let lines = wrap("power law, exponent −0.124 [−0.151, −0.098]", 12.0, 120.0);
        assert!(lines.len() > 1 && lines.iter().all(|line| width(line, 12.0, false) <= 120.0), "{lines:?}");
        assert!(cut(&"x".repeat(100), 12.0, 60.0).ends_with('…'));
    }
}
