//! A part of imported images, its captions in numbered words (`isoflop_kinds::artifact::Captioned` has the format).
//!
//! Shards are read twice: once for the words of the training part, once to write. Memory holds the distinct words and one shard's captions.

mod words;

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use isoflop_contract::Digest;
use isoflop_kinds::split::{Part, SplitPictures};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};

pub use words::{Words, words};

use crate::{
    file_error::FileError,
    scenes::preview,
    tensors::{Growing, Stored},
};

/// Why a set could not be split. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum SplitError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Nothing is in the part.
    #[error("none of {of} images is in this part: `share` is {share}; another `split` chooses others")]
    Nothing {
        /// How many there are.
        of: u64,
        /// The share that is held out.
        share: f64,
    },
    /// Whoever asked does not want it any more.
    #[error("stopped on request")]
    Stopped,
}

#[derive(Deserialize)]
struct Index {
    resolution: usize,
    images: u64,
    shards: Vec<Shard>,
}

#[derive(Deserialize)]
struct Shard {
    name: String,
}

/// A line of a shard's captions, as far as it counts here.
#[derive(Deserialize)]
struct Line {
    source: String,
    caption: String,
    #[serde(default)]
    synthetic: Vec<String>,
}

/// A line of `texts.jsonl`.
#[derive(Serialize)]
struct Text<'a> {
    source: &'a str,
    caption: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    synthetic: Vec<&'a str>,
}

#[derive(Serialize)]
struct Vocabulary<'a> {
    words: &'a [String],
    answers: [String; 0],
    categories: [String; 0],
}

/// Which part the image from `source` is in: a function of it, the share and the number of the split alone.
pub fn part(spec: &SplitPictures, source: &str) -> Part {
    let digest = Digest::of(format!("{}\n{source}", spec.split));
    let number = digest.as_bytes()[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    // The upper 53 bits are exact in a double.
    let place = (number >> 11) as f64 / (1_u64 << 53) as f64;
    if place < spec.share { Part::HeldOut } else { Part::Training }
}

/// The captions of an image, its own and then as many synthetic ones as are asked for.
fn captions<'a>(spec: &SplitPictures, line: &'a Line) -> Vec<&'a str> {
    let own = std::slice::from_ref(&line.caption);
    let further = if line.synthetic.is_empty() { own } else { line.synthetic.as_slice() };
    let further = further.iter().cycle().take(spec.synthetic as usize);
    own.iter().chain(further).map(String::as_str).collect()
}

fn lines(path: &Path) -> Result<Vec<Line>, SplitError> {
    let file = File::open(path).map_err(FileError::file("read", path))?;
    let mut lines = Vec::new();
    for line in BufReader::new(file).lines() {
        let line = line.map_err(FileError::file("read", path))?;
        lines.push(serde_json::from_str(&line).map_err(|error| FileError::format(path, error.to_string()))?);
    }
    Ok(lines)
}

fn index(folder: &Path) -> Result<Index, SplitError> {
    let path = folder.join("index.json");
    let text = fs::read(&path).map_err(FileError::file("read", &path))?;
    Ok(serde_json::from_slice(&text).map_err(|error| FileError::format(&path, error.to_string()))?)
}

/// Writes the part of the set in `folder` that `spec` asks for into `out`; `progress` hears how many images were looked at out of how many, and says
/// whether to go on. Returns final numbers.
pub fn split(
    spec: &SplitPictures,
    folder: &Path,
    out: &Path,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<BTreeMap<String, f64>, SplitError> {
    let index = index(folder)?;
    let mut counts = BTreeMap::new();
    for shard in &index.shards {
        let lines = lines(&folder.join(format!("{}.jsonl", shard.name)))?;
        for line in lines.iter().filter(|line| part(spec, &line.source) == Part::Training) {
            for word in captions(spec, line).into_iter().flat_map(words) {
                *counts.entry(word).or_default() += 1;
            }
        }
        if !progress(0, index.images) {
            return Err(SplitError::Stopped);
        }
    }
    let words = Words::of(counts, spec);
    let mut writer =
        Writer { spec, words: &words, open: None, out: out.to_owned(), first: Vec::new(), tally: Tally::default() };
    for shard in &index.shards {
        writer.shard(folder, &shard.name, index.resolution)?;
        if !progress(writer.tally.seen, index.images) {
            return Err(SplitError::Stopped);
        }
    }
    let Tally { seen, images, cut, unknown, all } = writer.tally;
    if images == 0 {
        return Err(SplitError::Nothing { of: seen, share: spec.share });
    }
    writer.finish(index.resolution)?;
    let numbers = [
        ("images", images as f64),
        ("words", words.names().len() as f64),
        ("unknown_words", unknown as f64 / all.max(1) as f64),
        ("cut_captions", cut as f64),
    ];
    Ok(numbers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// What was seen so far.
#[derive(Default)]
struct Tally {
    seen: u64,
    images: u64,
    /// Captions that were longer than they may be.
    cut: u64,
    /// Words without a number, of all words.
    unknown: u64,
    all: u64,
}

struct Writer<'a> {
    spec: &'a SplitPictures,
    words: &'a Words,
    /// The tensors and the texts, and whether there are grades.
    open: Option<(Growing, BufWriter<File>, bool)>,
    out: PathBuf,
    first: Vec<u8>,
    tally: Tally,
}

impl Writer<'_> {
    fn open(&mut self, side: usize, graded: bool) -> Result<(), SplitError> {
        let (tokens, synthetic) = (self.spec.tokens as usize, self.spec.synthetic as usize);
        let (picture, caption, written) = ([3, side, side], [tokens], [synthetic, tokens]);
        let mut columns = vec![("images", Dtype::U8, &picture[..]), ("captions", Dtype::I32, &caption)];
        if synthetic > 0 {
            columns.push(("synthetic", Dtype::I32, &written));
        }
        if graded {
            columns.push(("quality", Dtype::F32, &[]));
        }
        let arrays = Growing::create(&self.out.join("scenes.safetensors"), &columns)?;
        let path = self.out.join("texts.jsonl");
        let texts = File::create(&path).map_err(FileError::file("write", &path))?;
        self.open = Some((arrays, BufWriter::new(texts), graded));
        Ok(())
    }

    /// Takes over what of a shard is in the part.
    fn shard(&mut self, folder: &Path, name: &str, side: usize) -> Result<(), SplitError> {
        let lines = lines(&folder.join(format!("{name}.jsonl")))?;
        let path = folder.join(format!("{name}.safetensors"));
        let mut tensors = Stored::open(&path)?;
        let wrong = |problem: &str| SplitError::File(FileError::format(&path, problem));
        let graded = tensors.shape("quality", Dtype::F32, 1)?.is_some();
        if tensors.shape("images", Dtype::U8, 4)? != Some(&[lines.len(), 3, side, side][..]) {
            return Err(wrong("has other images than its captions and the index say"));
        }
        if self.open.is_none() {
            self.open(side, graded)?;
        }
        let (spec, words) = (self.spec, self.words);
        let text_path = self.out.join("texts.jsonl");
        for (row, line) in lines.iter().enumerate() {
            self.tally.seen += 1;
            if part(spec, &line.source) != spec.part {
                continue;
            }
            let Some((arrays, texts, grades)) = &mut self.open else { unreachable!("it was opened above") };
            if *grades != graded {
                return Err(wrong("has grades and the shards before it have none, or the other way round"));
            }
            let picture = tensors.rows("images", row, 1)?;
            arrays.push("images", &picture)?;
            if graded {
                arrays.push("quality", &tensors.rows("quality", row, 1)?)?;
            }
            let captions = captions(spec, line);
            for (number, caption) in captions.iter().enumerate() {
                let numbered = words.row(caption, spec.tokens as usize);
                self.tally.cut += u64::from(numbered.cut);
                self.tally.unknown += numbered.unknown;
                self.tally.all += numbered.words;
                arrays.push_i32(if number == 0 { "captions" } else { "synthetic" }, &numbered.row)?;
            }
            let text = Text { source: &line.source, caption: captions[0], synthetic: captions[1..].to_vec() };
            let text = serde_json::to_string(&text).expect("texts are JSON");
            writeln!(texts, "{text}").map_err(FileError::file("write", &text_path))?;
            if self.tally.images < preview::MOST as u64 {
                self.first.extend(picture);
            }
            self.tally.images += 1;
        }
        Ok(())
    }

    fn finish(self, side: usize) -> Result<(), SplitError> {
        let failed = |path: &Path| FileError::file("write", path);
        if let Some((arrays, mut texts, _)) = self.open {
            arrays.finish()?;
            let path = self.out.join("texts.jsonl");
            texts.flush().map_err(failed(&path))?;
        }
        let vocabulary = Vocabulary { words: self.words.names(), answers: [], categories: [] };
        let vocabulary = serde_json::to_string_pretty(&vocabulary).expect("lists of strings are JSON") + "\n";
        let path = self.out.join("vocabulary.json");
        fs::write(&path, vocabulary).map_err(failed(&path))?;
        let path = self.out.join("preview.png");
        Ok(preview::write(&path, &self.first, side).map_err(|error| failed(&path)(error.into()))?)
    }
}
