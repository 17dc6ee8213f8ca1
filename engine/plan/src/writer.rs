//! Writing templates out: each task that uses one becomes a frame, and the template's tasks become groups of their own in it.

use std::{collections::BTreeSet, rc::Rc, sync::Arc};

use crate::{
    fields::{FieldReader, Fields},
    finding::{Finding, Inbox, Through, Use},
    form::first_line,
    place::{Given, Ground, Place},
    source::Span,
    study::{Level, Role, TaskText},
    suggest, task,
    templates::{Arg, Templates},
    yaml::{Entry, Kind},
};

/// What a task may have.
const TASK: [&str; 12] =
    ["about", "kind", "matrix", "each", "when", "needs", "gather", "files", "with", "on", "let", "environment"];
/// What a task that uses a template may have.
const FRAME: [&str; 8] = ["about", "use", "args", "matrix", "each", "when", "on", "let"];

/// Writes the tasks of a study out.
pub(crate) struct Writer<'w, 'n> {
    ground: &'w Ground<'w>,
    templates: &'w mut Templates<'n>,
    inbox: &'w mut Inbox,
    tasks: Vec<TaskText<'n>>,
    /// Templates that something uses.
    used: BTreeSet<String>,
}

impl<'w, 'n> Writer<'w, 'n> {
    pub(crate) fn new(ground: &'w Ground<'w>, templates: &'w mut Templates<'n>, inbox: &'w mut Inbox) -> Self {
        Self { ground, templates, inbox, tasks: Vec::new(), used: BTreeSet::new() }
    }

    /// All groups of the study whose own tasks are these, frames before their members and otherwise as written.
    pub(crate) fn study(mut self, written: &'n [Entry]) -> Vec<TaskText<'n>> {
        let place = Rc::new(Place::default());
        for entry in written {
            self.group(entry, &place);
        }
        self.inbox.within(&Through::default());
        self.unused();
        self.tasks
    }

    fn reader(&mut self) -> FieldReader<'_> {
        FieldReader { sources: self.ground.sources, inbox: self.inbox }
    }

    /// Writes one task out; returns its full name.
    fn group(&mut self, entry: &'n Entry, place: &Rc<Place<'n>>) -> String {
        self.inbox.within(&place.through);
        let name = format!("{}{}", place.home, task::name(&mut self.reader(), "a task", entry));
        let (mut fields, uses) = self.keys(entry);
        let mut reader = FieldReader { sources: self.ground.sources, inbox: self.inbox };
        let mut text = task::common(&mut reader, self.ground, place, name.clone(), entry.key_span, &mut fields);
        if uses {
            self.frame(text, &fields, place);
        } else {
            task::own(&mut reader, self.ground, place, entry, &mut fields, &mut text);
            self.tasks.push(text);
        }
        name
    }

    /// The keys that a task may have, and whether it uses a template. What else it has is said.
    fn keys(&mut self, entry: &'n Entry) -> (Fields<'n>, bool) {
        let uses = matches!(&entry.value.kind, Kind::Map(keys) if keys.iter().any(|entry| entry.key == "use"));
        let may: &[&str] = if uses { &FRAME } else { &TASK };
        let others: &[&str] = if uses { &TASK } else { &FRAME };
        let of = format!("the task `{}`", entry.key);
        let mut fields = self.reader().fields_or(&entry.value, &of, may, others).unwrap_or_default();
        self.misplaced(&mut fields, may, uses, &entry.key);
        (fields, uses)
    }

    /// Says that a key belongs to tasks of the other sort, and drops it.
    fn misplaced(&mut self, fields: &mut Fields<'n>, may: &[&str], uses: bool, name: &str) {
        let wrong: Vec<&Entry> = fields.values().copied().filter(|entry| !may.contains(&entry.key.as_str())).collect();
        fields.retain(|key, _| may.contains(key));
        for entry in wrong {
            let key = &entry.key;
            let (message, hint) = match key.as_str() {
                "kind" => {
                    (format!("the task `{name}` has a `kind` and uses a template"), "leave one of them out".into())
                }
                _ if uses => (
                    format!("the task `{name}` uses a template, so it has no `{key}` of its own"),
                    format!("write `{key}` in the tasks of the template, and hand over what differs in `args`"),
                ),
                _ => (
                    format!("the task `{name}` has `{key}` and uses no template"),
                    "add `use:` with the name of a template".into(),
                ),
            };
            self.inbox.push(Finding::new("misplaced-key", message).at(entry.key_span, "this key").hint(hint));
        }
    }

    /// Writes a frame and the tasks of its template out.
    fn frame(&mut self, mut text: TaskText<'n>, fields: &Fields<'n>, place: &Rc<Place<'n>>) {
        let at = self.tasks.len();
        let inner = self.inner(&mut text, fields, place);
        text.role = Role::Frame { members: Vec::new() };
        self.tasks.push(text);
        let Some((tasks, inner)) = inner else { return };
        let inner = Rc::new(inner);
        let members = tasks.iter().map(|task| self.group(task, &inner)).collect();
        self.tasks[at].role = Role::Frame { members };
    }

    /// The tasks of the template that a frame uses, and their place. `None` if they cannot be written out, which has been said.
    fn inner(
        &mut self,
        text: &mut TaskText<'n>,
        fields: &Fields<'n>,
        place: &Rc<Place<'n>>,
    ) -> Option<(&'n [Entry], Place<'n>)> {
        let (wanted, span) = self.reader().fixed(fields.get("use")?)?;
        let here = first_line(self.ground.sources, span);
        let Some(template) = self.templates.get(&wanted) else {
            let finding = Finding::new("unknown-template", format!("there is no template `{wanted}`"));
            let hint = suggest::hint(&wanted, self.templates.names()).or_else(|| Some("the study has none".to_owned()));
            self.inbox.push(finding.at(here, "this template").maybe_hint(hint));
            return None;
        };
        let tasks = template.tasks;
        let step = Use { template: wanted.clone(), name: text.name.clone(), span };
        let mut inner = Place {
            home: format!("{}.", text.name),
            frames: place.frames.iter().chain([&text.name]).cloned().collect(),
            through: place.through.iter().cloned().chain([step]).collect(),
            on: text.on.clone(),
            outer: Some(Rc::clone(place)),
            ..Place::default()
        };
        let mut arguments =
            Arguments { of: &wanted, takes: &template.args, written: fields.get("args").copied(), here };
        let whole = arguments.bind(&mut FieldReader { sources: self.ground.sources, inbox: self.inbox }, &mut inner);
        let given = inner.args.iter().filter(|(_, given)| given.default.is_none());
        let args = given.map(|(name, given)| (*name, given.node)).collect();
        let own = text.levels.pop()?;
        text.levels.push(Arc::new(Level { defaults: own.defaults.clone(), lets: own.lets.clone(), args }));
        inner.levels.clone_from(&text.levels);
        self.used.insert(wanted.clone());
        // What a template uses in its turn is counted with it.
        let mut reader = FieldReader { sources: self.ground.sources, inbox: self.inbox };
        let admitted = !place.frames.is_empty() || self.templates.admit(&mut reader, &wanted, here);
        (whole && admitted).then_some((tasks, inner))
    }

    /// Checks the keys of tasks in templates that nothing uses; what they say is not known without arguments.
    fn unused(&mut self) {
        let names: Vec<&str> = self.templates.names().filter(|name| !self.used.contains(*name)).collect();
        for name in names {
            for entry in self.templates.get(name).map_or(&[][..], |template| template.tasks) {
                self.keys(entry);
            }
        }
    }
}

/// What a use of a template gives it.
struct Arguments<'a, 'n> {
    of: &'a str,
    takes: &'a [Arg<'n>],
    written: Option<&'n Entry>,
    here: Span,
}

impl<'n> Arguments<'_, 'n> {
    /// Gives the template's place its arguments. Says what is wrong with them, and whether all are there.
    fn bind(&mut self, reader: &mut FieldReader<'_>, inner: &mut Place<'n>) -> bool {
        let given: &'n [Entry] = match self.written.map(|args| (args, &args.value.kind)) {
            None | Some((_, Kind::Null)) => &[],
            Some((_, Kind::Map(entries))) => entries,
            Some((args, _)) => {
                reader.wrong(&args.value, "`args`", "a map");
                return false;
            }
        };
        let mut meant = BTreeSet::new();
        for entry in given.iter().filter(|entry| self.takes.iter().all(|arg| arg.name != entry.key)) {
            if reader.inbox.is_full() {
                break;
            }
            let names = || self.takes.iter().map(|arg| arg.name);
            meant.extend(suggest::nearest(&entry.key, names()));
            let message = format!("the template `{}` takes no argument `{}`", self.of, entry.key);
            let hint = suggest::hint(&entry.key, names()).or_else(|| Some("it takes none".to_owned()));
            let finding = Finding::new("unknown-argument", message).at(entry.key_span, "this argument");
            reader.inbox.push(finding.maybe_hint(hint));
        }
        let mut missing = Vec::new();
        for (at, arg) in self.takes.iter().enumerate() {
            let node = given.iter().find(|entry| entry.key == arg.name).map(|entry| &entry.value);
            match (node, arg.default) {
                (Some(node), _) => drop(inner.args.insert(arg.name, Given { node, default: None })),
                (None, Some(entry)) => {
                    inner.defaults.push(entry);
                    inner.args.insert(arg.name, Given { node: &entry.value, default: Some(at) });
                }
                (None, None) => missing.push(arg),
            }
        }
        let whole = missing.is_empty();
        missing.retain(|arg| !meant.contains(arg.name)); // it is there, misspelt
        if !missing.is_empty() {
            reader.inbox.push(self.missing(&missing));
        }
        whole
    }

    fn missing(&self, missing: &[&Arg<'n>]) -> Finding {
        let names: Vec<String> = missing.iter().map(|arg| format!("`{}`", arg.name)).collect();
        let (noun, verb) = if names.len() == 1 { ("argument", "is") } else { ("arguments", "are") };
        let message =
            format!("the template `{}` takes the {noun} {}, which {verb} not given", self.of, names.join(" and "));
        let example: Vec<String> = missing.iter().map(|arg| format!("{}: …", arg.name)).collect();
        let example = example.join(", ");
        let (place, hint) = match self.written {
            Some(args) => (args.key_span, format!("add `{example}`")),
            None => (self.here, format!("add `args: {{ {example} }}`")),
        };
        Finding::new("missing-argument", message).at(place, "here").hint(hint)
    }
}
