//! Where data goes: stdout, as text or as JSON. Everything else goes to stderr.

use std::io::{self, Write};

use serde::Serialize;

use crate::stop::{Stop, infrastructure};

/// Stdout, and how to write to it.
#[derive(Debug)]
pub struct Output {
    /// Where it goes.
    pub stdout: io::Stdout,
    /// Whether data is JSON.
    pub json: bool,
    /// Whether text is coloured.
    pub color: bool,
    /// Whether its reader has gone (`| head`): from then on nothing is written, and what the verb finds still decides the exit code.
    pub unread: bool,
    /// How much of the data has been printed.
    pub told: Told,
}

/// How much of a verb's data has been printed as JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Nothing yet.
    Nothing,
    /// Some of many objects, each on a line of its own.
    Begun,
    /// All of it.
    All,
}

/// A colour with a meaning.
#[derive(Debug, Clone, Copy)]
pub enum Paint {
    /// What is well.
    Good,
    /// What is not.
    Bad,
    /// What deserves a look.
    Notice,
    /// What matters less.
    Dim,
    /// What matters most.
    Bold,
}

impl Paint {
    /// `text` in this colour, or as it is where `color` is off.
    pub fn on(self, text: &str, color: bool) -> String {
        if !color {
            return text.to_owned();
        }
        let code = match self {
            Self::Good => "32",
            Self::Bad => "31",
            Self::Notice => "33",
            Self::Dim => "2",
            Self::Bold => "1",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }
}

impl Output {
    /// Stdout before anything is printed, without colours.
    pub fn new(json: bool) -> Self {
        Self { stdout: io::stdout(), json, color: false, unread: false, told: Told::Nothing }
    }

    /// Prints an object as JSON: all of the verb's data.
    pub fn data(&mut self, value: &impl Serialize) -> Result<(), Stop> {
        self.told = Told::All;
        self.line(&serde_json::to_string_pretty(value).expect("plain data can be written as JSON"))
    }

    /// Prints one object of many as JSON, on a line of its own.
    pub fn item(&mut self, value: &impl Serialize) -> Result<(), Stop> {
        self.told = Told::Begun;
        self.line(&serde_json::to_string(value).expect("plain data can be written as JSON"))
    }

    /// Prints as JSON what stopped the verb. Once all of its data is printed nothing may follow, since whoever reads it reads one document: then the data
    /// and the exit code say what happened.
    pub fn error(&mut self, stop: &Stop) -> Result<(), Stop> {
        match self.told {
            Told::Nothing => self.data(&stop.to_json()),
            Told::Begun => self.item(&stop.to_json()),
            Told::All => Ok(()),
        }
    }

    /// Prints a line of text.
    pub fn line(&mut self, text: &str) -> Result<(), Stop> {
        self.bytes(format!("{text}\n").as_bytes())
    }

    /// Prints bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        if self.unread {
            return Ok(());
        }
        match self.stdout.write_all(bytes).and_then(|()| self.stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.unread = true;
                Ok(())
            }
            written => {
                written.map_err(|error| infrastructure(anyhow::Error::new(error).context("cannot write to stdout")))
            }
        }
    }

    /// Prints text that ends its own lines.
    pub fn text(&mut self, text: &str) -> Result<(), Stop> {
        self.line(text.strip_suffix('\n').unwrap_or(text))
    }

    /// `text` in a colour, if stdout is coloured.
    pub fn paint(&self, paint: Paint, text: &str) -> String {
        paint.on(text, self.color)
    }
}
