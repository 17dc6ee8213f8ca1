//! The text of one task: its keys read into types, in the place where it stands.

use std::sync::Arc;

use crate::{
    fields::{FieldReader, Fields},
    finding::Finding,
    form::first_line,
    naming::Naming,
    place::{Ground, Place},
    source::Span,
    study::{GatherText, Level, NeedText, OnText, Role, TaskText},
    target::Target,
    yaml::{Entry, Kind, what},
};

/// How long the name of a task may be.
const NAME_LIMIT: usize = 100;

/// Reads the name of `what`, an entry; of one that is too long, as much as may be.
pub(crate) fn name<'n>(reader: &mut FieldReader<'_>, what: &str, entry: &'n Entry) -> &'n str {
    let name = entry.key.as_str();
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if !sound {
        let message =
            format!("`{name}` cannot name {what}: lower-case letters, digits, `-` and `_` only, a letter first");
        reader.inbox.push(Finding::new("bad-name", message).at(entry.key_span, "this name"));
    } else if name.len() > NAME_LIMIT {
        let message = format!("the name of {what} has {} letters; {NAME_LIMIT} is the limit", name.len());
        reader.inbox.push(Finding::new("bad-name", message).at(entry.key_span, "this name"));
    }
    &name[..name.floor_char_boundary(NAME_LIMIT)]
}

/// Reads what tasks and frames have in common.
pub(crate) fn common<'n>(
    reader: &mut FieldReader<'_>,
    ground: &Ground<'_>,
    place: &Place<'n>,
    name: String,
    span: Span,
    fields: &mut Fields<'n>,
) -> TaskText<'n> {
    if let Some(about) = fields.get("about") {
        reader.text(about);
    }
    let lets = fields.get("let").and_then(|entry| reader.map(&entry.value, "`let`")).unwrap_or_default();
    let lets = lets.iter().filter(|entry| reader.variable("a value", &entry.key, entry.key_span)).collect();
    let frame =
        place.frames.last().map(|frame| (Target { group: frame.clone(), home: 0, span, axes: Vec::new() }, span));
    let mut each: Vec<(Target, Span)> = frame.into_iter().collect();
    if let Some(entry) = fields.get("each") {
        let mut naming = Naming { ground, place, inbox: reader.inbox };
        match naming.many(&entry.value, "`each`") {
            Some(targets) => each.extend(targets.into_iter().map(|target| (target, entry.value.span))),
            // Nobody knows the cells of a group without a name; nothing more is said of it.
            None => each.push((Target { group: String::new(), home: 0, span, axes: Vec::new() }, span)),
        }
    }
    let mut on = place.on.clone();
    on.extend(fields.remove("on").map(|entry| OnText { entry, level: place.levels.len() }));
    let mut levels = place.levels.clone();
    levels.push(Arc::new(Level { defaults: place.defaults.clone(), lets, args: Vec::new() }));
    TaskText {
        name,
        span,
        role: Role::Task,
        through: Arc::clone(&place.through),
        kind: None,
        matrix: fields.remove("matrix"),
        each,
        when: fields.remove("when"),
        files: None,
        needs: Vec::new(),
        unread: Vec::new(),
        gathers: Vec::new(),
        with: None,
        on,
        levels,
        environment: None,
    }
}

/// Reads what a task has besides.
pub(crate) fn own<'n>(
    reader: &mut FieldReader<'_>,
    ground: &Ground<'_>,
    place: &Place<'n>,
    entry: &'n Entry,
    fields: &mut Fields<'n>,
    text: &mut TaskText<'n>,
) {
    if let Some(kind) = fields.get("kind") {
        text.kind = reader.fixed(kind);
    } else if matches!(entry.value.kind, Kind::Map(_)) {
        let finding = Finding::new("missing-key", format!("the task `{}` has no `kind`", entry.key));
        let hint = "`isoflop schema` lists all kinds; a task without one must `use` a template";
        reader.inbox.push(finding.at(entry.key_span, "this task").hint(hint));
    }
    for (key, gathering) in [("needs", false), ("gather", true)] {
        let ports = fields.get(key).and_then(|entry| reader.map(&entry.value, &format!("`{key}`"))).unwrap_or_default();
        for port in ports {
            let read = if gathering {
                gather(reader, ground, place, port).map(|gather| text.gathers.push(gather))
            } else {
                let of = format!("`{}`", port.key);
                let from = Naming { ground, place, inbox: reader.inbox }.at_most_one(&port.value, &of);
                let (port_span, from_span) = (port.key_span, port.value.span);
                let need = |from| NeedText { port: port.key.clone(), port_span, from, from_span };
                from.map(|from| text.needs.extend(from.into_iter().map(need)))
            };
            if read.is_none() {
                text.unread.push(port.key.clone());
            }
        }
    }
    text.files = fields.remove("files");
    text.with = fields.remove("with");
    text.environment = fields.remove("environment");
}

fn gather<'n>(
    reader: &mut FieldReader<'_>,
    ground: &Ground<'_>,
    place: &Place<'n>,
    entry: &'n Entry,
) -> Option<GatherText<'n>> {
    let (port, port_span) = (entry.key.clone(), entry.key_span);
    let (node, by, filter) = if let Kind::Map(_) = entry.value.kind {
        let of = format!("the gather `{port}`");
        let fields = reader.fields(&entry.value, &of, &["from", "by", "where"])?;
        let Some(from) = fields.get("from") else {
            let finding = Finding::new("missing-key", format!("{of} does not say `from` which task"));
            reader.inbox.push(finding.at(port_span, "this gather"));
            return None;
        };
        let by = fields.get("by").map_or_else(Vec::new, |entry| axes(reader, ground, place, entry));
        (&from.value, by, fields.get("where").map(|entry| &entry.value))
    } else {
        (&entry.value, Vec::new(), None)
    };
    let from = Naming { ground, place, inbox: reader.inbox }.one(node, &format!("`{port}`"))?;
    let inside = |frame: &&String| from.group.strip_prefix(frame.as_str()).is_some_and(|rest| rest.starts_with('.'));
    let by_frame = place.frames.iter().rev().find(inside).cloned();
    Some(GatherText { port, port_span, from, from_span: node.span, by, by_frame, filter })
}

/// A list of axes, which may be a template.
fn axes(reader: &mut FieldReader<'_>, ground: &Ground<'_>, place: &Place<'_>, entry: &Entry) -> Vec<(String, Span)> {
    let of = format!("`{}`", entry.key);
    let written = match &entry.value.kind {
        Kind::List(items) => items.as_slice(),
        Kind::Text(text) if text.contains("{{") => std::slice::from_ref(&entry.value),
        _ => {
            reader.wrong(&entry.value, &of, "a list of axes");
            return Vec::new();
        }
    };
    let mut names = Vec::new();
    for item in written {
        let values = match (&item.kind, item.template()) {
            (Kind::Text(name), None) => vec![serde_json::Value::String(name.clone())],
            (_, Some(_)) => match place.evaluate(ground, item, reader.inbox) {
                Some(serde_json::Value::Array(values)) => values,
                Some(value) => vec![value],
                None => continue,
            },
            _ => vec![item.plain()],
        };
        for value in values {
            if let Some(name) = value.as_str() {
                names.push((name.to_owned(), item.span));
            } else {
                let message = format!("an axis must be a text, and is {}", what(&value));
                let place = first_line(reader.sources, item.span);
                reader.inbox.push(Finding::new("wrong-type", message).at(place, "here"));
            }
        }
    }
    names
}
