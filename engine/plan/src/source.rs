//! Sources: the texts a study is made of, and places in them.
//!
//! Nothing here reads a file; the caller passes text or bytes. A place is a byte range in one source, so that it stays exact until a person
//! has to read it as a line and a column.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use isoflop_contract::{Digest, manifest::File};
use serde::{Deserialize, Serialize};

use crate::finding::Finding;

/// How many bytes the files of a study may have together: 8 MiB, more than a study written by hand will ever have.
pub const SIZE_LIMIT: usize = 8 << 20;

/// The length up to which columns count characters; bytes from there on.
const LONG_LINE: usize = 10_000;

/// How planning reaches the files of a study: the caller does the reading. Paths use `/` and are relative to wherever the caller resolves
/// the study's own path.
pub trait Files {
    /// All bytes of a file. Files above `limit` bytes are refused without being read.
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError>;

    /// The digest and size of a file, however large.
    fn stamp(&self, path: &str) -> Result<File, FileError>;

    /// What lies in the folder `path` itself (the empty path is the caller's own folder), by name, in order.
    fn list(&self, path: &str) -> Result<Vec<Listed>, FileError>;
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Whether it is a folder, rather than a file.
    pub folder: bool,
}

impl Listed {
    /// What lies in the folder `path` where files have these paths and no others.
    ///
    /// # Errors
    /// [`FileError::Missing`] if none lies there.
    pub fn among<'p>(paths: impl Iterator<Item = &'p String>, path: &str) -> Result<Vec<Self>, FileError> {
        let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = paths.filter_map(|file| file.strip_prefix(&folder));
        let names: BTreeSet<Self> = below
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => Self { name: name.to_owned(), folder: true },
                None => Self { name: rest.to_owned(), folder: false },
            })
            .collect();
        if names.is_empty() { Err(FileError::Missing) } else { Ok(names.into_iter().collect()) }
    }
}

/// Why a file of a study cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// Nothing has this path.
    #[error("there is no such file")]
    Missing,
    /// A folder, where a file belongs.
    #[error("this is a folder")]
    Folder,
    /// More bytes than are read.
    #[error("the file has {0} bytes, which is too many")]
    TooLarge(u64),
    /// What the system says.
    #[error("{0}")]
    Other(String),
}

/// Files that are held in memory, by path.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub BTreeMap<String, Vec<u8>>);

impl Memory {
    /// One file.
    pub fn single(path: &str, bytes: impl Into<Vec<u8>>) -> Self {
        Self(BTreeMap::from([(path.to_owned(), bytes.into())]))
    }

    fn get(&self, path: &str) -> Result<&[u8], FileError> {
        let folder = || {
            let inside = format!("{path}/");
            self.0.range(inside.clone()..).next().is_some_and(|(file, _)| file.starts_with(&inside))
        };
        match self.0.get(path) {
            Some(bytes) => Ok(bytes),
            None if folder() => Err(FileError::Folder),
            None => Err(FileError::Missing),
        }
    }
}

impl Files for Memory {
    fn read(&self, path: &str, limit: usize) -> Result<Vec<u8>, FileError> {
        let bytes = self.get(path)?;
        if bytes.len() > limit { Err(FileError::TooLarge(bytes.len() as u64)) } else { Ok(bytes.to_vec()) }
    }

    fn stamp(&self, path: &str) -> Result<File, FileError> {
        self.get(path).map(|bytes| File { digest: Digest::of(bytes), size: bytes.len() as u64 })
    }

    fn list(&self, path: &str) -> Result<Vec<Listed>, FileError> {
        Listed::among(self.0.keys(), path)
    }
}

/// The texts of a study. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Sources(Vec<Arc<Source>>);

#[derive(Debug)]
struct Source {
    path: String,
    text: String,
    lines: Vec<usize>,
    /// The place that includes it; of the study's own file, none.
    included: Option<Span>,
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
    pub(crate) fn single(path: &str, text: String) -> Self {
        let mut sources = Self::default();
        sources.add(path, text, None);
        sources
    }

    /// Adds a text that the place `included` includes; returns which source it is.
    pub(crate) fn add(&mut self, path: &str, mut text: String, included: Option<Span>) -> u32 {
        if text.starts_with('\u{feff}') {
            text.remove(0);
        }
        let lines = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let next = u32::try_from(self.0.len()).expect("the number of files is bounded");
        self.0.push(Arc::new(Source { path: path.to_owned(), text, lines, included }));
        next
    }

    /// The same from bytes, which must be UTF-8; what is not is shown as the replacement character.
    pub(crate) fn add_bytes(
        &mut self,
        path: &str,
        bytes: Vec<u8>,
        included: Option<Span>,
    ) -> Result<u32, Box<Finding>> {
        let error = match String::from_utf8(bytes) {
            Ok(text) => return Ok(self.add(path, text, included)),
            Err(error) => error,
        };
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes()[at];
        let source = self.add(path, String::from_utf8_lossy(error.as_bytes()).into_owned(), included);
        let span = Span { source, start: at, end: at + '\u{fffd}'.len_utf8() };
        let message = format!("the file is not UTF-8: byte 0x{byte:02x} begins no character");
        Err(Box::new(Finding::new("not-utf8", message).at(span, "here").hint("save the file in UTF-8")))
    }

    /// The places that include a source: the one that does, the one that includes that, and so on.
    pub(crate) fn included(&self, source: u32) -> impl Iterator<Item = Span> + '_ {
        let of = |source: u32| self.0.get(source as usize).and_then(|source| source.included);
        std::iter::successors(of(source), move |span| of(span.source))
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
    fn the_way_to_a_source_is_known() {
        let mut sources = Sources::single("s", "include: [a]".into());
        let by = |source| Some(Span { source, start: 10, end: 11 });
        let first = sources.add("a", "include: [b]".into(), by(0));
        let second = sources.add_bytes("b", b"x: 1".to_vec(), by(first)).unwrap();
        let way: Vec<String> = sources.included(second).map(|span| sources.origin(span).to_string()).collect();
        assert_eq!(way, ["a:1:11", "s:1:11"]);
        assert_eq!((sources.text(second), sources.path(first), sources.included(0).count()), ("x: 1", "a", 0));
    }

    #[test]
    fn a_byte_order_mark_is_dropped() {
        assert_eq!(Sources::single("s", "\u{feff}a".into()).text(0), "a");
    }
}
