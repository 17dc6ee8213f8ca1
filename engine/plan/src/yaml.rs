//! YAML with places: a bounded tree in which every node knows where it was written.
//!
//! The parser gives events; this builds the tree from them without recursion, so that depth is refused before it can hurt. Scalars follow the
//! core schema of YAML 1.2, with four refusals where readers and programs disagree: numbers with leading zeros (`010` is ten in 1.2 and eight in
//! 1.1), `yes`, `no`, `on` and `off` as values (texts in 1.2 and flags in 1.1), `.nan` and `.inf`, and integers that 64 bits do not hold. Merge keys and
//! tags are refused.

use std::collections::BTreeMap;

use granit_parser::{Event, Parser, ScalarStyle, ScanError};
use isoflop_contract::Value;
use serde_json::Number;

use crate::{
    finding::{Finding, Inbox},
    scalar::{core, unambiguous},
    source::{Sources, Span},
};

/// How deep lists and maps may nest.
pub(crate) const DEPTH_LIMIT: usize = 128;
/// How many nodes the files of a study may have together once their aliases are written out.
pub(crate) const NODE_LIMIT: usize = 500_000;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
    /// A scalar that was refused; that has been said.
    Refused,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Span,
    pub(crate) value: Node,
}

impl Node {
    /// The node without its places.
    pub(crate) fn plain(&self) -> Value {
        match &self.kind {
            Kind::Null | Kind::Refused => Value::Null,
            Kind::Bool(flag) => Value::Bool(*flag),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => items.iter().map(Self::plain).collect(),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|entry| (entry.key.clone(), entry.value.plain())).collect())
            }
        }
    }

    /// What the node is, in words.
    pub(crate) fn what(&self) -> &'static str {
        what(&self.plain_shallow())
    }

    /// The value, with containers emptied: enough to say what it is.
    fn plain_shallow(&self) -> Value {
        match &self.kind {
            Kind::List(_) => Value::Array(Vec::new()),
            Kind::Map(_) => Value::Object(serde_json::Map::new()),
            _ => self.plain(),
        }
    }

    /// The first text that holds a template, anywhere inside.
    pub(crate) fn template(&self) -> Option<Span> {
        match &self.kind {
            Kind::Text(text) => text.contains("{{").then_some(self.span),
            Kind::List(items) => items.iter().find_map(Self::template),
            Kind::Map(entries) => entries.iter().find_map(|entry| entry.value.template()),
            _ => None,
        }
    }
}

/// What a value is, in words.
pub(crate) fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a flag",
        Value::Number(number) if number.is_f64() => "a number",
        Value::Number(_) => "a whole number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

/// Reads a source. `nodes` counts what has been read before and is counted on; what is wrong with single values goes into `inbox`.
pub(crate) fn read(sources: &Sources, source: u32, nodes: &mut usize, inbox: &mut Inbox) -> Result<Node, Box<Finding>> {
    let text = sources.text(source);
    let mut builder =
        Builder { text, source, inbox, stack: Vec::new(), root: None, anchors: BTreeMap::new(), nodes: *nodes };
    builder.run()?;
    *nodes = builder.nodes;
    builder.root.map(|built| built.node).ok_or_else(|| Box::new(Finding::new("empty", "the file is empty")))
}

/// Reads a text by itself.
pub(crate) fn read_single(sources: &Sources, inbox: &mut Inbox) -> Option<Node> {
    read(sources, 0, &mut 0, inbox).map_err(|finding| inbox.push(*finding)).ok()
}

/// A finished node, with what limits are counted in.
#[derive(Clone)]
struct Built {
    node: Node,
    nodes: usize,
    depth: usize,
}

/// A list or a map under way.
struct Frame {
    start: usize,
    anchor: usize,
    nodes: usize,
    depth: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Node>),
    Map { entries: Vec<Entry>, key: Option<(String, Span)>, seen: BTreeMap<String, Span> },
}

struct Builder<'a> {
    text: &'a str,
    source: u32,
    inbox: &'a mut Inbox,
    stack: Vec<Frame>,
    root: Option<Built>,
    anchors: BTreeMap<usize, Built>,
    nodes: usize,
}

type Step = Result<(), Box<Finding>>;

fn stop(finding: Finding) -> Box<Finding> {
    Box::new(finding)
}

impl Builder<'_> {
    fn run(&mut self) -> Step {
        let options = granit_parser::options! { emit_comments: false };
        let mut documents = 0;
        for next in Parser::new_from_str_with_options(self.text, options) {
            let (event, span) = next.map_err(|error| stop(self.scan_error(&error)))?;
            let range = span.byte_range().unwrap_or(0..0);
            let span = Span { source: self.source, start: range.start, end: range.end };
            match event {
                Event::DocumentStart(..) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(stop(
                            Finding::new("two-documents", "the file holds a second YAML document")
                                .at(span, "begins here")
                                .hint("put each study into a file of its own"),
                        ));
                    }
                }
                Event::Scalar(text, style, anchor, tag) => {
                    Self::no_tag(tag.is_some(), span)?;
                    self.count(1, span)?;
                    let node = Node { span: trimmed(self.text, span, style), kind: Kind::Null };
                    self.scalar(node, &text, style, anchor)?;
                }
                Event::SequenceStart(_, anchor, tag) => {
                    Self::no_tag(tag.is_some(), span)?;
                    self.open(span, anchor, Inside::List(Vec::new()))?;
                }
                Event::MappingStart(_, anchor, tag) => {
                    Self::no_tag(tag.is_some(), span)?;
                    let inside = Inside::Map { entries: Vec::new(), key: None, seen: BTreeMap::new() };
                    self.open(span, anchor, inside)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.close(span)?,
                Event::Alias(id) => {
                    let Some(built) = self.anchors.get(&id) else {
                        return Err(stop(
                            Finding::new("alias-inside-itself", "an alias stands inside what it names")
                                .at(span, "here"),
                        ));
                    };
                    let (nodes, depth) = (built.nodes, built.depth);
                    self.count(nodes, span)?;
                    Self::deep(self.stack.len() + depth, span)?;
                    let built = self.anchors[&id].clone();
                    self.put(built, 0)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn count(&mut self, nodes: usize, span: Span) -> Step {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > NODE_LIMIT {
            let message = format!("with its aliases written out the study has more than {NODE_LIMIT} values");
            return Err(stop(Finding::new("too-many-values", message).at(span, "the limit is passed here")));
        }
        Ok(())
    }

    fn deep(depth: usize, span: Span) -> Step {
        if depth > DEPTH_LIMIT {
            let span = Span { end: span.start + 1, ..span };
            let message = format!("lists and maps nest deeper than {DEPTH_LIMIT} levels");
            return Err(stop(Finding::new("too-deep", message).at(span, "the limit is passed here")));
        }
        Ok(())
    }

    fn no_tag(tagged: bool, span: Span) -> Step {
        if tagged {
            return Err(stop(
                Finding::new("tag", "a study has no use for YAML tags (`!…`)")
                    .at(span, "this value is tagged")
                    .hint("leave the tag out; quote a value to make it a text"),
            ));
        }
        Ok(())
    }

    fn open(&mut self, span: Span, anchor: usize, inside: Inside) -> Step {
        if let Some(Frame { inside: Inside::Map { key: None, .. }, .. }) = self.stack.last() {
            return Err(stop(self.complex_key(span)));
        }
        self.count(1, span)?;
        Self::deep(self.stack.len() + 1, span)?;
        self.stack.push(Frame { start: span.start, anchor, nodes: 1, depth: 1, inside });
        Ok(())
    }

    fn complex_key(&self, span: Span) -> Finding {
        // `steps: {{ steps }}` is, to YAML, a map whose key is a map.
        let before = &self.text[..span.start];
        let open = before.trim_end().ends_with('{') && self.text[span.start..].starts_with('{');
        if open {
            let start = before.trim_end().len() - 1;
            let end = self.text[start..].find("}}").map_or(span.end, |at| start + at + 2);
            let span = Span { source: self.source, start, end };
            Finding::new("unquoted-template", "a template must be quoted, since `{` opens a map in YAML")
                .at(span, "here")
                .hint(format!("write \"{}\"", &self.text[start..end]))
        } else {
            Finding::new("key-not-text", "a key must be a text").at(span, "this key is a list or a map")
        }
    }

    fn close(&mut self, span: Span) -> Step {
        let frame = self.stack.pop().expect("the parser closes only what it opened");
        let end = if span.end > span.start { span.end } else { self.text[..span.start].trim_end().len() };
        let span = Span { source: self.source, start: frame.start, end: end.max(frame.start) };
        let kind = match frame.inside {
            Inside::List(items) => Kind::List(items),
            Inside::Map { entries, .. } => Kind::Map(entries),
        };
        self.put(Built { node: Node { span, kind }, nodes: frame.nodes, depth: frame.depth }, frame.anchor)
    }

    fn scalar(&mut self, mut node: Node, text: &str, style: ScalarStyle, anchor: usize) -> Step {
        let plain = style == ScalarStyle::Plain;
        if let Some(Frame { inside: Inside::Map { key: key @ None, seen, .. }, .. }) = self.stack.last_mut() {
            let finding = if plain && text == "<<" {
                Finding::new("merge-key", "merge keys (`<<`) are not part of YAML 1.2")
                    .at(node.span, "here")
                    .hint("use params, or an alias for the whole value")
            } else if plain && !matches!(core(text), Ok(Kind::Text(_))) {
                Finding::new("key-not-text", "a key must be a text")
                    .at(node.span, "this is something else")
                    .hint("quote it")
            } else if text.contains("{{") {
                Finding::new("template-in-key", "templates live in values; a key is taken as it is")
                    .at(node.span, "this is a key")
            } else if let Some(first) = seen.get(text) {
                Finding::new("duplicate-key", format!("the key `{text}` stands twice in one map"))
                    .at(node.span, "again here")
                    .at(*first, "first here")
            } else {
                seen.insert(text.to_owned(), node.span);
                *key = Some((text.to_owned(), node.span));
                return Ok(());
            };
            *key = Some((String::new(), node.span)); // its value is read, checked and dropped
            self.inbox.push(finding);
            return Ok(());
        }
        node.kind = if plain {
            unambiguous(text).unwrap_or_else(|finding| {
                self.inbox.push(finding.at(node.span, "here"));
                Kind::Refused
            })
        } else {
            Kind::Text(text.to_owned())
        };
        self.put(Built { node, nodes: 1, depth: 0 }, anchor)
    }

    fn put(&mut self, built: Built, anchor: usize) -> Step {
        if anchor > 0 {
            self.count(built.nodes, built.node.span)?; // the copy that aliases are made from counts too
            self.anchors.insert(anchor, built.clone());
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(built);
            return Ok(());
        };
        frame.nodes += built.nodes;
        frame.depth = frame.depth.max(built.depth + 1);
        match &mut frame.inside {
            Inside::List(items) => items.push(built.node),
            Inside::Map { entries, key, seen } => match key.take() {
                Some((key, key_span)) if seen.get(&key) == Some(&key_span) => {
                    entries.push(Entry { key, key_span, value: built.node });
                }
                Some(_) => {} // the key was refused
                None => {
                    return Err(stop(
                        Finding::new("key-not-text", "a key must be a text").at(built.node.span, "this is an alias"),
                    ));
                }
            },
        }
        Ok(())
    }

    fn scan_error(&self, error: &ScanError) -> Finding {
        let at = error.marker().byte_offset().unwrap_or(0).min(self.text.len());
        let line_start = self.text[..at].rfind('\n').map_or(0, |newline| newline + 1);
        let line = self.text[line_start..].lines().next().unwrap_or("");
        let info = error.info();
        // A tab behind a scalar without quotes, or inside a block of text, is told of where that begins, some lines before.
        let lines = if info.contains("a tab") { usize::MAX } else { 1 };
        let mut next = line_start;
        let tab = self.text[line_start..].split_inclusive('\n').take(lines).find_map(|line| {
            let start = next;
            next += line.len();
            let tab = line[..line.len() - line.trim_start().len()].find('\t')?;
            (start == line_start || !line.trim().is_empty()).then_some(start + tab)
        });
        if let Some(start) = tab {
            let span = Span { source: self.source, start, end: start + 1 };
            return Finding::new("tab", "a tab indents this line; YAML is indented by spaces")
                .at(span, "the tab")
                .hint("replace it by spaces");
        }
        let end = self.text[at..].chars().next().map_or(at, |c| at + c.len_utf8());
        let span = Span { source: self.source, start: at, end };
        if info.contains("nest") && info.contains("limit") || info.contains("recursion limit") {
            let message = format!("lists and maps nest deeper than {DEPTH_LIMIT} levels");
            return Finding::new("too-deep", message).at(span, "the limit is passed here");
        }
        let hint = line
            .contains("{{")
            .then(|| "a template must be quoted, as in \"{{ steps }}\", since `{` opens a map in YAML".to_owned());
        Finding::new("yaml", format!("this is not YAML: {info}")).at(span, "here").maybe_hint(hint)
    }
}

/// The span without the line break and blank lines that block scalars end in.
fn trimmed(text: &str, span: Span, style: ScalarStyle) -> Span {
    let end = match style {
        ScalarStyle::Literal | ScalarStyle::Folded => {
            span.start + text.get(span.start..span.end).unwrap_or("").trim_end().len()
        }
        _ => span.end,
    };
    Span { end, ..span }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(text: &str) -> Result<Value, String> {
        let sources = Sources::single("t", text.to_owned());
        let mut inbox = Inbox::default();
        let node = read_single(&sources, &mut inbox);
        inbox.close(&sources).map_err(|findings| findings.to_string())?;
        Ok(node.expect("a text without findings has a tree").plain())
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        let text = "[none, y, \"on\", 1, -2, +3, 0, 0x1F, 0o17, 1.0, 1e3, .5, 5., 1_000, 0b1, ~, null, True, '1', \"2\", 1.2.3, e5, -x, 18446744073709551615]";
        let expected = json!([
            "none",
            "y",
            "on",
            1,
            -2,
            3,
            0,
            31,
            15,
            1.0,
            1000.0,
            0.5,
            5.0,
            "1_000",
            "0b1",
            null,
            null,
            true,
            "1",
            "2",
            "1.2.3",
            "e5",
            "-x",
            u64::MAX
        ]);
        assert_eq!(value(text), Ok(expected));
    }

    #[test]
    fn what_programs_disagree_on_is_refused() {
        for (text, code) in [
            ("010", "reads as one number"),
            ("no", "`no` reads as a flag in YAML 1.1 and as a text in 1.2; write false or \"no\""),
            ("{ a: [x, On] }", "write true or \"On\""),
            ("a: OFF", "write false or \"OFF\""),
            (".nan", "not a finite number"),
            ("-.inf", "not a finite number"),
            ("1e999", "larger than any"),
            ("18446744073709551616", "does not fit"),
            ("a: &x [1]\n<<: *x", "merge keys"),
            ("!!str 5", "tags"),
            ("a: 1\n---\nb: 2", "second YAML document"),
            ("", "is empty"),
            ("{a: 1, a: 2}", "stands twice"),
            ("1: a", "a key must be a text"),
            ("&a [*a]", "inside what it names"),
            ("*a", "this is not YAML"),
        ] {
            let error = value(text).unwrap_err();
            assert!(error.contains(code), "{text}: {error}");
        }
    }

    #[test]
    fn keys_are_texts_whatever_older_readers_take_them_for() {
        assert_eq!(value("on: { no: 1 }"), Ok(json!({"on": {"no": 1}})));
    }

    /// The parser tells of some tabs where the scalar begins that they break off.
    #[test]
    fn a_tab_that_indents_is_told_at_its_place() {
        for (text, place) in [
            ("study: x\n\ttasks: {}\n", "t:2:1: a tab indents"),
            ("study: \"x\"\n\ttasks: {}\n", "t:2:1: a tab indents"),
            ("a: some\n  words\n\tmore\nb: 1\n", "t:3:1: a tab indents"),
            ("a: x\n\n\t\nb:\n  c: y\n \td: 1\n", "t:6:2: a tab indents"),
            ("a: |\n\tb\n", "t:2:1: a tab indents"),
        ] {
            let error = value(text).unwrap_err();
            assert!(error.starts_with(place), "{text:?}: {error}");
        }
        assert_eq!(value("a: x\ty\nb: z\t# a tab between words indents nothing\n"), Ok(json!({"a": "x\ty", "b": "z"})));
    }

    #[test]
    fn aliases_are_written_out() {
        assert_eq!(value("a: &x {b: [1]}\nc: *x"), Ok(json!({"a": {"b": [1]}, "c": {"b": [1]}})));
    }

    #[test]
    fn depth_is_bounded_however_it_is_reached() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(value(&nested(DEPTH_LIMIT)).is_ok());
        for text in [nested(DEPTH_LIMIT + 1), nested(300), nested(10_000), "- ".repeat(10_000), "{a: ".repeat(10_000)] {
            let error = value(&text).unwrap_err();
            assert!(error.contains("nest deeper than 128"), "{}: {error}", &text[..10]);
        }
        let half = nested(80);
        let error = value(&format!("a: &x {half}\nb: {}*x{}", "[".repeat(80), "]".repeat(80))).unwrap_err();
        assert!(error.contains("nest deeper"), "{error}");
    }
}
