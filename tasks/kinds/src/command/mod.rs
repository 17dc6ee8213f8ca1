//! `command`: any program with declared arguments, code, inputs, outputs and environment, so that a study can train with a script of its
//! own.
//!
//! What counts, is hashed: the words of `argv` and `set` as they are written (paths never enter: they stand as placeholders), the bytes of
//! `code:` and `files:`, the artifacts at its ports, `param`, `outputs`, the names under `env`, and what `image` and `lock` say. What does
//! not: the program itself, its interpreter and libraries, and the values of variables that `env` lets through. Which file the program was,
//! is recorded with each attempt; to have its version count, name it in `lock` or `image`, or put it under `code`.
//!
//! `{checkpoint}` is a folder that outlives an attempt: the next one at the same key finds in it what this one left, whole or half-written,
//! until the task is made. What is in it counts for nothing, so the program must make the same whether it found something or not
//! (`isoflop drill` tries). Of what was measured, nothing is lost: of two values of a series at one step, the later counts.

mod fit;
#[cfg(test)]
mod tests;
mod word;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use isoflop_contract::{Complaint, Fed, Kind, Outside, Runtime, Value, port::Open, shape, shape::Any};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

pub use self::word::{Piece, Use, Word};

/// The path of an output that is the artifact as a whole.
pub const WHOLE: &str = ".";

/// The shape of what a command makes if it does not say.
pub const OUTPUT: &str = "output";

/// What `command` is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments, one word each; no shell reads them.
    pub argv: Vec<Word>,
    /// Paths and globs of the study's files that the program consists of, `{code}` in words: they count by their bytes.
    #[serde(default, skip_serializing, deserialize_with = "one_or_many")]
    #[schemars(with = "OneOrMany")]
    pub code: Vec<String>,
    /// Values for `{param.NAME}` and `{params}`.
    #[serde(default)]
    pub param: BTreeMap<String, Value>,
    /// What it writes, by name: `{out.NAME}` says where.
    #[serde(default, serialize_with = "in_full")]
    pub outputs: BTreeMap<String, Output>,
    /// The shape of the artifact that the outputs are.
    #[serde(default = "output")]
    pub makes: String,
    /// A file in the working folder with one JSON object a line: numbers, with `step` as points of series, without as final numbers.
    #[serde(default)]
    pub metrics: Option<String>,
    /// Variables of the caller that the program sees; all others are hidden from it. The names count, the values neither count nor are
    /// recorded: what decides the result goes under `param` or `set`.
    #[serde(default = "path_and_home")]
    pub env: BTreeSet<String>,
    /// Variables that are set for it.
    #[serde(default)]
    pub set: BTreeMap<String, Word>,
    /// What it runs in, as in the digest of a container: counted, and otherwise left alone.
    #[serde(default)]
    pub image: Option<String>,
    /// What its libraries are, as in the digest of a lock file: counted, and otherwise left alone.
    #[serde(default)]
    pub lock: Option<String>,
}

/// One thing that a command writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Its path in the artifact; its name if that is left out. `.` is the artifact as a whole, for a folder that is the only output.
    #[serde(default)]
    pub path: Option<String>,
    /// What it is.
    #[serde(default, rename = "type")]
    pub sort: Sort,
}

/// What an output is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Sort {
    /// One file.
    #[default]
    File,
    /// A folder with files; it is there, empty, when the program begins.
    Folder,
}

fn output() -> String {
    OUTPUT.to_owned()
}

fn path_and_home() -> BTreeSet<String> {
    ["HOME", "PATH"].map(str::to_owned).into()
}

/// Writes every path out, so that leaving one out and writing what it would be are the same.
fn in_full<S: Serializer>(outputs: &BTreeMap<String, Output>, serializer: S) -> Result<S::Ok, S::Error> {
    let full = |(name, output): (&String, &Output)| {
        (name.clone(), Output { path: Some(output.path(name).to_owned()), sort: output.sort })
    };
    outputs.iter().map(full).collect::<BTreeMap<_, _>>().serialize(serializer)
}

/// What [`one_or_many`] reads, for the schema.
#[derive(JsonSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "it stands for what is written, and is never made")]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

/// A list of texts, or one text for a list of one.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Visitor;
    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path or a list of paths")
        }

        fn visit_str<E: de::Error>(self, path: &str) -> Result<Vec<String>, E> {
            Ok(vec![path.to_owned()])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, paths: A) -> Result<Vec<String>, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(paths))
        }
    }
    deserializer.deserialize_any(Visitor)
}

impl Output {
    /// Its path in the artifact, given its name.
    pub fn path<'a>(&'a self, name: &'a str) -> &'a str {
        self.path.as_deref().unwrap_or(name)
    }
}

impl Command {
    /// All words that may have placeholders, each with its field.
    pub fn words(&self) -> impl Iterator<Item = (String, &Word)> {
        let argv = self.argv.iter().enumerate().map(|(index, word)| (format!("argv.{index}"), word));
        argv.chain(self.set.iter().map(|(name, word)| (format!("set.{name}"), word)))
    }

    /// What `{param.NAME}` stands for: a text as it is, anything else as JSON.
    pub fn param(&self, name: &str) -> Option<String> {
        self.param.get(name).map(|value| match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    /// Everything that its words use.
    pub fn uses(&self) -> BTreeSet<Use> {
        let pieces = self.words().flat_map(|(_, word)| word.pieces().unwrap_or_default());
        pieces.filter_map(|piece| if let Piece::Use(one) = piece { Some(one) } else { None }).collect()
    }
}

impl Kind for Command {
    const NAME: &'static str = "command";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true; // where a word uses `{seed}`
    const FILES: bool = true;
    const ABOUT: &'static str = "Runs a program of your own, with declared code, inputs, outputs and environment.";
    const EXAMPLE: &'static str = "\
argv: [python3, \"{code}/train.py\", --data, \"{in.data}\", --width, \"{param.width}\", --seed, \"{seed}\", --out, \"{out.model}\"]
code: [train.py, \"lib/*.py\"]
param: { width: 32 }
outputs: { model: { path: model.json, type: file } }
makes: model
metrics: metrics.jsonl
env: [PATH, HOME]
set: { PYTHONHASHSEED: 0, OMP_NUM_THREADS: 1 }
lock: python 3.11, numpy 2.1.3
";
    type Needs = Open;
    type Makes = Any;

    fn check(&self) -> Result<(), Complaint> {
        fit::check(self)
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        fit::suits(self, fed)
    }

    fn makes(&self) -> Cow<'static, str> {
        Cow::Owned(self.makes.clone())
    }

    fn seeded(&self) -> bool {
        self.uses().contains(&Use::Seed)
    }

    fn code(&self) -> &[String] {
        &self.code
    }

    fn outside(&self) -> Outside {
        Outside { variables: self.env.iter().cloned().collect(), program: self.argv.first().map(|word| word.0.clone()) }
    }
}

/// Whether `shape` may name what a command makes.
fn is_shape(shape: &str) -> bool {
    shape.starts_with(|c: char| c.is_ascii_lowercase())
        && shape.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && ![<Any as isoflop_contract::Artifact>::SHAPE, shape::FILES].contains(&shape)
}
