//! Fed: what stands around a task's `with:`, as far as the plan knows it before anything runs.

use std::collections::BTreeMap;

use crate::{manifest::Manifest, port::Arity};

/// The ports and files of a task.
#[derive(Debug, Clone, Default)]
pub struct Fed<'a> {
    /// What is fed, by port: one artifact or many.
    pub ports: BTreeMap<&'a str, Arity>,
    /// Files of the study by name; `None` if something is wrong with them, which has been said.
    pub files: BTreeMap<&'a str, Option<&'a Manifest>>,
}
