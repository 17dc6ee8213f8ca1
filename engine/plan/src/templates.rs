//! Templates of tasks: what they are called, what they take, and how large they are written out.
//!
//! Which template uses which is written in so many words, so recursion and size are known before anything is written out.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    fields::{FieldReader, Fields},
    finding::Finding,
    source::Span,
    task,
    yaml::{Entry, Kind, NODE_LIMIT, Node},
};

/// How many tasks a study may have once its templates are written out.
pub(crate) const TASK_LIMIT: usize = 20_000;
/// How many templates deep a task may stand.
pub(crate) const USE_LIMIT: usize = 32;
/// How many arguments a template may take.
pub(crate) const ARG_LIMIT: usize = 100;

/// A group of tasks with arguments.
pub(crate) struct Template<'n> {
    pub(crate) args: Vec<Arg<'n>>,
    pub(crate) tasks: &'n [Entry],
    span: Span,
    /// `None` if it cannot be written out: it uses itself, and that has been said.
    size: Option<Size>,
}

/// What a template takes.
pub(crate) struct Arg<'n> {
    pub(crate) name: &'n str,
    pub(crate) span: Span,
    /// Its name and its default.
    pub(crate) default: Option<&'n Entry>,
}

/// What a template comes to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Size {
    tasks: usize,
    values: usize,
    depth: usize,
}

/// All templates of a study.
pub(crate) struct Templates<'n> {
    by_name: BTreeMap<&'n str, Template<'n>>,
    written: Size,
    full: bool,
}

impl<'n> Templates<'n> {
    /// Reads the templates of all files.
    pub(crate) fn read(reader: &mut FieldReader<'_>, files: &[Fields<'n>]) -> Self {
        let mut by_name: BTreeMap<&'n str, Template<'n>> = BTreeMap::new();
        for fields in files {
            let entries = fields.get("templates").and_then(|entry| reader.map(&entry.value, "`templates`"));
            for entry in entries.unwrap_or_default() {
                task::name(reader, "a template", entry);
                if let Some(first) = by_name.get(entry.key.as_str()) {
                    let message = format!("the template `{}` is written twice", entry.key);
                    let finding = Finding::new("duplicate-template", message);
                    reader.inbox.push(finding.at(entry.key_span, "again here").at(first.span, "first here"));
                } else if let Some(template) = template(reader, entry) {
                    by_name.insert(&entry.key, template);
                }
            }
        }
        let mut templates = Self { by_name, written: Size::default(), full: false };
        templates.measure(reader);
        templates
    }

    /// The template `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Template<'n>> {
        self.by_name.get(name)
    }

    /// The names of all templates.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'n str> + '_ {
        self.by_name.keys().copied()
    }

    /// Takes room for a use of `template` in the study. Says so and returns false if there is none, or if it cannot be written out.
    pub(crate) fn admit(&mut self, reader: &mut FieldReader<'_>, template: &str, place: Span) -> bool {
        let Some(size) = self.by_name.get(template).and_then(|template| template.size) else { return false };
        let total = Size {
            tasks: self.written.tasks.saturating_add(size.tasks),
            values: self.written.values.saturating_add(size.values),
            depth: size.depth,
        };
        let message = if total.depth > USE_LIMIT {
            format!("the template `{template}` uses templates {} deep; {USE_LIMIT} is the limit", total.depth)
        } else if total.tasks > TASK_LIMIT {
            let tasks = if total.tasks == usize::MAX { "far too many".to_owned() } else { total.tasks.to_string() };
            format!("with its templates written out the study has {tasks} tasks; {TASK_LIMIT} is the limit")
        } else if total.values > NODE_LIMIT {
            format!("with its templates written out the study has more than {NODE_LIMIT} values")
        } else {
            self.written = total;
            return true;
        };
        if !self.full {
            self.full = total.depth <= USE_LIMIT; // one more use of a full study is nothing new
            reader.inbox.push(Finding::new("too-many-tasks", message).at(place, "the limit is passed here"));
        }
        false
    }

    /// Finds out how large each template is; those that use themselves are findings.
    fn measure(&mut self, reader: &mut FieldReader<'_>) {
        let uses: BTreeMap<&'n str, Vec<(&'n str, Span)>> =
            self.by_name.iter().map(|(name, template)| (*name, uses(template.tasks))).collect();
        let mut sizes: BTreeMap<&'n str, Option<Size>> = BTreeMap::new();
        let mut said: BTreeSet<&'n str> = BTreeSet::new();
        for start in uses.keys() {
            // Depth first without recursion: templates may use each other thousands deep.
            let mut way: Vec<(&'n str, usize)> = vec![(start, 0)];
            let mut open: BTreeMap<&'n str, usize> = BTreeMap::from([(*start, 0)]);
            while let Some((name, next)) = way.last_mut() {
                let name = *name;
                if let Some((used, _)) = uses[name].get(*next) {
                    *next += 1;
                    if let Some(at) = open.get(used) {
                        let step = |(name, next): &(&'n str, usize)| (*name, uses[name][next - 1].1);
                        let circle: Vec<(&str, Span)> = way[*at..].iter().map(step).collect();
                        if circle.iter().all(|(name, _)| !said.contains(name)) {
                            recursion(reader, &circle);
                        }
                        said.extend(way[*at..].iter().map(|(name, _)| *name));
                    } else if uses.contains_key(used) && !sizes.contains_key(used) {
                        open.insert(used, way.len());
                        way.push((used, 0));
                    }
                    continue;
                }
                let own = nodes(self.by_name[name].tasks);
                let whole = uses[name].iter().try_fold(own, |sum, (used, _)| match sizes.get(used) {
                    Some(size) => size.map(|size| sum.with(size)),
                    None if uses.contains_key(used) => None, // it is open: in a circle with this one
                    None => Some(sum),
                });
                sizes.insert(name, whole);
                open.remove(name);
                way.pop();
            }
        }
        for (name, template) in &mut self.by_name {
            template.size = sizes[name];
        }
    }
}

impl Size {
    /// This and what a template in it comes to.
    fn with(self, used: Self) -> Self {
        Self {
            tasks: self.tasks.saturating_add(used.tasks),
            values: self.values.saturating_add(used.values),
            depth: self.depth.max(used.depth.saturating_add(1)),
        }
    }
}

fn template<'n>(reader: &mut FieldReader<'_>, entry: &'n Entry) -> Option<Template<'n>> {
    let of = format!("the template `{}`", entry.key);
    let fields = reader.fields(&entry.value, &of, &["about", "args", "tasks"])?;
    if let Some(about) = fields.get("about") {
        reader.text(about);
    }
    let tasks = match fields.get("tasks") {
        Some(tasks) => reader.map(&tasks.value, &format!("`tasks` of {of}")).unwrap_or_default(),
        None => &[],
    };
    if fields.get("tasks").is_none_or(|tasks| matches!(&tasks.value.kind, Kind::Map(tasks) if tasks.is_empty())) {
        let finding = Finding::new("no-tasks", format!("{of} has no tasks"));
        reader.inbox.push(finding.at(entry.key_span, "this template"));
    }
    let args = fields.get("args").map_or_else(Vec::new, |entry| args(reader, entry, &of));
    Some(Template { args, tasks, span: entry.key_span, size: None })
}

fn args<'n>(reader: &mut FieldReader<'_>, entry: &'n Entry, of: &str) -> Vec<Arg<'n>> {
    let Kind::List(items) = &entry.value.kind else {
        reader.wrong(&entry.value, &format!("`args` of {of}"), "a list of names, as in [model, data, {guidance: 7.5}]");
        return Vec::new();
    };
    let mut args: Vec<Arg<'n>> = Vec::new();
    for item in items {
        let arg = match &item.kind {
            Kind::Text(name) => Arg { name, span: item.span, default: None },
            Kind::Map(entries) if entries.len() == 1 => {
                Arg { name: &entries[0].key, span: entries[0].key_span, default: Some(&entries[0]) }
            }
            _ => {
                reader.wrong(item, "an argument", "a name, or a name with a default as in {guidance: 7.5}");
                continue;
            }
        };
        if let Some(first) = args.iter().find(|first| first.name == arg.name) {
            let finding = Finding::new("duplicate-key", format!("{of} takes the argument `{}` twice", arg.name));
            reader.inbox.push(finding.at(arg.span, "again here").at(first.span, "first here"));
        } else if reader.variable("an argument", arg.name, arg.span) {
            args.push(arg);
        }
        if args.len() > ARG_LIMIT {
            let finding = Finding::new("too-many-arguments", format!("{of} takes more than {ARG_LIMIT} arguments"));
            reader.inbox.push(finding.at(item.span, "the limit is passed here"));
            args.pop();
            break;
        }
    }
    args
}

/// The templates that tasks use, and where they say so.
fn uses(tasks: &[Entry]) -> Vec<(&str, Span)> {
    let mut uses = Vec::new();
    for task in tasks {
        if let Kind::Map(entries) = &task.value.kind
            && let Some(entry) = entries.iter().find(|entry| entry.key == "use")
            && let Kind::Text(name) = &entry.value.kind
        {
            uses.push((name.as_str(), entry.value.span));
        }
    }
    uses
}

/// What tasks come to by themselves.
fn nodes(tasks: &[Entry]) -> Size {
    fn count(node: &Node) -> usize {
        1 + match &node.kind {
            Kind::List(items) => items.iter().map(count).sum(),
            Kind::Map(entries) => entries.iter().map(|entry| count(&entry.value)).sum(),
            _ => 0,
        }
    }
    Size { tasks: tasks.len(), values: tasks.iter().map(|task| count(&task.value)).sum(), depth: 1 }
}

/// How much of a long circle is shown.
const SHOWN: usize = 12;

fn recursion(reader: &mut FieldReader<'_>, circle: &[(&str, Span)]) {
    let first = circle[0].0;
    let next = |at: usize| circle.get(at + 1).map_or(first, |(name, _)| name);
    let message = if circle.len() == 1 {
        format!("the template `{first}` uses itself")
    } else {
        let ways: Vec<String> = (0..circle.len().min(SHOWN)).map(|at| format!("uses `{}`", next(at))).collect();
        let more = if circle.len() > SHOWN { " and so on" } else { "" };
        format!("templates use each other: `{first}` {}{more}", ways.join(", which "))
    };
    let finding = Finding::new("recursion", message);
    let labelled = circle
        .iter()
        .take(SHOWN)
        .enumerate()
        .fold(finding, |finding, (at, (name, span))| finding.at(*span, format!("`{name}` uses `{}`", next(at))));
    reader.inbox.push(labelled);
}
