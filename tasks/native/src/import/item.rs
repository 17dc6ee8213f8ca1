//! What a source yields: one image as it was found, or what was found in its place.

use std::{collections::BTreeMap, path::Path};

use super::record::Record;

/// The most bytes of one image.
pub const MAX_BYTES: u64 = 256 << 20;

/// The most bytes of one text beside it: a caption, a JSON object, a line of one.
pub const MAX_TEXT: u64 = 16 << 20;

/// Characters of anybody's text that a message repeats.
const QUOTED: usize = 200;

/// One image as it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Where: the file's path among the task's files, and the member or row in it.
    pub source: String,
    /// The image's bytes, or why there are none.
    pub bytes: Result<Vec<u8>, Fault>,
    /// The caption.
    pub caption: String,
    /// Further captions, the best first.
    pub synthetic: Vec<String>,
    /// Numbers by name.
    pub scores: BTreeMap<String, f64>,
}

impl Default for Item {
    /// An item of nothing.
    fn default() -> Self {
        Self {
            source: String::new(),
            bytes: Err(Fault::unreadable("there is nothing")),
            caption: String::new(),
            synthetic: Vec::new(),
            scores: BTreeMap::new(),
        }
    }
}

/// Why something is no image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The word it is counted under.
    pub reason: &'static str,
    /// What exactly.
    pub detail: String,
}

impl Fault {
    /// Bytes that are no image.
    pub fn unreadable(detail: impl Into<String>) -> Self {
        Self { reason: "unreadable", detail: detail.into() }
    }

    /// A name that points out of its archive or folder. It is never followed.
    pub fn unsafe_path(name: &str) -> Self {
        Self { reason: "unsafe-path", detail: format!("`{}` leads out of where it lies", shortened(name)) }
    }
}

/// Whether a name stays where it lies: relative, without `..`.
pub fn is_safe(name: &str) -> bool {
    use std::path::Component::{CurDir, Normal};
    !name.is_empty()
        && !name.contains(['\\', '\0'])
        && Path::new(name).components().all(|part| matches!(part, Normal(_) | CurDir))
}

/// Which members of a record mean what.
#[derive(Debug)]
pub struct Names<'a> {
    /// The caption.
    pub caption: &'a str,
    /// Further captions.
    pub synthetic: &'a [String],
}

impl Item {
    /// Takes captions and numbers from a record. A caption that the record has wins over one that stands beside the image.
    pub fn annotate(&mut self, record: &Record, names: &Names) {
        let text = |name: &str| record.texts.get(name).map(|text| text.trim().to_owned());
        if let Some(caption) = text(names.caption) {
            self.caption = caption;
        }
        self.synthetic = names.synthetic.iter().filter_map(|name| text(name)).filter(|text| !text.is_empty()).collect();
        self.scores.extend(record.numbers.iter().map(|(name, number)| (name.clone(), *number)));
    }

    /// The memory that it takes, roughly.
    pub fn weight(&self) -> usize {
        let bytes = self.bytes.as_ref().map_or(0, Vec::len);
        let texts = self.synthetic.iter().chain([&self.source, &self.caption]).map(String::len);
        let scores = self.scores.keys().map(|name| name.len() + 64);
        bytes + texts.chain(scores).sum::<usize>()
    }
}

/// Anybody's text as a message repeats it: not all of it if it is long, and nothing that a terminal would obey.
pub fn shortened(text: &str) -> String {
    let plain = |letter: char| if letter.is_control() { char::REPLACEMENT_CHARACTER } else { letter };
    let mut short: String = text.chars().take(QUOTED).map(plain).collect();
    if text.chars().nth(QUOTED).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_short_and_plain() {
        assert_eq!(shortened("a\u{1b}[2J ü"), "a\u{fffd}[2J ü");
        let long = shortened(&"é".repeat(1 << 20));
        assert_eq!((long.chars().count(), long.ends_with('…')), (QUOTED + 1, true));
        assert!(!shortened(&"é".repeat(QUOTED)).ends_with('…'));
    }

    #[test]
    fn names_that_lead_elsewhere_are_not_safe() {
        for name in ["a.jpg", "a/b.jpg", "./a.jpg", "a..b/c", "ü/日.png"] {
            assert!(is_safe(name), "{name}");
        }
        for name in ["", "/etc/passwd", "../a.jpg", "a/../../b", "..\\a", "a\0b"] {
            assert!(!is_safe(name), "{name:?}");
        }
    }
}
