//! A reason: why a task must run, and the way from it to where that lies.

use std::fmt;

use isoflop_contract::Value;
use serde_json::json;

use crate::{account::Account, why::Why};

/// One reason, and the way from the task to where it lies.
#[derive(Debug, Clone, PartialEq)]
pub struct Reason {
    /// The reason, of the last task of the chain.
    pub why: Why,
    /// Names from the explained task to the one that the reason is about; only itself if that is it.
    pub chain: Vec<String>,
    /// If the way leads through a gather of the explained task: how many of its cells have this reason, and how many there are.
    pub cells: Option<(usize, usize)>,
}

impl Reason {
    /// A reason of the task `name` itself.
    pub fn own(name: &str, why: Why) -> Self {
        Self { why, chain: vec![name.to_owned()], cells: None }
    }

    /// For programs: as [`Why::to_json`], with the chain.
    pub fn to_json(&self) -> Value {
        let mut object = self.why.to_json();
        object["chain"] = json!(self.chain);
        if let Some((some, all)) = self.cells {
            object["cells"] = json!({"differ": some, "all": all});
        }
        object["says"] = self.to_string().into();
        object
    }

    /// Equal for reasons that differ in nothing but the cells they go through.
    pub fn shape(&self) -> String {
        format!("{}: {}", self.groups().join(" <- "), self.why)
    }

    /// Equal for reasons that differ in nothing but cells and values: the same line of the study, or the same field, in different cells.
    pub fn pattern(&self) -> String {
        let what = match self.why.difference() {
            Some(difference) => {
                let at = self.why.account().and_then(Account::short).unwrap_or_default();
                format!("{} {} {at}", self.why.word(), difference.field)
            }
            None => self.why.to_string(),
        };
        format!("{}: {what}", self.groups().join(" <- "))
    }

    /// The chain by groups.
    pub fn groups(&self) -> Vec<&str> {
        self.chain.iter().map(|name| group(name)).collect()
    }
}

/// As in `scores <- samples <- train: steps 600 -> 500 (study.yaml:12:10)`. Cells that follow from the explained task's are left out.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [own, rest @ ..] = self.chain.as_slice()
            && !rest.is_empty()
        {
            let mut way = vec![group(own)];
            let through_gather = self.cells.is_some();
            way.extend(rest.iter().map(|name| if through_gather || follows(own, name) { group(name) } else { name }));
            write!(f, "{}: ", way.join(" <- "))?;
        }
        self.why.fmt(f)?;
        match self.cells {
            Some((some, all)) if all > 1 && some == all => write!(f, " in all {all} cells"),
            Some((some, all)) if all > 1 => write!(f, " in {some} of {all} cells"),
            _ => Ok(()),
        }
    }
}

/// The group of a task's name.
pub(crate) fn group(name: &str) -> &str {
    name.split('[').next().unwrap_or(name)
}

/// The axes of a task's name.
fn axes(name: &str) -> impl Iterator<Item = &str> {
    name.split_once('[').and_then(|(_, rest)| rest.strip_suffix(']')).into_iter().flat_map(|inner| inner.split(','))
}

/// Whether the cell of `name` is known to who knows the cell of `of`.
fn follows(of: &str, name: &str) -> bool {
    axes(name).all(|axis| axes(of).any(|other| other == axis))
}
