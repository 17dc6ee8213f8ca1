//! The vocabulary that engine and workers share.
//!
//! Everything here is a value: no clock, no files, no sockets. A **kind** (`kind`) says what a task of that sort is asked (`with:`), what
//! it needs by port (`port`) and the **shape** of what it makes. A **recipe** (`recipe`) is a task's identity; its canonical text
//! (`canon`) hashed is the **key**: *what would be made*. A **digest** is the hash of bytes: *what was made*, listed in a **manifest**.
//! Engine and worker talk through `protocol`.
//!
//! | module | noun |
//! |---|---|
//! | [`canon`] | the one text that stands for a value |
//! | [`digest`] | hash of bytes |
//! | [`key`] | hash of a recipe |
//! | [`recipe`] | a task's identity, and its trace |
//! | [`environment`] | the hashed part of where a task runs |
//! | [`seed`] | randomness by name and index |
//! | [`cell`] | one point of a matrix |
//! | [`shape`], [`handle`], [`port`] | artifact types, typed references, what a task needs |
//! | [`kind`], [`catalog`] | the sort of a task, and the list of all |
//! | [`schema`] | what a type looks like, for editors |
//! | [`checkpoint`] | what an interrupted task goes on from |
//! | [`cost`], [`demand`], [`quantity`] | what a task costs and asks for, with units |
//! | [`fed`] | the ports and files around a task's `with:` |
//! | [`manifest`], [`outcome`] | what was made, and how an attempt ended |
//! | [`protocol`] | what engine and worker say to each other |
//! | [`stride`] | how long a worker may take to end |

pub mod canon;
pub mod catalog;
pub mod cell;
pub mod checkpoint;
pub mod cost;
pub mod demand;
pub mod digest;
pub mod environment;
pub mod fed;
pub mod handle;
pub mod key;
pub mod kind;
pub mod manifest;
pub mod outcome;
pub mod port;
pub mod protocol;
pub mod quantity;
pub mod recipe;
pub mod schema;
pub mod seed;
pub mod shape;
pub mod stride;

pub use catalog::{Catalog, Entry};
pub use cell::Cell;
pub use checkpoint::Checkpoint;
pub use cost::Cost;
pub use demand::Demand;
pub use digest::Digest;
pub use environment::Environment;
pub use fed::{Fed, Feeder, Feeders, Misfit};
pub use handle::{Handle, Input};
pub use key::Key;
pub use kind::{Complaint, Kind, Outside, Runtime};
pub use manifest::Manifest;
pub use outcome::{Failure, FailureClass};
pub use recipe::{Need, Recipe};
pub use seed::Seed;
pub use shape::Artifact;

/// An untyped value: what YAML and templates produce before a kind's type has read it.
pub use serde_json::Value;
