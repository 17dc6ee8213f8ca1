//! Snippets: lines of a study's files, for those who are told of a place.

use std::{collections::BTreeMap, fs};

use isoflop_plan::Origin;

/// Columns of a line that are shown.
const LONG: usize = 100;

/// The files read so far.
#[derive(Debug, Default)]
pub struct Snippets(BTreeMap<String, Option<String>>);

impl Snippets {
    /// The line at a place, without its indentation; nothing if it cannot be read any more.
    pub fn line(&mut self, origin: &Origin) -> Option<String> {
        let file = self.0.entry(origin.file.clone()).or_insert_with(|| fs::read_to_string(&origin.file).ok());
        let line = file.as_ref()?.lines().nth(origin.line.checked_sub(1)?)?.trim();
        Some(match line.char_indices().nth(LONG) {
            Some((cut, _)) => format!("{}…", &line[..cut]),
            None => line.to_owned(),
        })
    }
}
