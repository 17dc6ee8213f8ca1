//! An outline: what a study names, read without planning it, from studies with mistakes too. For what helps while a person types.

use std::collections::BTreeMap;

use isoflop_contract::Value;

use crate::{
    finding::Inbox,
    include,
    source::Files,
    yaml::{Entry, Kind, Node},
};

/// What a study names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Outline {
    /// The study's name.
    pub name: Option<String>,
    /// Parameters with their defaults.
    pub params: BTreeMap<String, Value>,
    /// Profiles, with what each sets.
    pub profiles: BTreeMap<String, BTreeMap<String, Value>>,
    /// Tasks as they are written, before any cell, with their kind or, after `use `, their template.
    pub tasks: Vec<(String, String)>,
}

/// The outline of the study at `path`. What cannot be read is left out.
pub fn outline(files: &dyn Files, path: &str) -> Outline {
    let mut outline = Outline::default();
    let documents = include::load(files, path, &mut Inbox::default());
    for (at, document) in documents.list.iter().enumerate() {
        if let Some(root) = &document.root {
            read(root, at == 0, &mut outline);
        }
    }
    outline
}

fn read(root: &Node, first: bool, outline: &mut Outline) {
    for entry in entries(root) {
        match entry.key.as_str() {
            "study" if first => outline.name = text(&entry.value),
            "params" => {
                for param in entries(&entry.value) {
                    outline.params.entry(param.key.clone()).or_insert_with(|| param.value.plain());
                }
            }
            "profiles" => {
                for profile in entries(&entry.value) {
                    let sets = outline.profiles.entry(profile.key.clone()).or_default();
                    for param in entries(&profile.value) {
                        sets.entry(param.key.clone()).or_insert_with(|| param.value.plain());
                    }
                }
            }
            "tasks" if first => outline.tasks = entries(&entry.value).iter().map(task).collect(),
            _ => {}
        }
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.kind {
        Kind::Map(entries) => entries,
        _ => &[],
    }
}

fn text(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn task(entry: &Entry) -> (String, String) {
    let of =
        |key: &str| entries(&entry.value).iter().find(|field| field.key == key).and_then(|field| text(&field.value));
    let sort = of("kind").or_else(|| of("use").map(|template| format!("use {template}")));
    (entry.key.clone(), sort.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::source::Memory;

    #[test]
    fn what_a_broken_study_names_is_still_told() {
        let files = Memory(BTreeMap::from([
            (
                "a/study.yaml".to_owned(),
                b"study: s\ninclude: [parts/x.yaml, ../b.yaml]\nparams: { steps: 3 }\nprofiles: { smoke: { steps: 1 } }\ntasks:\n  \
                  one: { kind: nonsense, with: { x: \"{{ nowhere }}\" } }\n  two: { use: scored }\n"
                    .to_vec(),
            ),
            ("a/parts/x.yaml".to_owned(), b"params: { steps: 9, rate: 0.5 }\ninclude: [../study.yaml]\n".to_vec()),
            ("b.yaml".to_owned(), b"profiles: { paper: {} }\n".to_vec()),
        ]));
        let outline = outline(&files, "a/study.yaml");
        assert_eq!(outline.name.as_deref(), Some("s"));
        assert_eq!(outline.params, BTreeMap::from([("steps".into(), json!(3)), ("rate".into(), json!(0.5))]));
        assert_eq!(outline.profiles.keys().collect::<Vec<_>>(), ["paper", "smoke"]);
        assert_eq!(outline.tasks, [("one".into(), "nonsense".into()), ("two".into(), "use scored".into())]);
    }

    #[test]
    fn what_cannot_be_read_has_no_outline() {
        for text in ["", "[", "- 1\n- 2\n", "tasks: 3\nparams: []\nprofiles: x\ninclude: 3\n"] {
            assert_eq!(outline(&Memory::single("s.yaml", text), "s.yaml"), Outline::default(), "{text}");
        }
        assert_eq!(outline(&Memory::default(), "s.yaml"), Outline::default());
    }
}
