//! Parameters: typed by their defaults, overridden by including files, by a profile and then by flags.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Value;

use crate::{
    Options, Variable, VariableKind,
    fields::{FieldReader, Fields},
    finding::{Finding, Inbox},
    form::first_line,
    merge::{Includes, Table},
    source::{Sources, Span},
    suggest,
    yaml::{self, Entry, Kind, Node, what},
};

/// Parameters with their values.
#[derive(Default)]
pub(crate) struct Params {
    pub(crate) values: BTreeMap<String, Value>,
    /// Where each value comes from.
    pub(crate) origins: BTreeMap<String, Variable>,
    defaults: BTreeMap<String, Value>,
}

/// Resolves the parameters of a study, which are written in these files.
pub(crate) fn resolve(
    reader: &mut FieldReader<'_>,
    files: &[Fields<'_>],
    includes: &Includes<'_>,
    options: &Options,
) -> Params {
    let mut params = Params::default();
    let written: Vec<Vec<&Entry>> = files.iter().map(|fields| declared(reader, fields.get("params"))).collect();
    let what = |name: &str| format!("the parameter `{name}`");
    for (name, chosen) in includes.merge(&written, &what, reader.sources, reader.inbox) {
        let default = match fit(&chosen.base.value.plain(), chosen.entry.value.plain()) {
            Ok(value) => value,
            Err(value) => {
                let base = chosen.base.value.plain();
                let place = |entry: &Entry| first_line(reader.sources, entry.value.span);
                reader.inbox.push(
                    Finding::new("wrong-type", mismatch(name, "in the included file", &base, &value))
                        .at(place(chosen.entry), "here")
                        .at(place(chosen.base), "its type is set here"),
                );
                base
            }
        };
        params.set(reader.sources, name, default.clone(), VariableKind::Param, Some(chosen.entry));
        params.defaults.insert(name.to_owned(), default);
    }
    profiles(reader, files, includes, options, &mut params);
    let place = files.iter().find_map(|fields| fields.get("params")).map(|entry| entry.key_span);
    flags(reader, place, options, &mut params);
    params
}

impl Params {
    fn set(&mut self, sources: &Sources, name: &str, value: Value, what: VariableKind, entry: Option<&Entry>) {
        let origin = entry.map(|entry| sources.origin(entry.value.span));
        self.origins.insert(name.to_owned(), Variable { name: name.to_owned(), what, origin });
        self.values.insert(name.to_owned(), value);
    }

    /// What was meant by a name that is no parameter.
    fn hint(&self, name: &str, inbox: &Inbox) -> Option<String> {
        if inbox.is_full() { None } else { suggest::hint(name, self.defaults.keys().map(String::as_str)) }
    }
}

/// The parameters that one file writes, as far as they can be read.
fn declared<'n>(reader: &mut FieldReader<'_>, params: Option<&&'n Entry>) -> Vec<&'n Entry> {
    let entries = params.and_then(|entry| reader.map(&entry.value, "`params`")).unwrap_or_default();
    let mut read = Vec::new();
    for entry in entries {
        if !reader.variable("a parameter", &entry.key, entry.key_span) || templated(reader, &entry.value) {
            continue;
        }
        if entry.key == BASE {
            let message =
                format!("`{BASE}` cannot name a parameter: in a profile it names the one that it goes on from");
            reader.inbox.push(Finding::new("bad-name", message).at(entry.key_span, "this name"));
            continue;
        }
        if matches!(entry.value.kind, Kind::Null) {
            let message = format!("the parameter `{}` has no default, so its type is not known", entry.key);
            reader.inbox.push(Finding::new("no-default", message).at(entry.key_span, "this parameter"));
        }
        read.push(entry);
    }
    read
}

/// The key of a profile that names the one it goes on from. No parameter is called so.
const BASE: &str = "profile";

/// A profile as it is written.
#[derive(Default)]
struct Profile<'n> {
    /// The profile that it goes on from, and where it says so.
    base: Option<(&'n str, Span)>,
    /// What it sets itself, as far as it may.
    sets: Vec<(&'n str, Value, &'n Entry)>,
}

/// Checks all profiles and applies the one that was asked for, after those that it goes on from.
fn profiles(
    reader: &mut FieldReader<'_>,
    files: &[Fields<'_>],
    includes: &Includes<'_>,
    options: &Options,
    params: &mut Params,
) {
    let written: Vec<&[Entry]> = files
        .iter()
        .map(|fields| {
            fields.get("profiles").and_then(|entry| reader.map(&entry.value, "`profiles`")).unwrap_or_default()
        })
        .collect();
    let names: BTreeSet<&str> =
        written.iter().flat_map(|entries| entries.iter()).map(|entry| entry.key.as_str()).collect();
    let mut profiles: BTreeMap<&str, Profile<'_>> = BTreeMap::new();
    for name in names {
        let of = format!("the profile `{name}`");
        let own: Vec<Vec<&Entry>> = written
            .iter()
            .map(|entries| match entries.iter().find(|entry| entry.key == *name) {
                Some(entry) => reader.map(&entry.value, &of).unwrap_or_default().iter().collect(),
                None => Vec::new(),
            })
            .collect();
        let what = |param: &str| format!("`{param}` of {of}");
        let table = includes.merge(&own, &what, reader.sources, reader.inbox);
        profiles.insert(name, profile(reader, &table, name, params));
    }
    let rows: BTreeMap<&str, Vec<&str>> = profiles.keys().map(|name| (*name, row(reader, &profiles, name))).collect();
    let Some(wanted) = options.profile.as_deref() else { return };
    let Some(row) = rows.get(wanted) else {
        let mut finding = Finding::new("unknown-profile", format!("the study has no profile `{wanted}`"))
            .maybe_hint(suggest::hint(wanted, profiles.keys().copied()));
        if let Some(entry) = files.iter().find_map(|fields| fields.get("profiles")) {
            finding = finding.at(entry.key_span, "the profiles there are");
        }
        reader.inbox.push(finding);
        return;
    };
    for name in row.iter().rev() {
        for (param, value, entry) in &profiles[name].sets {
            params.set(reader.sources, param, value.clone(), VariableKind::Profile((*name).to_owned()), Some(entry));
        }
    }
}

/// The profile `name`, the one that it goes on from, and so on. A way that leads nowhere, or back, is a finding at the profile that takes it.
fn row<'n>(reader: &mut FieldReader<'_>, profiles: &BTreeMap<&'n str, Profile<'n>>, name: &'n str) -> Vec<&'n str> {
    let mut row = vec![name];
    while let Some((base, span)) = profiles[row[row.len() - 1]].base {
        let known = profiles.contains_key(base);
        if known && !row.contains(&base) {
            row.push(base);
            continue;
        }
        // Said once, of the profile whose own word it is.
        let place = first_line(reader.sources, span);
        if !known && row.len() == 1 {
            let finding = Finding::new("unknown-profile", format!("the study has no profile `{base}`"));
            let hint = suggest::hint(base, profiles.keys().copied());
            reader.inbox.push(finding.at(place, "here").maybe_hint(hint));
        } else if known && base == name {
            let finding = Finding::new("unknown-profile", format!("the profile `{base}` goes on from itself"));
            reader.inbox.push(finding.at(place, "here"));
        }
        break;
    }
    row
}

/// Reads a profile.
fn profile<'n>(reader: &mut FieldReader<'_>, table: &Table<'n>, name: &str, params: &Params) -> Profile<'n> {
    let mut profile = Profile::default();
    for (param, written) in table {
        let entry = written.entry;
        if *param == BASE {
            match &entry.value.kind {
                Kind::Text(base) => profile.base = Some((base, entry.value.span)),
                _ => reader.wrong(&entry.value, &format!("`{BASE}` of the profile `{name}`"), "the name of a profile"),
            }
            continue;
        }
        let Some(default) = params.defaults.get(*param) else {
            let message = format!("the profile `{name}` sets `{param}`, which is no parameter");
            let finding = Finding::new("unknown-param", message).at(entry.key_span, "this name");
            reader.inbox.push(finding.maybe_hint(params.hint(param, reader.inbox)));
            continue;
        };
        if templated(reader, &entry.value) {
            continue;
        }
        match fit(default, entry.value.plain()) {
            Ok(value) => profile.sets.push((*param, value, entry)),
            Err(value) => {
                let message = mismatch(param, "by its default", default, &value);
                let place = first_line(reader.sources, entry.value.span);
                reader.inbox.push(Finding::new("wrong-type", message).at(place, "here"));
            }
        }
    }
    profile
}

fn flags(reader: &mut FieldReader<'_>, place: Option<Span>, options: &Options, params: &mut Params) {
    for (name, text) in &options.params {
        let finding = match params.defaults.get(name) {
            None => Finding::new("unknown-param", format!("`-p {name}={text}` sets `{name}`, which is no parameter"))
                .maybe_hint(params.hint(name, reader.inbox)),
            Some(default) => match typed(name, default, text) {
                Ok(value) => {
                    params.set(reader.sources, name, value, VariableKind::Flag, None);
                    continue;
                }
                Err((message, hint)) => {
                    Finding::new("wrong-type", format!("`-p {name}={text}`: {message}")).maybe_hint(hint)
                }
            },
        };
        let finding = match place {
            Some(span) => finding.at(span, "the parameters there are"),
            None => finding,
        };
        reader.inbox.push(finding);
    }
}

fn templated(reader: &mut FieldReader<'_>, node: &Node) -> bool {
    let Some(span) = node.template() else { return false };
    reader.inbox.push(
        Finding::new(
            "template-here",
            "a parameter cannot be a template: flags and profiles must be able to replace it",
        )
        .at(first_line(reader.sources, span), "here")
        .hint("compute from parameters in the `let` of a task"),
    );
    true
}

/// The value of a flag: a text as it was typed where the default is a text, else YAML of the default's type. If there is none, why, and a hint.
fn typed(name: &str, default: &Value, text: &str) -> Result<Value, (String, Option<String>)> {
    if default.is_string() {
        return Ok(Value::String(text.to_owned()));
    }
    let sources = Sources::single("-p", text.to_owned());
    let mut inbox = Inbox::default();
    let node = yaml::read_single(&sources, &mut inbox);
    if let Err(findings) = inbox.close(&sources) {
        return Err(match findings.iter().next() {
            Some(finding) if finding.code == "empty" => valueless(name, default),
            Some(finding) => (finding.message.clone(), finding.hint.clone()),
            None => (String::new(), None),
        });
    }
    let value = node.map_or(Value::Null, |node| node.plain());
    fit(default, value)
        .map_err(|value| (format!("the default is {}, and this is {}", what(default), what(&value)), None))
}

/// What is said of a flag with nothing behind its `=`, and how an empty value is written where the default's type has one.
fn valueless(name: &str, default: &Value) -> (String, Option<String>) {
    let empty = match default {
        Value::Null => Some(("an empty text", "\"\"")),
        Value::Array(_) => Some(("an empty list", "[]")),
        Value::Object(_) => Some(("an empty map", "{}")),
        _ => None,
    };
    let message = match default {
        Value::Null => "the parameter was given no value".to_owned(),
        default => format!("the parameter was given no value, and its default is {}", what(default)),
    };
    (message, empty.map(|(words, written)| format!("{words} is `-p '{name}={written}'`")))
}

/// A value that may stand for `default`; whole numbers may stand for numbers.
fn fit(default: &Value, value: Value) -> Result<Value, Value> {
    let fits = match (default, &value) {
        (Value::Number(default), Value::Number(value)) => {
            if default.is_f64() && !value.is_f64() {
                return value.as_f64().and_then(serde_json::Number::from_f64).map(Value::Number).ok_or(Value::Null);
            }
            default.is_f64() || !value.is_f64()
        }
        (Value::Null, _) => true,
        (default, value) => std::mem::discriminant(default) == std::mem::discriminant(value),
    };
    if fits { Ok(value) } else { Err(value) }
}

fn mismatch(name: &str, by: &str, default: &Value, value: &Value) -> String {
    format!("the parameter `{name}` is {} {by}, and this is {}", what(default), what(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flag(default: &Value, text: &str) -> Result<Value, String> {
        typed("n", default, text).map_err(|(message, _)| message)
    }

    #[test]
    fn a_flag_without_a_value_is_told_how_to_give_an_empty_one() {
        let said = |default: &Value, text: &str| typed("n", default, text).unwrap_err();
        let none = "the parameter was given no value, and its default is";
        assert_eq!(said(&json!(600), ""), (format!("{none} a whole number"), None));
        assert_eq!(said(&json!([1]), " "), (format!("{none} a list"), Some("an empty list is `-p 'n=[]'`".to_owned())));
        assert_eq!(said(&json!({}), "# x").1.as_deref(), Some("an empty map is `-p 'n={}'`"));
        assert_eq!(said(&json!(null), "").1.as_deref(), Some("an empty text is `-p 'n=\"\"'`"));
        assert_eq!(flag(&json!("some"), ""), Ok(json!("")));
        assert_eq!(said(&json!(true), "no").1.as_deref(), Some("write false or \"no\""));
    }

    #[test]
    fn flags_are_typed_by_the_default() {
        assert_eq!(flag(&json!(600), "50"), Ok(json!(50)));
        assert_eq!(flag(&json!(0.5), "1"), Ok(json!(1.0)));
        assert_eq!(flag(&json!("cpu"), "010"), Ok(json!("010")));
        assert_eq!(flag(&json!([1]), "[2, 3]"), Ok(json!([2, 3])));
        assert_eq!(flag(&json!(true), "false"), Ok(json!(false)));
        assert_eq!(flag(&json!(600), "50.5"), Err("the default is a whole number, and this is a number".into()));
        assert!(flag(&json!(600), "").is_err() && flag(&json!(600), "[").is_err() && flag(&json!(true), "no").is_err());
    }
}
