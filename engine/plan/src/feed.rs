//! Feeds: what stands at the ports of a task, checked once for the group and found for every cell.

use std::collections::BTreeMap;

use isoflop_contract::{
    Entry, Need,
    cell::plain,
    port::{Arity, Port},
    shape::fits,
};

use crate::{
    axis,
    expand::{self, Across, Buckets, Gathered},
    finding::Finding,
    form::{Form, Reader, Trial},
    plan::TaskNeed,
    points::{Axis, Points},
    seal::World,
    source::Span,
    study::{NeedText, TaskText},
    suggest,
    target::AxisText,
    variables::{Stage, Variables},
};

/// How many needs all tasks of a study may have together.
pub const NEED_LIMIT: usize = 2_000_000;

/// A port with what feeds it, checked.
pub(crate) enum Feed<'w> {
    One { need: &'w NeedText, producer: usize, axes: Vec<Pick<'w>> },
    Many { gathered: Gathered<'w>, producer: usize, buckets: Buckets },
}

/// What picks a producer's cell on one of its axes.
pub(crate) enum Pick<'w> {
    /// Its value is named.
    Fixed(u32),
    /// It is the consumer's own.
    Mine(Across),
    /// It is worked out in each cell.
    Made { form: Form<'w>, level: usize, span: Span },
}

impl Feed<'_> {
    /// The port's name, and where it is said what feeds it.
    pub(crate) fn port(&self) -> (&str, Span) {
        match self {
            Self::One { need, .. } => (&need.port, need.from_span),
            Self::Many { gathered, .. } => (&gathered.text.port, gathered.text.from_span),
        }
    }
}

impl<'w, 'n> World<'w, 'n> {
    /// Checks ports against what feeds them. `None` if anything is wrong.
    pub(crate) fn feeds(
        &mut self,
        text: &'w TaskText<'n>,
        entry: Option<&'w Entry>,
        mine: Option<(&Points, &Variables<'w>)>,
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
            for port in entry.ports.iter().filter(|port| port.arity.required() && !given.contains_key(port.name)) {
                if text.unread.iter().any(|unread| unread == port.name) {
                    continue;
                }
                self.missing(text, entry, port);
            }
        }
        for need in &text.needs {
            match self.picks(text, entry, need, mine) {
                Some((producer, axes)) => feeds.push(Feed::One { need, producer, axes }),
                None => sound = false,
            }
        }
        for gathered in gathers {
            let producer = self.index(&gathered.text.from.group)?;
            if let (Some(theirs), Some((points, _))) = (self.groups[producer].as_ref()?.points.as_ref(), mine) {
                let buckets = Buckets::of(&gathered, theirs, points.axes());
                feeds.push(Feed::Many { gathered, producer, buckets });
            }
        }
        (sound && mine.is_some() && entry.is_some() && self.inbox.len() == before).then_some(feeds)
    }

    /// What picks the cell of a producer, axis by axis. `None` if that cannot be, which has been said.
    fn picks(
        &mut self,
        text: &TaskText<'_>,
        entry: Option<&Entry>,
        need: &'w NeedText,
        mine: Option<(&Points, &Variables<'w>)>,
    ) -> Option<(usize, Vec<Pick<'w>>)> {
        let producer = self.index(&need.from.group)?;
        let theirs = self.groups[producer].as_ref()?.points.clone()?;
        let wanted = need.from.axes.iter().map(|wanted| (wanted.axis.as_str(), need.from_span));
        let mut sound = expand::known_axes(self, &need.from.group, &theirs, wanted);
        let mut picks = Vec::new();
        let mut lacks = Vec::new();
        for axis in theirs.axes() {
            if let Some(text) = need.from.axes.iter().find(|text| text.axis == *axis.name) {
                match self.pick(need, text, axis, mine.map(|(_, variables)| variables)) {
                    Some(pick) => picks.push(pick),
                    None => sound = false,
                }
            } else if let Some((points, _)) = mine {
                match Across::of(points.axes(), axis) {
                    Some(across) => picks.push(Pick::Mine(across)),
                    None => lacks.push(axis.name.to_string()),
                }
            }
        }
        // Of a port that gathers it has been said already that one task is not what it takes.
        let gathers = entry.and_then(|entry| entry.port(&need.port)).is_some_and(|port| port.arity.gathers());
        if !lacks.is_empty() && !gathers {
            self.lacking(text, need, &lacks);
        }
        (sound && mine.is_some() && lacks.is_empty()).then_some((producer, picks))
    }

    fn pick(
        &mut self,
        need: &NeedText,
        text: &AxisText,
        axis: &Axis,
        variables: Option<&Variables<'w>>,
    ) -> Option<Pick<'w>> {
        if text.value.contains("{{") {
            let variables = variables?;
            let others = self.names();
            let names = variables.names(&others, text.level);
            let reader = Reader { engine: self.engine, sources: self.sources, names: &names };
            let form = reader.part(text.span, &text.value, self.inbox);
            return form.is_sound().then_some(Pick::Made { form, level: text.level, span: text.span });
        }
        let of = format!("`{}`", need.from.group);
        match axis::number(axis, &of, &text.value, text.span, self.sources) {
            Ok(number) => Some(Pick::Fixed(number)),
            Err(finding) => {
                self.inbox.push(*finding);
                None
            }
        }
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
        if entry.open && entry.port(port).is_none() {
            return self.open_port(port, span);
        }
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
            (Arity::Many | Arity::MaybeMany, false) => self.inbox.push(
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
            && made.makes_always().is_some_and(|makes| !fits(declared.shape, makes))
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
        let key = if port.arity.gathers() { "gather" } else { "needs" };
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

    /// The tasks that make a shape, as they are called where the task `but` stands; what is outside its template it cannot name.
    fn tasks_making<'s>(&'s self, shape: &'s str, but: &'s str) -> impl Iterator<Item = &'s str> {
        let home = but.rfind('.').map_or("", |dot| &but[..=dot]);
        let shown = if self.inbox.is_full() { 0 } else { self.study.tasks.len() };
        let makes = move |task: &&TaskText<'_>| {
            let entry = task.kind.as_ref().and_then(|(kind, _)| self.catalog.get(kind));
            task.name != but && entry.is_some_and(|entry| fits(shape, entry.makes))
        };
        self.study.tasks.iter().take(shown).filter(makes).filter_map(move |task| task.name.strip_prefix(home))
    }

    fn lacking(&mut self, text: &TaskText<'_>, need: &NeedText, lacks: &[String]) {
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
        (mine, index): (&Points, usize),
        feeds: &[Feed<'w>],
        stage: Option<&Stage<'_, 'w>>,
        trial: &mut Trial<'_>,
    ) -> Option<(BTreeMap<String, TaskNeed>, BTreeMap<String, Need>)> {
        let (mut needs, mut keys) = (BTreeMap::new(), BTreeMap::new());
        let mut whole = true;
        let row = mine.row(index);
        for feed in feeds {
            match feed {
                Feed::One { need, producer, axes } => {
                    let Some(task) = self.one(mine, row, need, (*producer, axes), stage, trial) else {
                        whole = false;
                        continue;
                    };
                    self.needs += 1;
                    needs.insert(need.port.clone(), TaskNeed::One(task));
                    keys.insert(need.port.clone(), Need::One(self.tasks[task].key));
                }
                Feed::Many { gathered, producer, buckets } => {
                    let group = self.groups[*producer].as_ref()?;
                    let (port, from) = (&gathered.text.port, &gathered.text.from.group);
                    let Some(bucket) = buckets.at(row) else {
                        let message = format!("no cell of `{from}` is left to gather");
                        let finding = Finding::new("empty-gather", message);
                        trial.findings.push(finding.at(gathered.text.port_span, "for this port"));
                        whole = false;
                        continue;
                    };
                    self.needs += bucket.len();
                    if self.needs > NEED_LIMIT {
                        let message = format!("with `{}` the tasks have more than {NEED_LIMIT} needs", text.name);
                        let finding = Finding::new("too-many-needs", message);
                        self.inbox.push(finding.at(gathered.text.port_span, "the limit is passed here"));
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

    /// The task that a cell needs at a port. `None` if there is none, which has been complained of.
    fn one(
        &self,
        mine: &Points,
        row: &[u32],
        need: &NeedText,
        (producer, picks): (usize, &[Pick<'w>]),
        stage: Option<&Stage<'_, 'w>>,
        trial: &mut Trial<'_>,
    ) -> Option<usize> {
        let group = self.groups[producer].as_ref()?;
        let points = group.points.as_ref()?;
        let name = &group.text.name;
        let mut key = Vec::with_capacity(picks.len());
        let mut texts = Vec::new(); // what each axis should be, for people
        for (axis, pick) in points.axes().iter().zip(picks) {
            let number = match pick {
                Pick::Fixed(number) => Ok(*number),
                Pick::Mine(across) => across.number(row).ok_or(None),
                Pick::Made { form, level, span } => {
                    let value = plain(&form.evaluate(stage?.scope(*level), trial)?);
                    match axis::number(axis, &format!("`{name}`"), &value, *span, trial.sources) {
                        Ok(number) => Ok(number),
                        Err(finding) => Err(Some(finding)),
                    }
                }
            };
            match number {
                Ok(number) => {
                    texts.push(format!("{}={}", axis.name, plain(&axis.item(number).shown)));
                    key.push(number);
                }
                Err(Some(finding)) => {
                    trial.findings.push(*finding);
                    return None;
                }
                Err(None) => {
                    let Pick::Mine(across) = pick else { continue };
                    let item = mine.axes()[across.position()].item(row[across.position()]);
                    texts.push(format!("{}={}", axis.name, plain(&item.shown)));
                }
            }
        }
        let found = if key.len() == picks.len() { group.lookup.find(&key) } else { None };
        if let Some(index) = found {
            return group.tasks.get(index).copied().flatten();
        }
        let cell = if texts.is_empty() { format!("`{name}`") } else { format!("`{name}[{}]`", texts.join(",")) };
        let left_out =
            key.len() == picks.len() && group.left_out.as_ref().is_some_and(|left| left.find(&key).is_some());
        let (message, hint) = if left_out {
            let hint = format!("give this task the same `when` as `{name}`, or gather what is left");
            (format!("{cell} is left out by the `when` of `{name}`"), hint)
        } else {
            let count = points.len();
            let first = if count > 0 { format!(", as `{name}{}`", points.cell(0)) } else { String::new() };
            let noun = if count == 1 { "cell" } else { "cells" };
            (format!("`{name}` has no cell {cell}"), format!("`{name}` has {count} {noun}{first}"))
        };
        trial.findings.push(Finding::new("no-such-cell", message).at(need.from_span, "needed here").hint(hint));
        None
    }
}
