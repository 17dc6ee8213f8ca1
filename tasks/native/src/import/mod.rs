//! Images with captions from the files that real sets come in, brought to one size and written as shards named by their digests.
//!
//! Sources yield images one after the other; a handful at a time is decoded on several threads; rules, the search for duplicates and the shards take them in
//! their order again. So memory holds a handful and the hashes of what was kept, and the result does not depend on the number of threads.
//! Names in archives are labels and never paths: nothing is unpacked.

mod bounds;
mod compact;
mod folder;
mod item;
mod lines;
mod picture;
mod record;
mod resize;
mod rules;
mod shards;
mod table;
mod writer;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use isoflop_kinds::import::{ImportImages, Layout};

pub use item::{Fault, Item, Names};
pub use lines::{Beside, read as read_lines};
pub use picture::{Picture, read as read_picture};
pub use resize::{Rgb, resize, square};
pub use shards::read_from as read_shard;
pub use table::read as read_table;
pub use writer::Report;

use crate::{file_error::FileError, fit::parallel::each};
use rules::Rules;
use writer::Writer;

/// Images that are decoded together at most.
const HANDFUL: usize = 64;
/// Bytes that are decoded together at most, but for one image.
const HANDFUL_BYTES: usize = 64 << 20;

/// Why a set could not be imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// More was unreadable than the spec allows.
    #[error(
        "{failed} of {read} images could not be read, more than `unreadable` allows ({share}); among them {examples}"
    )]
    Unreadable {
        /// How many.
        failed: u64,
        /// Of how many.
        read: u64,
        /// The share allowed.
        share: f64,
        /// The first of them.
        examples: String,
    },
    /// Nothing is left.
    #[error("none of {read} images was kept: {reasons}")]
    Nothing {
        /// How many were read.
        read: u64,
        /// How many went, by reason.
        reasons: String,
    },
    /// Whoever asked does not want it any more.
    #[error("stopped on request")]
    Stopped,
}

/// Imports all files of `folders` (by name) into `out`; `progress` hears how many images were read and says whether to go on.
pub fn import(
    spec: &ImportImages,
    folders: &BTreeMap<String, PathBuf>,
    out: &Path,
    threads: usize,
    progress: &mut dyn FnMut(u64) -> bool,
) -> Result<Report, ImportError> {
    let mut line = Line {
        spec,
        threads,
        rules: Rules::new(&spec.keep),
        writer: Writer::create(spec, out)?,
        waiting: Vec::new(),
        bytes: 0,
        progress,
    };
    let names = Names { caption: &spec.caption, synthetic: &spec.synthetic };
    for (label, root) in folders {
        let take = &mut |item| line.take(item);
        if spec.layout == Layout::Folder {
            folder::read(root, label, &names, take)?;
            continue;
        }
        let wanted = if spec.layout == Layout::Parquet { "parquet" } else { "tar" };
        for (name, path) in folder::files(root).map_err(FileError::file("list", root))? {
            let label = format!("{label}/{name}");
            match spec.layout {
                _ if !folder::has_end(&name, wanted) => {}
                Layout::Parquet => table::read(&path, &label, &spec.image, &names, take)?,
                _ => shards::read(&path, &label, &names, take)?,
            }
        }
    }
    line.decode()?;
    line.writer.finish(line.rules.read)
}

/// Where images stand in line.
struct Line<'a> {
    spec: &'a ImportImages,
    threads: usize,
    rules: Rules<'a>,
    writer: Writer,
    waiting: Vec<Item>,
    bytes: usize,
    progress: &'a mut dyn FnMut(u64) -> bool,
}

impl Line<'_> {
    fn take(&mut self, item: Item) -> Result<(), ImportError> {
        self.bytes += item.weight();
        self.waiting.push(item);
        if self.waiting.len() >= HANDFUL || self.bytes >= HANDFUL_BYTES { self.decode() } else { Ok(()) }
    }

    fn decode(&mut self) -> Result<(), ImportError> {
        let items = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let spec = self.spec;
        let read = |k: usize, (): &mut ()| match &items[k].bytes {
            Ok(bytes) => read_picture(bytes, spec).map_err(Fault::unreadable),
            Err(fault) => Err(fault.clone()),
        };
        let pictures = each(items.len(), self.threads, || (), read);
        for (item, picture) in items.iter().zip(pictures) {
            match picture.and_then(|picture| self.rules.judge(item, picture)) {
                Ok(picture) => self.writer.keep(item, &picture)?,
                Err(fault) => self.writer.leave_out(item, &fault)?,
            }
            self.rules.read += 1;
        }
        if (self.progress)(self.rules.read) { Ok(()) } else { Err(ImportError::Stopped) }
    }
}
