//! Metrics that a program writes, one JSON object a line: `{"step": 10, "loss": 0.5}` is a point of the series `loss`, a line without
//! `step` holds final numbers. A series that is given no final number ends with its last value.
//!
//! The file is read while it grows. A line that cannot be read is an error at once: better after a minute than after a night.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
};

use serde_json::{Map, Value};

/// The longest line, in bytes.
const LONGEST_LINE: usize = 1 << 20;

/// The longest name, in bytes.
const LONGEST_NAME: usize = 200;

/// How many points a program may write.
const MOST_POINTS: u64 = 1_000_000;

/// One point of a series.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The series.
    pub series: String,
    /// What it counts in.
    pub step: u64,
    /// Its value there.
    pub value: f64,
}

/// Why metrics cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// A number that is none: training diverged.
    #[error("{file}:{line}: `{name}` is {value}")]
    NotFinite {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// Which number.
        name: String,
        /// What it is.
        value: String,
    },
    /// A line that says something else.
    #[error("{file}:{line}: {why}")]
    Line {
        /// The file.
        file: String,
        /// The line.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// Something about the file.
    #[error("the metrics file `{file}` {why}")]
    File {
        /// The file.
        file: String,
        /// What is wrong with it.
        why: String,
    },
    /// What the system says.
    #[error("the metrics file `{file}` cannot be read: {source}")]
    Io {
        /// The file.
        file: String,
        /// What it said.
        source: io::Error,
    },
}

/// Reads metrics as they come.
#[derive(Debug)]
pub struct Metrics {
    path: PathBuf,
    file: String,
    at: u64,
    line: u64,
    rest: Vec<u8>,
    points: u64,
    last: BTreeMap<String, f64>,
    finals: BTreeMap<String, f64>,
}

impl Metrics {
    /// Metrics in the file `name` of `folder`.
    pub fn new(folder: &std::path::Path, name: &str) -> Self {
        Self {
            path: folder.join(name),
            file: name.to_owned(),
            at: 0,
            line: 0,
            rest: Vec::new(),
            points: 0,
            last: BTreeMap::new(),
            finals: BTreeMap::new(),
        }
    }

    /// Reads what has come since, whole lines only. A file that is not there yet has nothing.
    pub fn read(&mut self) -> Result<Vec<Point>, MetricsError> {
        let mut points = Vec::new();
        self.grow()?;
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            self.take(&line[..end], &mut points)?;
        }
        if self.rest.len() > LONGEST_LINE {
            self.line += 1;
            return Err(self.wrong(format!("the line is longer than {LONGEST_LINE} bytes")));
        }
        Ok(points)
    }

    /// What whole lines say up to the first that cannot be read: points, and final numbers.
    pub fn so_far(&mut self) -> (Vec<Point>, BTreeMap<String, f64>) {
        let mut points = Vec::new();
        if self.grow().is_ok() {
            while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                if self.take(&line[..end], &mut points).is_err() {
                    break;
                }
            }
        }
        let mut scalars = self.last.clone();
        scalars.extend(self.finals.clone());
        (points, scalars)
    }

    /// Reads the rest, a last line without its end included. The file must be there now.
    pub fn finish(mut self) -> Result<(Vec<Point>, BTreeMap<String, f64>), MetricsError> {
        if !self.path.exists() {
            return Err(self.about("was not written"));
        }
        let mut points = self.read()?;
        let rest = std::mem::take(&mut self.rest);
        self.take(&rest, &mut points)?;
        let mut scalars = self.last;
        scalars.extend(self.finals);
        Ok((points, scalars))
    }

    fn grow(&mut self) -> Result<(), MetricsError> {
        let metadata = match self.path.symlink_metadata() {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.at == 0 => return Ok(()),
            Err(source) => return Err(MetricsError::Io { file: self.file.clone(), source }),
        };
        if !metadata.is_file() {
            return Err(self.about("is no regular file"));
        }
        if metadata.len() < self.at {
            return Err(self.about("became shorter; lines may only be added to it"));
        }
        let io = |source| MetricsError::Io { file: self.file.clone(), source };
        let mut file = File::open(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(self.at)).map_err(io)?;
        self.at += file.read_to_end(&mut self.rest).map_err(io)? as u64;
        Ok(())
    }

    fn take(&mut self, line: &[u8], points: &mut Vec<Point>) -> Result<(), MetricsError> {
        self.line += 1;
        let text = std::str::from_utf8(line).map_err(|_| self.wrong("the line is not UTF-8"))?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let mut members = self.object(text)?;
        let step = match members.remove("step") {
            None => None,
            Some(step) => {
                let whole = step.as_u64().filter(|step| i64::try_from(*step).is_ok());
                Some(whole.ok_or_else(|| self.wrong(format!("`step` must be a whole number, and is {step}")))?)
            }
        };
        for (name, value) in members {
            if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
                return Err(self.wrong(format!("`{}` is no name for a number", name.escape_debug())));
            }
            let value = self.number(&name, &value)?;
            if let Some(step) = step {
                self.points += 1;
                if self.points > MOST_POINTS {
                    return Err(self.wrong(format!("these are more than {MOST_POINTS} points; write every n-th step")));
                }
                self.last.insert(name.clone(), value);
                points.push(Point { series: name, step, value });
            } else {
                self.finals.insert(name, value);
            }
        }
        Ok(())
    }

    fn object(&self, text: &str) -> Result<Map<String, Value>, MetricsError> {
        let read = serde_json::from_str(text).or_else(|error| serde_json::from_str(&quoted(text)).map_err(|_| error));
        match read {
            Ok(Value::Object(members)) => Ok(members),
            Ok(_) => Err(self.wrong("the line is no JSON object, as in {\"step\": 10, \"loss\": 0.5}")),
            Err(error) => Err(self.wrong(format!("the line is no JSON object: {error}"))),
        }
    }

    fn number(&self, name: &str, value: &Value) -> Result<f64, MetricsError> {
        match value {
            Value::Number(number) => match number.as_f64() {
                Some(value) if value.is_finite() => Ok(value),
                _ => Err(self.endless(name, &number.to_string())),
            },
            Value::String(text) if WORDS.contains(&text.as_str()) => Err(self.endless(name, text)),
            other => Err(self.wrong(format!("`{name}` must be a number, and is {other}"))),
        }
    }

    fn endless(&self, name: &str, value: &str) -> MetricsError {
        MetricsError::NotFinite {
            file: self.file.clone(),
            line: self.line,
            name: name.to_owned(),
            value: value.to_owned(),
        }
    }

    fn wrong(&self, why: impl Into<String>) -> MetricsError {
        MetricsError::Line { file: self.file.clone(), line: self.line, why: why.into() }
    }

    fn about(&self, why: &str) -> MetricsError {
        MetricsError::File { file: self.file.clone(), why: why.to_owned() }
    }
}

/// What Python and others write for numbers that JSON has no word for.
const WORDS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

/// The same text with those words in quotes, so that the line can be read and the number named.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let (mut inside, mut escaped) = (false, false);
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if !inside && let Some(word) = WORDS.iter().find(|word| rest.starts_with(**word)) {
            out.push('"');
            out.push_str(word);
            out.push('"');
            rest = &rest[word.len()..];
            continue;
        }
        match letter {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && letter == '\\' && !escaped;
        out.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    out
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    fn finished(text: impl AsRef<[u8]>) -> Result<(Vec<Point>, BTreeMap<String, f64>), String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("m.jsonl"), text).unwrap();
        Metrics::new(folder.path(), "m.jsonl").finish().map_err(|error| error.to_string())
    }

    #[test]
    fn lines_with_a_step_are_points_and_others_are_final() {
        let text = "{\"step\": 1, \"loss\": 2}\n\n{\"params\": 9}\n{\"step\": 2, \"loss\": 1.5, \"rate\": 1e-3}\n{\"loss\": 1.25}";
        let (points, scalars) = finished(text).unwrap();
        assert_eq!(points.len(), 3);
        assert_eq!(points[0], Point { series: "loss".into(), step: 1, value: 2.0 });
        let named = |name: &str| scalars[name];
        assert_eq!((named("params"), named("loss"), named("rate")), (9.0, 1.25, 0.001));
    }

    #[test]
    fn the_file_is_read_as_it_grows() {
        let folder = tempfile::tempdir().unwrap();
        let mut metrics = Metrics::new(folder.path(), "m.jsonl");
        assert_eq!(metrics.read().unwrap(), []);
        let mut file = File::create(folder.path().join("m.jsonl")).unwrap();
        let mut add = |text: &str| file.write_all(text.as_bytes()).unwrap();
        add("{\"step\": 1, \"loss\": 1}\n{\"step\": 2, ");
        assert_eq!(metrics.read().unwrap().len(), 1);
        assert_eq!(metrics.read().unwrap().len(), 0);
        add("\"loss\": 0.5}\n");
        assert_eq!(metrics.read().unwrap()[0].step, 2);
        fs::write(folder.path().join("m.jsonl"), "{}\n").unwrap();
        let error = metrics.read().unwrap_err().to_string();
        assert_eq!(error, "the metrics file `m.jsonl` became shorter; lines may only be added to it");
    }

    #[test]
    fn what_cannot_be_taken_is_said_with_its_line() {
        for (text, part) in [
            (&b"{\"step\": 1, \"loss\": NaN}"[..], "m.jsonl:1: `loss` is NaN"),
            (b"{}\n{\"loss\": -Infinity}", "m.jsonl:2: `loss` is -Infinity"),
            (b"{\"loss\": 1e999}", "m.jsonl:1: "),
            (b"{\"note \\\" NaN\": 1, \"loss\": nan}", "m.jsonl:1: the line is no JSON object: expected"),
            (b"loss: 3", "m.jsonl:1: the line is no JSON object"),
            (b"[1]", "m.jsonl:1: the line is no JSON object, as in"),
            (b"{\"loss\": \"low\"}", "m.jsonl:1: `loss` must be a number, and is \"low\""),
            (b"{\"loss\": null}", "`loss` must be a number, and is null"),
            (b"{\"step\": -1, \"loss\": 1}", "`step` must be a whole number, and is -1"),
            (b"{\"step\": 1.5, \"loss\": 1}", "`step` must be a whole number, and is 1.5"),
            (b"{\"\": 1}", "is no name for a number"),
            (b"{}\n\xff\n", "m.jsonl:2: the line is not UTF-8"),
        ] {
            let error = finished(text).unwrap_err();
            assert!(error.contains(part), "{error}\ndoes not say\n{part}");
        }
        let error = finished(vec![b' '; LONGEST_LINE + 1]).unwrap_err();
        assert!(error.contains("longer than"), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_or_none_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let finish = |name: &str| Metrics::new(folder.path(), name).finish().unwrap_err().to_string();
        assert_eq!(finish("m.jsonl"), "the metrics file `m.jsonl` was not written");
        fs::create_dir(folder.path().join("folder")).unwrap();
        assert_eq!(finish("folder"), "the metrics file `folder` is no regular file");
    }
}
