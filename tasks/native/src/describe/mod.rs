//! What a set of images is: the columns of Li et al. 2024, Table 3, and how long and how rich its captions are (their Figure 18).
//!
//! Sets are read a few thousand rows at a time, so memory holds the distinct nouns and nothing that grows with the images.

mod nouns;
mod tally;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use isoflop_contract::Digest;
use safetensors::Dtype;
use serde::Deserialize;

pub use nouns::nouns;
pub use tally::{Description, Spread, Tally};

use crate::{
    file_error::FileError,
    scenes::{WORDS, noun_of},
    tensors::{Stored, f32s, i32s},
};

/// Rows that are read at a time.
const ROWS: usize = 4096;

/// Why a set could not be described. Each names the file.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Whoever asked does not want it any more.
    #[error("stopped on request")]
    Stopped,
}

/// The folder of a set.
#[derive(Debug, Clone)]
pub enum Set {
    /// Drawn scenes.
    Scenes(PathBuf),
    /// Images from elsewhere.
    Pictures(PathBuf),
}

/// Describes a set, without the nouns that are `ignored`; `progress` hears how many images are done out of how many, and says whether to go on.
pub fn describe(
    set: &Set,
    synthetic: bool,
    ignored: &BTreeSet<String>,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Description, DescribeError> {
    match set {
        Set::Scenes(folder) => scenes(folder, synthetic, ignored, progress),
        Set::Pictures(folder) => pictures(folder, synthetic, ignored, progress),
    }
}

#[derive(Deserialize)]
struct Vocabulary {
    words: Vec<String>,
}

fn scenes(
    folder: &Path,
    with_synthetic: bool,
    ignored: &BTreeSet<String>,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Description, DescribeError> {
    let path = folder.join("vocabulary.json");
    let text = fs::read(&path).map_err(FileError::file("read", &path))?;
    let vocabulary: Vocabulary =
        serde_json::from_slice(&text).map_err(|error| FileError::format(&path, error.to_string()))?;
    // Which noun each word is a form of, by number.
    let noun: Vec<Option<String>> = vocabulary
        .words
        .iter()
        .map(|word| {
            let drawn = WORDS.contains(&word.as_str());
            let noun = if drawn { noun_of(word).map(str::to_owned) } else { nouns(word).pop_first() };
            noun.filter(|noun| !ignored.contains(noun))
        })
        .collect();

    let path = folder.join("scenes.safetensors");
    let mut file = Stored::open(&path)?;
    let Some(&[images, width]) = file.shape("captions", Dtype::I32, 2)? else {
        return Err(FileError::format(&path, "has no `captions`").into());
    };
    let kept = file.shape("synthetic", Dtype::I32, 3)?.filter(|_| with_synthetic).map_or(0, |shape| shape[1]);
    let graded = file.shape("quality", Dtype::F32, 1)?.is_some();
    let words = |row: &[i32]| -> Result<Vec<usize>, FileError> {
        let numbers = row.iter().take_while(|number| **number != 0);
        let known = numbers.map(|number| usize::try_from(*number).ok().filter(|number| *number < noun.len()));
        known.collect::<Option<_>>().ok_or_else(|| FileError::format(&path, "has a word without a number"))
    };
    let mut tally = Tally::new(kept > 0);
    for first in (0..images).step_by(ROWS) {
        let count = ROWS.min(images - first);
        let captions = i32s(&file.rows("captions", first, count)?);
        let written = if kept > 0 { i32s(&file.rows("synthetic", first, count)?) } else { Vec::new() };
        let quality = if graded { f32s(&file.rows("quality", first, count)?) } else { vec![10.0; count] };
        for (index, &quality) in quality.iter().enumerate() {
            tally.image(Some(f64::from(quality)));
            let original = words(&captions[index * width..][..width])?;
            tally.original(original.len(), original.iter().filter_map(|&word| noun[word].as_deref()));
            for row in written.chunks(width).skip(index * kept).take(kept) {
                let one = words(row)?;
                tally.synthetic(one.len(), one.iter().filter_map(|&word| noun[word].as_deref()));
            }
        }
        if !progress((first + count) as u64, images as u64) {
            return Err(DescribeError::Stopped);
        }
    }
    Ok(tally.finish())
}

#[derive(Deserialize)]
struct Index {
    images: u64,
    shards: Vec<Shard>,
}

#[derive(Deserialize)]
struct Shard {
    name: String,
}

#[derive(Deserialize)]
struct Line {
    caption: String,
    #[serde(default)]
    synthetic: Vec<String>,
}

fn pictures(
    folder: &Path,
    with_synthetic: bool,
    ignored: &BTreeSet<String>,
    progress: &mut dyn FnMut(u64, u64) -> bool,
) -> Result<Description, DescribeError> {
    let path = folder.join("index.json");
    let text = fs::read(&path).map_err(FileError::file("read", &path))?;
    let index: Index = serde_json::from_slice(&text).map_err(|error| FileError::format(&path, error.to_string()))?;
    let mut tally = Tally::new(false);
    let mut done = 0;
    for shard in &index.shards {
        let mut file = Stored::open(&folder.join(format!("{}.safetensors", shard.name)))?;
        let graded = file.shape("quality", Dtype::F32, 1)?.map(|shape| shape[0]);
        let grades = graded.map(|count| file.rows("quality", 0, count)).transpose()?.map(|bytes| f32s(&bytes));
        let path = folder.join(format!("{}.jsonl", shard.name));
        let lines = BufReader::new(File::open(&path).map_err(FileError::file("read", &path))?);
        for (row, line) in lines.lines().enumerate() {
            let line = line.map_err(FileError::file("read", &path))?;
            let line: Line = serde_json::from_str(&line)
                .map_err(|error| FileError::format(&path, format!("line {}: {error}", row + 1)))?;
            let grade = grades.as_ref().and_then(|grades| grades.get(row)).map(|grade| f64::from(*grade));
            tally.image(grade.filter(|grade| grade.is_finite()));
            let count = |text: &str| text.split_whitespace().count();
            let counted = |text: &str| nouns(text).difference(ignored).cloned().collect::<BTreeSet<_>>();
            tally.original(count(&line.caption), counted(&line.caption).iter().map(String::as_str));
            for text in line.synthetic.iter().filter(|_| with_synthetic) {
                tally.synthetic(count(text), counted(text).iter().map(String::as_str));
            }
            done += 1;
        }
        if !progress(done, index.images) {
            return Err(DescribeError::Stopped);
        }
    }
    Ok(tally.finish())
}

/// What `metric.json` of a score says.
#[derive(Deserialize)]
struct Metric {
    #[serde(rename = "metric")]
    sort: String,
    inputs: BTreeMap<String, Digest>,
    scores: Vec<Scored>,
}

#[derive(Deserialize)]
struct Scored {
    value: f64,
}

/// The mean that a score's `metric.json` at `path` tells, which must be an aesthetic one of the set that `port` was fed with.
pub fn quality_of(path: &Path, port: &str, set: Digest) -> Result<f64, FileError> {
    let text = fs::read(path).map_err(FileError::file("read", path))?;
    let metric: Metric = serde_json::from_slice(&text).map_err(|error| FileError::format(path, error.to_string()))?;
    if metric.sort != "aesthetic" {
        let problem = format!("is a score of the sort `{}`, and the column `quality` wants `aesthetic`", metric.sort);
        return Err(FileError::format(path, problem));
    }
    if metric.inputs.get(port) != Some(&set) {
        return Err(FileError::format(path, format!("is not of the set that `{port}` is: score the same set")));
    }
    let scored = metric.scores.first().ok_or_else(|| FileError::format(path, "has no score"))?;
    Ok(scored.value)
}

/// Writes `table.csv` and `description.json` into `out`.
pub fn write(description: &Description, out: &Path) -> Result<(), DescribeError> {
    let columns = description.columns();
    let row = |cells: Vec<String>| cells.join(",") + "\n";
    let table = row(columns.iter().map(|(name, _)| (*name).to_owned()).collect())
        + &row(columns.iter().map(|(_, value)| value.to_string()).collect());
    let json = serde_json::to_string_pretty(description).expect("numbers are JSON") + "\n";
    for (name, text) in [("table.csv", table), ("description.json", json)] {
        let path = out.join(name);
        fs::write(&path, text).map_err(FileError::file("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use isoflop_contract::Seed;
    use isoflop_kinds::scenes::{Captions, Degrade, MakeScenes};

    use super::*;

    fn scenes(spec: &MakeScenes) -> (tempfile::TempDir, std::collections::BTreeMap<String, f64>) {
        let folder = tempfile::tempdir().unwrap();
        let made =
            crate::scenes::write(spec, Seed::from_number(3), folder.path(), |_| ControlFlow::Continue(())).unwrap();
        (folder, made)
    }

    /// What the set says of itself while it is drawn comes out again when it is read.
    #[test]
    fn a_set_is_what_it_says_it_is() {
        let spec = MakeScenes {
            captions: Captions::Alt,
            synthetic: 3,
            degrade: Degrade { share: 0.4, ..Degrade::default() },
            ..MakeScenes::of(5000)
        };
        let (folder, made) = scenes(&spec);
        let set = Set::Scenes(folder.path().to_owned());
        let whole = describe(&set, true, &BTreeSet::new(), &mut |_, _| true).unwrap();
        for (name, value) in whole.columns() {
            if let Some(said) = made.get(name) {
                assert!((value - said).abs() < 1e-6 * said, "{name}: {value} against {said}");
            }
        }
        assert!(whole.columns().len() >= 5);
        // As in the paper, synthetic captions have more words, fewer nouns each, and bring nouns that the originals lack.
        let alone = describe(&set, false, &BTreeSet::new(), &mut |_, _| true).unwrap();
        let synthetic = whole.synthetic.as_ref().unwrap();
        assert!(synthetic.words > whole.original.words && synthetic.nouns < whole.original.nouns, "{whole:?}");
        assert!(alone.synthetic.is_none() && alone.nouns_per_image + 1.0 < whole.nouns_per_image);
        // What captioners begin by is no noun of the picture, where that is said.
        let carriers = BTreeSet::from(["image".to_owned(), "picture".to_owned()]);
        let less = describe(&set, true, &carriers, &mut |_, _| true).unwrap();
        assert_eq!(less.unique_nouns + 2, whole.unique_nouns);
        let begun = whole.image_noun_pairs - less.image_noun_pairs;
        assert!((5000..10_000).contains(&begun), "{begun} of {}", whole.image_noun_pairs);
        assert_eq!(describe(&set, false, &carriers, &mut |_, _| true).unwrap(), alone);
        assert!(matches!(describe(&set, true, &BTreeSet::new(), &mut |_, _| false), Err(DescribeError::Stopped)));
    }

    #[test]
    fn a_quality_is_that_of_the_set() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("metric.json");
        let (set, other) = (Digest::of(b"set"), Digest::of(b"other"));
        let write = |metric: &str, scores: &str| {
            let text =
                format!("{{\"metric\": \"{metric}\", \"inputs\": {{\"data\": \"{set}\"}}, \"scores\": {scores}}}");
            fs::write(&path, text).unwrap();
        };
        write("aesthetic", "[{\"name\": \"aesthetic\", \"value\": 6.5}]");
        assert!((quality_of(&path, "data", set).unwrap() - 6.5).abs() < 1e-12);
        let said = |set: Digest| quality_of(&path, "data", set).unwrap_err().to_string();
        assert!(said(other).ends_with("is not of the set that `data` is: score the same set"));
        write("aesthetic", "[]");
        assert!(said(set).ends_with("has no score"));
        write("reward", "[]");
        assert!(said(set).ends_with("is a score of the sort `reward`, and the column `quality` wants `aesthetic`"));
    }
}
