//! Sources: the texts a study is made of, and places in them.
//!
//! Nothing here reads a file; the caller passes text or bytes. A place is a byte range in one source, so that it stays exact until a person
//! has to read it as a line and a column.

use std::{ops::Range, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Findings};

/// The largest source that is read: 8 MiB, more than a study written by hand will ever have.
pub const SIZE_LIMIT: usize = 8 << 20;

/// The length up to which columns count characters; bytes from there on.
const LONG_LINE: usize = 10_000;

/// The texts of a study. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Sources(Arc<Vec<Source>>);

#[derive(Debug)]
struct Source {
    path: String,
    text: String,
    lines: Vec<usize>,
}

/// A byte range in one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// Which source.
    pub source: u32,
    /// The first byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A place as people read it: lines and columns count from one, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Origin {
    /// The file's path as it was given.
    pub file: String,
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

impl Sources {
    /// A study in one text; `path` is what messages call it.
    pub fn single(path: &str, mut text: String) -> Self {
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self(Arc::new(vec![Source { path: path.to_owned(), text, lines }]))
    }

    /// The same from bytes, which must be UTF-8 and not too many.
    pub fn from_bytes(path: &str, bytes: Vec<u8>) -> Result<Self, Findings> {
        if bytes.len() > SIZE_LIMIT {
            // Not kept: a finding about the size needs no snippet of it.
            let sources = Self::single(path, String::new());
            let finding = too_large(bytes.len());
            return Err(Findings::new(sources, vec![finding]));
        }
        String::from_utf8(bytes).map(|text| Self::single(path, text)).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[at];
            let sources = Self::single(path, String::from_utf8_lossy(error.as_bytes()).into_owned());
            let span = Span { source: 0, start: at, end: at + '\u{fffd}'.len_utf8() };
            let finding =
                Finding::new("not-utf8", format!("the file is not UTF-8: byte 0x{byte:02x} begins no character"))
                    .at(span, "here")
                    .hint("save the file in UTF-8");
            Findings::new(sources, vec![finding])
        })
    }

    /// The text of a source.
    pub fn text(&self, source: u32) -> &str {
        self.0.get(source as usize).map_or("", |source| &source.text)
    }

    /// The path of a source.
    pub fn path(&self, source: u32) -> &str {
        self.0.get(source as usize).map_or("", |source| &source.path)
    }

    /// The text at `span`.
    pub fn slice(&self, span: Span) -> &str {
        self.text(span.source).get(Range::from(span)).unwrap_or("")
    }

    /// Where `span` begins.
    pub fn origin(&self, span: Span) -> Origin {
        let Some(source) = self.0.get(span.source as usize) else { return Origin::default() };
        let start = source.text.floor_char_boundary(span.start);
        let line = source.lines.partition_point(|&at| at <= start);
        // Counting characters along a line of megabytes, for each of its values, would take hours; nobody counts that far.
        let before = &source.text[source.lines[line - 1]..start];
        let column = if before.len() > LONG_LINE { before.len() } else { before.chars().count() } + 1;
        Origin { file: source.path.clone(), line, column }
    }
}

/// What is said of a source above [`SIZE_LIMIT`].
pub(crate) fn too_large(size: usize) -> Finding {
    Finding::new("too-large", format!("the file has {size} bytes; a study may have {SIZE_LIMIT}"))
}

impl From<Span> for Range<usize> {
    fn from(span: Span) -> Self {
        span.start..span.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_from_one_and_columns_count_characters() {
        let sources = Sources::single("s.yaml", "a: ü\nbüc: 1\n".into());
        let at = |start| {
            let origin = sources.origin(Span { source: 0, start, end: start });
            (origin.line, origin.column)
        };
        assert_eq!((at(0), at(3), at(5), at(6), at(9)), ((1, 1), (1, 4), (1, 5), (2, 1), (2, 3)));
        assert_eq!(sources.origin(Span { source: 0, start: 99, end: 99 }).line, 3);
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        assert_eq!(Sources::single("s", "\u{feff}a".into()).text(0), "a");
    }
}
