//! The log of one attempt: what its worker wrote on stdout and stderr. Bounded: of an endless log the beginning and the end are kept, and
//! a line between them says how much is missing.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use isoflop_contract::quantity::Bytes;

/// A log never takes more than this.
const MOST: u64 = 16 << 20;

/// What is kept of the beginning and of the end of a log that got too long.
const FIRST: usize = 1 << 20;
const LAST: usize = 7 << 20;

#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    most: u64,
    first: usize,
    last: usize,
    /// Where the beginning ends and the end begins, once there is a gap between them.
    cut: Option<(usize, usize)>,
    /// Bytes that were in the gap.
    dropped: u64,
}

impl Log {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Self::bounded(path, MOST, FIRST, LAST)
    }

    fn bounded(path: &Path, most: u64, first: usize, last: usize) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, size: 0, most, first, last, cut: None, dropped: 0 })
    }

    /// Appends `bytes`.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.size + bytes.len() as u64 > self.most {
            self.shorten()?;
        }
        self.file.write_all(bytes)?;
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Drops the middle, by whole lines: how it began and what came last are what people look for.
    fn shorten(&mut self) -> io::Result<()> {
        let text = self.all()?;
        // The head stays as it was first cut; what comes after it and the note about the gap moves up.
        let (head, from) = self.cut.unwrap_or_else(|| {
            let head =
                text[..self.first.min(text.len())].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            (head, head)
        });
        let tail = text.len().saturating_sub(self.last).max(from);
        let tail = tail + text[tail..].iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.dropped += (tail - from) as u64;
        let note = format!("[{} were dropped here: the log was too long]\n", Bytes(self.dropped));
        let mut short = text[..head].to_vec();
        short.extend(note.as_bytes());
        self.cut = Some((head, short.len()));
        short.extend(&text[tail..]);
        // Beside, then over it: whoever reads meanwhile sees the old log or the new one.
        let beside = self.path.with_extension("log.new");
        let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&beside)?;
        file.write_all(&short)?;
        fs::rename(&beside, &self.path)?;
        self.file = file;
        self.size = short.len() as u64;
        Ok(())
    }

    fn all(&mut self) -> io::Result<Vec<u8>> {
        self.tail(self.size)
    }

    fn tail(&mut self, most: u64) -> io::Result<Vec<u8>> {
        let mut tail = Vec::new();
        self.file.seek(SeekFrom::Start(self.size.saturating_sub(most)))?;
        (&mut self.file).take(most).read_to_end(&mut tail)?;
        self.file.seek(SeekFrom::End(0))?;
        Ok(tail)
    }

    /// The last lines, each indented, for a message.
    pub(crate) fn last_words(&mut self) -> String {
        if self.size == 0 {
            return String::new();
        }
        let tail = self.tail(4 << 10).unwrap_or_default();
        let text = String::from_utf8_lossy(&tail);
        let lines: Vec<&str> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let shown = lines[lines.len().saturating_sub(8)..].iter().map(|line| {
            let line: String = line.chars().filter(|c| !c.is_control() || *c == '\t').take(200).collect();
            format!("    {line}")
        });
        shown.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_log_keeps_its_beginning_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.log");
        let mut log = Log::bounded(&path, 1000, 100, 400).unwrap();
        let mut written = 0;
        for line in 0..1000 {
            let line = format!("line {line}\n");
            written += line.len();
            log.write(line.as_bytes()).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.len() <= 1000 && text.starts_with("line 0\nline 1\n") && text.ends_with("line 999\n"), "{text}");
        let (notes, kept): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('['));
        assert!(kept.iter().all(|line| line.starts_with("line ")), "{text}");
        let missing = written - kept.iter().map(|line| line.len() + 1).sum::<usize>();
        let note = format!("[{} were dropped here: the log was too long]", Bytes(missing as u64));
        assert_eq!(notes, [note], "{text}");
        let numbers: Vec<usize> = kept.iter().map(|line| line[5..].parse().unwrap()).collect();
        assert_eq!(numbers.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count(), 1, "one gap: {numbers:?}");
        let words = log.last_words();
        assert!(words.starts_with("    line 992\n") && words.ends_with("    line 999"), "{words}");
    }

    #[test]
    fn a_log_of_one_endless_line_is_bounded_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let mut log = Log::bounded(&path, 1000, 100, 400).unwrap();
        for _ in 0..100 {
            log.write(&[b'x'; 99]).unwrap();
        }
        let size = fs::metadata(&path).unwrap().len();
        assert!(size <= 1000, "{size}");
    }
}
