//! JSON Schema of studies: what an editor needs to complete fields, show what they mean and flag what is wrong while it is typed.
//!
//! The words of the language stand in `schema/language.json`; what a kind is asked, needs and gathers comes from the catalog. A value of
//! `with:`, `on:` or `environment:` may be a template wherever it may be anything else, and so may a list or a map as a whole. The schema never
//! refuses what [`plan`](crate::plan()) takes; what only planning can know (names, cycles, axes, types of templates) it does not ask.

mod templated;

use isoflop_contract::{Catalog, Demand, Entry, Runtime, Value, environment::Torch, port::Port, schema};
use serde_json::{Map, json};

use self::templated::templated;

const LANGUAGE: &str = include_str!("schema/language.json");

/// The schema of a study whose kinds are these, in draft 2020-12. A file that studies include is `#/$defs/part` of it.
pub fn study(catalog: &Catalog) -> Value {
    let mut language: Value = serde_json::from_str(LANGUAGE).expect("the language's schema is JSON, as a test says");
    let defs = &mut language["$defs"];
    defs["on"] = described(
        templated(schema::of::<Demand>()),
        "What a task asks of the machine, and how long it may take. Not hashed.",
    );
    let environment = "What decides the bits besides the spec, of kinds that need libtorch. All of it is hashed.";
    defs["environment"] = described(templated(schema::of::<Torch>()), environment);
    let names: Vec<Value> =
        catalog.iter().map(|entry| json!({ "const": entry.name, "description": entry.about })).collect();
    defs["single"]["properties"]["kind"] = json!({ "description": "What sort of task it is.", "oneOf": names });
    defs["single"]["allOf"] = catalog.iter().map(of_kind).collect();
    language
}

/// The schema of one kind's `with:`, its templates evaluated.
pub fn kind(entry: &Entry) -> Value {
    let mut schema = entry.schema();
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(entry.name);
    schema["description"] = json!(entry.about);
    schema
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

/// What holds of a task if its kind is this one.
fn of_kind(entry: &Entry) -> Value {
    let with = entry.schema();
    let needs = |many: bool| entry.ports.iter().filter(move |port| port.arity.gathers() == many);
    let mut required = Vec::new();
    if with.get("required").and_then(Value::as_array).is_some_and(|fields| !fields.is_empty()) {
        required.push("with");
    }
    for (key, many) in [("needs", false), ("gather", true)] {
        if needs(many).any(|port| port.arity.required()) {
            required.push(key);
        }
    }
    let mut properties = json!({
        "with": described(templated(with), entry.about),
        "needs": ports(entry, needs(false), "#/$defs/reference"),
        "gather": ports(entry, needs(true), "#/$defs/gathered"),
    });
    if entry.runtime != Runtime::Torch {
        properties["environment"] = json!({ "description": "Only kinds that need libtorch have one.", "not": {} });
    }
    if !entry.files {
        properties["files"] = json!({ "description": "This kind reads no files of the study.", "not": {} });
    }
    json!({
        "if": { "type": "object", "properties": { "kind": { "const": entry.name } }, "required": ["kind"] },
        "then": { "properties": properties, "required": required },
    })
}

fn ports<'p>(entry: &Entry, ports: impl Iterator<Item = &'p Port>, value: &str) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for port in ports {
        let description = format!("{} Takes: {}.", port.about, port.shape);
        properties.insert(port.name.to_owned(), json!({ "description": description, "allOf": [{ "$ref": value }] }));
        if port.arity.required() {
            required.push(port.name);
        }
    }
    let others = if entry.open { json!({ "$ref": value }) } else { json!(false) };
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": others })
}
