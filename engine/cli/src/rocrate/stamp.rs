//! Digests of files by both names that a crate has for bytes, in one reading.

use std::io::{self, Read, Write};

use isoflop_contract::Digest;
use isoflop_report::rocrate::Stamp;
use sha2::{Digest as _, Sha256};

/// Hands on what is read, and hashes it.
struct Tee<R>(R, Sha256);

impl<R: Read> Read for Tee<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        self.1.update(&buffer[..read]);
        Ok(read)
    }
}

/// The digests and size of everything `from` yields.
pub fn stamp(from: impl Read) -> io::Result<Stamp> {
    let mut tee = Tee(from, Sha256::new());
    let (blake3, size) = Digest::of_reader(&mut tee)?;
    Ok(Stamp { sha256: finish(tee.1), blake3, size })
}

/// Copies `from` into `to`; answers SHA-256 and size.
pub fn copy(from: impl Read, to: &mut impl Write) -> io::Result<(Digest, u64)> {
    let mut tee = Tee(from, Sha256::new());
    let size = io::copy(&mut tee, to)?;
    Ok((finish(tee.1), size))
}

fn finish(hasher: Sha256) -> Digest {
    Digest::from_bytes(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the empty text and of `abc`, as FIPS 180-4's examples have them.
    #[test]
    fn sha256_is_the_published_one() {
        let of = |text: &str| stamp(text.as_bytes()).unwrap();
        assert_eq!(of("").sha256.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(of("abc").sha256.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((of("abc").blake3, of("abc").size), (Digest::of("abc"), 3));
        let mut copied = Vec::new();
        assert_eq!(copy("abc".as_bytes(), &mut copied).unwrap(), (of("abc").sha256, 3));
        assert_eq!(copied, b"abc");
    }
}
