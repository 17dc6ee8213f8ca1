//! Folders of image files, with captions in texts of the same name or in JSON Lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{
    ImportError,
    item::{Fault, Item, MAX_BYTES, Names, is_safe},
};
use crate::file_error::FileError;

const IMAGES: &[&str] = &["jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"];

/// Whether a file's name says that it is an image.
pub fn is_image(name: &str) -> bool {
    IMAGES.iter().any(|end| has_end(name, end))
}

/// All files under `root` by their path in it, `/` between folders.
pub fn files(root: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let mut found = BTreeMap::new();
    let mut open = vec![(String::new(), root.to_owned())];
    while let Some((name, path)) = open.pop() {
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let inner = entry.file_name().to_string_lossy().into_owned();
            let inner = if name.is_empty() { inner } else { format!("{name}/{inner}") };
            if entry.file_type()?.is_dir() {
                open.push((inner, entry.path()));
            } else {
                found.insert(inner, entry.path());
            }
        }
    }
    Ok(found)
}

/// Whether the part of a name after its last dot is this, in any case.
pub fn has_end(name: &str, end: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, last)| last.eq_ignore_ascii_case(end))
}

/// At most [`MAX_BYTES`] of a file.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let told = |error: io::Error| Fault::unreadable(error.to_string());
    let file = File::open(path).map_err(told)?;
    limited(file)
}

/// All that a reader has, unless it is too much.
pub fn limited(from: impl Read) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    from.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| Fault::unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Fault::unreadable("is larger than 256 MiB"));
    }
    Ok(bytes)
}

/// Yields every image of a folder, in the order of their paths: first those that JSON Lines name, by file and line, then the others.
pub fn read(
    root: &Path,
    label: &str,
    names: &Names,
    take: &mut dyn FnMut(Item) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let files = files(root).map_err(FileError::file("list", root))?;
    let mut told: BTreeSet<String> = BTreeSet::new();
    for (name, path) in files.iter().filter(|(name, _)| has_end(name, "jsonl")) {
        let folder = name.rsplit_once('/').map_or("", |(folder, _)| folder);
        let file = File::open(path).map_err(FileError::file("read", path))?;
        for (number, line) in BufReader::new(file).lines().enumerate() {
            let at = format!("{label}/{name}:{}", number + 1);
            let line = line.map_err(FileError::file("read", path))?;
            if line.trim().is_empty() {
                continue;
            }
            let item = match serde_json::from_str::<Map<String, Value>>(&line) {
                Ok(record) => named(&record, folder, &files, &mut told, (label, &at), names),
                Err(error) => {
                    let fault = Fault::unreadable(format!("is no JSON object: {error}"));
                    Item { source: at, bytes: Err(fault), ..Item::default() }
                }
            };
            take(item)?;
        }
    }
    for (name, path) in files.iter().filter(|(name, _)| is_image(name) && !told.contains(*name)) {
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let beside = files.get(&format!("{stem}.txt")).map(|path| bytes(path));
        let caption = beside.and_then(Result::ok).map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        let source = format!("{label}/{name}");
        take(Item { source, bytes: bytes(path), caption: caption.unwrap_or_default(), ..Item::default() })?;
    }
    Ok(())
}

/// The image that a line names.
fn named(
    record: &Map<String, Value>,
    folder: &str,
    files: &BTreeMap<String, PathBuf>,
    told: &mut BTreeSet<String>,
    (label, at): (&str, &str),
    names: &Names,
) -> Item {
    let mut item = Item { source: at.to_owned(), ..Item::default() };
    item.annotate(record, names);
    let Some(name) = record.get("file_name").and_then(Value::as_str) else {
        item.bytes = Err(Fault::unreadable("has no `file_name`"));
        return item;
    };
    if !is_safe(name) {
        item.bytes = Err(Fault::unsafe_path(name));
        return item;
    }
    let name = name.trim_start_matches("./");
    let full = if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") };
    match files.get(&full) {
        Some(path) => {
            item.source = format!("{label}/{full}");
            item.bytes = bytes(path);
            told.insert(full);
        }
        None => item.bytes = Err(Fault::unreadable(format!("`{full}` is not there"))),
    }
    item
}
