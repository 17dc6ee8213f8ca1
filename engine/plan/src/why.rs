//! Why a task must run, in one sentence each, and what differs between two recipes.

use std::{collections::BTreeMap, fmt};

use isoflop_contract::Value;
use serde::Serialize;

use crate::source::Origin;

/// One reason why a task must run, or why it need not.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Why {
    /// Nothing of this name was ever made.
    New,
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
    /// What stands at a port is another.
    Need(Difference),
    /// A task that it needs must run first.
    Upstream {
        /// That task.
        task: String,
    },
    /// It was made, and files of it are gone from the store.
    BytesMissing {
        /// What is missing.
        what: String,
    },
    /// Its last attempt failed.
    Failed {
        /// How.
        message: String,
    },
    /// It was asked for, whatever is kept.
    Asked,
}

/// A field in which two recipes differ.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Difference {
    /// Its dotted path, as in `spec.model.width`.
    pub field: String,
    /// What it was; `None` if it was not there.
    pub old: Option<Value>,
    /// What it is; `None` if it is gone.
    pub new: Option<Value>,
    /// Where the new value is written.
    pub origin: Option<Origin>,
}

impl Why {
    /// The reason that a difference is.
    pub fn of(difference: Difference) -> Self {
        let (top, _) = difference.field.split_once('.').unwrap_or((&difference.field, ""));
        match top {
            "kind" => Self::Kind(difference),
            "revision" => Self::Revision(difference),
            "environment" => Self::Environment(difference),
            "seed" => Self::Seed(difference),
            "format" => Self::Format(difference),
            "needs" => Self::Need(difference),
            _ => Self::Spec(difference),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("never made"),
            Self::Spec(difference) | Self::Environment(difference) => difference.fmt(f),
            Self::Kind(difference) => write!(f, "the kind is another: {difference}"),
            Self::Revision(difference) => write!(f, "the kind has a new revision: {difference}"),
            Self::Seed(difference) => write!(f, "the seed is another: {difference}"),
            Self::Format(difference) => write!(f, "the layout of recipes is another: {difference}"),
            Self::Need(Difference { field, old, new, .. }) => {
                let port = field.strip_prefix("needs.").unwrap_or(field);
                let port = port.strip_suffix(".one").unwrap_or(port).replace(".many.", "[");
                let port = if port.contains('[') { format!("{port}]") } else { port };
                match (old, new) {
                    (None, _) => write!(f, "`{port}` is needed now"),
                    (_, None) => write!(f, "`{port}` is not needed any more"),
                    _ => write!(f, "what it needs as `{port}` is another"),
                }
            }
            Self::Upstream { task } => write!(f, "`{task}` must run first"),
            Self::BytesMissing { what } => write!(f, "made before, and {what} is missing from the store"),
            Self::Failed { message } => write!(f, "the last attempt failed: {message}"),
            Self::Asked => f.write_str("asked for"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field.strip_prefix("spec.").unwrap_or(&self.field);
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "`{field}` was {} and is {}", short(old), short(new))?,
            (None, Some(new)) => write!(f, "`{field}` is {} and was not there", short(new))?,
            (Some(old), None) => write!(f, "`{field}` was {} and is gone", short(old))?,
            (None, None) => write!(f, "`{field}` is another")?,
        }
        match &self.origin {
            Some(origin) => write!(f, " ({origin})"),
            None => Ok(()),
        }
    }
}

/// A value in a sentence: cut where it would fill a screen.
fn short(value: &Value) -> String {
    const LONG: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(LONG) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

/// All fields in which two recipes differ, by path; `origins` says where values of `with:` are written.
pub fn compare(old: &Value, new: &Value, origins: &BTreeMap<String, Origin>) -> Vec<Difference> {
    let (mut before, mut after) = (BTreeMap::new(), BTreeMap::new());
    flatten(old, &mut String::new(), &mut before);
    flatten(new, &mut String::new(), &mut after);
    let mut fields: Vec<&String> = before.keys().chain(after.keys()).collect();
    fields.sort();
    fields.dedup();
    let differing = fields.into_iter().filter(|field| before.get(*field) != after.get(*field));
    differing
        .map(|field| Difference {
            field: field.clone(),
            old: before.get(field).map(|value| (*value).clone()),
            new: after.get(field).map(|value| (*value).clone()),
            origin: field.strip_prefix("spec.").and_then(|path| nearest(origins, path)).cloned(),
        })
        .collect()
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

fn flatten<'v>(value: &'v Value, path: &mut String, into: &mut BTreeMap<String, &'v Value>) {
    let length = path.len();
    let mut child = |name: &str, value: &'v Value| {
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        flatten(value, path, into);
        path.truncate(length);
    };
    match value {
        Value::Object(members) if !members.is_empty() => members.iter().for_each(|(name, value)| child(name, value)),
        Value::Array(items) if !items.is_empty() => {
            items.iter().enumerate().for_each(|(index, value)| child(&index.to_string(), value));
        }
        leaf => {
            into.insert(path.clone(), leaf);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn recipes_are_compared_field_by_field() {
        let old =
            json!({"revision": 1, "spec": {"steps": 600, "model": {"width": 64}}, "needs": {"data": {"one": "a"}}});
        let new = json!({"revision": 2, "spec": {"steps": 600, "model": {"width": 96, "depth": [1]}}, "needs": {"data": {"one": "b"}}});
        let origin = Origin { file: "s.yaml".into(), line: 3, column: 9 };
        let origins = BTreeMap::from([("model".to_owned(), origin)]);
        let whys: Vec<String> = compare(&old, &new, &origins).into_iter().map(|d| Why::of(d).to_string()).collect();
        assert_eq!(
            whys,
            [
                "what it needs as `data` is another",
                "the kind has a new revision: `revision` was 1 and is 2",
                "`model.depth.0` is 1 and was not there (s.yaml:3:9)",
                "`model.width` was 64 and is 96 (s.yaml:3:9)",
            ]
        );
        assert_eq!(compare(&old, &old, &origins), []);
    }

    #[test]
    fn a_gathered_cell_is_named() {
        let one = json!({"needs": {"points": {"many": {"seed=0": "a"}}}});
        let two = json!({"needs": {"points": {"many": {"seed=0": "a", "seed=1": "b"}}}});
        let whys: Vec<String> =
            compare(&one, &two, &BTreeMap::new()).into_iter().map(|d| Why::of(d).to_string()).collect();
        assert_eq!(whys, ["`points[seed=1]` is needed now"]);
    }
}
