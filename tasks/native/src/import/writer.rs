//! The set as it is written: shards named by their digests, what was left out, the report.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use isoflop_contract::Digest;
use isoflop_kinds::import::ImportImages;
use safetensors::Dtype;
use serde::Serialize;

use super::{
    ImportError,
    item::{Fault, Item},
    picture::Picture,
    rules::UNREADABLE,
};
use crate::{file_error::FileError, scenes::preview, tensors::Growing};

/// How many unreadable images an error names.
const EXAMPLES: usize = 5;

/// What was read, kept and left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The format.
    pub version: u32,
    /// Images that were found, readable or not.
    pub read: u64,
    /// Images that are in the set.
    pub kept: u64,
    /// How many are not, by reason.
    pub left_out: BTreeMap<String, u64>,
}

#[derive(Debug, Serialize)]
struct Index {
    version: u32,
    resolution: u32,
    images: u64,
    shards: Vec<Named>,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
    images: u32,
    digest: Digest,
}

#[derive(Debug, Serialize)]
struct Line<'a> {
    source: &'a str,
    caption: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    synthetic: &'a [String],
    width: u32,
    height: u32,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    scores: &'a BTreeMap<String, f64>,
}

/// One shard under way.
struct Open {
    arrays: Growing,
    lines: BufWriter<File>,
    images: u32,
}

pub(super) struct Writer {
    out: PathBuf,
    resolution: u32,
    size: u32,
    share: f64,
    quality: Option<String>,
    open: Option<Open>,
    shards: Vec<Named>,
    left_out: BTreeMap<String, u64>,
    listed: csv::Writer<File>,
    examples: Vec<String>,
    first: Vec<u8>,
    kept: u64,
}

impl Writer {
    pub fn create(spec: &ImportImages, out: &Path) -> Result<Self, ImportError> {
        let path = out.join("left-out.csv");
        let file = File::create(&path).map_err(FileError::file("write", &path))?;
        let mut listed = csv::Writer::from_writer(file);
        row(&mut listed, &path, ["source", "reason", "detail"])?;
        Ok(Self {
            out: out.to_owned(),
            resolution: spec.resolution,
            size: spec.shard,
            share: spec.unreadable,
            quality: spec.quality.clone(),
            open: None,
            shards: Vec::new(),
            left_out: BTreeMap::new(),
            listed,
            examples: Vec::new(),
            first: Vec::new(),
            kept: 0,
        })
    }

    fn open(&mut self) -> Result<&mut Open, ImportError> {
        if self.open.is_none() {
            let side = self.resolution as usize;
            let planes = [3, side, side];
            let mut columns = vec![("images", Dtype::U8, &planes[..])];
            if self.quality.is_some() {
                columns.push(("quality", Dtype::F32, &[]));
            }
            let arrays = Growing::create(&self.out.join("shard.safetensors"), &columns)?;
            let path = self.out.join("shard.jsonl");
            let lines = File::create(&path).map_err(FileError::file("write", &path))?;
            self.open = Some(Open { arrays, lines: BufWriter::new(lines), images: 0 });
        }
        Ok(self.open.as_mut().expect("it was opened"))
    }

    pub fn keep(&mut self, item: &Item, picture: &Picture) -> Result<(), ImportError> {
        if self.kept < preview::MOST as u64 {
            self.first.extend(&picture.planes);
        }
        self.kept += 1;
        // Without its number, an image has the quality that is none.
        let quality = self.quality.as_ref().map(|name| item.scores.get(name).map_or(f32::NAN, |score| *score as f32));
        let (path, size) = (self.out.join("shard.jsonl"), self.size);
        let open = self.open()?;
        open.arrays.push("images", &picture.planes)?;
        if let Some(quality) = quality {
            open.arrays.push("quality", &quality.to_le_bytes())?;
        }
        let Item { source, caption, synthetic, scores, .. } = item;
        let line = Line { source, caption, synthetic, width: picture.width, height: picture.height, scores };
        let line = serde_json::to_string(&line).expect("texts and numbers are JSON");
        writeln!(open.lines, "{line}").map_err(FileError::file("write", &path))?;
        open.images += 1;
        if open.images == size { self.close() } else { Ok(()) }
    }

    /// Names the shard under way by what is in it.
    fn close(&mut self) -> Result<(), ImportError> {
        let Some(Open { arrays, mut lines, images }) = self.open.take() else { return Ok(()) };
        let failed = |path: &Path| FileError::file("write", path);
        let (tensors, texts) = (self.out.join("shard.safetensors"), self.out.join("shard.jsonl"));
        arrays.finish()?;
        lines.flush().map_err(failed(&texts))?;
        drop(lines);
        let digest_of = |path: &Path| -> Result<Digest, FileError> {
            let file = File::open(path).map_err(FileError::file("read", path))?;
            Digest::of_reader(file).map(|(digest, _)| digest).map_err(FileError::file("read", path))
        };
        // Of both files: two shards of the same images with other captions are not one.
        let digest = Digest::of(format!("{} {}", digest_of(&tensors)?, digest_of(&texts)?));
        let name = format!("{:05}-{}", self.shards.len(), digest.short());
        for (from, end) in [(&tensors, "safetensors"), (&texts, "jsonl")] {
            fs::rename(from, self.out.join(format!("{name}.{end}"))).map_err(failed(from))?;
        }
        self.shards.push(Named { name, images, digest });
        Ok(())
    }

    pub fn leave_out(&mut self, item: &Item, fault: &Fault) -> Result<(), ImportError> {
        *self.left_out.entry(fault.reason.to_owned()).or_default() += 1;
        if UNREADABLE.contains(&fault.reason) && self.examples.len() < EXAMPLES {
            self.examples.push(format!("{} ({})", item.source, fault.detail));
        }
        let path = self.out.join("left-out.csv");
        row(&mut self.listed, &path, [&item.source, fault.reason, &fault.detail])
    }

    /// Writes what is said of the whole, unless too much of it was unreadable or nothing is left.
    pub fn finish(mut self, read: u64) -> Result<Report, ImportError> {
        self.close()?;
        let path = self.out.join("left-out.csv");
        self.listed.flush().map_err(FileError::file("write", &path))?;
        let failed: u64 = UNREADABLE.iter().filter_map(|reason| self.left_out.get(*reason)).sum();
        if failed as f64 > self.share * read as f64 {
            let examples = self.examples.join("; ");
            return Err(ImportError::Unreadable { failed, read, share: self.share, examples });
        }
        if self.kept == 0 {
            let reasons: Vec<String> =
                self.left_out.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
            let none = "no file of the layout was found".to_owned();
            let reasons = if reasons.is_empty() { none } else { reasons.join(", ") };
            return Err(ImportError::Nothing { read, reasons });
        }
        let report = Report { version: 1, read, kept: self.kept, left_out: self.left_out };
        let index = Index { version: 1, resolution: self.resolution, images: self.kept, shards: self.shards };
        let text = |json: Result<String, serde_json::Error>| json.expect("texts and numbers are JSON") + "\n";
        for (name, text) in [
            ("index.json", text(serde_json::to_string_pretty(&index))),
            ("report.json", text(serde_json::to_string_pretty(&report))),
        ] {
            let path = self.out.join(name);
            fs::write(&path, text).map_err(FileError::file("write", &path))?;
        }
        let path = self.out.join("preview.png");
        preview::write(&path, &self.first, self.resolution as usize)
            .map_err(|error| FileError::file("write", &path)(error.into()))?;
        Ok(report)
    }
}

fn row<'a>(
    listed: &mut csv::Writer<File>,
    path: &Path,
    cells: impl IntoIterator<Item = &'a str>,
) -> Result<(), ImportError> {
    let written = listed.write_record(cells);
    Ok(written.map_err(|error| FileError::file("write", path)(std::io::Error::other(error)))?)
}
