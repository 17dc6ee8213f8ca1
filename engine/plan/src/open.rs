//! Open kinds: ports of any name, and shapes that a spec tells. What the catalog cannot say of all tasks of a kind is held against each.

use std::collections::BTreeMap;

use isoflop_contract::{
    Entry, Environment, Fed, Feeder, Value,
    catalog::SpecError,
    port::Arity,
    shape::{accepted, fits},
};

use crate::{
    feed::Feed,
    files::{FileSets, is_name},
    finding::Finding,
    plan::TaskNeed,
    seal::World,
    source::Span,
    study::TaskText,
};

impl<'w> World<'w, '_> {
    /// Refuses a name that no open kind can give to a port.
    pub(crate) fn open_port(&mut self, port: &str, span: Span) {
        if !is_name(port) {
            let message =
                format!("`{port}` cannot name a port: lower-case letters, digits, `-` and `_` only, a letter first");
            self.inbox.push(Finding::new("bad-name", message).at(span, "this name"));
        }
    }

    /// Holds a cell's spec against the tasks that feed it, where its kind has something to say of them.
    pub(crate) fn follows(
        &self,
        entry: &Entry,
        text: &TaskText<'_>,
        (spec, here): (&Value, &Environment),
        feeds: &[Feed<'w>],
        needs: &BTreeMap<String, TaskNeed>,
        findings: &mut Vec<Finding>,
    ) {
        let feeder = |port: &str| {
            let TaskNeed::One(task) = needs.get(port)? else { return None };
            let task = &self.tasks[*task];
            Some(Feeder { kind: task.kind, spec: &task.recipe.spec, environment: &task.recipe.environment })
        };
        for misfit in entry.follows(spec, &feeder, here) {
            let span =
                feeds.iter().map(Feed::port).find(|(port, _)| *port == misfit.port).map_or(text.span, |(_, span)| span);
            let message = format!("`{}` (kind `{}`) {}", text.name, entry.name, misfit.problem);
            findings.push(Finding::new("wrong-feeder", message).at(span, "this task").hint(misfit.hint));
        }
    }

    /// Holds the shape of each artifact that a spec decides against the port it is for. Others were checked by kind.
    pub(crate) fn shapes(
        &self,
        entry: &Entry,
        feeds: &[Feed<'w>],
        needs: &BTreeMap<String, TaskNeed>,
        findings: &mut Vec<Finding>,
    ) {
        for feed in feeds {
            let (name, from_span) = feed.port();
            let (Some(port), Some(need)) = (entry.port(name), needs.get(name)) else { continue };
            let told = need
                .tasks()
                .map(|task| &self.tasks[task])
                .filter(|task| self.catalog.get(task.kind).is_none_or(|kind| kind.makes_always().is_none()));
            for task in told {
                if !fits(port.shape, &task.makes) {
                    let message = format!(
                        "the port `{name}` of kind `{}` takes `{}`, and `{}` says that it makes `{}`",
                        entry.name, port.shape, task.name, task.makes
                    );
                    let one = accepted(port.shape).next().unwrap_or(port.shape);
                    let hint = format!("say `makes: {one}` there if that is what it makes");
                    findings.push(Finding::new("wrong-shape", message).at(from_span, "this task").hint(hint));
                    break;
                }
            }
        }
    }
}

/// What of a `with:` does not go with the ports and files of its task. `files` are `None` if something is wrong with them.
pub(crate) fn unsuited(
    entry: &Entry,
    text: &TaskText<'_>,
    with: &Value,
    named: &[String],
    files: Option<&FileSets>,
) -> Vec<SpecError> {
    let one = text.needs.iter().map(|need| (need.port.as_str(), Arity::One));
    let many = text.gathers.iter().map(|gather| (gather.port.as_str(), Arity::Many));
    let unread = text.unread.iter().map(|port| (port.as_str(), Arity::Maybe));
    let ports = one.chain(many).chain(unread).collect();
    let files = match files {
        Some(sets) => sets.iter().map(|(name, set)| (name.as_str(), Some(&set.manifest))).collect(),
        None => named.iter().map(|name| (name.as_str(), None)).collect(),
    };
    entry.suits(with, &Fed { ports, files })
}
