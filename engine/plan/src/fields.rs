//! Reading maps of a study: known keys and unknown ones.

use std::collections::BTreeMap;

use crate::{
    finding::{Finding, Inbox},
    form::first_line,
    source::{Sources, Span},
    suggest,
    yaml::{Entry, Kind, Node},
};

/// The entries of a map by key.
pub(crate) type Fields<'n> = BTreeMap<&'n str, &'n Entry>;

/// Reads maps and says what is wrong with them.
pub(crate) struct FieldReader<'r> {
    pub(crate) sources: &'r Sources,
    pub(crate) inbox: &'r mut Inbox,
}

impl FieldReader<'_> {
    /// The entries of `node`, which is `of` (as in "a task"), by key. Keys that are not known are findings.
    pub(crate) fn fields<'n>(&mut self, node: &'n Node, of: &str, known: &[&str]) -> Option<Fields<'n>> {
        self.fields_or(node, of, known, &[])
    }

    /// The same with keys that are no findings and not suggested either.
    pub(crate) fn fields_or<'n>(
        &mut self,
        node: &'n Node,
        of: &str,
        known: &[&str],
        others: &[&str],
    ) -> Option<Fields<'n>> {
        let mut fields = Fields::new();
        for entry in self.map(node, of)? {
            let key = entry.key.as_str();
            if known.contains(&key) || others.contains(&key) {
                fields.insert(key, entry);
            } else {
                self.inbox.push(
                    Finding::new("unknown-key", format!("{of} has no key `{key}`"))
                        .at(entry.key_span, "this key")
                        .maybe_hint(suggest::hint(key, known.iter().copied())),
                );
            }
        }
        Some(fields)
    }

    /// The entries of a map.
    pub(crate) fn map<'n>(&mut self, node: &'n Node, of: &str) -> Option<&'n [Entry]> {
        if let Kind::Map(entries) = &node.kind {
            return Some(entries);
        }
        self.wrong(node, of, "a map");
        None
    }

    /// A text.
    pub(crate) fn text(&mut self, entry: &Entry) -> Option<(String, Span)> {
        if let Kind::Text(text) = &entry.value.kind {
            return Some((text.clone(), entry.value.span));
        }
        self.wrong(&entry.value, &format!("`{}`", entry.key), "a text");
        None
    }

    /// A text that is no template.
    pub(crate) fn fixed(&mut self, entry: &Entry) -> Option<(String, Span)> {
        self.fixed_text(&entry.value, &format!("`{}`", entry.key))
    }

    /// The same of any node, which is `of`.
    pub(crate) fn fixed_text(&mut self, node: &Node, of: &str) -> Option<(String, Span)> {
        let Kind::Text(text) = &node.kind else {
            self.wrong(node, of, "a text");
            return None;
        };
        if text.contains("{{") {
            let message = format!("{of} cannot be a template: it is needed before any value is known");
            self.inbox.push(Finding::new("template-here", message).at(first_line(self.sources, node.span), "here"));
            return None;
        }
        Some((text.clone(), node.span))
    }

    /// Says that `of` is not what it must be.
    pub(crate) fn wrong(&mut self, node: &Node, of: &str, must: &str) {
        if matches!(node.kind, Kind::Refused) {
            return; // it was refused where it was read, and nobody knows what it is
        }
        let message = format!("{of} must be {must}, and is {}", node.what());
        self.inbox.push(Finding::new("wrong-type", message).at(first_line(self.sources, node.span), "here"));
    }

    /// Refuses a name that templates could not use.
    pub(crate) fn variable(&mut self, what: &str, name: &str, span: Span) -> bool {
        const WORDS: [&str; 16] = [
            "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else", "loop",
            "self", "super",
        ];
        let mut letters = name.chars();
        let sound = letters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && letters.all(|c| c.is_ascii_alphanumeric() || c == '_');
        let finding = if !sound {
            let hint = name.contains('-').then(|| format!("write `{}`", name.replace('-', "_")));
            let message =
                format!("`{name}` cannot name {what}: letters, digits and `_` only, so that templates can use it");
            Finding::new("bad-name", message).at(span, "this name").maybe_hint(hint)
        } else if WORDS.contains(&name) {
            let message = format!("`{name}` cannot name {what}: it is a word of the template language");
            Finding::new("bad-name", message).at(span, "this name")
        } else {
            return true;
        };
        self.inbox.push(finding);
        false
    }
}
