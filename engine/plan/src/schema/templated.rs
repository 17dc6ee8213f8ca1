//! A schema of values made to take templates as well, at every place where a value stands.

use isoflop_contract::Value;
use serde_json::{Map, json};

/// What describes a value and does not restrict it: it stays outside, where editors look for it.
const NOTES: [&str; 5] = ["title", "description", "default", "examples", "deprecated"];

/// The schema, taking `"{{ … }}"` too, and in the values inside.
pub(super) fn templated(schema: Value) -> Value {
    let Value::Object(members) = schema else { return schema };
    if takes_any_text(&members) {
        return Value::Object(members);
    }
    // A text may be put together from templates and text; any other value is one expression.
    let form = if is_text(&members) { "#/$defs/template" } else { "#/$defs/expression" };
    let (notes, rules): (Map<String, Value>, Map<String, Value>) =
        members.into_iter().partition(|(name, _)| NOTES.contains(&name.as_str()));
    let rules = within(rules);
    if rules.is_empty() {
        return Value::Object(notes);
    }
    let mut outer = notes;
    outer.insert("if".to_owned(), json!({ "$ref": form }));
    outer.insert("else".to_owned(), Value::Object(rules));
    Value::Object(outer)
}

/// The rules of one place: values inside take templates; alternatives for the same value are already spoken for.
fn within(rules: Map<String, Value>) -> Map<String, Value> {
    let each = |value: Value, change: fn(Value) -> Value| match value {
        Value::Object(members) => members.into_iter().map(|(name, value)| (name, change(value))).collect(),
        Value::Array(items) => items.into_iter().map(change).collect(),
        other => other,
    };
    rules
        .into_iter()
        .map(|(name, value)| {
            let value = match name.as_str() {
                "properties" | "patternProperties" | "prefixItems" => each(value, templated),
                "items" | "additionalProperties" => templated(value),
                "anyOf" | "oneOf" | "allOf" => each(value, alternative),
                _ => value,
            };
            (name, value)
        })
        .collect()
}

fn alternative(schema: Value) -> Value {
    match schema {
        Value::Object(members) => Value::Object(within(members)),
        other => other,
    }
}

fn types(schema: &Map<String, Value>) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn takes_any_text(schema: &Map<String, Value>) -> bool {
    const LIMITS: [&str; 8] = ["enum", "const", "pattern", "format", "maxLength", "oneOf", "anyOf", "allOf"];
    types(schema).contains(&"string") && !LIMITS.iter().any(|limit| schema.contains_key(*limit))
}

fn is_text(schema: &Map<String, Value>) -> bool {
    let alternatives = ["oneOf", "anyOf"].into_iter().filter_map(|name| schema.get(name)?.as_array()).flatten();
    types(schema).contains(&"string")
        || schema.get("const").is_some_and(Value::is_string)
        || alternatives.filter_map(Value::as_object).any(is_text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_templates_and_texts_take_them_as_they_are() {
        let schema = json!({
            "type": "object",
            "required": ["steps"],
            "additionalProperties": false,
            "properties": {
                "steps": { "type": "integer", "minimum": 1, "description": "How many." },
                "name": { "type": "string" },
                "form": { "oneOf": [{ "const": "power" }, { "const": "logit" }] },
                "betas": { "type": "array", "items": { "type": "number" } },
            },
        });
        let properties = &templated(schema.clone())["else"]["properties"];
        let expression = json!({ "$ref": "#/$defs/expression" });
        assert_eq!(
            properties["steps"],
            json!({ "description": "How many.", "if": expression, "else": { "type": "integer", "minimum": 1 } })
        );
        assert_eq!(properties["name"], json!({ "type": "string" }));
        assert_eq!(properties["form"]["if"], json!({ "$ref": "#/$defs/template" }));
        assert_eq!(properties["form"]["else"]["oneOf"][0], json!({ "const": "power" }));
        assert_eq!(properties["betas"]["else"]["items"]["if"], expression);
        assert_eq!(templated(schema)["else"]["required"], json!(["steps"]));
        assert_eq!(templated(json!({})), json!({}));
    }
}
