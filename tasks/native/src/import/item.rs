//! What a source yields: one image as it was found, or what was found in its place.

use std::{collections::BTreeMap, path::Path};

use serde_json::{Map, Value};

/// The most bytes of one image, or of one text beside it.
pub const MAX_BYTES: u64 = 256 << 20;

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
        Self { reason: "unsafe-path", detail: format!("`{name}` leads out of where it lies") }
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
    pub fn annotate(&mut self, record: &Map<String, Value>, names: &Names) {
        let text = |name: &str| record.get(name).and_then(Value::as_str).map(|text| text.trim().to_owned());
        if let Some(caption) = text(names.caption) {
            self.caption = caption;
        }
        self.synthetic = names.synthetic.iter().filter_map(|name| text(name)).filter(|text| !text.is_empty()).collect();
        for (name, value) in record {
            if let Some(number) = value.as_f64() {
                self.scores.insert(name.clone(), number);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
