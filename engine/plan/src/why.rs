//! Why a task must run, in one sentence each.

use std::{collections::BTreeMap, fmt};

use isoflop_contract::Value;
use serde_json::json;

use crate::{account::Account, difference::Difference, source::Origin};

/// One reason why a task must run, or why it need not.
#[derive(Debug, Clone, PartialEq)]
pub enum Why {
    /// Nothing of this name was ever planned.
    New,
    /// It was planned before, and never came to be tried.
    Unmade {
        /// The run that had planned it.
        run: String,
        /// Why it was not tried.
        because: String,
    },
    /// A value of `with:` is another.
    Spec(Difference),
    /// The task is of another kind.
    Kind(Difference),
    /// The kind has a new revision.
    Revision(Difference),
    /// The hard environment is another.
    Environment(Difference),
    /// The seed is another.
    Seed(Difference),
    /// The layout of recipes is another.
    Format(Difference),
    /// Files of the study that it reads are others; and which of them, where both are known.
    Files(Difference, Option<String>),
    /// A port is fed by another task, or by one and not the other.
    Need {
        /// The port, with the cell of a gather.
        port: String,
        /// The task that fed it.
        old: Option<String>,
        /// The task that feeds it.
        new: Option<String>,
    },
    /// A gather has other cells.
    Cells {
        /// The port.
        port: String,
        /// Cells that came.
        came: Vec<String>,
        /// Cells that went.
        went: Vec<String>,
    },
    /// What stands at a port is another, and nothing tells how it was before.
    Unknown {
        /// The port.
        port: String,
    },
    /// It was made, and files of it are gone from the store.
    BytesMissing {
        /// What is missing.
        what: String,
    },
    /// What it needs has other bits now than those that it was made from, or is about to.
    Inputs {
        /// Which of that, in a sentence.
        because: String,
    },
    /// Its last attempt failed.
    Failed {
        /// How.
        message: String,
        /// The run of that attempt.
        run: String,
    },
    /// Its last attempt had no end: its engine died.
    Lost {
        /// The run of that attempt.
        run: String,
    },
    /// It was asked for, whatever is kept.
    Asked,
    /// It was made again although a result stood.
    Again,
    /// It cannot run: what it needs diverged, or failed.
    Blocked {
        /// How that came.
        because: String,
    },
    /// Nothing that was asked for rests on it.
    Unneeded,
    /// It did not have to run: its inputs came out with the bytes of an earlier run, whose result was adopted.
    Adopted {
        /// The run that adopted it.
        run: String,
        /// The run that had made it.
        made_in: String,
        /// The digest of the recipe with needs by digest, which both runs came to.
        trace: Option<String>,
    },
    /// It was not reached.
    Unreached,
}

impl Why {
    /// The reason that a difference of two recipes is, needs left aside.
    pub fn of(difference: Difference) -> Self {
        let (top, _) = difference.field.split_once('.').unwrap_or((&difference.field, ""));
        match top {
            "kind" => Self::Kind(difference),
            "revision" => Self::Revision(difference),
            "environment" => Self::Environment(difference),
            "seed" => Self::Seed(difference),
            "format" => Self::Format(difference),
            "files" => Self::Files(difference, None),
            _ => Self::Spec(difference),
        }
    }

    /// The difference, where the reason is one.
    pub fn difference(&self) -> Option<&Difference> {
        match self {
            Self::Spec(difference)
            | Self::Kind(difference)
            | Self::Revision(difference)
            | Self::Environment(difference)
            | Self::Seed(difference)
            | Self::Format(difference)
            | Self::Files(difference, _) => Some(difference),
            _ => None,
        }
    }

    /// Where in the study the reason lies, if somewhere.
    pub fn account(&self) -> Option<&Account> {
        self.difference().and_then(|difference| difference.account.as_ref())
    }

    /// A word for programs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Unmade { .. } => "unmade",
            Self::Spec(_) => "spec",
            Self::Kind(_) => "kind",
            Self::Revision(_) => "revision",
            Self::Environment(_) => "environment",
            Self::Seed(_) => "seed",
            Self::Format(_) => "format",
            Self::Files(..) => "files",
            Self::Need { .. } => "need",
            Self::Cells { .. } => "cells",
            Self::Unknown { .. } => "unknown",
            Self::BytesMissing { .. } => "bytes-missing",
            Self::Inputs { .. } => "inputs",
            Self::Failed { .. } => "failed",
            Self::Lost { .. } => "lost",
            Self::Asked => "asked",
            Self::Again => "again",
            Self::Blocked { .. } => "blocked",
            Self::Unneeded => "unneeded",
            Self::Adopted { .. } => "adopted",
            Self::Unreached => "unreached",
        }
    }

    /// For programs: `why`, `field`, `old` and `new` always, `origin` where the study says so, and what else this sort of reason has.
    pub fn to_json(&self) -> Value {
        let (field, old, new) = match self {
            Self::Need { port, old, new } => (Some(format!("needs.{port}")), json!(old), json!(new)),
            Self::Cells { port, came, went } => (Some(format!("needs.{port}")), json!(went), json!(came)),
            Self::Unknown { port } => (Some(format!("needs.{port}")), Value::Null, Value::Null),
            other => match other.difference() {
                Some(difference) => (Some(difference.field.clone()), json!(difference.old), json!(difference.new)),
                None => (None, Value::Null, Value::Null),
            },
        };
        let mut object = json!({"why": self.word(), "field": field, "old": old, "new": new});
        object["origin"] = self.account().and_then(Account::origin).map_or(Value::Null, place);
        if let Some(account) = self.account() {
            object["provenance"] = account.to_json();
        }
        match self {
            Self::Unmade { run, because } => {
                object["run"] = run.as_str().into();
                object["message"] = because.as_str().into();
            }
            Self::Failed { message, run } => {
                object["run"] = run.as_str().into();
                object["message"] = message.as_str().into();
            }
            Self::Lost { run } => object["run"] = run.as_str().into(),
            Self::BytesMissing { what } => object["message"] = what.as_str().into(),
            Self::Blocked { because } | Self::Inputs { because } => object["message"] = because.as_str().into(),
            Self::Adopted { run, made_in, trace } => {
                object["run"] = run.as_str().into();
                object["made_in"] = made_in.as_str().into();
                object["trace"] = json!(trace);
            }
            _ => {}
        }
        object
    }

    /// The sentence without the place in the study.
    pub fn bare(&self) -> String {
        match self {
            Self::New => "never made".to_owned(),
            Self::Unmade { run, because } => format!("not made in run {run}: {because}"),
            Self::Spec(difference) => difference.to_string(),
            Self::Kind(difference) => format!("another kind: {}", difference.change()),
            Self::Revision(difference) => format!("a new revision of its kind: {}", difference.change()),
            Self::Environment(difference) => format!("another environment: {difference}"),
            Self::Seed(Difference { old: Some(_), new: Some(_), .. }) => {
                "another seed: the study's `seed` is another".to_owned()
            }
            Self::Seed(difference) => format!("another {difference}"),
            Self::Format(difference) => format!("isoflop writes recipes in another layout: {}", difference.change()),
            Self::Files(_, Some(which)) => which.clone(),
            Self::Files(Difference { field, old, new, .. }, None) => {
                let name = field.strip_prefix("files.").unwrap_or(field);
                match (old, new) {
                    (Some(_), Some(_)) => format!("the files of `{name}` have other contents"),
                    (None, _) => format!("the files of `{name}` are new"),
                    (_, None) => format!("the files of `{name}` are gone"),
                }
            }
            Self::Need { port, old: Some(old), new: Some(new) } => format!("`{port}` is {new} and was {old}"),
            Self::Need { port, old: None, new: Some(new) } => format!("`{port}` is needed now: {new}"),
            Self::Need { port, old, .. } => {
                let was = old.as_ref().map(|old| format!(": {old}")).unwrap_or_default();
                format!("`{port}` is not needed any more{was}")
            }
            Self::Cells { port, came, went } => {
                let mut parts = Vec::new();
                for (cells, verb) in [(came, "came"), (went, "went")] {
                    match cells.as_slice() {
                        [] => {}
                        [one] => parts.push(format!("the cell {one} {verb}")),
                        several => parts.push(format!("{} cells {verb} ({})", several.len(), few(several))),
                    }
                }
                format!("in `{port}`, {}", parts.join(", "))
            }
            Self::Unknown { port } => format!("what it needs as `{port}` is another"),
            Self::BytesMissing { what } => format!("made before, and {what} is missing from the store"),
            Self::Failed { message, run } => format!("its last attempt failed (run {run}): {message}"),
            Self::Lost { run } => format!("its last attempt had no end: the engine of run {run} died"),
            Self::Asked => "asked for".to_owned(),
            Self::Again => {
                "made again although a result stood: its bytes were bad or gone, or it was asked for".to_owned()
            }
            Self::Blocked { because } | Self::Inputs { because } => because.clone(),
            Self::Unneeded => "nothing that was asked for rests on it".to_owned(),
            Self::Adopted { run, made_in, .. } => format!(
                "its inputs came out with the bytes of an earlier run: run {run} adopted what run {made_in} had made of them"
            ),
            Self::Unreached => {
                "that run was not asked for it, made it again only to compare, or ended before it".to_owned()
            }
        }
    }
}

/// Some of many names.
fn few(names: &[String]) -> String {
    const SOME: usize = 3;
    let some = names.iter().take(SOME).cloned().collect::<Vec<_>>().join("; ");
    if names.len() > SOME { format!("{some}; …") } else { some }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.bare())?;
        match self.account().and_then(Account::short) {
            Some(place) => write!(f, " ({place})"),
            None => Ok(()),
        }
    }
}

/// A place for programs.
pub(crate) fn place(origin: &Origin) -> Value {
    json!({"file": origin.file, "line": origin.line, "column": origin.column})
}

/// The origin of the value at `path`, or of the value that it came with.
pub(crate) fn nearest<'o>(origins: &'o BTreeMap<String, Origin>, path: &str) -> Option<&'o Origin> {
    let mut path = path;
    loop {
        if let Some(origin) = origins.get(path) {
            return Some(origin);
        }
        path = path.rsplit_once('.')?.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sort_of_reason_has_its_own_sentence() {
        let change = |field: &str, old: Value, new: Value| {
            Why::of(Difference { field: field.into(), old: Some(old), new: Some(new), account: None }).to_string()
        };
        assert_eq!(change("spec.model.width", json!(64), json!(96)), "model.width 64 -> 96");
        assert_eq!(change("spec.form", json!("power"), json!("a b")), "form power -> \"a b\"");
        assert_eq!(
            change("kind", json!("train-vqa"), json!("train-denoiser")),
            "another kind: train-vqa -> train-denoiser"
        );
        assert_eq!(change("revision", json!(1), json!(2)), "a new revision of its kind: 1 -> 2");
        assert_eq!(change("environment.threads", json!(1), json!(2)), "another environment: threads 1 -> 2");
        assert_eq!(change("seed", json!(1), json!(2)), "another seed: the study's `seed` is another");
        assert_eq!(change("files.table", json!("aa"), json!("bb")), "the files of `table` have other contents");
        assert_eq!(change("format", json!(1), json!(2)), "isoflop writes recipes in another layout: 1 -> 2");
        let cells = |came: &[&str], went: &[&str]| {
            let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
            Why::Cells { port: "points".into(), came: names(came), went: names(went) }.to_string()
        };
        assert_eq!(cells(&["seed=1"], &[]), "in `points`, the cell seed=1 came");
        assert_eq!(
            cells(&["a=1", "a=2", "a=3", "a=4"], &["a=0"]),
            "in `points`, 4 cells came (a=1; a=2; a=3; …), the cell a=0 went"
        );
        let need = |old: Option<&str>, new: Option<&str>| {
            let name = |name: Option<&str>| name.map(str::to_owned);
            Why::Need { port: "data".into(), old: name(old), new: name(new) }.to_string()
        };
        assert_eq!(need(Some("scenes"), Some("heldout")), "`data` is heldout and was scenes");
        assert_eq!(need(None, Some("heldout")), "`data` is needed now: heldout");
        assert_eq!(need(Some("scenes"), None), "`data` is not needed any more: scenes");
    }
}
