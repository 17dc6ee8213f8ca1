//! The values of an axis as they are written: a list, a template, or a spacing.

use std::collections::BTreeMap;

use isoflop_contract::{Value, catalog::Segment, cell::plain};

use crate::{
    fields::FieldReader,
    finding::{Finding, Inbox},
    form::{Form, Trial, first_line, place},
    function,
    inner::Inner,
    points::Axis,
    source::{Sources, Span},
    suggest,
    variables::{Context, Variables},
    yaml::{Entry, Kind, Node, what},
};

/// The spacings, with what they take.
const SPACINGS: [(&str, &str); 3] =
    [("linspace", "[first, last, n]"), ("geomspace", "[first, last, n]"), ("range", "[start, stop, step]")];

/// The words of a matrix that are no axes.
pub(crate) const WORDS: [&str; 4] = ["zip", "exclude", "where", "include"];

/// What is written for an axis.
pub(crate) struct AxisValues<'w> {
    pub(crate) name: &'w str,
    /// Where its values are written.
    pub(crate) span: Span,
    body: Body<'w>,
}

enum Body<'w> {
    /// A list, or a template that gives one.
    Form(Form<'w>),
    Spacing {
        word: &'static str,
        arguments: Form<'w>,
        round_to: Option<Form<'w>>,
    },
}

/// A value of an axis.
pub(crate) struct AxisValue {
    pub(crate) shown: Value,
    /// The map that goes by that name.
    pub(crate) seen: Option<Inner>,
    pub(crate) place: Span,
}

impl AxisValue {
    /// Adds it to its axis, unless it is there.
    pub(crate) fn add_to(self, axis: &mut Axis) -> u32 {
        axis.add(self.shown, self.seen, self.place)
    }
}

impl<'w> AxisValues<'w> {
    /// Reads what is written. `None` if it cannot be, which has been said.
    pub(crate) fn read(
        context: &Context<'_, 'w>,
        variables: &Variables<'w>,
        entry: &'w Entry,
        inbox: &mut Inbox,
    ) -> Option<Self> {
        let level = variables.last();
        let body = match &entry.value.kind {
            Kind::Map(map) => spacing(context, variables, entry, map, inbox)?,
            _ => Body::Form(variables.form(context, level, &entry.value, inbox)),
        };
        let values = Self { name: &entry.key, span: entry.value.span, body };
        values.forms().iter().all(|form| form.is_sound()).then_some(values)
    }

    /// The forms it is made of.
    pub(crate) fn forms(&self) -> Vec<&Form<'w>> {
        match &self.body {
            Body::Form(form) => vec![form],
            Body::Spacing { arguments, round_to, .. } => {
                [Some(arguments), round_to.as_ref()].into_iter().flatten().collect()
            }
        }
    }

    fn of(&self) -> String {
        format!("the axis `{}`", self.name)
    }

    /// The values with these variables; a single one is good where they depend on other axes (`derived`). Equal ones are a finding, but in a
    /// zip, where they are not. `None` if there are none, which has been complained of.
    pub(crate) fn evaluate(
        &self,
        scope: &crate::inner::Scope,
        derived: bool,
        distinct: bool,
        trial: &mut Trial<'_>,
    ) -> Option<Vec<AxisValue>> {
        let here = first_line(trial.sources, self.span);
        let value = match &self.body {
            Body::Form(form) => form.evaluate(scope, trial)?,
            Body::Spacing { word, arguments, round_to } => {
                let arguments_value = arguments.evaluate(scope, trial)?;
                let multiple = match round_to {
                    Some(form) => Some(form.evaluate(scope, trial)?),
                    None => None,
                };
                let spaced = space(word, &arguments_value).and_then(|values| match &multiple {
                    Some(multiple) => values.iter().map(|x| call("round_to", &[x.clone(), multiple.clone()])).collect(),
                    None => Ok(values),
                });
                match spaced {
                    Ok(values) => Value::Array(values),
                    Err(message) => {
                        let finding = Finding::new("bad-axis", format!("{}: {message}", self.of()));
                        trial.findings.push(finding.at(first_line(trial.sources, arguments.span()), "here"));
                        return None;
                    }
                }
            }
        };
        let values = match value {
            Value::Array(values) => values,
            one if derived => vec![one],
            other => {
                let message = format!("{} must be a list, and is {}", self.of(), what(&other));
                let finding = Finding::new("wrong-type", message).at(here, "here");
                trial.findings.push(finding.hint("write its values in brackets, as in [0, 1, 2]"));
                return None;
            }
        };
        if values.is_empty() {
            let message = format!("{} has no values, so the task has no cells", self.of());
            let hint = derived.then(|| "leave out points by `where`".to_owned());
            trial.findings.push(Finding::new("empty-matrix", message).at(here, "this list is empty").maybe_hint(hint));
            return None;
        }
        self.items(values, here, distinct, trial)
    }

    fn items(&self, values: Vec<Value>, here: Span, distinct: bool, trial: &mut Trial<'_>) -> Option<Vec<AxisValue>> {
        let mut seen = BTreeMap::new();
        let mut items = Vec::with_capacity(values.len());
        let mut sound = true;
        for (index, value) in values.into_iter().enumerate() {
            let place = match &self.body {
                Body::Form(form) => form.place(&[Segment::Index(index)], trial.sources).unwrap_or(here),
                Body::Spacing { .. } => here,
            };
            let Some(item) = item(&self.of(), self.name, value, place, trial) else {
                sound = false;
                continue;
            };
            let text = plain(&item.shown);
            if let Some(first) = seen.get(&text).filter(|_| distinct) {
                let finding = Finding::new("axis-value-twice", format!("{} has the value `{text}` twice", self.of()));
                trial.findings.push(match &self.body {
                    _ if *first == place => finding.at(place, "here").maybe_hint(self.rounded()),
                    _ => finding.at(place, "again here").at(*first, "first here"),
                });
                sound = false;
            }
            seen.insert(text, place);
            items.push(item);
        }
        sound.then_some(items)
    }

    fn rounded(&self) -> Option<String> {
        let rounds = matches!(&self.body, Body::Spacing { round_to: Some(_), .. });
        rounds.then(|| "`round_to` brings values together; take fewer of them, or round less".to_owned())
    }
}

/// A value of an axis, if it can be one.
pub(crate) fn item(of: &str, axis: &str, value: Value, place: Span, trial: &mut Trial<'_>) -> Option<AxisValue> {
    let (shown, seen) = match value {
        Value::Object(members) => {
            let Some(name) = members.get("as") else {
                let hint = match suggest::nearest(axis, WORDS) {
                    Some(word) => format!("did you mean `{word}` instead of `{axis}`?"),
                    None => "write `{ as: small, … }`: the cell shows the name, templates see the map".to_owned(),
                };
                let finding = Finding::new("missing-as", format!("{of} has a map without a name"));
                trial.findings.push(finding.at(place, "this value").hint(hint));
                return None;
            };
            (name.clone(), Some(Inner::of(&Value::Object(members))))
        }
        value => (value, None),
    };
    if let Some(message) = complaint(&shown, seen.is_some()) {
        let unnamed = shown.as_str().is_some_and(|text| !text.trim().is_empty()) && seen.is_none();
        let hint = unnamed.then(|| {
            format!("write `{{ as: short, text: … }}`: the cell shows `short`, and templates write `{axis}.text`")
        });
        let finding = Finding::new("bad-axis-value", format!("{of}: {message}")).at(place, "this value");
        trial.findings.push(finding.maybe_hint(hint));
        return None;
    }
    Some(AxisValue { shown, seen, place })
}

/// Why a value cannot be in a cell's name.
fn complaint(value: &Value, named: bool) -> Option<String> {
    match value {
        Value::Number(_) | Value::Bool(_) => None,
        Value::String(text) if text.trim().is_empty() => Some("a value may not be empty".to_owned()),
        Value::String(text) if text.trim() != text => Some(format!("the value `{text}` begins or ends in a space")),
        Value::String(text) => text.chars().find(|c| ",=[]*".contains(*c) || c.is_control()).map(|c| {
            format!("the value `{}` holds {}, which the names of tasks have no room for", printed(text), shown(c))
        }),
        other if named => Some(format!("`as` must be a text, a number or a flag, and is {}", what(other))),
        other => Some(format!("a value must be a text, a number, a flag or a map, and is {}", what(other))),
    }
}

/// A text as it is written, on one line.
fn printed(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() }).collect()
}

fn shown(c: char) -> String {
    if c.is_control() { "a control character".to_owned() } else { format!("`{c}`") }
}

fn spacing<'w>(
    context: &Context<'_, 'w>,
    variables: &Variables<'w>,
    entry: &'w Entry,
    map: &'w [Entry],
    inbox: &mut Inbox,
) -> Option<Body<'w>> {
    let words = SPACINGS.map(|(word, _)| word);
    let of = format!("the axis `{}`", entry.key);
    let mut reader = FieldReader { sources: context.sources, inbox };
    let known = [words.as_slice(), &["round_to"]].concat();
    let mut fields = reader.fields(&entry.value, &of, &known)?;
    let (found, unknown) = (fields.keys().filter(|key| words.contains(*key)).count(), map.len() - fields.len());
    if found != 1 {
        if unknown == 0 {
            let message = format!("{of} must be a list, a template, or one of `linspace`, `geomspace` and `range`");
            let finding = Finding::new("bad-axis", message).at(entry.key_span, "this axis");
            inbox.push(finding.maybe_hint((found > 1).then(|| "two spacings make two axes".to_owned())));
        }
        return None;
    }
    let round_to = fields.remove("round_to");
    let (word, takes) = SPACINGS.into_iter().find(|(word, _)| fields.contains_key(word))?;
    let written = fields.remove(word)?;
    if !matches!(&written.value.kind, Kind::List(_) | Kind::Text(_)) {
        let message = format!("`{word}` of {of} takes {takes}, and is {}", written.value.what());
        inbox.push(Finding::new("wrong-type", message).at(first_line(context.sources, written.value.span), "here"));
        return None;
    }
    let mut form = |node: &Node| variables.form(context, variables.last(), node, inbox);
    let arguments = form(&written.value);
    let round_to = round_to.map(|entry| form(&entry.value));
    (unknown == 0).then_some(Body::Spacing { word, arguments, round_to })
}

fn space(word: &str, arguments: &Value) -> Result<Vec<Value>, String> {
    let takes = SPACINGS.iter().find(|(name, _)| *name == word).map_or("", |(_, takes)| takes);
    let Value::Array(arguments) = arguments else {
        return Err(format!("`{word}` takes {takes}, and was given {}", what(arguments)));
    };
    let fits = if word == "range" { (1..=3).contains(&arguments.len()) } else { arguments.len() == 3 };
    if !fits {
        return Err(format!("`{word}` takes {takes}, and was given {} values", arguments.len()));
    }
    match call(word, arguments)? {
        Value::Array(values) => Ok(values),
        other => Ok(vec![other]),
    }
}

fn call(name: &str, arguments: &[Value]) -> Result<Value, String> {
    function::builtin()[name](arguments, &BTreeMap::new())
}

/// How many values are shown whole: of `td2`, `td4` and `td8`, none is what `td5` was meant to be.
const FEW: usize = 12;

/// The number of a value that a person wrote, among the values of an axis. If there is none, that is a finding at the value.
pub(crate) fn number(axis: &Axis, of: &str, text: &str, span: Span, sources: &Sources) -> Result<u32, Box<Finding>> {
    axis.find(text).ok_or_else(|| {
        let texts: Vec<String> = axis.texts().collect();
        let finding = Finding::new("no-such-value", format!("the axis `{}` of {of} has no value `{text}`", axis.name));
        let hint = match texts.iter().map(String::as_str) {
            all if all.len() <= FEW => suggest::list(all),
            all => suggest::hint(text, all),
        };
        Box::new(finding.at(place(sources, span, text, None), "this value").maybe_hint(hint))
    })
}
