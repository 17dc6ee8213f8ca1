//! Lines from a worker's pipe, each no longer than the protocol allows. Safe to cancel between any two bytes.

use std::io;

use isoflop_contract::protocol::MAX_LINE;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

#[derive(Debug)]
pub(crate) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    done: bool,
}

/// One line without its end, or that it was too long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Text(Vec<u8>),
    TooLong,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(16 << 10, reader), line: Vec::new(), done: false }
    }

    /// Whether the end was reached.
    pub(crate) const fn is_done(&self) -> bool {
        self.done
    }

    /// The next line; `None` at the end. A last line without an end is one all the same.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let bytes = self.reader.fill_buf().await?;
            if bytes.is_empty() {
                self.done = true;
                let rest = std::mem::take(&mut self.line);
                return Ok((!rest.is_empty()).then_some(Line::Text(rest)));
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(bytes.len());
            if self.line.len() + taken > MAX_LINE {
                self.done = true;
                return Ok(Some(Line::TooLong));
            }
            self.line.extend_from_slice(&bytes[..taken]);
            self.reader.consume(end.map_or(taken, |end| end + 1));
            if end.is_some() {
                return Ok(Some(Line::Text(std::mem::take(&mut self.line))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_whole_bounded_and_the_last_needs_no_end() {
        let mut lines = Lines::new(&b"one\n\ntwo"[..]);
        for line in ["one", "", "two"] {
            assert_eq!(lines.next().await.unwrap(), Some(Line::Text(line.into())));
        }
        assert_eq!(lines.next().await.unwrap(), None);
        let long = vec![b'a'; MAX_LINE + 2];
        assert_eq!(Lines::new(&long[..]).next().await.unwrap(), Some(Line::TooLong));
    }
}
