//! Folders of image files, with captions in texts of the same name or in JSON Lines.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use super::{
    ImportError,
    item::{Fault, Item, MAX_BYTES, MAX_TEXT, Names},
    lines::{self, Beside},
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

/// An image's file.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Fault> {
    let told = |error: io::Error| Fault::unreadable(error.to_string());
    let file = File::open(path).map_err(told)?;
    limited(file, MAX_BYTES)
}

/// All that a reader has, unless it is more than `most` bytes.
pub fn limited(from: impl Read, most: u64) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    from.take(most + 1).read_to_end(&mut bytes).map_err(|error| Fault::unreadable(error.to_string()))?;
    if bytes.len() as u64 > most {
        return Err(Fault::unreadable(format!("is larger than {} MiB", most >> 20)));
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
        let file = File::open(path).map_err(FileError::file("read", path))?;
        lines::read(BufReader::new(file), &Beside { files: &files, label, name }, &mut told, names, take)?;
    }
    for (name, path) in files.iter().filter(|(name, _)| is_image(name) && !told.contains(*name)) {
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        let beside = files.get(&format!("{stem}.txt")).and_then(|path| File::open(path).ok());
        let caption = beside
            .and_then(|text| limited(text, MAX_TEXT).ok())
            .map(|text| String::from_utf8_lossy(&text).trim().to_owned());
        let source = format!("{label}/{name}");
        take(Item { source, bytes: bytes(path), caption: caption.unwrap_or_default(), ..Item::default() })?;
    }
    Ok(())
}
