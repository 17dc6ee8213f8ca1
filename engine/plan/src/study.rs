//! A study: what a person wrote, read into types, before any cell is known.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Value;

use crate::{
    Options, braces,
    fields::FieldReader,
    finding::{Finding, Inbox},
    form::{first_line, located},
    function, params,
    plan::Claim,
    reference::Reference,
    source::{Sources, Span},
    template::Expression,
    yaml::{Entry, Kind, Node},
};

/// The functions that the `check` of a claim may call besides the built-in ones.
pub const CLAIM_FUNCTIONS: [&str; 8] = ["mean", "std", "min", "max", "count", "value", "values", "spearman"];

/// A study read.
pub(crate) struct Study<'n> {
    pub(crate) name: String,
    pub(crate) about: Option<String>,
    pub(crate) seed: u64,
    pub(crate) params: BTreeMap<String, Value>,
    pub(crate) environment: Option<&'n Node>,
    pub(crate) tasks: Vec<TaskText<'n>>,
    pub(crate) claims: Vec<Claim>,
}

/// A task as it is written.
pub(crate) struct TaskText<'n> {
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) kind: Option<(String, Span)>,
    pub(crate) matrix: Vec<&'n Entry>,
    pub(crate) each: Option<(String, Span)>,
    pub(crate) needs: Vec<NeedText>,
    /// Ports under `needs` and `gather` that are written and cannot be read.
    pub(crate) unread: Vec<String>,
    pub(crate) gathers: Vec<GatherText<'n>>,
    pub(crate) with: Option<&'n Entry>,
    pub(crate) on: Option<&'n Entry>,
    pub(crate) lets: Vec<&'n Entry>,
    pub(crate) environment: Option<&'n Entry>,
}

/// `port: TASK` under `needs`.
pub(crate) struct NeedText {
    pub(crate) port: String,
    pub(crate) port_span: Span,
    pub(crate) from: Reference,
    pub(crate) from_span: Span,
}

/// `port: TASK` under `gather`, or its long form.
pub(crate) struct GatherText<'n> {
    pub(crate) port: String,
    pub(crate) port_span: Span,
    pub(crate) from: Reference,
    pub(crate) from_span: Span,
    pub(crate) by: Vec<(String, Span)>,
    pub(crate) filter: Option<&'n Node>,
}

/// Reads a study. What is wrong goes to the inbox; what can be read is read all the same.
pub(crate) fn read<'n>(root: &'n Node, sources: &Sources, options: &Options, inbox: &mut Inbox) -> Option<Study<'n>> {
    const KEYS: [&str; 8] = ["study", "about", "seed", "params", "profiles", "environment", "tasks", "claims"];
    let mut reader = FieldReader { sources, inbox };
    let fields = reader.fields(root, "a study", &KEYS, &["include", "templates"])?;
    let start = Span { end: root.span.start, ..root.span };
    let name = if let Some(entry) = fields.get("study") {
        reader.fixed(entry).map(|(name, span)| {
            kebab(&mut reader, &name, span);
            name
        })
    } else {
        let finding = Finding::new("missing-key", "a study must have a name").at(start, "");
        reader.inbox.push(finding.hint("begin with `study: some-name`"));
        None
    };
    let about = fields.get("about").and_then(|entry| reader.text(entry)).map(|(about, _)| about);
    let seed = fields.get("seed").map_or(Some(0), |entry| seed(&mut reader, entry));
    let of = |key: &str| fields.get(key).map(|entry| (entry.key_span, &entry.value));
    let params = params::resolve(&mut reader, of("params"), of("profiles"), options);
    let mut tasks = Vec::new();
    match fields.get("tasks") {
        Some(entry) => {
            let entries = reader.map(&entry.value, "`tasks`").unwrap_or_default();
            if entries.is_empty() && matches!(entry.value.kind, Kind::Map(_)) {
                reader
                    .inbox
                    .push(Finding::new("no-tasks", "the study has no tasks").at(entry.key_span, "nothing here"));
            }
            tasks.extend(entries.iter().map(|entry| task(&mut reader, entry)));
        }
        None => reader.inbox.push(
            Finding::new("missing-key", "a study must have tasks")
                .at(start, "")
                .hint("add `tasks:` with at least one task"),
        ),
    }
    let claims = fields.get("claims").map_or_else(Vec::new, |entry| {
        let entries = reader.map(&entry.value, "`claims`").unwrap_or_default();
        entries.iter().filter_map(|entry| claim(&mut reader, entry, &params)).collect()
    });
    let environment = fields.get("environment").map(|entry| &entry.value);
    Some(Study { name: name.unwrap_or_default(), about, seed: seed.unwrap_or(0), params, environment, tasks, claims })
}

fn kebab(reader: &mut FieldReader<'_>, name: &str, span: Span) {
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-');
    if !sound {
        let message = format!("`{name}` cannot name a study: lower-case letters, digits and `-` only, a letter first");
        reader.inbox.push(Finding::new("bad-name", message).at(first_line(reader.sources, span), "this name"));
    }
}

fn seed(reader: &mut FieldReader<'_>, entry: &Entry) -> Option<u64> {
    /// What is exact in every reader of JSON and in Postgres' `bigint`.
    const LAST: u64 = (1 << 53) - 1;
    let seed = match &entry.value.kind {
        Kind::Number(number) => number.as_u64().filter(|seed| *seed <= LAST),
        _ => None,
    };
    if seed.is_none() {
        let message = format!("`seed` must be a whole number from 0 to {LAST}");
        let place = first_line(reader.sources, entry.value.span);
        reader.inbox.push(Finding::new("bad-seed", message).at(place, "here"));
    }
    seed
}

fn task<'n>(reader: &mut FieldReader<'_>, entry: &'n Entry) -> TaskText<'n> {
    const KEYS: [&str; 10] = ["about", "kind", "matrix", "each", "needs", "gather", "with", "on", "let", "environment"];
    let name = entry.key.clone();
    let sound = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if !sound {
        let message =
            format!("`{name}` cannot name a task: lower-case letters, digits, `-` and `_` only, a letter first");
        reader.inbox.push(Finding::new("bad-name", message).at(entry.key_span, "this name"));
    }
    let of = format!("the task `{name}`");
    let mut fields = reader.fields(&entry.value, &of, &KEYS, &["use", "args", "tasks"]).unwrap_or_default();
    let used = matches!(&entry.value.kind, Kind::Map(entries) if entries.iter().any(|entry| entry.key == "use"));
    if let Some(about) = fields.get("about") {
        reader.text(about);
    }
    let kind = if let Some(entry) = fields.get("kind") {
        reader.fixed(entry)
    } else {
        if matches!(entry.value.kind, Kind::Map(_)) && !used {
            let finding = Finding::new("missing-key", format!("{of} has no `kind`"));
            reader.inbox.push(finding.at(entry.key_span, "this task").hint("`isoflop schema` lists all kinds"));
        }
        None
    };
    let each = fields.get("each").and_then(|entry| reader.fixed(entry));
    let mut matrix = Vec::new();
    for axis in fields.get("matrix").and_then(|entry| reader.map(&entry.value, "`matrix`")).unwrap_or_default() {
        if matches!(axis.key.as_str(), "exclude" | "include" | "where" | "zip") {
            reader.later(&axis.key, axis.key_span);
        } else if reader.variable("an axis", &axis.key, axis.key_span) {
            matrix.push(axis);
        }
    }
    if let Some(empty) =
        fields.get("matrix").filter(|entry| matches!(&entry.value.kind, Kind::Map(map) if map.is_empty()))
    {
        let finding = Finding::new("empty-matrix", format!("the matrix of `{name}` has no axes"));
        reader.inbox.push(finding.at(empty.key_span, "this matrix").hint("leave `matrix` out, or add an axis"));
    }
    let needs = fields.get("needs").and_then(|entry| reader.map(&entry.value, "`needs`")).unwrap_or_default();
    let mut unread = Vec::new();
    let mut read_needs = Vec::new();
    for entry in needs {
        match need(reader, entry) {
            Some(need) => read_needs.push(need),
            None => unread.push(entry.key.clone()),
        }
    }
    let gathers = fields.get("gather").and_then(|entry| reader.map(&entry.value, "`gather`")).unwrap_or_default();
    let mut read_gathers = Vec::new();
    for entry in gathers {
        match gather(reader, entry) {
            Some(gather) => read_gathers.push(gather),
            None => unread.push(entry.key.clone()),
        }
    }
    let lets = fields.get("let").and_then(|entry| reader.map(&entry.value, "`let`")).unwrap_or_default();
    let lets = lets.iter().filter(|entry| reader.variable("a value", &entry.key, entry.key_span)).collect();
    TaskText {
        name,
        span: entry.key_span,
        kind,
        matrix,
        each,
        needs: read_needs,
        unread,
        gathers: read_gathers,
        with: fields.remove("with"),
        on: fields.remove("on"),
        lets,
        environment: fields.remove("environment"),
    }
}

fn reference(reader: &mut FieldReader<'_>, text: &str, span: Span) -> Option<Reference> {
    match Reference::parse(text) {
        Ok(reference) => Some(reference),
        Err(message) => {
            reader.inbox.push(Finding::new("bad-reference", message).at(span, "here"));
            None
        }
    }
}

fn need(reader: &mut FieldReader<'_>, entry: &Entry) -> Option<NeedText> {
    let (text, from_span) = reader.fixed(entry)?;
    let from = reference(reader, &text, from_span)?;
    Some(NeedText { port: entry.key.clone(), port_span: entry.key_span, from, from_span })
}

fn gather<'n>(reader: &mut FieldReader<'_>, entry: &'n Entry) -> Option<GatherText<'n>> {
    let (port, port_span) = (entry.key.clone(), entry.key_span);
    if let Kind::Map(_) = entry.value.kind {
        let of = format!("the gather `{port}`");
        let fields = reader.fields(&entry.value, &of, &["from", "by", "where"], &[])?;
        let Some(from) = fields.get("from") else {
            let finding = Finding::new("missing-key", format!("{of} does not say `from` which task"));
            reader.inbox.push(finding.at(port_span, "this gather"));
            return None;
        };
        let (text, from_span) = reader.fixed(from)?;
        let from = reference(reader, &text, from_span)?;
        let by = fields.get("by").map_or_else(Vec::new, |entry| names(reader, entry));
        let filter = fields.get("where").map(|entry| &entry.value);
        return Some(GatherText { port, port_span, from, from_span, by, filter });
    }
    let (text, from_span) = reader.fixed(entry)?;
    let from = reference(reader, &text, from_span)?;
    Some(GatherText { port, port_span, from, from_span, by: Vec::new(), filter: None })
}

fn names(reader: &mut FieldReader<'_>, entry: &Entry) -> Vec<(String, Span)> {
    let Kind::List(items) = &entry.value.kind else {
        reader.wrong(&entry.value, &format!("`{}`", entry.key), "a list of axes");
        return Vec::new();
    };
    let mut names = Vec::new();
    for item in items {
        match &item.kind {
            Kind::Text(name) => names.push((name.clone(), item.span)),
            _ => reader.wrong(item, "an axis", "a text"),
        }
    }
    names
}

fn claim(reader: &mut FieldReader<'_>, entry: &Entry, params: &BTreeMap<String, Value>) -> Option<Claim> {
    let of = format!("the claim `{}`", entry.key);
    let fields = reader.fields(&entry.value, &of, &["says", "source", "check"], &[])?;
    let mut demand = |key: &str| {
        if !fields.contains_key(key) {
            let finding = Finding::new("missing-key", format!("{of} has no `{key}`"));
            reader.inbox.push(finding.at(entry.key_span, "this claim"));
        }
        fields.get(key).and_then(|entry| reader.text(entry))
    };
    let (says, check) = (demand("says"), demand("check"));
    let source = fields.get("source").and_then(|entry| reader.text(entry)).map(|(source, _)| source);
    let (check, span) = check?;
    let parts = match braces::parts(&check) {
        Ok(parts) => parts,
        Err(error) => {
            reader.inbox.push(located(reader.sources, span, &check, error));
            return None;
        }
    };
    let Some(expression) = braces::only(&parts) else {
        let finding = Finding::new(
            "bad-claim",
            format!("the `check` of `{}` must be exactly one `{{{{ expression }}}}`", entry.key),
        );
        reader.inbox.push(finding.at(first_line(reader.sources, span), "here"));
        return None;
    };
    let builtin = function::builtin();
    let known: BTreeSet<&str> =
        params.keys().chain(builtin.keys()).map(String::as_str).chain(CLAIM_FUNCTIONS).collect();
    let checked = Expression::compile(expression).and_then(|compiled| compiled.check_names(&known));
    if let Err(error) = checked {
        reader.inbox.push(located(reader.sources, span, expression, error));
        return None;
    }
    let origin = reader.sources.origin(span);
    Some(Claim { name: entry.key.clone(), says: says?.0, source, check: expression.trim().to_owned(), origin })
}
