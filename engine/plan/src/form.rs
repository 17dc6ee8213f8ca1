//! Forms: values as they are written, with templates compiled, ready to be evaluated in every cell.

use std::{collections::BTreeSet, ops::Range};

use isoflop_contract::{Value, catalog::Segment};

use crate::{
    braces::{self, Part},
    finding::{Finding, Inbox},
    inner::{ROOM, Scope, take},
    source::{Sources, Span},
    template::{Compiled, Engine, ExpressionError},
    yaml::{Kind, Node, what},
};

/// A value as it is written.
pub(crate) struct Form<'e> {
    span: Span,
    body: Body<'e>,
}

enum Body<'e> {
    /// A value without templates, and the length of its text.
    Plain(Value, usize),
    One(Piece<'e>),
    Mixed(Vec<Piece<'e>>),
    List(Vec<Form<'e>>),
    Map(Vec<(String, Span, Form<'e>)>),
    /// Its template could not be read; that has been said.
    Broken,
}

enum Piece<'e> {
    Text(String),
    Expression { compiled: Box<Compiled<'e>>, text: String },
}

/// An evaluation under way: what is complained of, and the room that is left for values.
pub(crate) struct Trial<'s> {
    pub(crate) sources: &'s Sources,
    pub(crate) findings: Vec<Finding>,
    pub(crate) room: usize,
}

impl<'s> Trial<'s> {
    /// A new one.
    pub(crate) fn new(sources: &'s Sources) -> Self {
        Self { sources, findings: Vec::new(), room: ROOM }
    }
}

impl Piece<'_> {
    fn names<'f>(&'f self, into: &mut BTreeSet<&'f str>) {
        if let Self::Expression { compiled, .. } = self {
            into.extend(compiled.names().iter().map(String::as_str));
        }
    }
}

/// What reading forms needs.
pub(crate) struct Reader<'r, 'e> {
    pub(crate) engine: &'e Engine,
    pub(crate) sources: &'r Sources,
    pub(crate) names: &'r BTreeSet<&'r str>,
}

impl<'e> Reader<'_, 'e> {
    /// Compiles every template in a node. What is wrong goes to the inbox.
    pub(crate) fn form(&self, node: &Node, inbox: &mut Inbox) -> Form<'e> {
        let body = match &node.kind {
            Kind::Text(text) if text.contains("{{") || text.contains("{%") => self.text(node.span, text, inbox),
            Kind::List(items) => {
                let items: Vec<Form<'e>> = items.iter().map(|item| self.form(item, inbox)).collect();
                Body::List(items)
            }
            Kind::Map(entries) => Body::Map(
                entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.key_span, self.form(&entry.value, inbox)))
                    .collect(),
            ),
            Kind::Refused => Body::Broken,
            kind => Body::Plain(node.plain(), if let Kind::Text(text) = kind { text.len() } else { 0 }),
        };
        Form { span: node.span, body }
    }

    /// Compiles a text that stands inside the scalar at `span`.
    pub(crate) fn part(&self, span: Span, text: &str, inbox: &mut Inbox) -> Form<'e> {
        Form { span, body: self.text(span, text, inbox) }
    }

    fn text(&self, span: Span, text: &str, inbox: &mut Inbox) -> Body<'e> {
        let parts = match braces::parts(text) {
            Ok(parts) => parts,
            Err(error) => {
                inbox.push(located(self.sources, span, text, error));
                return Body::Broken;
            }
        };
        let mut broken = false;
        let mut piece = |part: &Part<'_>| match part {
            Part::Text(text) => Some(Piece::Text((*text).to_owned())),
            Part::Expression(expression) => {
                let compiled = self.engine.compile(expression).and_then(|compiled| {
                    compiled.check_names(self.names)?;
                    Ok(compiled)
                });
                match compiled {
                    Ok(compiled) => {
                        Some(Piece::Expression { compiled: Box::new(compiled), text: (*expression).to_owned() })
                    }
                    Err(error) => {
                        inbox.push(located(self.sources, span, expression, error));
                        broken = true;
                        None
                    }
                }
            }
        };
        let body = match braces::only(&parts) {
            Some(expression) => piece(&Part::Expression(expression)).map(Body::One),
            None => Some(Body::Mixed(parts.iter().filter_map(&mut piece).collect())),
        };
        body.filter(|_| !broken).unwrap_or(Body::Broken)
    }
}

/// A finding about a part of a scalar: at the part, if the scalar's source shows it as it is.
pub(crate) fn located(sources: &Sources, span: Span, within: &str, error: ExpressionError) -> Finding {
    let place = place(sources, span, within, error.range);
    Finding::new(error.code, error.message).at(place, "here").maybe_hint(error.hint)
}

/// Where a part of a scalar stands: exactly, if the text around it stands once in the source as it is (no escapes, no folded lines), or
/// else the scalar.
pub(crate) fn place(sources: &Sources, span: Span, within: &str, range: Option<Range<usize>>) -> Span {
    let raw = sources.slice(span);
    let mut found = raw.match_indices(within);
    match (found.next(), found.next()) {
        (Some((at, _)), None) if !within.is_empty() => {
            let blank = within.len() - within.trim_start().len();
            let range = range.unwrap_or(blank..within.trim_end().len().max(blank));
            Span { source: span.source, start: span.start + at + range.start, end: span.start + at + range.end }
        }
        _ => first_line(sources, span),
    }
}

/// A span cut to its first line.
pub(crate) fn first_line(sources: &Sources, span: Span) -> Span {
    let raw = sources.slice(span);
    let line = raw.split('\n').next().unwrap_or("").trim_end();
    Span { end: span.start + line.len(), ..span }
}

impl Form<'_> {
    /// Where it is written.
    pub(crate) fn span(&self) -> Span {
        self.span
    }

    /// Whether every template in it could be read.
    pub(crate) fn is_sound(&self) -> bool {
        match &self.body {
            Body::Broken => false,
            Body::List(items) => items.iter().all(Form::is_sound),
            Body::Map(entries) => entries.iter().all(|(_, _, form)| form.is_sound()),
            _ => true,
        }
    }

    /// The names that its templates use.
    pub(crate) fn names<'f>(&'f self, into: &mut BTreeSet<&'f str>) {
        match &self.body {
            Body::One(piece) => piece.names(into),
            Body::Mixed(pieces) => pieces.iter().for_each(|piece| piece.names(into)),
            Body::List(items) => items.iter().for_each(|form| form.names(into)),
            Body::Map(entries) => entries.iter().for_each(|(_, _, form)| form.names(into)),
            Body::Plain(..) | Body::Broken => {}
        }
    }

    /// The value with these variables. `None` if there is none, which has been complained of.
    pub(crate) fn evaluate(&self, scope: &Scope, trial: &mut Trial<'_>) -> Option<Value> {
        match &self.body {
            Body::Plain(value, text) => self.has_room(*text, trial).then(|| value.clone()),
            Body::One(piece) => self.piece(piece, scope, trial),
            Body::Mixed(pieces) => self.mixed(pieces, scope, trial).map(Value::String),
            Body::List(items) => {
                if !self.has_room(0, trial) {
                    return None;
                }
                let values: Vec<Option<Value>> = items.iter().map(|item| item.evaluate(scope, trial)).collect();
                values.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
            }
            Body::Map(entries) => {
                let mut values = serde_json::Map::new();
                let mut whole = self.has_room(0, trial);
                for (name, _, form) in entries {
                    match form.evaluate(scope, trial) {
                        Some(value) => drop(values.insert(name.clone(), value)),
                        None => whole = false,
                    }
                }
                whole.then_some(Value::Object(values))
            }
            Body::Broken => None,
        }
    }

    /// As much of the value as there is: without what cannot be evaluated, and without the lists that hold such.
    pub(crate) fn known(&self, scope: &Scope, sources: &Sources) -> Option<Value> {
        match &self.body {
            Body::Map(entries) => {
                let known =
                    entries.iter().filter_map(|(name, _, form)| Some((name.clone(), form.known(scope, sources)?)));
                Some(Value::Object(known.collect()))
            }
            _ if self.is_sound() => self.evaluate(scope, &mut Trial::new(sources)),
            _ => None,
        }
    }

    fn mixed(&self, pieces: &[Piece<'_>], scope: &Scope, trial: &mut Trial<'_>) -> Option<String> {
        let mut text = String::new();
        for piece in pieces {
            match self.piece(piece, scope, trial)? {
                Value::String(part) => text.push_str(&part),
                value @ (Value::Number(_) | Value::Bool(_)) => text.push_str(&value.to_string()),
                other => {
                    let Piece::Expression { text, .. } = piece else { return None };
                    let hint = match other.get("as") {
                        Some(_) => format!("write `{{{{ {}.as }}}}` for its name", text.trim()),
                        None if other.is_null() => {
                            "say what stands there instead, as in `{{ name if name is not none else 'nobody' }}`; a scalar \
                             that is exactly one `{{ expression }}` may be `none`"
                                .to_owned()
                        }
                        None => "a scalar that is exactly one `{{ expression }}` takes any value".to_owned(),
                    };
                    let message = match &other {
                        Value::Null => "`none` has no text, and cannot stand inside one".to_owned(),
                        other => format!("{} cannot stand inside a text", what(other)),
                    };
                    let finding = Finding::new("not-a-scalar", message);
                    trial.findings.push(finding.at(place(trial.sources, self.span, text, None), "here").hint(hint));
                    return None;
                }
            }
        }
        Some(text)
    }

    fn has_room(&self, text: usize, trial: &mut Trial<'_>) -> bool {
        let fits = take(&mut trial.room, text);
        if let Err(error) = &fits {
            let finding = Finding::new(error.code, error.message.clone());
            trial.findings.push(finding.at(first_line(trial.sources, self.span), "here"));
        }
        fits.is_ok()
    }

    fn piece(&self, piece: &Piece<'_>, scope: &Scope, trial: &mut Trial<'_>) -> Option<Value> {
        match piece {
            Piece::Text(text) => self.has_room(text.len(), trial).then(|| Value::String(text.clone())),
            Piece::Expression { compiled, text } => match compiled.evaluate(scope, &mut trial.room) {
                Ok(value) => Some(value),
                Err(error) => {
                    trial.findings.push(located(trial.sources, self.span, text, error));
                    None
                }
            },
        }
    }

    /// How it is written.
    pub(crate) fn written(&self) -> Written<'_> {
        match &self.body {
            Body::One(Piece::Expression { text, .. }) => Written::Expression(text.trim()),
            Body::Mixed(_) => Written::Mixed,
            _ => Written::Plain,
        }
    }

    /// Whether it says anything of the value at `path`.
    pub(crate) fn holds(&self, path: &[Segment]) -> bool {
        match (&self.body, path.first()) {
            (Body::Map(entries), Some(Segment::Field(field))) => entries.iter().any(|(name, _, _)| name == field),
            _ => false,
        }
    }

    /// Where the value at `path` is written: the value if it is a scalar, else its key; or what it came with.
    pub(crate) fn place(&self, path: &[Segment], sources: &Sources) -> Option<Span> {
        let mut form = self;
        let mut key = None;
        for segment in path {
            let next = match (&form.body, segment) {
                (Body::Map(entries), Segment::Field(field)) => {
                    entries.iter().find(|(name, _, _)| name == field).map(|(_, key, form)| (Some(*key), form))
                }
                (Body::List(items), Segment::Index(index)) => items.get(*index).map(|form| (None, form)),
                _ => None,
            };
            let Some((next_key, next)) = next else { break };
            (key, form) = (next_key, next);
        }
        match &form.body {
            Body::List(_) | Body::Map(_) if std::ptr::eq(form, self) => None,
            Body::List(_) | Body::Map(_) => Some(key.unwrap_or_else(|| first_line(sources, form.span))),
            _ => Some(first_line(sources, form.span)),
        }
    }

    /// The keys of a map, where it is one as it is written.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let entries = match &self.body {
            Body::Map(entries) => entries.as_slice(),
            _ => &[],
        };
        entries.iter().map(|(name, _, _)| name.as_str())
    }

    /// Where the key at the end of `path` is written.
    pub(crate) fn key(&self, path: &[Segment], field: &str) -> Option<Span> {
        let mut form = self;
        let mut last = None;
        let end = match path.last() {
            Some(Segment::Field(name)) if name == field => None,
            _ => Some(Segment::Field(field.to_owned())),
        };
        for segment in path.iter().chain(&end) {
            form = match (&form.body, segment) {
                (Body::Map(entries), Segment::Field(name)) => {
                    let (_, key, next) = entries.iter().find(|(entry, _, _)| entry == name)?;
                    last = Some(*key);
                    next
                }
                (Body::List(items), Segment::Index(index)) => items.get(*index)?,
                _ => return None,
            };
        }
        last
    }

    /// Its leaves, by dotted path.
    pub(crate) fn leaves(&self) -> Vec<Leaf<'_>> {
        let mut leaves = Vec::new();
        self.collect(String::new(), &mut leaves);
        leaves
    }

    fn collect<'f>(&'f self, path: String, into: &mut Vec<Leaf<'f>>) {
        let child = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        match &self.body {
            Body::Map(entries) if !entries.is_empty() => {
                for (name, _, form) in entries {
                    form.collect(child(name), into);
                }
            }
            Body::List(items) if !items.is_empty() => {
                for (index, form) in items.iter().enumerate() {
                    form.collect(child(&index.to_string()), into);
                }
            }
            body => {
                let pieces = match body {
                    Body::One(piece) => std::slice::from_ref(piece),
                    Body::Mixed(pieces) => pieces,
                    _ => &[],
                };
                let mut names = Vec::new();
                for piece in pieces {
                    if let Piece::Expression { compiled, .. } = piece {
                        names.extend(compiled.names_as_used());
                    }
                }
                let alone = match body {
                    Body::One(Piece::Expression { text, .. }) => Some(text.trim()),
                    _ => None,
                };
                into.push(Leaf { path, span: self.span, names, alone });
            }
        }
    }
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written<'f> {
    /// As it is.
    Plain,
    /// As exactly one expression.
    Expression(&'f str),
    /// As a text with expressions in it.
    Mixed,
}

/// A value inside a form that is no list and no map.
pub(crate) struct Leaf<'f> {
    /// Where in the form it is.
    pub(crate) path: String,
    /// Where it is written.
    pub(crate) span: Span,
    /// The names that its templates use, as they use them.
    pub(crate) names: Vec<&'f str>,
    /// The expression, if it is exactly one.
    pub(crate) alone: Option<&'f str>,
}
