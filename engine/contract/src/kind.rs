//! A kind: the sort of a task.
//!
//! To add one: a type with its `impl Kind` in `tasks/kinds`, one line in that crate's catalog, a body in `tasks/native` or `tasks/torch`, and
//! one line in that crate's list of bodies. A test walks the catalog and demands all of it.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    cost::Cost,
    environment::Environment,
    fed::{Fed, Feeders, Misfit},
    port::Ports,
    shape::Artifact,
};

/// Which worker program runs a kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// `isoflop` itself, executed again: no libtorch.
    Native,
    /// `isoflop-torch`, which links libtorch.
    Torch,
}

/// The sort of a task. The implementing type is what a person asks of it (`with:`), and everything in it is hashed.
/// Its doc comments are what `isoflop schema` and editors show of its fields.
pub trait Kind: Serialize + DeserializeOwned + JsonSchema + 'static {
    /// The name in `kind:`.
    const NAME: &'static str;
    /// Raised when the same `with:` starts to mean something else. Keep a line of history beside it.
    const REVISION: u32;
    /// Which worker program runs it.
    const RUNTIME: Runtime;
    /// Whether it uses randomness. Without, it gets no seed, and neither its name nor the study's seed changes its key. Where the spec
    /// decides, [`seeded`](Self::seeded) says so.
    const SEEDED: bool;
    /// Whether it reads files of the study (`files:`, or [`code`](Self::code)).
    const FILES: bool = false;
    /// Whether one process does all of it, so that a second rank of it would have nothing to do.
    const ALONE: bool = false;
    /// The ports whose feeders [`follows`](Self::follows) looks at: it is asked where one of them is fed.
    const FOLLOWS: &'static [&'static str] = &[];
    /// One line that says what it does.
    const ABOUT: &'static str;
    /// A complete `with:` in YAML.
    const EXAMPLE: &'static str;
    /// What it needs, by port.
    type Needs: Ports;
    /// What it makes; [`Any`](crate::shape::Any) if the spec says what ([`makes`](Self::makes)).
    type Makes: Artifact;

    /// Refuses what the types cannot: values out of range, fields that contradict each other.
    fn check(&self) -> Result<(), Complaint> {
        Ok(())
    }

    /// What one execution costs, from the spec alone.
    fn cost(&self) -> Cost {
        Cost::default()
    }

    /// The shape of what it makes with this spec.
    fn makes(&self) -> Cow<'static, str> {
        Cow::Borrowed(Self::Makes::SHAPE)
    }

    /// Whether it uses randomness with this spec.
    fn seeded(&self) -> bool {
        Self::SEEDED
    }

    /// Paths and globs in the member `code`, which the spec's canonical form leaves out: what counts is what they name, as the files `code`.
    fn code(&self) -> &[String] {
        &[]
    }

    /// What it uses of the machine besides.
    fn outside(&self) -> Outside {
        Outside::default()
    }

    /// How many processes can share it. A rank beyond that would have nothing to do.
    fn shares(&self) -> u64 {
        if Self::ALONE { 1 } else { u64::MAX }
    }

    /// Refuses what does not go with the ports and files of the task. Asked at plan time only.
    fn suits(&self, _fed: &Fed<'_>) -> Vec<Complaint> {
        Vec::new()
    }

    /// Refuses what does not go with the tasks that feed it, or with where they run. Asked of each cell, at plan time only.
    fn follows(&self, _feeders: &Feeders<'_>, _here: &Environment) -> Vec<Misfit> {
        Vec::new()
    }
}

/// What a task uses of the machine that its key does not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outside {
    /// Variables of the caller's environment that reach its worker, by name.
    pub variables: Vec<String>,
    /// The program it runs, as it is looked for: a name, or an absolute path.
    pub program: Option<String>,
}

/// Why a well-typed `with:` is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The field, dotted from the top of `with:`.
    pub field: String,
    /// What is wrong, as in "must be positive".
    pub problem: String,
}

impl Complaint {
    /// A complaint about `field`.
    pub fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { field: field.into(), problem: problem.into() }
    }

    /// `Ok` if `holds`, else the complaint.
    pub fn unless(holds: bool, field: &str, problem: &str) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(Self::new(field, problem)) }
    }
}
