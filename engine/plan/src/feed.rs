//! Feeds: what stands at the ports of a task, checked once for the group and found for every cell.

use std::collections::BTreeMap;

use isoflop_contract::{
    Cell, Entry, Need,
    port::{Arity, Port},
    shape::fits,
};

use crate::{
    expand::{self, Gathered},
    finding::Finding,
    plan::TaskNeed,
    reference::plain,
    seal::{Group, World},
    source::Span,
    study::{NeedText, TaskText},
    suggest,
};

/// How many needs all tasks of a study may have together.
pub const NEED_LIMIT: usize = 2_000_000;

/// A port with what feeds it, checked.
pub(crate) enum Feed<'w> {
    One { port: &'w NeedText, producer: usize },
    Many { gathered: Gathered<'w>, producer: usize, buckets: BTreeMap<String, Vec<usize>> },
}

impl<'w, 'n> World<'w, 'n> {
    /// Checks ports against what feeds them. `None` if anything is wrong.
    pub(crate) fn feeds(
        &mut self,
        text: &'w TaskText<'n>,
        entry: Option<&'w Entry>,
        axes: Option<&[String]>,
        gathers: Vec<Gathered<'w>>,
    ) -> Option<Vec<Feed<'w>>> {
        let before = self.inbox.len();
        let mut feeds = Vec::new();
        let mut sound = gathers.len() == text.gathers.len() && text.unread.is_empty();
        let mut given: BTreeMap<&str, Span> = BTreeMap::new();
        let needs = text.needs.iter().map(|need| (&need.port, need.port_span, &need.from, need.from_span, false));
        let many =
            text.gathers.iter().map(|gather| (&gather.port, gather.port_span, &gather.from, gather.from_span, true));
        for (port, span, from, from_span, gathering) in needs.chain(many) {
            if let Some(first) = given.insert(port, span) {
                let message = format!("the port `{port}` is fed twice");
                self.inbox.push(Finding::new("port-twice", message).at(span, "again here").at(first, "first here"));
            }
            if let Some(entry) = entry {
                self.port(text, entry, port, span, &from.group, from_span, gathering);
            }
        }
        if let Some(entry) = entry {
            for port in entry.ports.iter().filter(|port| port.arity != Arity::Maybe && !given.contains_key(port.name)) {
                if text.unread.iter().any(|unread| unread == port.name) {
                    continue;
                }
                self.missing(text, entry, port);
            }
        }
        for need in &text.needs {
            let Some(producer) = self.index(&need.from.group) else { continue };
            let Some(has) = self.groups[producer].as_ref().and_then(Group::axes) else {
                sound = false;
                continue;
            };
            let wanted = need.from.axes.iter().map(|(axis, _)| (axis.as_str(), need.from_span));
            if !expand::known_axes(self, &need.from.group, &has, wanted) {
                sound = false;
                continue;
            }
            let Some(axes) = axes else { continue };
            let lacks: Vec<&String> =
                has.iter().filter(|axis| need.from.value(axis).is_none() && !axes.contains(axis)).collect();
            if !lacks.is_empty() {
                self.lacking(text, need, &lacks);
            }
            feeds.push(Feed::One { port: need, producer });
        }
        for gathered in gathers {
            let producer = self.index(&gathered.text.from.group)?;
            let buckets = gathered.by_label(self.groups[producer].as_ref()?);
            feeds.push(Feed::Many { gathered, producer, buckets });
        }
        (sound && entry.is_some() && self.inbox.len() == before).then_some(feeds)
    }

    #[expect(clippy::too_many_arguments, reason = "one line of a study has all of these")]
    fn port(
        &mut self,
        text: &TaskText<'_>,
        entry: &Entry,
        port: &str,
        span: Span,
        from: &str,
        from_span: Span,
        gathering: bool,
    ) {
        let Some(declared) = entry.port(port) else {
            let hint = if entry.ports.is_empty() {
                Some("it needs nothing".to_owned())
            } else {
                suggest::hint(port, entry.ports.iter().map(|port| port.name))
            };
            self.inbox.push(
                Finding::new("unknown-port", format!("`{}` has no port `{port}`", entry.name))
                    .at(span, "this port")
                    .maybe_hint(hint),
            );
            return;
        };
        match (declared.arity, gathering) {
            (Arity::Many, false) => self.inbox.push(
                Finding::new("wrong-arity", format!("the port `{port}` of `{}` takes a gather", entry.name))
                    .at(span, "here it needs one task")
                    .hint(format!("write `gather: {{ {port}: {from} }}`")),
            ),
            (Arity::One | Arity::Maybe, true) => self.inbox.push(
                Finding::new(
                    "wrong-arity",
                    format!("the port `{port}` of `{}` takes one artifact, not a gather", entry.name),
                )
                .at(span, "here it gathers")
                .hint(format!("write `needs: {{ {port}: {from} }}`")),
            ),
            _ => {}
        }
        // By the text: a producer in a cycle has a kind though it has no cells.
        let producer = self.index(from).map(|at| &self.study.tasks[at]);
        let made = producer.and_then(|task| self.catalog.get(&task.kind.as_ref()?.0));
        if let Some(made) = made
            && !fits(declared.shape, made.makes)
        {
            let message = format!(
                "the port `{port}` of `{}` (kind `{}`) takes `{}`, and `{from}` (kind `{}`) makes `{}`",
                text.name, entry.name, declared.shape, made.name, made.makes
            );
            let hint = self.makers(declared.shape, &text.name);
            self.inbox.push(Finding::new("wrong-shape", message).at(from_span, "this task").maybe_hint(hint));
        }
    }

    fn missing(&mut self, text: &TaskText<'_>, entry: &Entry, port: &Port) {
        let message = format!(
            "`{}` feeds nothing to the port `{}` of `{}`, which takes `{}`",
            text.name, port.name, entry.name, port.shape
        );
        let key = if port.arity == Arity::Many { "gather" } else { "needs" };
        let example = self.tasks_making(port.shape, &text.name).next().unwrap_or("TASK");
        let hint = format!("add `{key}: {{ {}: {example} }}`", port.name);
        self.inbox.push(Finding::new("missing-port", message).at(text.span, "this task").hint(hint));
    }

    fn makers(&self, shape: &str, but: &str) -> Option<String> {
        let names: Vec<String> = self.tasks_making(shape, but).map(|name| format!("`{name}`")).collect();
        match names.len() {
            0 => None,
            1 => Some(format!("{} makes `{shape}`", names[0])),
            _ => Some(format!("{} make `{shape}`", names.join(", "))),
        }
    }

    fn tasks_making<'s>(&'s self, shape: &'s str, but: &'s str) -> impl Iterator<Item = &'s str> {
        let shown = if self.inbox.is_full() { 0 } else { self.study.tasks.len() };
        let makes = move |task: &&TaskText<'_>| {
            let entry = task.kind.as_ref().and_then(|(kind, _)| self.catalog.get(kind));
            task.name != but && entry.is_some_and(|entry| fits(shape, entry.makes))
        };
        self.study.tasks.iter().take(shown).filter(makes).map(|task| task.name.as_str())
    }

    fn lacking(&mut self, text: &TaskText<'_>, need: &NeedText, lacks: &[&String]) {
        let axes: Vec<String> = lacks.iter().map(|axis| format!("`{axis}`")).collect();
        let noun = if axes.len() == 1 { "axis" } else { "axes" };
        let (from, port) = (&need.from.group, &need.port);
        let message =
            format!("`{from}` has many cells and `{}` lacks its {noun} {} to pick one", text.name, axes.join(" and "));
        let hint = format!(
            "take all by `gather: {{ {port}: {from} }}`, one for each by `each: {from}`, or name one as in `{from}[{}=…]`",
            lacks[0]
        );
        self.inbox.push(Finding::new("which-cell", message).at(need.from_span, "this task").hint(hint));
    }

    /// What a cell needs, by index and by key.
    pub(crate) fn needs(
        &mut self,
        text: &TaskText<'_>,
        cell: &Cell,
        feeds: &[Feed<'w>],
        findings: &mut Vec<Finding>,
    ) -> Option<(BTreeMap<String, TaskNeed>, BTreeMap<String, Need>)> {
        let (mut needs, mut keys) = (BTreeMap::new(), BTreeMap::new());
        let mut whole = true;
        for feed in feeds {
            match feed {
                Feed::One { port, producer } => {
                    let group = self.groups[*producer].as_ref()?;
                    let axes = group.axes()?;
                    let value =
                        |axis: &String| port.from.value(axis).map(str::to_owned).or_else(|| cell.get(axis).map(plain));
                    let label: BTreeMap<&String, String> =
                        axes.iter().map(|axis| Some((axis, value(axis)?))).collect::<Option<_>>()?;
                    let parts: Vec<String> = label.iter().map(|(axis, value)| format!("{axis}={value}")).collect();
                    let Some(index) = group.labels.get(&parts.join(",")) else {
                        let message =
                            format!("`{}` has no cell `{}[{}]`", group.text.name, group.text.name, parts.join(","));
                        let hint = format!(
                            "`{}` has {} cells, as `{}{}`",
                            group.text.name,
                            group.labels.len(),
                            group.text.name,
                            group.cells.as_ref().and_then(|cells| cells.first()).cloned().unwrap_or_default()
                        );
                        findings
                            .push(Finding::new("no-such-cell", message).at(port.from_span, "needed here").hint(hint));
                        whole = false;
                        continue;
                    };
                    let Some(task) = group.tasks.get(*index).copied().flatten() else {
                        whole = false;
                        continue;
                    };
                    self.needs += 1;
                    needs.insert(port.port.clone(), TaskNeed::One(task));
                    keys.insert(port.port.clone(), Need::One(self.tasks[task].key));
                }
                Feed::Many { gathered, producer, buckets } => {
                    let group = self.groups[*producer].as_ref()?;
                    let (port, from) = (&gathered.text.port, &gathered.text.from.group);
                    let Some(bucket) = buckets.get(&gathered.label(cell)) else {
                        let message = format!("no cell of `{from}` is left to gather");
                        findings
                            .push(Finding::new("empty-gather", message).at(gathered.text.port_span, "for this port"));
                        whole = false;
                        continue;
                    };
                    self.needs += bucket.len();
                    if self.needs > NEED_LIMIT {
                        let message = format!("with `{}` the tasks have more than {NEED_LIMIT} needs", text.name);
                        self.inbox.push(
                            Finding::new("too-many-needs", message)
                                .at(gathered.text.port_span, "the limit is passed here"),
                        );
                        return None;
                    }
                    let mut tasks = BTreeMap::new();
                    for index in bucket {
                        match group.tasks.get(*index).copied().flatten() {
                            Some(task) => drop(tasks.insert(self.tasks[task].cell.label(), task)),
                            None => whole = false,
                        }
                    }
                    let many = tasks.iter().map(|(label, task)| (label.clone(), Some(self.tasks[*task].key))).collect();
                    keys.insert(port.clone(), Need::Many(many));
                    needs.insert(port.clone(), TaskNeed::Many(tasks));
                }
            }
        }
        whole.then_some((needs, keys))
    }
}
