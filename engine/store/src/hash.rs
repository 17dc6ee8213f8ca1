//! Hashing files. A large file is read and hashed by several threads at once, each a part at a time: BLAKE3 is a tree, so that parts are
//! subtrees, joined at the end.

use std::{
    fs::File,
    io,
    os::unix::fs::FileExt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use blake3::{
    Hasher,
    hazmat::{ChainingValue, HasherExt, Mode, left_subtree_len, merge_subtrees_non_root, merge_subtrees_root},
};
use isoflop_contract::Digest;

/// The size of a part, in bytes: a power of two, so that it is a subtree.
const PART: u64 = 1 << 20;

/// Files of fewer parts than this are hashed in one go.
const FEW: u64 = 4;

/// More threads than this do not help: memory is no faster.
const MOST_THREADS: usize = 16;

/// The digest of all bytes of `file`, and how many they are.
pub fn digest(file: &File) -> io::Result<(Digest, u64)> {
    let size = file.metadata()?.len();
    if size < FEW * PART {
        return Digest::of_reader(file);
    }
    let parts = in_parts(file, size)?;
    let digest = Digest::from_bytes(merge_root(&parts, size).into());
    // One that grew meanwhile is not the size that was hashed, and the caller compares.
    Ok((digest, file.metadata()?.len()))
}

/// The chaining values of all parts, in order.
fn in_parts(file: &File, size: u64) -> io::Result<Vec<ChainingValue>> {
    let count = size.div_ceil(PART);
    let next = AtomicU64::new(0);
    let parts = Mutex::new(vec![ChainingValue::default(); count as usize]);
    let work = || {
        let mut buffer = vec![0; PART as usize];
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= count {
                return Ok(());
            }
            let offset = part * PART;
            let bytes = &mut buffer[..PART.min(size - offset) as usize];
            file.read_exact_at(bytes, offset)?;
            let value = Hasher::new().set_input_offset(offset).update(bytes).finalize_non_root();
            parts.lock().unwrap_or_else(PoisonError::into_inner)[part as usize] = value;
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS).min(count as usize);
    thread::scope(|scope| -> io::Result<()> {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mine = work();
        let others =
            others.into_iter().map(|other| other.join().unwrap_or_else(|_| Err(io::Error::other("a thread died"))));
        others.fold(mine, io::Result::and)
    })?;
    Ok(parts.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Joins the parts of `size` bytes, more than one part, to the hash of the whole.
fn merge_root(parts: &[ChainingValue], size: u64) -> blake3::Hash {
    let left = left_subtree_len(size);
    let (before, after) = parts.split_at((left / PART) as usize);
    merge_subtrees_root(&merge(before, left), &merge(after, size - left), Mode::Hash)
}

fn merge(parts: &[ChainingValue], size: u64) -> ChainingValue {
    if let [part] = parts {
        return *part;
    }
    let left = left_subtree_len(size);
    let (before, after) = parts.split_at((left / PART) as usize);
    merge_subtrees_non_root(&merge(before, left), &merge(after, size - left), Mode::Hash)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn parts_make_the_digest_of_the_whole() {
        for size in [
            0,
            1,
            4 * PART - 1,
            4 * PART,
            4 * PART + 1,
            5 * PART + 1025,
            7 * PART,
            8 * PART,
            9 * PART - 3,
            16 * PART + 1,
        ] {
            let bytes: Vec<u8> = (0..size).map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 53) as u8).collect();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let file = if size < FEW * PART {
                io::Seek::rewind(&mut file).unwrap();
                file
            } else {
                file
            };
            assert_eq!(digest(&file).unwrap(), (Digest::of(&bytes), size), "{size} bytes");
        }
    }
}
