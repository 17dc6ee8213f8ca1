//! Writing a crate: a folder or a zip file, all at once or not at all. The same parts give the same bytes: files in the order of their paths,
//! every time 1980-01-01, every mode 0644.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufWriter, Cursor, Read, Write},
    path::{Path, PathBuf},
};

use isoflop_report::rocrate::Stamp;
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use super::stamp::{copy, stamp};
use crate::stop::{Stop, infrastructure};

/// Blobs from this size on are stored as they are: weights and pictures do not shrink, and reading them back is then a copy.
const LARGE: u64 = 1 << 20;

/// One file of a crate.
#[derive(Debug, Clone)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Those of this file.
    File(PathBuf),
}

/// All files of a crate by path, with their digests.
pub type Parts = BTreeMap<String, (Part, Stamp)>;

impl Part {
    fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Self::File(path) => Box::new(File::open(path)?),
        })
    }

    /// With its digests.
    pub fn stamped(self) -> io::Result<(Self, Stamp)> {
        let stamp = stamp(self.open()?)?;
        Ok((self, stamp))
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::Bytes(text.into_bytes())
    }
}

/// Writes a crate to `into`: a zip file where the name ends so, else a folder.
pub fn pack(parts: &Parts, into: &Path) -> Result<(), Stop> {
    let partial = beside(into);
    if partial.is_dir() {
        let why = format!("{} is in the way; if an export that was killed left it, remove it", partial.display());
        return Err(infrastructure(anyhow::anyhow!(why)));
    }
    let written = if is_zip(into) { zipped(parts, &partial) } else { laid_out(parts, &partial) };
    let written = written.and_then(|()| fs::rename(&partial, into));
    written.map_err(|error| {
        let _ = if partial.is_dir() { fs::remove_dir_all(&partial) } else { fs::remove_file(&partial) };
        infrastructure(anyhow::anyhow!("cannot write {}: {error}", into.display()))
    })
}

/// Whether a path names a zip file.
pub fn is_zip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("zip"))
}

/// Where a crate is written before it has its name.
fn beside(into: &Path) -> PathBuf {
    let mut name = into.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    into.with_file_name(name)
}

fn laid_out(parts: &Parts, folder: &Path) -> io::Result<()> {
    fs::create_dir(folder)?;
    for (path, (part, stamp)) in parts {
        let place = folder.join(path);
        place.parent().map_or(Ok(()), fs::create_dir_all)?;
        let mut file = BufWriter::new(File::create_new(&place)?);
        put(path, part, stamp, &mut file)?;
        file.flush()?;
    }
    Ok(())
}

fn zipped(parts: &Parts, place: &Path) -> io::Result<()> {
    let mut zip = ZipWriter::new(BufWriter::new(File::create(place)?));
    // The metadata describes the folders at the top, and readers look for them by name.
    let folders: BTreeSet<&str> = parts.keys().filter_map(|path| Some(path.split_once('/')?.0)).collect();
    for folder in folders {
        let options = SimpleFileOptions::default().last_modified_time(DateTime::default()).unix_permissions(0o755);
        zip.add_directory(folder, options)?;
    }
    for (path, (part, stamp)) in parts {
        let stored = path.starts_with("blobs/") && stamp.size >= LARGE;
        let method = if stored { CompressionMethod::Stored } else { CompressionMethod::Deflated };
        let options = SimpleFileOptions::default()
            .compression_method(method)
            .last_modified_time(DateTime::default())
            .unix_permissions(0o644)
            .large_file(stamp.size >= u64::from(u32::MAX));
        zip.start_file(path.as_str(), options)?;
        put(path, part, stamp, &mut zip)?;
    }
    zip.finish()?.flush()
}

/// Writes one file, which must still be what it was when its digest was taken.
fn put(path: &str, part: &Part, stamp: &Stamp, to: &mut impl Write) -> io::Result<()> {
    let (sha256, _) = copy(part.open()?, to)?;
    if sha256 == stamp.sha256 {
        return Ok(());
    }
    Err(io::Error::other(format!("{path} changed while it was being exported; export again")))
}
