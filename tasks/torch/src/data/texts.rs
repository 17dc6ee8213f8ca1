//! Captions as they were before their words were numbered: a line each in a mapped file, read when it is asked for. Of a set of any size, what is held is where
//! lines begin.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::{error::TorchError, weights::Mapped};

/// A line of `texts.jsonl`.
#[derive(Deserialize)]
struct Line {
    caption: String,
    #[serde(default)]
    synthetic: Vec<String>,
}

/// The captions of a set: each image's own, and its synthetic ones.
#[derive(Debug)]
pub struct Texts {
    path: PathBuf,
    map: Mapped,
    /// Where each line begins, and where the last one ends.
    starts: Vec<usize>,
}

impl Texts {
    /// Opens the file at `path`, if there is one. It must have a line for each of `images`, each with its own caption and `synthetic` others; the first is looked at now, the
    /// others when they are read.
    pub fn open(path: &Path, images: u64, synthetic: u64) -> Result<Option<Self>, TorchError> {
        if !path.exists() {
            return Ok(None);
        }
        let map = Mapped::scattered(path)?;
        let ends = map.iter().enumerate().filter(|&(_, &byte)| byte == b'\n').map(|(at, _)| at + 1);
        let mut starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
        if starts.last() != Some(&map.len()) {
            starts.push(map.len()); // a last line that nothing ends
        }
        let texts = Self { path: path.into(), map, starts };
        let lines = texts.starts.len() as u64 - 1;
        if lines != images {
            return Err(texts.wrong(format!("it has {lines} lines for {images} images")));
        }
        if images > 0 && texts.line(0)?.synthetic.len() as u64 != synthetic {
            return Err(texts.wrong("it has not as many synthetic captions as `scenes.safetensors`".into()));
        }
        Ok(Some(texts))
    }

    /// Of the image in row `row`, its own caption for 0, or the synthetic one with that number from 1.
    pub fn get(&self, row: i64, which: i64) -> Result<String, TorchError> {
        let Line { caption, mut synthetic } = self.line(row as usize)?;
        if which == 0 {
            return Ok(caption);
        }
        let at = which as usize - 1;
        if at < synthetic.len() {
            return Ok(synthetic.swap_remove(at));
        }
        Err(self.wrong(format!("line {} has no synthetic caption {which}", row + 1)))
    }

    fn line(&self, row: usize) -> Result<Line, TorchError> {
        let bytes = &self.map[self.starts[row]..self.starts[row + 1]];
        serde_json::from_slice(bytes).map_err(|source| self.wrong(format!("line {}: {source}", row + 1)))
    }

    fn wrong(&self, problem: String) -> TorchError {
        TorchError::Inconsistent { path: self.path.clone(), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_caption_of_any_line_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("texts.jsonl");
        assert!(Texts::open(&path, 2, 1).unwrap().is_none());
        let lines = "{\"source\": \"a\", \"caption\": \"ein Hügel\", \"synthetic\": [\"a hill\"]}\n{\"caption\": \"two\", \"synthetic\": []}";
        for end in ["", "\n"] {
            std::fs::write(&path, format!("{lines}{end}")).unwrap();
            let texts = Texts::open(&path, 2, 1).unwrap().unwrap();
            let get = |row, which| texts.get(row, which).map_err(|error| error.to_string());
            assert_eq!([get(0, 0), get(0, 1), get(1, 0)].map(Result::unwrap), ["ein Hügel", "a hill", "two"]);
            assert!(get(1, 1).unwrap_err().ends_with("line 2 has no synthetic caption 1"));
        }
        let refused = |images, synthetic| Texts::open(&path, images, synthetic).unwrap_err().to_string();
        assert!(refused(3, 1).ends_with("it has 2 lines for 3 images"));
        assert!(refused(2, 5).ends_with("it has not as many synthetic captions as `scenes.safetensors`"));
        std::fs::write(&path, "{\"caption\": \"whole\"}\n{\"caption\"\n").unwrap();
        let texts = Texts::open(&path, 2, 0).unwrap().unwrap();
        let said = texts.get(1, 0).unwrap_err().to_string();
        assert!(said.contains("line 2: EOF while parsing"), "{said}");
    }
}
