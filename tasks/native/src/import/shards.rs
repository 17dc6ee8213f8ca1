//! WebDataset shards: tars whose members of one name before the first dot, one after the other, are one sample. Members are read, never unpacked.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use super::{
    ImportError,
    folder::{is_image, limited},
    item::{Fault, Item, MAX_BYTES, MAX_TEXT, Names, is_safe},
    record::Record,
};
use crate::file_error::FileError;

/// Members of one key.
#[derive(Debug, Default)]
struct Sample {
    key: String,
    image: Option<Result<Vec<u8>, Fault>>,
    text: Option<Vec<u8>>,
    json: Option<Vec<u8>>,
}

impl Sample {
    fn item(self, label: &str, names: &Names) -> Option<Item> {
        let bytes = self.image?;
        let caption = self.text.map(|text| String::from_utf8_lossy(&text).trim().to_owned()).unwrap_or_default();
        let mut item = Item { source: format!("{label}:{}", self.key), bytes, caption, ..Item::default() };
        match self.json.map(|json| Record::read(&json, names)) {
            Some(Ok(record)) => item.annotate(&record, names),
            Some(Err(error)) => item.bytes = Err(Fault::unreadable(format!("its JSON is none: {error}"))),
            None => {}
        }
        Some(item)
    }
}

/// Yields every sample of the tar at `path`, in its order. A tar that is broken yields what comes before the break, and the break.
pub fn read(
    path: &Path,
    label: &str,
    names: &Names,
    take: &mut dyn FnMut(Item) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let file = File::open(path).map_err(FileError::file("read", path))?;
    read_from(BufReader::with_capacity(1 << 18, file), label, names, take)
}

/// The same of any reader.
pub fn read_from(
    from: impl Read,
    label: &str,
    names: &Names,
    take: &mut dyn FnMut(Item) -> Result<(), ImportError>,
) -> Result<(), ImportError> {
    let broken = |error: &std::io::Error| Item {
        source: label.to_owned(),
        bytes: Err(Fault { reason: "broken-archive", detail: error.to_string() }),
        ..Item::default()
    };
    let mut archive = tar::Archive::new(from);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(error) => return take(broken(&error)),
    };
    let mut sample = Sample::default();
    let mut end = None;
    for entry in entries {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                end = Some(broken(&error));
                break;
            }
        };
        if !entry.header().entry_type().is_file() {
            continue; // folders and links: there is nothing in them to read
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !is_safe(&name) {
            let source = format!("{label}:{name}");
            take(Item { source, bytes: Err(Fault::unsafe_path(&name)), ..Item::default() })?;
            continue;
        }
        let base = name.rfind('/').map_or(0, |slash| slash + 1);
        let Some(dot) = name[base..].find('.') else { continue };
        let (key, kind) = (&name[..base + dot], &name[base + dot + 1..]);
        if key != sample.key {
            let whole = std::mem::replace(&mut sample, Sample { key: key.to_owned(), ..Sample::default() });
            whole.item(label, names).map_or(Ok(()), &mut *take)?;
        }
        let size = entry.size();
        let most = if is_image(&name) { MAX_BYTES } else { MAX_TEXT };
        let read = limited(&mut entry, most).and_then(|bytes| {
            let whole = bytes.len() as u64 == size;
            if whole { Ok(bytes) } else { Err(Fault::unreadable("the archive ends inside it")) }
        });
        match kind {
            _ if is_image(&name) => sample.image = Some(read),
            "txt" => sample.text = read.ok(),
            "json" => sample.json = read.ok(),
            _ => {}
        }
    }
    sample.item(label, names).map_or(Ok(()), &mut *take)?;
    end.map_or(Ok(()), take)
}
