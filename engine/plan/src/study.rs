//! A study: what a person wrote, read into types, before any cell is known.

//! A study: what a person wrote, read into types, before any cell is known.

use std::{collections::BTreeMap, sync::Arc};

use isoflop_contract::Value;

use crate::{
    Options, claims,
    fields::{FieldReader, Fields},
    finding::{Finding, Inbox, Through},
    form::first_line,
    include::Documents,
    merge::Includes,
    params,
    place::Ground,
    plan::{Claim, Variable},
    source::Span,
    suggest,
    target::Target,
    template::Engine,
    templates::Templates,
    writer::Writer,
    yaml::{Entry, Kind, Node},
};

/// A study read.
pub(crate) struct Study<'n> {
    pub(crate) name: String,
    pub(crate) about: Option<String>,
    pub(crate) seed: u64,
    pub(crate) params: BTreeMap<String, Value>,
    /// Where each parameter comes from.
    pub(crate) param_origins: BTreeMap<String, Variable>,
    pub(crate) environment: Option<&'n Node>,
    pub(crate) tasks: Vec<TaskText<'n>>,
    /// Each with the scalar that its check is.
    pub(crate) claims: Vec<(Claim, Span)>,
}

/// A task as it is written, or a frame.
pub(crate) struct TaskText<'n> {
    /// Its full name: `eval.scores` for the task `scores` of the template that `eval` uses.
    pub(crate) name: String,
    pub(crate) span: Span,
    pub(crate) role: Role,
    /// The uses of templates that brought it, outermost first; what is found wrong with it says so (see [`Inbox::within`]).
    pub(crate) through: Through,
    pub(crate) kind: Option<(String, Span)>,
    /// What is written under `matrix`: axes, and the words that shape their product.
    pub(crate) matrix: Option<&'n Entry>,
    /// The groups whose cells it has; several are joined on the axes they share. A task of a template has its frame first.
    pub(crate) each: Vec<(Target, Span)>,
    /// Keeps the cells for which it is true.
    pub(crate) when: Option<&'n Entry>,
    /// Files of the study, by name.
    pub(crate) files: Option<&'n Entry>,
    pub(crate) needs: Vec<NeedText>,
    /// Ports under `needs` and `gather` that are written and cannot be read.
    pub(crate) unread: Vec<String>,
    pub(crate) gathers: Vec<GatherText<'n>>,
    pub(crate) with: Option<&'n Entry>,
    /// What its frames and it ask of the machine, outermost first: a later one wins, key by key.
    pub(crate) on: Vec<OnText<'n>>,
    /// The variables of its templates, outermost level first; the last one is its own.
    pub(crate) levels: Vec<Arc<Level<'n>>>,
    pub(crate) environment: Option<&'n Entry>,
}

/// What a group is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// A task of its own.
    Task,
    /// A task that uses a template: it has cells and no kind, and makes no task. The template's tasks are groups of their own.
    Frame {
        /// The full names of the template's tasks (frames among them), as written.
        members: Vec<String>,
    },
}

/// A hint: the tasks inside the frame `frame`, with as much of their names left out.
pub(crate) fn inside(frame: &str, home: usize, tasks: &[TaskText<'_>]) -> Option<String> {
    let tasks = tasks.iter().filter(|task| task.role == Role::Task).map(|task| task.name.as_str());
    let members = tasks.filter(|name| name.strip_prefix(frame).is_some_and(|rest| rest.starts_with('.')));
    suggest::listed(members.filter_map(|name| name.get(home..)), "its task is", "its tasks are")
}

/// What a group asks of the machine.
#[derive(Clone, Copy)]
pub(crate) struct OnText<'n> {
    pub(crate) entry: &'n Entry,
    /// Whose variables its templates see: an index into the group's levels.
    pub(crate) level: usize,
}

/// One level of variables. Each level sees the study's parameters, the axes, and the arguments of the level before it; nothing else leaks
/// from the place that uses a template into the template.
#[derive(Default)]
pub(crate) struct Level<'n> {
    /// Arguments that the level before leaves at their defaults: like lets, before all others.
    pub(crate) defaults: Vec<&'n Entry>,
    /// `let`, in order: each sees those before it.
    pub(crate) lets: Vec<&'n Entry>,
    /// What the next level is given by name, in terms of this one.
    pub(crate) args: Vec<(&'n str, &'n Node)>,
}

/// `port: TASK` under `needs`.
pub(crate) struct NeedText {
    pub(crate) port: String,
    pub(crate) port_span: Span,
    pub(crate) from: Target,
    pub(crate) from_span: Span,
}

/// `port: TASK` under `gather`, or its long form.
pub(crate) struct GatherText<'n> {
    pub(crate) port: String,
    pub(crate) port_span: Span,
    pub(crate) from: Target,
    pub(crate) from_span: Span,
    pub(crate) by: Vec<(String, Span)>,
    /// Besides, it is by all axes of this frame: the innermost that both the task and what it gathers belong to.
    pub(crate) by_frame: Option<String>,
    pub(crate) filter: Option<&'n Node>,
}

/// What is written at the top of a study's own file.
const STUDY: [&str; 10] =
    ["study", "about", "seed", "include", "params", "profiles", "environment", "templates", "tasks", "claims"];
/// What is written at the top of an included file.
const INCLUDED: [&str; 5] = ["about", "include", "params", "profiles", "templates"];

/// Reads a study. What is wrong goes to the inbox; what can be read is read all the same.
pub(crate) fn read<'n>(
    documents: &'n Documents,
    engine: &Engine,
    options: &Options,
    inbox: &mut Inbox,
) -> Option<Study<'n>> {
    let sources = &documents.sources;
    let mut reader = FieldReader { sources, inbox };
    let root = documents.list.first()?.root.as_ref()?;
    let fields = reader.fields(root, "a study", &STUDY);
    let mut files = vec![fields?];
    files.extend(documents.list[1..].iter().map(|document| included(&mut reader, document.root.as_ref())));
    let fields = &files[0];
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
    let includes = Includes::new(documents.list.iter().map(|document| document.includes.as_slice()));
    let params = params::resolve(&mut reader, &files, &includes, options);
    let mut templates = Templates::read(&mut reader, &files);
    let written = if let Some(entry) = fields.get("tasks") {
        let entries = reader.map(&entry.value, "`tasks`").unwrap_or_default();
        if entries.is_empty() && matches!(entry.value.kind, Kind::Map(_)) {
            let finding = Finding::new("no-tasks", "the study has no tasks");
            reader.inbox.push(finding.at(entry.key_span, "nothing here"));
        }
        entries
    } else {
        let finding = Finding::new("missing-key", "a study must have tasks").at(start, "");
        reader.inbox.push(finding.hint("add `tasks:` with at least one task"));
        &[]
    };
    let ground = Ground::new(engine, sources, &params.values);
    let tasks = Writer::new(&ground, &mut templates, reader.inbox).study(written);
    let claims = fields.get("claims").map_or_else(Vec::new, |entry| {
        let entries = reader.map(&entry.value, "`claims`").unwrap_or_default();
        entries.iter().filter_map(|entry| claims::read(&mut reader, entry, &params.values, &tasks)).collect()
    });
    let environment = fields.get("environment").map(|entry| &entry.value);
    Some(Study {
        name: name.unwrap_or_default(),
        about,
        seed: seed.unwrap_or(0),
        params: params.values,
        param_origins: params.origins,
        environment,
        tasks,
        claims,
    })
}

/// The top of an included file.
fn included<'n>(reader: &mut FieldReader<'_>, root: Option<&'n Node>) -> Fields<'n> {
    let Some(root) = root else { return Fields::new() };
    let mut fields = reader.fields_or(root, "an included file", &INCLUDED, &STUDY).unwrap_or_default();
    fields.retain(|key, entry| {
        let may = INCLUDED.contains(key);
        if !may {
            let message = format!("`{key}` belongs into the study itself, not into a file that it includes");
            let finding = Finding::new("not-in-an-include", message).at(entry.key_span, "this key");
            reader
                .inbox
                .push(finding.hint("an included file may have `params`, `profiles`, `templates` and `include`"));
        }
        may
    });
    if let Some(about) = fields.get("about") {
        reader.text(about);
    }
    fields
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
