//! Parameters: typed by their defaults, overridden by a profile and then by flags.

use std::collections::BTreeMap;

use isoflop_contract::Value;

use crate::{
    Options,
    fields::FieldReader,
    finding::{Finding, Inbox},
    form::first_line,
    source::{Sources, Span},
    suggest,
    yaml::{self, Kind, Node, what},
};

/// Resolves the parameters of a study.
pub(crate) fn resolve(
    reader: &mut FieldReader<'_>,
    params: Option<(Span, &Node)>,
    profiles: Option<(Span, &Node)>,
    options: &Options,
) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    for entry in params.and_then(|(_, node)| reader.map(node, "`params`")).unwrap_or_default() {
        if !reader.variable("a parameter", &entry.key, entry.key_span) || templated(reader, &entry.value) {
            continue;
        }
        let value = entry.value.plain();
        if matches!(entry.value.kind, Kind::Null) {
            let message = format!("the parameter `{}` has no default, so its type is not known", entry.key);
            reader.inbox.push(Finding::new("no-default", message).at(entry.key_span, "this parameter"));
        }
        values.insert(entry.key.clone(), value);
    }
    let defaults = values.clone();
    let mut found = options.profile.is_none();
    let mut names = Vec::new();
    for profile in profiles.and_then(|(_, node)| reader.map(node, "`profiles`")).unwrap_or_default() {
        names.push(profile.key.as_str());
        let chosen = options.profile.as_deref() == Some(profile.key.as_str());
        found |= chosen;
        let of = format!("the profile `{}`", profile.key);
        for entry in reader.map(&profile.value, &of).unwrap_or_default() {
            let Some(default) = defaults.get(&entry.key) else {
                reader.inbox.push(
                    Finding::new("unknown-param", format!("{of} sets `{}`, which is no parameter", entry.key))
                        .at(entry.key_span, "this name")
                        .maybe_hint(suggest::hint(&entry.key, defaults.keys().map(String::as_str))),
                );
                continue;
            };
            if templated(reader, &entry.value) {
                continue;
            }
            match fit(default, entry.value.plain()) {
                Ok(value) if chosen => drop(values.insert(entry.key.clone(), value)),
                Ok(_) => {}
                Err(value) => {
                    let message = mismatch(&entry.key, default, &value);
                    let place = first_line(reader.sources, entry.value.span);
                    reader.inbox.push(Finding::new("wrong-type", message).at(place, "here"));
                }
            }
        }
    }
    if let Some(wanted) = options.profile.as_ref().filter(|_| !found) {
        let mut finding = Finding::new("unknown-profile", format!("the study has no profile `{wanted}`"))
            .maybe_hint(suggest::hint(wanted, names.iter().copied()));
        if let Some((span, _)) = profiles {
            finding = finding.at(span, "the profiles there are");
        }
        reader.inbox.push(finding);
    }
    flags(reader, params.map(|(span, _)| span), &defaults, options, &mut values);
    values
}

fn flags(
    reader: &mut FieldReader<'_>,
    place: Option<Span>,
    defaults: &BTreeMap<String, Value>,
    options: &Options,
    values: &mut BTreeMap<String, Value>,
) {
    for (name, text) in &options.params {
        let finding = match defaults.get(name) {
            None => Finding::new("unknown-param", format!("`-p {name}={text}` sets `{name}`, which is no parameter"))
                .maybe_hint(suggest::hint(name, defaults.keys().map(String::as_str))),
            Some(default) => match typed(default, text) {
                Ok(value) => {
                    values.insert(name.clone(), value);
                    continue;
                }
                Err(message) => Finding::new("wrong-type", format!("`-p {name}={text}`: {message}")),
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

/// The value of a flag: a text as it was typed where the default is a text, else YAML of the default's type.
fn typed(default: &Value, text: &str) -> Result<Value, String> {
    if default.is_string() {
        return Ok(Value::String(text.to_owned()));
    }
    let sources = Sources::single("-p", text.to_owned());
    let mut inbox = Inbox::default();
    let node = yaml::read(&sources, &mut inbox);
    if let Err(findings) = inbox.close(&sources) {
        let first = findings.iter().next().map(|finding| finding.message.clone());
        return Err(first.unwrap_or_default());
    }
    let value = node.map_or(Value::Null, |node| node.plain());
    fit(default, value).map_err(|value| format!("the default is {}, and this is {}", what(default), what(&value)))
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

fn mismatch(name: &str, default: &Value, value: &Value) -> String {
    format!("the parameter `{name}` is {} by its default, and this is {}", what(default), what(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_are_typed_by_the_default() {
        assert_eq!(typed(&json!(600), "50"), Ok(json!(50)));
        assert_eq!(typed(&json!(0.5), "1"), Ok(json!(1.0)));
        assert_eq!(typed(&json!("cpu"), "010"), Ok(json!("010")));
        assert_eq!(typed(&json!([1]), "[2, 3]"), Ok(json!([2, 3])));
        assert_eq!(typed(&json!(true), "false"), Ok(json!(false)));
        assert_eq!(typed(&json!(600), "50.5"), Err("the default is a whole number, and this is a number".into()));
        assert!(
            typed(&json!(600), "").is_err() && typed(&json!(600), "[").is_err() && typed(&json!(true), "no").is_err()
        );
    }
}
