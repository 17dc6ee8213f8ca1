//! Seeds: randomness derived by name and index, never drawn from a shared stream.
//!
//! A task's seed depends on the study's seed, the task's name and its cell, so adding a cell changes no other. Inside a task, stream
//! `order` at index `k` depends on (seed, `order`, k) alone, so step `k` does not depend on how the process got there. What a stream's seed is given to may have
//! room for less of it: libtorch's generator takes 32 bits.

use serde::{Deserialize, Serialize};

use crate::{canon, cell::Cell};

/// A seed: 53 bits, so that it survives JSON readers that know only doubles, Postgres' `bigint` and libtorch's `int64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seed(u64);

const TASK: &str = "isoflop 2026-11-23 task seed";
const STREAM: &str = "isoflop 2026-11-23 stream seed";

impl Seed {
    /// The seed of the task `task` at `cell` in a study seeded with `study`. The order in which axes were declared does not matter.
    pub fn of_task(study: u64, task: &str, cell: &Cell) -> Self {
        Self::derive(TASK, &(study, task, cell.sorted()))
    }

    /// The seed of this task's stream `name` at `index`.
    #[must_use]
    pub fn stream(self, name: &str, index: u64) -> Self {
        Self::derive(STREAM, &(self.0, name, index))
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Takes a number as it is, for tests and for fits by hand.
    pub const fn from_number(number: u64) -> Self {
        Self(number & MASK)
    }

    fn derive(context: &str, parts: &impl Serialize) -> Self {
        let text = canon::text(parts).expect("numbers, strings and scalars have a canonical form");
        let hash = blake3::derive_key(context, text.as_bytes());
        let low = u64::from_le_bytes(hash[..8].try_into().expect("eight bytes are eight bytes"));
        Self(low & MASK)
    }
}

const MASK: u64 = (1 << 53) - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_depend_on_study_task_cell_and_nothing_else() {
        let cell = |axes: &[(&str, i64)]| Cell::new(axes.iter().map(|&(name, v)| (name.to_owned(), v.into())));
        let base = Seed::of_task(17, "train", &cell(&[("seed", 0), ("width", 8)]));
        assert_eq!(base, Seed::of_task(17, "train", &cell(&[("width", 8), ("seed", 0)])));
        for other in [
            Seed::of_task(18, "train", &cell(&[("seed", 0), ("width", 8)])),
            Seed::of_task(17, "trains", &cell(&[("seed", 0), ("width", 8)])),
            Seed::of_task(17, "train", &cell(&[("seed", 1), ("width", 8)])),
            Seed::of_task(17, "train", &cell(&[("seed", 0)])),
            base.stream("order", 0),
            base.stream("order", 1),
            base.stream("noise", 0),
        ] {
            assert_ne!(base, other);
        }
    }

    /// Literal values: a change here changes every number any study has ever produced. Do not edit without a decision on record.
    #[test]
    fn literal_seeds() {
        let seed = Seed::of_task(17, "train", &Cell::default());
        assert_eq!((seed.get(), seed.stream("init", 0).get()), (2_856_849_306_380_608, 5_738_805_348_161_455));
    }
}
