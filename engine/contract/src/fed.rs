//! Fed: what stands around a task's `with:`, as far as the plan knows it before anything runs.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{environment::Environment, manifest::Manifest, port::Arity};

/// The ports and files of a task.
#[derive(Debug, Clone, Default)]
pub struct Fed<'a> {
    /// What is fed, by port: one artifact or many.
    pub ports: BTreeMap<&'a str, Arity>,
    /// Files of the study by name; `None` if something is wrong with them, which has been said.
    pub files: BTreeMap<&'a str, Option<&'a Manifest>>,
}

/// A task that alone feeds a port: what the plan knows of the artifact to come.
#[derive(Debug, Clone, Copy)]
pub struct Feeder<'a> {
    /// Its kind.
    pub kind: &'a str,
    /// Its spec in canonical form: defaults are spelt out, and what was left out is not there.
    pub spec: &'a Value,
    /// Its hard environment.
    pub environment: &'a Environment,
}

/// Who feeds each port of a task, by the port's name. None where nothing does, or a gather.
pub type Feeders<'a> = dyn Fn(&str) -> Option<Feeder<'a>> + 'a;

/// Why a task does not go with what feeds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The port to point at, which is fed.
    pub port: &'static str,
    /// What is wrong, as the end of a sentence about the task.
    pub problem: String,
    /// What to do.
    pub hint: String,
}
