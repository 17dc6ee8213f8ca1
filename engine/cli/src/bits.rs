//! Bits compared: two artifacts of one task, down to the first value that differs.
//!
//! Of files that differ, tensors are named first, since a number that differs in a weight explains most of the rest. Files are read as streams:
//! their size does not matter.

use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::Path,
};

use isoflop_contract::{Manifest, Value};
use isoflop_store::Store;
use serde::Serialize;
use serde_json::json;

use crate::tensors::{self, Layout};

/// Where two artifacts, or two executions, first differ.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct First {
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The tensor in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tensor: Option<String>,
    /// The element of the tensor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<Vec<u64>>,
    /// The byte in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// The line of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The final number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scalar: Option<String>,
    /// The series.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub series: Option<String>,
    /// The first step whose checkpoint or series differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// What stands, and what came out this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<[Value; 2]>,
    /// All files that differ.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// What no other member can say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
}

impl First {
    /// A difference that only words can tell.
    pub fn said(what: impl Into<String>) -> Self {
        Self { what: Some(what.into()), ..Self::default() }
    }

    /// One line for a person.
    pub fn says(&self) -> String {
        let mut said = Vec::new();
        if let Some(file) = &self.file {
            said.push(format!("`{file}`"));
        }
        if let Some(tensor) = &self.tensor {
            let index: Vec<String> = self.index.iter().flatten().map(u64::to_string).collect();
            let index = if self.index.is_some() { format!("[{}]", index.join(", ")) } else { String::new() };
            said.push(format!("tensor `{tensor}`{index}"));
        }
        if let Some(line) = self.line {
            said.push(format!("line {line}"));
        } else if let (Some(offset), None) = (self.offset, &self.tensor) {
            said.push(format!("byte {offset}"));
        }
        if let Some(scalar) = &self.scalar {
            said.push(format!("final number `{scalar}`"));
        }
        if let (Some(series), None) = (&self.series, &self.file) {
            said.push(format!("series `{series}`"));
        }
        let mut text = said.join(", ");
        if let Some([old, new]) = &self.values {
            text = format!("{text}: {} against {}", plain(old), plain(new));
        }
        if let Some(what) = &self.what {
            text = if text.is_empty() { what.clone() } else { format!("{text}: {what}") };
        }
        if let Some(step) = self.step {
            text = format!("{text}; from step {step} on");
        }
        text
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Where `new` first differs from `old`; nothing if they are the same.
pub fn artifacts(old: &Manifest, new: &Manifest, store: &Store) -> Option<First> {
    if old == new {
        return None;
    }
    let mut names: Vec<&String> = old.files.keys().chain(new.files.keys()).collect();
    names.sort();
    names.dedup();
    names.retain(|name| old.files.get(*name) != new.files.get(*name));
    let files: Vec<String> = names.iter().map(|name| (*name).clone()).collect();
    // Tensors first.
    names.sort_by_key(|name| (!is_tensors(name), *name));
    let first = names.first().map(|name| match (old.files.get(*name), new.files.get(*name)) {
        (Some(one), Some(other)) => {
            let (one, other) = (store.blob_path(&one.digest), store.blob_path(&other.digest));
            let found = contents(name, &one, &other)
                .unwrap_or_else(|error| First::said(format!("the bytes of one of the two cannot be read: {error}")));
            First { file: Some((*name).clone()), ..found }
        }
        (one, _) => {
            let which = if one.is_some() { "what stands" } else { "what came out this time" };
            First { file: Some((*name).clone()), ..First::said(format!("only {which} has it")) }
        }
    });
    let first = first.or_else(|| {
        let names = old.scalars.keys().chain(new.scalars.keys());
        let number = |manifest: &Manifest, name: &str| manifest.scalars.get(name).map_or(Value::Null, |n| json!(n));
        let name = names.filter(|name| number(old, name) != number(new, name)).min()?;
        let values = Some([number(old, name), number(new, name)]);
        Some(First { scalar: Some(name.clone()), values, ..First::default() })
    });
    let first = first.unwrap_or_else(|| First::said(format!("one is a `{}` and one a `{}`", old.shape, new.shape)));
    Some(First { files, ..first })
}

fn is_tensors(name: &str) -> bool {
    name.ends_with(".safetensors")
}

/// Where two files first differ.
fn contents(name: &str, one: &Path, other: &Path) -> io::Result<First> {
    if is_tensors(name) {
        let (a, b) = (Layout::read(one)?, Layout::read(other)?);
        if let (Some(a), Some(b)) = (a, b) {
            return within(&a, &b, one, other);
        }
    }
    let Some(offset) = divergence(one, other, 0, 0)? else { return Ok(First::said("their bytes are the same")) };
    let (a, b) = (Line::at(one, offset)?, Line::at(other, offset)?);
    Ok(match (a, b) {
        (Some(a), Some(b)) => First {
            offset: Some(offset),
            line: Some(a.number),
            values: Some([json!(a.text), json!(b.text)]),
            ..First::default()
        },
        _ => First { offset: Some(offset), ..First::default() },
    })
}

/// Where the tensors of two files first differ.
fn within(a: &Layout, b: &Layout, one: &Path, other: &Path) -> io::Result<First> {
    let shape = |layout: &Layout, name: &str| {
        layout.tensors.iter().find(|tensor| tensor.name == name).map(tensors::Tensor::describe)
    };
    let mut names: Vec<&str> = a.tensors.iter().chain(&b.tensors).map(|tensor| tensor.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if let Some(name) = names.iter().find(|name| shape(a, name) != shape(b, name)) {
        let say = |layout: &Layout| shape(layout, name).map_or(Value::Null, |shape| json!(shape));
        let values = Some([say(a), say(b)]);
        return Ok(First { tensor: Some((*name).to_owned()), values, ..First::default() });
    }
    let mut found = None;
    for tensor in &a.tensors {
        let twin = b.tensors.iter().find(|twin| twin.name == tensor.name);
        let Some(twin) = twin else { continue };
        let (at, twin_at) = (a.data + tensor.begin, b.data + twin.begin);
        if let Some(byte) = divergence_within(one, other, at, twin_at, tensor.end - tensor.begin)? {
            found = Some((tensor, twin, byte));
            break;
        }
    }
    let Some((tensor, twin, byte)) = found else {
        return Ok(First::said("all tensors are the same; what is said beside them differs"));
    };
    let element = byte / tensor.width();
    let value = |path: &Path, begin: u64| -> io::Result<Value> {
        let mut bytes = vec![0; tensor.width() as usize];
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(begin + element * tensor.width()))?;
        file.read_exact(&mut bytes)?;
        Ok(tensor.value(&bytes))
    };
    Ok(First {
        tensor: Some(tensor.name.clone()),
        index: Some(tensor.index(element)),
        offset: Some(a.data + tensor.begin + byte),
        values: Some([value(one, a.data + tensor.begin)?, value(other, b.data + twin.begin)?]),
        ..First::default()
    })
}

/// The first of `length` bytes, from these places in two files, that differs.
fn divergence_within(one: &Path, other: &Path, at: u64, other_at: u64, length: u64) -> io::Result<Option<u64>> {
    let (one, other) = (open(one, at)?, open(other, other_at)?);
    first_difference(one.take(length), other.take(length))
}

/// The first byte, from these places in two files, that differs or that only one of them has.
fn divergence(one: &Path, other: &Path, at: u64, other_at: u64) -> io::Result<Option<u64>> {
    first_difference(open(one, at)?, open(other, other_at)?)
}

fn open(path: &Path, at: u64) -> io::Result<BufReader<File>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(at))?;
    Ok(BufReader::with_capacity(1 << 18, file))
}

fn first_difference(mut one: impl Read, mut other: impl Read) -> io::Result<Option<u64>> {
    let (mut a, mut b) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let mut done = 0;
    loop {
        let (n, m) = (fill(&mut one, &mut a)?, fill(&mut other, &mut b)?);
        let both = n.min(m);
        if let Some(place) = a[..both].iter().zip(&b[..both]).position(|(a, b)| a != b) {
            return Ok(Some(done + place as u64));
        }
        if n != m {
            return Ok(Some(done + both as u64));
        }
        if n == 0 {
            return Ok(None);
        }
        done += n as u64;
    }
}

/// Reads until `buffer` is full or there is no more.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}

/// A line of a text.
struct Line {
    number: u64,
    text: String,
}

impl Line {
    /// The line that holds the byte at `offset`, if what is around it is text.
    fn at(path: &Path, offset: u64) -> io::Result<Option<Self>> {
        /// What is looked at on either side.
        const AROUND: u64 = 160;
        let (mut number, mut left) = (1, offset);
        let mut file = BufReader::new(File::open(path)?);
        let mut buffer = vec![0; 1 << 16];
        while left > 0 {
            let part = buffer.len().min(left as usize);
            let read = fill(&mut file, &mut buffer[..part])?;
            if read == 0 {
                break;
            }
            number += buffer[..read].split(|byte| *byte == b'\n').count() as u64 - 1;
            left -= read as u64;
        }
        let from = offset.saturating_sub(AROUND);
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(from))?;
        let mut around = vec![0; (offset - from + AROUND) as usize];
        let read = fill(&mut file, &mut around)?;
        around.truncate(read);
        let place = ((offset - from) as usize).min(read);
        let begin = around[..place].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let end = around[place..].iter().position(|byte| *byte == b'\n').map_or(read, |at| place + at);
        let text = String::from_utf8_lossy(&around[begin..end]).into_owned();
        let is_text =
            !text.chars().any(|c| (c.is_control() && c != '\t' && c != '\r') || c == char::REPLACEMENT_CHARACTER);
        Ok(is_text.then_some(Self { number, text }))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, fs};

    use super::*;

    /// A file of one vector and one matrix of floats.
    fn tensors(vector: &[f32], matrix: &[f32; 4]) -> Vec<u8> {
        let end = vector.len() * 4;
        let head = format!(
            r#"{{"__metadata__":{{"format":"pt"}},"m":{{"dtype":"F32","shape":[2,2],"data_offsets":[{end},{}]}},"v":{{"dtype":"F32","shape":[{}],"data_offsets":[0,{end}]}}}}"#,
            end + 16,
            vector.len()
        );
        let mut bytes = (head.len() as u64).to_le_bytes().to_vec();
        bytes.extend(head.as_bytes());
        bytes.extend(vector.iter().chain(matrix).flat_map(|value| value.to_le_bytes()));
        bytes
    }

    struct Two {
        folder: tempfile::TempDir,
        store: Store,
    }

    impl Two {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(&folder.path().join("store")).unwrap();
            Self { folder, store }
        }

        fn commit(&self, files: &[(&str, &[u8])], loss: f64) -> Manifest {
            let out = self.folder.path().join("out");
            fs::create_dir(&out).unwrap();
            for (name, bytes) in files {
                fs::write(out.join(name), bytes).unwrap();
            }
            let committed = self.store.commit("model", BTreeMap::from([("loss".to_owned(), loss)]), &out).unwrap();
            fs::remove_dir_all(&out).unwrap();
            committed.manifest
        }

        fn first(&self, one: &[(&str, &[u8])], other: &[(&str, &[u8])]) -> First {
            artifacts(&self.commit(one, 1.0), &self.commit(other, 1.0), &self.store).unwrap()
        }
    }

    #[test]
    fn the_first_value_that_differs_is_named() {
        let two = Two::new();
        let one = tensors(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]);
        let other = tensors(&[1.0, 2.0, 3.0], &[1.0, 2.0, -3.5, 4.5]);
        let first = two.first(
            &[("a.csv", b"step\n1\n"), ("model.safetensors", &one)],
            &[("a.csv", b"step\n2\n"), ("model.safetensors", &other)],
        );
        assert_eq!(first.file.as_deref(), Some("model.safetensors"));
        assert_eq!((first.tensor.as_deref(), first.index.as_deref()), (Some("m"), Some(&[1, 0][..])));
        assert_eq!(first.values, Some([json!(3.0), json!(-3.5)]));
        assert_eq!(first.files, ["a.csv", "model.safetensors"]);
        assert_eq!(first.says(), "`model.safetensors`, tensor `m`[1, 0]: 3.0 against -3.5");
        assert_eq!(artifacts(&two.commit(&[], 1.0), &two.commit(&[], 1.0), &two.store), None);
    }

    #[test]
    fn shapes_lines_files_and_numbers_are_told() {
        let two = Two::new();
        let matrix = [1.0, 2.0, 3.0, 4.0];
        let (short, long) = (tensors(&[1.0], &matrix), tensors(&[1.0, 2.0], &matrix));
        let first = two.first(&[("x.safetensors", &short)], &[("x.safetensors", &long)]);
        assert_eq!(first.says(), "`x.safetensors`, tensor `v`: F32 [1] against F32 [2]");
        let first = two.first(&[("a.csv", b"step,loss\n1,0.5\n2,0.25\n")], &[("a.csv", b"step,loss\n1,0.5\n2,0.75\n")]);
        assert_eq!(first.says(), "`a.csv`, line 3: 2,0.25 against 2,0.75");
        assert_eq!(first.offset, Some(20));
        let first = two.first(&[("a.bin", &[0, 1, 2])], &[("a.bin", &[0, 1])]);
        assert_eq!(first.says(), "`a.bin`, byte 2");
        let first = two.first(&[("a", b"x")], &[("b", b"x")]);
        assert_eq!(first.says(), "`a`: only what stands has it");
        let first = artifacts(&two.commit(&[], 1.0), &two.commit(&[], 2.0), &two.store).unwrap();
        assert_eq!(first.says(), "final number `loss`: 1.0 against 2.0");
        // No file of tensors is a file like any other, and bytes that are gone are said to be.
        let first = two.first(&[("x.safetensors", b"one")], &[("x.safetensors", b"two")]);
        assert_eq!(first.says(), "`x.safetensors`, line 1: one against two");
        let (old, new) = (two.commit(&[("a", b"gone")], 1.0), two.commit(&[("a", b"here")], 1.0));
        fs::remove_file(two.store.blob_path(&old.files["a"].digest)).unwrap();
        assert!(artifacts(&old, &new, &two.store).unwrap().says().contains("cannot be read"));
    }
}
