//! Crates on disk: what goes into one, writing it, reading it. What its files say is rendered in `isoflop_report::rocrate`, which knows no disk.

mod capture;
mod opened;
mod pack;
mod record;
mod select;
mod stamp;

use std::collections::BTreeSet;

use isoflop_plan::{FileError, Listed};

pub use capture::{Captured, capture};
pub use opened::{Opened, Study, Trouble, is_signature, open};
pub use pack::{Part, Parts, is_zip, pack};
pub use record::{contents, time};
pub use select::{Wanted, asks, wanted};
pub use stamp::stamp;

/// What lies in the folder `path`, by the paths of all files there are.
fn list<'p>(paths: impl Iterator<Item = &'p String>, path: &str) -> Result<Vec<Listed>, FileError> {
    let folder = if path.is_empty() { String::new() } else { format!("{path}/") };
    let below = paths.filter_map(|file| file.strip_prefix(&folder));
    let names: BTreeSet<Listed> = below
        .map(|rest| match rest.split_once('/') {
            Some((name, _)) => Listed { name: name.to_owned(), folder: true },
            None => Listed { name: rest.to_owned(), folder: false },
        })
        .collect();
    if names.is_empty() { Err(FileError::Missing) } else { Ok(names.into_iter().collect()) }
}

/// Why a path that no file has cannot be read.
fn no_file<'p>(mut paths: impl Iterator<Item = &'p String>, path: &str) -> FileError {
    let folder = format!("{path}/");
    if paths.any(|file| file.starts_with(&folder)) { FileError::Folder } else { FileError::Missing }
}
