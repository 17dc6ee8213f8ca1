//! What a Parquet file says of itself, held against its length before a reader believes it.
//!
//! The reader takes memory for as many children, values and unpacked bytes as a file claims, and a few bytes can claim anything. A file that passes here
//! costs it no more than a multiple of the file's own length.

use std::{
    collections::BTreeSet,
    io::{self, Read},
};

use flate2::read::MultiGzDecoder;
use parquet::{
    basic::{Compression, Type as Physical},
    errors::ParquetError,
    file::{
        metadata::{ColumnChunkMetaData, ParquetMetaData, RowGroupMetaData},
        reader::ChunkReader,
    },
};

use super::compact::{Met, Walk};

/// Bytes of a footer at most.
const FOOTER: u64 = 16 << 20;

/// Groups within groups at most.
const NESTED: usize = 32;

/// Bytes that the names on the ways to all columns take at most, and what each name costs beside its bytes.
const NAMES: u64 = 64 << 20;
const NAME: u64 = 40;

/// Unpacked bytes of a page that are granted whatever it is packed in, and how many times those it is packed in above that. Snappy packs to a 21st at best.
const PAGE: u64 = 16 << 20;
const TIMES: u64 = 32;

/// Bytes that a value of a dictionary takes at least, but for those of a fixed length.
const VALUE: u64 = 4;

/// Encodings whose values take no more memory than their page: plain, by dictionary, in runs, as bits, as differences of numbers, in streams of bytes. Texts as
/// differences say how many they are in a place of their own, and memory is taken for as many.
const ENCODINGS: [i64; 7] = [0, 2, 3, 4, 5, 8, 9];

/// Whether the footer of `file` may be read. One that is none passes: the reader says so better.
pub fn footer(file: &impl ChunkReader) -> Result<(), String> {
    let length = file.len();
    let Some(end) = length.checked_sub(8) else { return Ok(()) };
    let tail = file.get_bytes(end, 8).map_err(told)?;
    let size = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    if &tail[4..] != b"PAR1" || size > end {
        return Ok(());
    }
    if size > FOOTER {
        return Err(format!("its footer has {size} bytes, and those of more than {FOOTER} are not read"));
    }
    let mut schema: Vec<Element> = Vec::new();
    let mut walk = Walk::new(file.get_read(end - size).map_err(told)?, size);
    let walked = walk.structure(&mut |path, met| match (path, met) {
        ([2], Met::Entry) => schema.push(Element::default()),
        ([2, 5], Met::Number(children)) => schema.last_mut().into_iter().for_each(|last| last.children = children),
        ([2, 4], Met::Text(length)) => schema.last_mut().into_iter().for_each(|last| last.name = length),
        _ => {}
    });
    walked.map_err(|problem| format!("its footer is broken: {problem}"))?;
    tree(&schema).map_err(|problem| format!("its schema is broken: {problem}"))
}

/// One column or group of a schema.
#[derive(Debug, Clone, Copy, Default)]
struct Element {
    children: i64,
    /// Bytes of its name.
    name: u64,
}

/// Whether these, each before its children, are one tree that is neither deep nor long to tell.
fn tree(schema: &[Element]) -> Result<(), &'static str> {
    // Of each group that is under way: children still to come, and what the names on the way to it cost.
    let mut open: Vec<(i64, u64)> = Vec::new();
    let mut names = 0_u64;
    for (at, element) in schema.iter().enumerate() {
        let before = match open.last_mut() {
            Some((left, before)) => {
                *left -= 1;
                *before
            }
            None if at == 0 => 0,
            None => return Err("it has more than one root"),
        };
        let way = before + element.name + NAME;
        let rest = schema.len() - at - 1;
        if usize::try_from(element.children).map_or(true, |children| children > rest) {
            return Err("a group says that it has more columns than there are");
        }
        if element.children > 0 {
            open.push((element.children, way));
        } else {
            names += way;
        }
        if open.len() > NESTED {
            return Err("groups lie in one another too deeply");
        }
        if names > NAMES {
            return Err("its names are too long");
        }
        while open.pop_if(|(left, _)| *left == 0).is_some() {}
    }
    Ok(())
}

/// Whether the pages of `columns`, by their paths, may be read, and the rows be counted on.
pub fn pages(
    file: &impl ChunkReader,
    metadata: &ParquetMetaData,
    columns: &BTreeSet<Vec<String>>,
) -> Result<(), String> {
    let rows = metadata.row_groups().iter().try_fold(0_u64, |sum, group| {
        let rows = u64::try_from(group.num_rows()).ok()?;
        sum.checked_add(rows)
    });
    if rows.is_none_or(|rows| rows > file.len()) {
        return Err("it says that it has more rows than bytes".into());
    }
    let chunks = metadata.row_groups().iter().flat_map(RowGroupMetaData::columns);
    for chunk in chunks.filter(|chunk| columns.contains(chunk.column_path().parts())) {
        let column = chunk.column_path().parts().join(".");
        chunk_pages(file, chunk).map_err(|problem| format!("in its column `{column}` {problem}"))?;
    }
    Ok(())
}

/// What the head of a page says.
#[derive(Debug, Default)]
struct Head {
    unpacked: i64,
    packed: i64,
    /// Values of a dictionary.
    values: i64,
    /// Bytes of levels, which are not packed in pages of the second version.
    levels: i64,
    plain: bool,
    odd: bool,
}

impl Head {
    fn hear(&mut self, path: &[i16], number: i64) {
        match path {
            [2] => self.unpacked = number,
            [3] => self.packed = number,
            [7, 1] => self.values = number,
            [8, 5 | 6] => self.levels = self.levels.saturating_add(number),
            [8, 7] => self.plain = number == 0,
            [5 | 7, 2] | [8, 4] => self.odd |= !ENCODINGS.contains(&number),
            _ => {}
        }
    }
}

fn chunk_pages(file: &impl ChunkReader, chunk: &ColumnChunkMetaData) -> Result<(), String> {
    let start = chunk.dictionary_page_offset().unwrap_or(chunk.data_page_offset());
    let lies = |start: i64, size: i64| {
        let (start, size) = (u64::try_from(start).ok()?, u64::try_from(size).ok()?);
        let end = start.checked_add(size)?;
        (end <= file.len()).then_some((start, end))
    };
    let (mut at, end) = lies(start, chunk.compressed_size()).ok_or("pages lie outside of the file")?;
    let packs = chunk.compression() != Compression::UNCOMPRESSED;
    let least = if chunk.column_type() == Physical::FIXED_LEN_BYTE_ARRAY { 1 } else { VALUE };
    while at < end {
        let mut head = Head::default();
        let mut walk = Walk::new(file.get_read(at).map_err(told)?, end - at);
        let walked = walk.structure(&mut |path, met| {
            if let Met::Number(number) = met {
                head.hear(path, number);
            }
        });
        walked.map_err(|problem| format!("the head of a page is broken: {problem}"))?;
        let body = end - walk.left();
        let sizes = u64::try_from(head.packed).ok().zip(u64::try_from(head.unpacked).ok());
        let (packed, unpacked) = sizes.filter(|(packed, _)| *packed <= walk.left()).ok_or("a page has no such size")?;
        if unpacked > PAGE.max(TIMES.saturating_mul(packed)) {
            return Err(format!("a page says that it unpacks from {packed} bytes to {unpacked}"));
        }
        let room = if packs { unpacked } else { packed };
        if u64::try_from(head.values).map_or(true, |values| values > room / least) {
            return Err("a dictionary says that it has more values than bytes for them".into());
        }
        if head.odd {
            return Err("a page is in an encoding that is not read; texts are read plain or by dictionary".into());
        }
        if matches!(chunk.compression(), Compression::GZIP(_)) && !head.plain {
            let levels = u64::try_from(head.levels).ok().filter(|levels| *levels <= packed.min(unpacked));
            let levels = levels.ok_or("a page has no such levels")?;
            let stream = file.get_read(body + levels).map_err(told)?.take(packed - levels);
            // What is wrong with it otherwise, the reader says.
            let most = unpacked - levels;
            let bomb = io::copy(&mut MultiGzDecoder::new(stream).take(most + 1), &mut io::sink());
            if bomb.is_ok_and(|bytes| bytes > most) {
                return Err(format!("a page unpacks to more than the {unpacked} bytes that it says"));
            }
        }
        at = body + packed;
    }
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "it is what errors are mapped by")]
fn told(error: ParquetError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_one_tree_and_short_to_tell() {
        let element = |children: i64, name: u64| Element { children, name };
        let of = |all: &[Element]| tree(all);
        assert_eq!(of(&[element(2, 4), element(0, 5), element(1, 5), element(0, 5)]), Ok(()));
        assert_eq!(of(&[]), Ok(()));
        assert!(of(&[element(1 << 30, 4), element(0, 5)]).unwrap_err().contains("more columns than there are"));
        assert!(of(&[element(-1, 4), element(0, 5)]).unwrap_err().contains("more columns than there are"));
        assert!(of(&[element(1, 4), element(0, 5), element(0, 5)]).unwrap_err().contains("more than one root"));
        let chain: Vec<Element> = (0..100_000).map(|at| element(i64::from(at < 99_999), 1)).collect();
        assert!(of(&chain).unwrap_err().contains("too deeply"));
        // A long name on the way to many columns.
        let mut wide = vec![element(1, 1), element(10_000, 1 << 20)];
        wide.resize(10_002, element(0, 1));
        assert!(of(&wide).unwrap_err().contains("too long"));
    }
}
