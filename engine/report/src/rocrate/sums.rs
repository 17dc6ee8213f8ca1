//! The list of digests: a line a file, in the order of paths, as `sha256sum` writes and checks it.

use std::collections::BTreeMap;

use isoflop_contract::Digest;

/// A line that is not a digest, two blanks and a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {0} is not a digest, two blanks and a path")]
pub struct NotSums(pub usize);

/// The list. Paths with a line feed or a backslash, which `sha256sum` writes in another way, do not come in crates.
pub fn write(files: &BTreeMap<String, Digest>) -> String {
    files.iter().fold(String::new(), |mut text, (path, digest)| {
        text.extend([&digest.to_string(), "  ", path.as_str(), "\n"]);
        text
    })
}

/// Reads a list.
pub fn read(text: &str) -> Result<BTreeMap<String, Digest>, NotSums> {
    let line = |(at, line): (usize, &str)| {
        let (digest, path) = line.split_once("  ").ok_or(NotSums(at + 1))?;
        Ok((path.to_owned(), digest.parse().map_err(|_| NotSums(at + 1))?))
    };
    text.lines().enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back() {
        let files = BTreeMap::from([("b/c d".to_owned(), Digest::of("1")), ("a".to_owned(), Digest::of("2"))]);
        let text = write(&files);
        assert!(text.lines().next().unwrap().ends_with("  a"));
        assert_eq!(read(&text), Ok(files));
        assert_eq!(read("x  y\n"), Err(NotSums(1)));
    }
}
