//! The log of one attempt: what its worker wrote on stdout and stderr. Bounded: of an endless log the end is kept.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// A log never takes more than this.
const MOST: u64 = 16 << 20;

/// What is kept of a log that got too long.
const KEPT: u64 = 8 << 20;

#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    file: File,
    size: u64,
    most: u64,
    kept: u64,
}

impl Log {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Self::bounded(path, MOST, KEPT)
    }

    fn bounded(path: &Path, most: u64, kept: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)?;
        Ok(Self { path: path.to_owned(), file, size: 0, most, kept })
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

    /// Drops the beginning, up to the end of a line.
    fn shorten(&mut self) -> io::Result<()> {
        let tail = self.tail(self.kept)?;
        let line = tail.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let mut text = b"[what came before was dropped: the log was too long]\n".to_vec();
        text.extend(&tail[line..]);
        // Beside, then over it: whoever reads meanwhile sees the old log or the new one.
        let beside = self.path.with_extension("log.new");
        let mut file = OpenOptions::new().create(true).truncate(true).read(true).write(true).open(&beside)?;
        file.write_all(&text)?;
        fs::rename(&beside, &self.path)?;
        self.file = file;
        self.size = text.len() as u64;
        Ok(())
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
    fn an_endless_log_keeps_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/a.log");
        let mut log = Log::bounded(&path, 1000, 500).unwrap();
        for line in 0..1000 {
            log.write(format!("line {line}\n").as_bytes()).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.len() <= 1000 && text.starts_with("[what came before was dropped") && text.ends_with("line 999\n")
        );
        assert!(text.lines().skip(1).all(|line| line.starts_with("line ")), "{text}");
        let words = log.last_words();
        assert!(words.starts_with("    line 992\n") && words.ends_with("    line 999"), "{words}");
    }
}
