//! A checkpoint: what a body needs to go on where another attempt at the same key stopped. Never hashed: that a task was interrupted, and
//! how often it saved, must not show in what it makes.
//!
//! ```text
//! <checkpoints of one key>/
//!   00000000000000000500/    one checkpoint, named by its step; there whole or not at all
//!     checkpoint.json        a [`Checkpoint`]: whose it is, and the digests of all that follows
//!     metrics.jsonl          every point measured up to this step, one [`Point`] a line
//!     data/                  what the body wrote
//!   lasting/                 a folder that a body keeps as it likes (`{checkpoint}` of a command)
//!   new-…/                   one that is being written, or was when its worker died
//! ```

use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    canon::{self, CanonError},
    digest::Digest,
    key::Key,
    manifest::File,
    quantity::Seconds,
};

/// The version of [`Checkpoint`].
pub const FORMAT: u32 = 1;

/// The file of a checkpoint that says what it is.
pub const HEAD: &str = "checkpoint.json";

/// The file with what was measured.
pub const METRICS: &str = "metrics.jsonl";

/// The folder with what the body wrote.
pub const DATA: &str = "data";

/// The folder beside the checkpoints that a body keeps as it likes.
pub const LASTING: &str = "lasting";

/// What begins the name of a folder that is being written.
pub const NEW: &str = "new-";

/// What a checkpoint says of itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    /// [`FORMAT`].
    pub format: u32,
    /// The key that it belongs to. It is of no use to any other.
    pub key: Key,
    /// The kind.
    pub kind: String,
    /// The kind's revision.
    pub revision: u32,
    /// Steps taken.
    pub step: u64,
    /// What the body wrote, by path inside [`DATA`].
    pub files: BTreeMap<String, File>,
    /// The file [`METRICS`].
    pub metrics: File,
    /// Every checkpoint up to this one.
    pub trail: Trail,
}

/// Checkpoints of one execution in the order of their steps: each step, and the digest of what was saved there. Two executions that took the
/// same way have the same digests at the same steps.
pub type Trail = Vec<(u64, Digest)>;

/// The most checkpoints that a trail remembers: beyond, every other one is forgotten.
const LONGEST_TRAIL: usize = 4096;

/// Adds a checkpoint to a trail.
pub fn remember(trail: &mut Trail, step: u64, digest: Digest) {
    trail.retain(|(before, _)| *before < step);
    trail.push((step, digest));
    if trail.len() > LONGEST_TRAIL {
        let mut place = 0;
        trail.retain(|_| {
            place += 1;
            place % 2 == 0
        });
    }
}

/// One point of a series, as a checkpoint carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Point {
    /// The series.
    pub series: String,
    /// The optimizer step, or whatever the series counts in.
    pub step: u64,
    /// Its value there.
    pub value: f64,
}

impl Checkpoint {
    /// The name of the folder of the checkpoint at `step`: names sort as steps do.
    pub fn name(step: u64) -> String {
        format!("{step:020}")
    }

    /// The digest of what was saved: of the canonical text of its files.
    pub fn digest(files: &BTreeMap<String, File>) -> Result<Digest, CanonError> {
        canon::text(files).map(Digest::of)
    }
}

/// How often to save, and how many to keep: `on: { checkpoint: { every: 500, keep: 2 } }`. Whatever it says, a task that is asked to stop
/// saves before it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Checkpointing {
    /// Every so many steps, or after so much time.
    pub every: Every,
    /// How many of the latest checkpoints to keep.
    #[schemars(range(min = 1))]
    pub keep: u32,
}

impl Default for Checkpointing {
    fn default() -> Self {
        Self { every: Every::Time(Seconds(600)), keep: 2 }
    }
}

/// A number of steps, or a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    /// So many steps.
    Steps(u64),
    /// So much time.
    Time(Seconds),
}

impl Serialize for Every {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Steps(steps) => serializer.serialize_u64(*steps),
            Self::Time(Seconds(time)) => {
                let units = [(3600, "h"), (60, "m")];
                let (scale, unit) = units.into_iter().find(|(scale, _)| time % scale == 0).unwrap_or((1, "s"));
                serializer.serialize_str(&format!("{}{unit}", time / scale))
            }
        }
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Every;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number of steps, or a time as in `10m`")
            }

            fn visit_u64<E: de::Error>(self, steps: u64) -> Result<Every, E> {
                Ok(Every::Steps(steps))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Every, E> {
                text.parse().map(Every::Time).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl JsonSchema for Every {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Every".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let time = Seconds::json_schema(generator);
        json_schema!({
            "description": "A number of steps, or a time.",
            "anyOf": [{ "type": "integer", "minimum": 1 }, time],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_often_is_steps_or_time() {
        let read = |text: &str| serde_json::from_str::<Checkpointing>(text).map_err(|error| error.to_string());
        let every = |text: &str| read(text).unwrap().every;
        assert_eq!(every(r#"{"every": 500}"#), Every::Steps(500));
        assert_eq!(every(r#"{"every": "10m", "keep": 3}"#), Every::Time(Seconds(600)));
        assert_eq!(read("{}").unwrap(), Checkpointing::default());
        assert!(read(r#"{"every": "often"}"#).unwrap_err().contains("write a number and a unit"));
        assert!(read(r#"{"every": -1}"#).unwrap_err().contains("a number of steps, or a time as in `10m`"));
        for every in [Every::Steps(7), Every::Time(Seconds(90)), Every::Time(Seconds(600)), Every::Time(Seconds(7200))]
        {
            assert_eq!(serde_json::from_str::<Every>(&serde_json::to_string(&every).unwrap()).unwrap(), every);
        }
    }

    #[test]
    fn a_trail_goes_forward_and_is_bounded() {
        let mut trail = Trail::new();
        for step in 1..=10_000 {
            remember(&mut trail, step, Digest::of(step.to_string()));
        }
        assert!(trail.len() <= LONGEST_TRAIL && trail.is_sorted() && trail.last().unwrap().0 == 10_000);
        // An attempt that resumed earlier says anew what came after.
        remember(&mut trail, 9_000, Digest::of("other"));
        assert_eq!(trail.last(), Some(&(9_000, Digest::of("other"))));
    }
}
