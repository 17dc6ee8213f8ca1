//! Naming: from what a task writes under `needs`, `gather` and `each` to the groups that it means, in the place where it stands.

use crate::{
    braces,
    fields::FieldReader,
    finding::{Finding, Inbox},
    form::first_line,
    place::{Ground, Place, used},
    reference::split,
    source::Span,
    target::{AxisText, Target},
    yaml::{Kind, Node, what},
};

/// Reads names of tasks in one place.
pub(crate) struct Naming<'r, 'n> {
    pub(crate) ground: &'r Ground<'r>,
    pub(crate) place: &'r Place<'n>,
    pub(crate) inbox: &'r mut Inbox,
}

/// What a text names.
enum Named {
    /// These tasks.
    Tasks(Vec<Target>),
    /// Nothing: it is `null`, or a template that comes to `none`.
    Nothing,
}

impl<'r, 'n> Naming<'r, 'n> {
    /// The one target under `of`. `None` if there is none, which has been said.
    pub(crate) fn one(&mut self, node: &Node, of: &str) -> Option<Target> {
        let targets = self.many(node, of)?;
        self.single(targets, node, of)
    }

    /// The one target under `of`, or none where a template leaves it out by coming to `none`. `None` if it cannot be read, which has been said.
    pub(crate) fn at_most_one(&mut self, node: &Node, of: &str) -> Option<Vec<Target>> {
        if node.template().is_none() {
            return Some(vec![self.one(node, of)?]); // what is written as nothing is a slip of the pen
        }
        match self.named(node, of)? {
            Named::Tasks(targets) => Some(vec![self.single(targets, node, of)?]),
            Named::Nothing => Some(Vec::new()),
        }
    }

    fn single(&mut self, mut targets: Vec<Target>, node: &Node, of: &str) -> Option<Target> {
        if targets.len() != 1 {
            let message = format!("{of} must be one task, and there are {}", targets.len());
            self.say(Finding::new("wrong-type", message), node.span);
            return None;
        }
        targets.pop()
    }

    /// The targets under `of`: one, or a list. `None` if they cannot all be read, which has been said.
    pub(crate) fn many(&mut self, node: &Node, of: &str) -> Option<Vec<Target>> {
        match (self.named(node, of)?, &node.kind) {
            (Named::Tasks(targets), _) => Some(targets),
            (Named::Nothing, Kind::Null) => {
                let sources = self.ground.sources;
                FieldReader { sources, inbox: self.inbox }.wrong(node, of, "the name of a task");
                None
            }
            (Named::Nothing, _) => {
                let message = format!("{of} must be the name of a task, and is {}", what(&serde_json::Value::Null));
                self.say(Finding::new("wrong-type", message), node.span);
                None
            }
        }
    }

    /// What is named under `of`. `None` if that cannot all be read, which has been said.
    fn named(&mut self, node: &Node, of: &str) -> Option<Named> {
        match &node.kind {
            Kind::Null => Some(Named::Nothing),
            Kind::Text(text) => self.text(node, text, of),
            Kind::List(items) => {
                let mut targets = Vec::new();
                let mut whole = true;
                for item in items {
                    match self.many(item, &format!("an item of {of}")) {
                        Some(more) => targets.extend(more),
                        None => whole = false,
                    }
                }
                whole.then_some(Named::Tasks(targets))
            }
            Kind::Refused => None,
            _ => {
                let sources = self.ground.sources;
                FieldReader { sources, inbox: self.inbox }.wrong(node, of, "the name of a task");
                None
            }
        }
    }

    fn text(&mut self, node: &Node, text: &str, of: &str) -> Option<Named> {
        let (head, axes) = self.cut(text, node.span)?;
        let axes = self.axes(axes, node.span);
        if !head.contains("{{") && !head.contains("{%") {
            let target = self.target(self.place.home.clone(), head, node.span, axes)?;
            return Some(Named::Tasks(vec![target]));
        }
        let named = match self.argument(head) {
            Some((name, given, outer)) => {
                let mut there = Naming { ground: self.ground, place: outer, inbox: self.inbox };
                there.named(given, &format!("the argument `{name}`"))?
            }
            None => self.evaluated(&Node { span: node.span, kind: Kind::Text(head.to_owned()) }, of)?,
        };
        let Named::Tasks(mut targets) = named else { return Some(Named::Nothing) };
        for target in &mut targets {
            target.axes.extend(axes.iter().cloned());
        }
        Some(Named::Tasks(targets))
    }

    /// The argument that a text is, or the part of one, if it is nothing else; and the place that gives it.
    fn argument<'t>(&self, head: &'t str) -> Option<(&'t str, &'n Node, &'r Place<'n>)> {
        let place: &'r Place<'n> = self.place;
        let expression = braces::only(&braces::parts(head).ok()?)?.trim();
        let end = expression.find(['.', '[']).unwrap_or(expression.len());
        let given = place.args.get(&expression[..end])?;
        let outer = place.outer.as_deref().filter(|_| given.default.is_none())?;
        Some((expression, part(given.node, &expression[end..])?, outer))
    }

    /// What a template names.
    fn evaluated(&mut self, node: &Node, of: &str) -> Option<Named> {
        let value = self.place.evaluate(self.ground, node, self.inbox)?;
        let items = match value {
            serde_json::Value::Null => return Some(Named::Nothing),
            serde_json::Value::Array(items) => items,
            value => vec![value],
        };
        let names = used(self.ground, node);
        let mut targets = Vec::new();
        for item in items {
            let Some(text) = item.as_str() else {
                let message = format!("{of} must be the name of a task, and is {}", what(&item));
                self.say(Finding::new("wrong-type", message), node.span);
                return None;
            };
            let (head, axes) = self.cut(text, node.span)?;
            let axes = self.axes(axes, node.span);
            let home = self.place.home_of(self.ground, &names, head);
            targets.push(self.target(home, head, node.span, axes)?);
        }
        Some(Named::Tasks(targets))
    }

    fn target(&mut self, home: String, name: &str, span: Span, axes: Vec<AxisText>) -> Option<Target> {
        if name.is_empty() {
            self.say(Finding::new("bad-reference", "this names no task"), span);
            return None;
        }
        Some(Target { home: home.len(), group: home + name, span, axes })
    }

    fn cut<'t>(&mut self, text: &'t str, span: Span) -> Option<(&'t str, Vec<(String, String)>)> {
        split(text).map_err(|message| self.say(Finding::new("bad-reference", message), span)).ok()
    }

    fn axes(&self, axes: Vec<(String, String)>, span: Span) -> Vec<AxisText> {
        let level = self.place.levels.len();
        axes.into_iter().map(|(axis, value)| AxisText { axis, value, span, level }).collect()
    }

    fn say(&mut self, finding: Finding, span: Span) {
        let place = first_line(self.ground.sources, span);
        self.inbox.push(finding.at(place, "here"));
    }
}

/// The part of a value at `.name`, `[0]` or `['name']`, and so on; `None` if the way there is anything else, or leads into a template.
fn part<'n>(node: &'n Node, way: &str) -> Option<&'n Node> {
    if way.is_empty() {
        return Some(node);
    }
    let (step, rest) = if let Some(rest) = way.strip_prefix('.') {
        rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len()))
    } else {
        way.strip_prefix('[')?.split_once(']').map(|(step, rest)| (step.trim(), rest))?
    };
    let unquoted = |quote: char| step.strip_prefix(quote).and_then(|step| step.strip_suffix(quote));
    let name = unquoted('\'').or_else(|| unquoted('"')).unwrap_or(step);
    let inner = match &node.kind {
        Kind::List(items) => items.get(step.parse::<usize>().ok()?)?,
        Kind::Map(entries) => &entries.iter().find(|entry| entry.key == name)?.value,
        _ => return None,
    };
    part(inner, rest)
}
