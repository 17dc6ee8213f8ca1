//! The root of the crate, and the study as a workflow: its parameters, its kinds as tools, its tasks as steps.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Value};
use isoflop_plan::Task;
use serde_json::json;

use super::{
    Contents, METADATA, README,
    actions::Linked,
    data,
    graph::{Entity, Graph, file, fragment},
};

/// The profiles that a crate conforms to: address, name, version.
const PROFILES: [(&str, &str, &str); 4] = [
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
];
const PARAMETER: &str = "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE";
const WORKFLOW: &str = "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE";
/// The engine.
pub(super) const ENGINE: &str = "#isoflop";
/// Whose results they are.
pub(super) const AUTHOR: &str = "#author";
/// The language of studies.
const LANGUAGE: &str = "#study-language";

/// A kind of the plan.
#[derive(Debug, Default)]
pub(super) struct Tool {
    revision: u32,
    /// Whether an attempt in the crate ran it.
    executed: bool,
    /// What its formal parameters are by id: name, type.
    inputs: BTreeMap<String, (String, &'static str)>,
}

/// The id of a kind.
pub(super) fn tool(kind: &str) -> String {
    fragment(&["kind", kind])
}

/// The id of what a kind makes.
pub(super) fn made_by(kind: &str) -> String {
    fragment(&["kind", kind, "makes"])
}

/// The id of a port of a kind.
pub(super) fn port(kind: &str, port: &str) -> String {
    fragment(&["kind", kind, "needs", port])
}

/// The id of a task.
pub(super) fn step(task: &str) -> String {
    fragment(&["task", task])
}

/// The id of what a task makes, of those that nothing else needs.
pub(super) fn output(task: &str) -> String {
    fragment(&["output", task])
}

/// The id of a parameter of the study, and that of its value.
pub(super) fn param(name: &str) -> (String, String) {
    (fragment(&["param", name]), fragment(&["param", name, "value"]))
}

/// A member of a task's `with:`: the id of its formal parameter, its path, and its value.
pub(super) fn spec_of(task: &Task) -> Vec<(String, String, &Value)> {
    fn walk<'t>(path: &str, value: &'t Value, into: &mut Vec<(String, &'t Value)>) {
        match value {
            Value::Object(members) => {
                let sorted: BTreeMap<&String, &Value> = members.iter().collect();
                for (name, member) in sorted {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    walk(&path, member, into);
                }
            }
            Value::Null => {}
            other => into.push((path.to_owned(), other)),
        }
    }
    let mut members = Vec::new();
    walk("", &task.recipe.spec, &mut members);
    members.into_iter().map(|(path, value)| (fragment(&["kind", task.kind, "with", &path]), path, value)).collect()
}

/// The id of a value of a formal parameter: equal values of one parameter are one entity.
pub(super) fn value_of(parameter: &str, value: &Value) -> String {
    format!("{parameter}={}", Digest::of(value.to_string()).short())
}

/// What schema.org calls the type of a value.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "Boolean",
        Value::Number(number) if number.is_f64() => "Float",
        Value::Number(_) => "Integer",
        Value::String(_) => "Text",
        Value::Null | Value::Array(_) | Value::Object(_) => "PropertyValue",
    }
}

/// A value as `PropertyValue` may have it: lists and maps as their JSON.
fn plain(value: &Value) -> Value {
    if value.is_array() || value.is_object() { json!(value.to_string()) } else { value.clone() }
}

/// The kinds of the plan.
pub(super) fn tools(contents: &Contents<'_>) -> BTreeMap<String, Tool> {
    let linked = Linked::of(contents);
    let mut tools: BTreeMap<String, Tool> = BTreeMap::new();
    for (index, task) in contents.plan.tasks().iter().enumerate() {
        let entry = tools.entry(task.kind.to_owned()).or_default();
        entry.revision = task.revision;
        entry.executed |= linked.of_task(index).next().is_some();
        for name in task.needs.keys() {
            entry.inputs.insert(port(task.kind, name), (name.clone(), "Collection"));
        }
        for (id, path, value) in spec_of(task) {
            entry.inputs.entry(id).or_insert((path, type_of(value)));
        }
    }
    tools
}

fn formal(id: &str, name: &str, kind: &str) -> Entity {
    Entity::new(id, &["FormalParameter"]).text("name", name).text("additionalType", kind).link("conformsTo", PARAMETER)
}

/// The study's file as the workflow, with everything it consists of.
pub(super) fn workflow(contents: &Contents<'_>, tools: &BTreeMap<String, Tool>, graph: &mut Graph) {
    let Contents { plan, head, .. } = contents;
    let params: Vec<&String> = plan.study.params.keys().collect();
    let leaves = leaves(contents);
    let executed = tools.iter().filter(|(_, known)| known.executed).map(|(kind, _)| tool(kind));
    let workflow = data::file(contents, &head.file, &["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"])
        .text("name", &head.study)
        .maybe("description", plan.study.about.as_deref())
        .text("version", head.plan.to_string())
        .link("programmingLanguage", LANGUAGE)
        .link("conformsTo", WORKFLOW)
        .links("input", params.iter().map(|name| param(name).0))
        .links("output", leaves.iter().map(|task| output(&task.name)))
        .links("hasPart", executed)
        .links("step", plan.tasks().iter().map(|task| step(&task.name)));
    graph.add(workflow);
    graph.add(
        Entity::new(LANGUAGE, &["ComputerLanguage"])
            .text("name", "isoflop study")
            .text("description", "YAML in which scaling studies are declared for isoflop"),
    );
    graph.add(
        Entity::new(ENGINE, &["SoftwareApplication"])
            .text("name", "isoflop")
            .text("softwareVersion", &head.isoflop)
            .text("description", "A declarative workflow engine for reproducible scaling studies"),
    );
    for (name, value) in &plan.study.params {
        let (parameter, value_id) = param(name);
        graph.add(formal(&parameter, name, type_of(value)));
        let given = Entity::new(value_id, &["PropertyValue"]).text("name", name).value("value", plain(value));
        graph.add(given.link("exampleOfWork", parameter));
    }
    for (position, task) in plan.tasks().iter().enumerate() {
        let written = format!("{}:{}", task.origin.file, task.origin.line);
        graph.add(
            Entity::new(step(&task.name), &["HowToStep"])
                .text("name", &task.name)
                .text("position", (position + 1).to_string())
                .text("description", format!("{}, written at {written}", task.kind))
                .text("identifier", format!("key:{}", task.key))
                .link("workExample", tool(task.kind)),
        );
        for (parameter, path, value) in spec_of(task) {
            let id = value_of(&parameter, value);
            let given = Entity::new(id, &["PropertyValue"]).text("name", path).value("value", plain(value));
            graph.add(given.link("exampleOfWork", parameter));
        }
    }
    for (kind, known) in tools {
        graph.add(
            Entity::new(tool(kind), &["SoftwareApplication"])
                .text("name", kind)
                .text("softwareVersion", format!("revision {}", known.revision))
                .text("description", format!("A kind of task of isoflop; `isoflop schema {kind}` documents it"))
                .links("input", known.inputs.keys())
                .link("output", made_by(kind)),
        );
        graph.add(formal(&made_by(kind), "artifact", "Collection"));
        for (id, (name, kind)) in &known.inputs {
            graph.add(formal(id, name, kind));
        }
    }
    for task in leaves {
        graph.add(formal(&output(&task.name), &task.name, "Collection"));
    }
}

/// The tasks that nothing else needs.
pub(super) fn leaves<'a>(contents: &Contents<'a>) -> Vec<&'a Task> {
    let plan = contents.plan;
    plan.tasks().iter().enumerate().filter(|(n, _)| plan.consumers(*n).next().is_none()).map(|(_, task)| task).collect()
}

/// The metadata's own entity and the root. Last, since the root links to much of what is there.
pub(super) fn root(contents: &Contents<'_>, mentions: &[String], graph: &mut Graph) {
    let Contents { head, plan, .. } = contents;
    let specifications = ["https://w3id.org/ro/crate/1.1", PROFILES[3].0];
    graph.add(Entity::new(METADATA, &["CreativeWork"]).links("conformsTo", specifications).link("about", "./"));
    let about = plan.study.about.as_deref().unwrap_or("A scaling study");
    let missing = match head.missing.len() {
        0 => String::new(),
        n => format!(" {n} of {} tasks have no result in this crate.", head.planned),
    };
    let root = Entity::new("./", &["Dataset"])
        .text("name", format!("{}: results and their provenance", head.study))
        .text("description", format!("{about}{missing} `isoflop audit` checks this crate; {README} says how."))
        .text("datePublished", &head.published)
        .link("mainEntity", file(&head.file))
        .links("conformsTo", PROFILES.iter().map(|(id, ..)| id))
        .links("hasPart", data::top(contents))
        .links("mentions", mentions.iter().cloned().chain(graph.of_type("Collection")));
    let root = match (&head.license, data::license(contents)) {
        (Some(license), _) if license.starts_with("https://") || license.starts_with("http://") => {
            graph.add(
                Entity::new(license, &["CreativeWork"])
                    .text("name", license)
                    .text("description", "The licence of this crate"),
            );
            root.link("license", license)
        }
        (Some(license), _) => root.text("license", license),
        (None, Some(path)) => root.link("license", file(path)),
        (None, None) => root.text("license", "No licence was stated: ask whoever gave you this crate."),
    };
    let root = match &head.author {
        Some(author) => {
            graph.add(Entity::new(AUTHOR, &["Person"]).text("name", author));
            root.link("author", AUTHOR)
        }
        None => root,
    };
    graph.add(root);
    for (id, name, version) in PROFILES {
        graph.add(Entity::new(id, &["CreativeWork"]).text("name", name).text("version", version));
    }
}

/// The ids of the values that a task's `with:` has.
pub(super) fn values(task: &Task) -> BTreeSet<String> {
    spec_of(task).into_iter().map(|(parameter, _, value)| value_of(&parameter, value)).collect()
}
