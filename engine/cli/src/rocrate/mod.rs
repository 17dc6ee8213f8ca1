//! Crates on disk: what goes into one, writing it, reading it. What its files say is rendered in `isoflop_report::rocrate`, which knows no disk.

mod capture;
mod opened;
mod pack;
mod record;
mod select;
mod stamp;

use isoflop_plan::FileError;

pub use capture::{Captured, capture};
pub use opened::{Opened, Study, Trouble, is_signature, open};
pub use pack::{Part, Parts, is_zip, pack};
pub use record::{contents, time};
pub use select::{Wanted, asks, wanted};
pub use stamp::stamp;

/// Why a path that no file has cannot be read.
fn no_file<'p>(mut paths: impl Iterator<Item = &'p String>, path: &str) -> FileError {
    let folder = format!("{path}/");
    if paths.any(|file| file.starts_with(&folder)) { FileError::Folder } else { FileError::Missing }
}
