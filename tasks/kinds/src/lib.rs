//! Contracts of all kinds: what each is asked (`with:`), needs and makes, with closed-form parameter and multiply-accumulate counts. Serde
//! only: planning, sizing and auditing a study need nothing else.
//!
//! To add a kind: a file here with its `impl Kind`, one line in [`catalog`](catalog::catalog), a body in `tasks/native` or `tasks/torch`, and
//! one line in that crate's list of bodies.

pub mod alignment;
pub mod anatomy;
pub mod artifact;
pub mod catalog;
pub mod clip;
pub mod command;
pub mod describe;
pub mod encode;
pub mod fit;
pub mod functions;
pub mod head;
pub mod import;
pub mod levels;
pub mod model;
pub mod plain;
pub mod questions;
pub mod sample;
pub mod scenes;
pub mod score;
pub mod split;
pub mod table;
pub mod train;
pub mod trained;
pub mod trunk;
pub mod tune;
pub mod vae;
pub mod vqa;
