//! The graph of a crate's metadata: entities in the order they were added, members in the order of their names.

use std::{collections::BTreeMap, fmt::Write};

use isoflop_contract::Value;
use serde_json::json;

/// Entities, each once.
#[derive(Debug, Default)]
pub(super) struct Graph {
    entities: BTreeMap<String, Entity>,
    order: Vec<String>,
}

/// One entity.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    id: String,
    members: BTreeMap<&'static str, Value>,
}

impl Entity {
    /// An entity of these types.
    pub fn new(id: impl Into<String>, types: &[&str]) -> Self {
        let id = id.into();
        let types = if let [one] = types { json!(one) } else { json!(types) };
        Self { members: BTreeMap::from([("@id", json!(id)), ("@type", types)]), id }
    }

    /// With this member, unless its text is empty.
    pub fn text(mut self, member: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        if !text.is_empty() {
            self.members.insert(member, Value::String(text));
        }
        self
    }

    /// With this member, if there is a value.
    pub fn maybe(self, member: &'static str, text: Option<&str>) -> Self {
        self.text(member, text.unwrap_or_default())
    }

    /// With this value.
    pub fn value(mut self, member: &'static str, value: Value) -> Self {
        self.members.insert(member, value);
        self
    }

    /// With a link to another entity.
    pub fn link(self, member: &'static str, id: impl AsRef<str>) -> Self {
        self.value(member, json!({"@id": id.as_ref()}))
    }

    /// With links to other entities, each once; without the member where there are none.
    pub fn links<S: AsRef<str>>(self, member: &'static str, ids: impl IntoIterator<Item = S>) -> Self {
        let mut seen = std::collections::BTreeSet::new();
        let ids = ids.into_iter().filter(|id| seen.insert(id.as_ref().to_owned()));
        let links: Vec<Value> = ids.map(|id| json!({"@id": id.as_ref()})).collect();
        match links.len() {
            0 => self,
            1 => self.value(member, links.into_iter().next().unwrap_or_default()),
            _ => self.value(member, Value::Array(links)),
        }
    }
}

impl Graph {
    /// Adds an entity, unless one of its id is there.
    pub fn add(&mut self, entity: Entity) {
        if !self.entities.contains_key(&entity.id) {
            self.order.push(entity.id.clone());
            self.entities.insert(entity.id.clone(), entity);
        }
    }

    /// The ids of all entities of a type, in order.
    pub fn of_type(&self, name: &str) -> Vec<String> {
        let is = |entity: &Entity| match &entity.members["@type"] {
            Value::Array(types) => types.iter().any(|one| one == name),
            one => one == name,
        };
        self.order.iter().filter(|id| is(&self.entities[*id])).cloned().collect()
    }

    /// The JSON-LD, the metadata's own entity and the root first.
    pub fn text(mut self) -> String {
        self.order.sort_by_key(|id| match id.as_str() {
            super::METADATA => 0,
            "./" => 1,
            _ => 2,
        });
        let entities: Vec<&BTreeMap<_, _>> = self.order.iter().map(|id| &self.entities[id].members).collect();
        pretty(&json!({
            "@context": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
            "@graph": entities,
        }))
    }
}

/// An id of an entity that is no file: a fragment, with everything that may not stand in one encoded.
pub(super) fn fragment(parts: &[&str]) -> String {
    let mut id = "#".to_owned();
    for (n, part) in parts.iter().enumerate() {
        if n > 0 {
            id.push('/');
        }
        encode(part, b"-._~=,:", &mut id);
    }
    id
}

/// The id of a file: its path, encoded.
pub(super) fn file(path: &str) -> String {
    let mut id = String::new();
    encode(path, b"-._~/=,+", &mut id);
    id
}

fn encode(text: &str, plain: &[u8], into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.contains(&byte) {
            into.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _ = write!(into, "%{byte:02X}");
        }
    }
}

/// JSON for people and for comparing: two blanks a level, members in the order of their names whatever order they were given in.
pub fn pretty(value: &Value) -> String {
    let mut text = String::new();
    write_value(value, 0, &mut text);
    text.push('\n');
    text
}

fn write_value(value: &Value, depth: usize, into: &mut String) {
    let indent = |into: &mut String, depth: usize| {
        into.push('\n');
        into.extend(std::iter::repeat_n("  ", depth));
    };
    match value {
        Value::Array(items) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                into.push(if n == 0 { '[' } else { ',' });
                indent(into, depth + 1);
                write_value(item, depth + 1, into);
            }
            indent(into, depth);
            into.push(']');
        }
        Value::Object(members) if members.len() == 1 && members.contains_key("@id") => {
            let _ = write!(into, "{{\"@id\": {}}}", members["@id"]);
        }
        Value::Object(members) if !members.is_empty() => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            for (n, (name, member)) in sorted.into_iter().enumerate() {
                into.push(if n == 0 { '{' } else { ',' });
                indent(into, depth + 1);
                let _ = write!(into, "{}: ", Value::from(name.as_str()));
                write_value(member, depth + 1, into);
            }
            indent(into, depth);
            into.push('}');
        }
        plain => {
            let _ = write!(into, "{plain}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_hold_only_what_may_stand_in_them() {
        assert_eq!(fragment(&["step", "train[size=s,seed=0]"]), "#step/train%5Bsize=s,seed=0%5D");
        assert_eq!(file("study/a b/é.py"), "study/a%20b/%C3%A9.py");
    }

    #[test]
    fn json_is_in_the_order_of_names_and_reads_back() {
        let value = json!({"b": [1, {"@id": "x"}, []], "a": {"d": "ü\"", "c": null}, "@id": 0.1});
        let text = pretty(&value);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("\"@id\": 0.1") < at("\"a\"") && at("\"c\"") < at("\"d\"") && at("\"a\"") < at("\"b\""), "{text}");
        assert!(text.contains("    {\"@id\": \"x\"},\n") && text.ends_with("}\n"), "{text}");
    }

    #[test]
    fn an_entity_is_there_once_and_links_are_too() {
        let mut graph = Graph::default();
        graph.add(Entity::new("#a", &["File", "HowTo"]).links("part", ["#b", "#b"]).text("name", ""));
        graph.add(Entity::new("#a", &["Other"]));
        assert_eq!((graph.of_type("HowTo"), graph.of_type("Other")), (vec!["#a".to_owned()], vec![]));
        let text = graph.text();
        assert!(text.contains("\"part\": {\"@id\": \"#b\"}") && !text.contains("name"), "{text}");
    }
}
