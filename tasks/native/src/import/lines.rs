//! JSON Lines that name image files beside them and say what is in them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, Read},
    path::PathBuf,
};

use super::{
    ImportError,
    folder::bytes,
    item::{Fault, Item, MAX_TEXT, Names, is_safe, shortened},
    record::{FILE_NAME, Record},
};
use crate::file_error::FileError;

/// The files that lines may name, by their path.
#[derive(Debug)]
pub struct Beside<'a> {
    /// All files of the folder that is imported.
    pub files: &'a BTreeMap<String, PathBuf>,
    /// What the folder is called.
    pub label: &'a str,
    /// The file of lines, by its path in there.
    pub name: &'a str,
}

/// Yields the image of every line, and notes in `told` which files were named. A line that is wrong or too long is an image that cannot be read.
pub fn read(
    mut from: impl BufRead,
    beside: &Beside,
    told: &mut BTreeSet<String>,
    names: &Names,
    take: &mut dyn FnMut(Item) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let path = || beside.files.get(beside.name).cloned().unwrap_or_default();
    let mut line = Vec::new();
    for number in 1_u64.. {
        let whole = match next(&mut from, &mut line) {
            Ok(None) => break,
            Ok(Some(whole)) => whole,
            Err(error) => return Err(FileError::file("read", &path())(error).into()),
        };
        let at = format!("{}/{}:{number}", beside.label, beside.name);
        if line.trim_ascii().is_empty() {
            continue;
        }
        let wrong =
            |problem: String| Item { source: at.clone(), bytes: Err(Fault::unreadable(problem)), ..Item::default() };
        take(match Record::read(&line, names) {
            _ if !whole => wrong(format!("is a line of more than {} MiB", MAX_TEXT >> 20)),
            Ok(record) => named(&record, beside, told, at, names),
            Err(error) => wrong(format!("is no JSON object: {error}")),
        })?;
    }
    Ok(())
}

/// The next line, and whether all of it: of one that is too long the beginning stays and the rest is passed over.
fn next(from: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let read = from.by_ref().take(MAX_TEXT + 1).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(None);
    }
    let whole = read as u64 <= MAX_TEXT || line.ends_with(b"\n");
    if !whole {
        line.truncate(64);
        line.shrink_to(64);
        loop {
            let there = from.fill_buf()?;
            let end = there.iter().position(|&byte| byte == b'\n');
            let length = end.map_or(there.len(), |end| end + 1);
            from.consume(length);
            if end.is_some() || length == 0 {
                break;
            }
        }
    }
    Ok(Some(whole))
}

/// The image that a line names.
fn named(record: &Record, beside: &Beside, told: &mut BTreeSet<String>, at: String, names: &Names) -> Item {
    let mut item = Item { source: at, ..Item::default() };
    item.annotate(record, names);
    let Some(name) = record.texts.get(FILE_NAME) else {
        item.bytes = Err(Fault::unreadable("has no `file_name`"));
        return item;
    };
    if !is_safe(name) {
        item.bytes = Err(Fault::unsafe_path(name));
        return item;
    }
    let name = name.trim_start_matches("./");
    let full = beside.name.rsplit_once('/').map_or_else(|| name.to_owned(), |(folder, _)| format!("{folder}/{name}"));
    match beside.files.get(&full) {
        Some(path) => {
            item.source = format!("{}/{full}", beside.label);
            item.bytes = bytes(path);
            told.insert(full);
        }
        None => item.bytes = Err(Fault::unreadable(format!("`{}` is not there", shortened(&full)))),
    }
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_an_end() {
        let long = MAX_TEXT as usize;
        let mut text = b"one\n".to_vec();
        text.resize(text.len() + long, b'x');
        text.push(b'\n');
        text.resize(text.len() + long + 1, b'y');
        text.extend(b"\nlast");
        let mut from = io::BufReader::new(text.as_slice());
        let mut line = Vec::new();
        let mut read = || next(&mut from, &mut line).unwrap().map(|whole| (whole, line.len()));
        assert_eq!(
            [read(), read(), read(), read(), read()],
            [Some((true, 4)), Some((true, long + 1)), Some((false, 64)), Some((true, 4)), None]
        );
    }
}
