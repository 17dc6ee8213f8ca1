//! A difference: one field in which two recipes differ.

use std::{collections::BTreeMap, fmt};

use isoflop_contract::Value;

use crate::account::Account;

/// A field in which two recipes differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Its dotted path, as in `spec.model.width`.
    pub field: String,
    /// What it was; `None` if it was not there.
    pub old: Option<Value>,
    /// What it is; `None` if it is gone.
    pub new: Option<Value>,
    /// Where the new value comes from, where a study is at hand that says so.
    pub account: Option<Account>,
}

impl Difference {
    /// The field as people write it.
    pub fn name(&self) -> &str {
        ["spec.", "environment."].iter().find_map(|top| self.field.strip_prefix(top)).unwrap_or(&self.field)
    }

    /// Old and new, without the name.
    pub fn change(&self) -> String {
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => format!("{} -> {}", short(old), short(new)),
            (None, Some(new)) => format!("{}, which was not there", short(new)),
            (Some(old), None) => format!("{} is gone", short(old)),
            (None, None) => "is another".to_owned(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name(), self.change())
    }
}

/// A value in a sentence: texts without quotes where that is clear, and cut where it would fill a screen.
pub(crate) fn short(value: &Value) -> String {
    const LONG: usize = 60;
    let text = match value {
        Value::String(text) if is_plain(text) => text.clone(),
        other => other.to_string(),
    };
    match text.char_indices().nth(LONG) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}

fn is_plain(text: &str) -> bool {
    let mark = |c: char| c.is_alphanumeric() || "-_./+".contains(c);
    text.starts_with(char::is_alphabetic) && text.chars().all(mark) && !matches!(text, "true" | "false" | "null")
}

/// All fields in which two recipes differ, by path.
pub fn compare(old: &Value, new: &Value) -> Vec<Difference> {
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
            account: None,
        })
        .collect()
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
        let old = json!({"revision": 1, "spec": {"steps": 600, "model": {"width": 64}, "note": "old one"}});
        let new = json!({"revision": 2, "spec": {"steps": 600, "model": {"width": 96, "depth": [1]}}});
        let said: Vec<String> = compare(&old, &new).iter().map(Difference::to_string).collect();
        assert_eq!(
            said,
            [
                "revision 1 -> 2",
                "model.depth.0 1, which was not there",
                "model.width 64 -> 96",
                "note \"old one\" is gone"
            ]
        );
        assert_eq!(compare(&old, &old), []);
    }
}
