//! A document: values in an order of their own, each with a note, written as YAML that reads well.
//!
//! What is written reads back as the same values: a text is quoted exactly where YAML would take it for something else.

use std::fmt::Write as _;

use isoflop_contract::Value;

use crate::{scalar::core, yaml::Kind};

/// Columns up to which a list of scalars stays on one line.
const WIDTH: usize = 100;

/// A value with a note.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// What is said of it, in a comment behind it.
    pub note: Option<String>,
    /// What it is.
    pub body: Body,
}

/// What a document is.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// A text, a number, a flag or nothing.
    Scalar(Value),
    /// Values in order.
    List(Vec<Document>),
    /// Named values in order.
    Map(Vec<(String, Document)>),
}

impl Document {
    /// A document without notes; members in the order of the value.
    pub fn of(value: &Value) -> Self {
        Self::noted(value, "", &|_| None)
    }

    /// A document whose scalars (and empty lists and maps) have the notes that `note` gives for their dotted paths below `path`.
    pub fn noted(value: &Value, path: &str, note: &dyn Fn(&str) -> Option<String>) -> Self {
        let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
        let body = match value {
            Value::Array(items) if !items.is_empty() => {
                let item = |(index, item)| Self::noted(item, &below(&usize::to_string(&index)), note);
                return Self { note: None, body: Body::List(items.iter().enumerate().map(item).collect()) };
            }
            Value::Object(members) if !members.is_empty() => {
                let member = |(name, value): (&String, &Value)| (name.clone(), Self::noted(value, &below(name), note));
                return Self { note: None, body: Body::Map(members.iter().map(member).collect()) };
            }
            Value::Array(_) => Body::List(Vec::new()),
            Value::Object(_) => Body::Map(Vec::new()),
            scalar => Body::Scalar(scalar.clone()),
        };
        Self { note: note(path), body }
    }

    /// A scalar with a note.
    pub fn scalar(value: impl Into<Value>, note: Option<String>) -> Self {
        Self { note, body: Body::Scalar(value.into()) }
    }

    /// A map.
    pub fn map(members: Vec<(String, Self)>) -> Self {
        Self { note: None, body: Body::Map(members) }
    }

    /// The value without order and notes.
    pub fn value(&self) -> Value {
        match &self.body {
            Body::Scalar(value) => value.clone(),
            Body::List(items) => items.iter().map(Self::value).collect(),
            Body::Map(members) => {
                Value::Object(members.iter().map(|(name, document)| (name.clone(), document.value())).collect())
            }
        }
    }

    /// As YAML.
    pub fn to_yaml(&self) -> String {
        const FAR: usize = 64;
        let mut lines = Vec::new();
        match &self.body {
            Body::Map(members) if !members.is_empty() => write_map(members, 0, "", &mut lines),
            _ => self.write("", "", 0, &mut lines),
        }
        // Notes of neighbouring lines begin in one column, unless that is far away.
        let column = lines
            .iter()
            .filter(|line: &&Line| line.note.is_some())
            .map(Line::width)
            .filter(|width| *width <= FAR)
            .max();
        let mut text = String::new();
        for line in lines {
            text.push_str(&line.text);
            if let Some(note) = &line.note {
                let gap = column.unwrap_or(0).saturating_sub(line.width());
                text.extend(std::iter::repeat_n(' ', gap + 2));
                text.push_str("# ");
                text.push_str(note);
            }
            text.push('\n');
        }
        text
    }

    /// Writes `lead` and the value behind it; what does not fit on that line goes below, indented by `indent`.
    fn write(&self, lead: &str, start: &str, indent: usize, lines: &mut Vec<Line>) {
        let line = |text: String, note: Option<String>| Line { text, note };
        let put =
            |value: &str| if lead.is_empty() { format!("{start}{value}") } else { format!("{start}{lead} {value}") };
        match &self.body {
            Body::Scalar(value) => lines.push(line(put(&scalar(value, false)), self.note.clone())),
            Body::List(items) if items.is_empty() => lines.push(line(put("[]"), self.note.clone())),
            Body::Map(members) if members.is_empty() => lines.push(line(put("{}"), self.note.clone())),
            Body::List(items) => {
                if let Some((flow, note)) = flow(items)
                    && start.chars().count() + lead.len() + flow.len() < WIDTH
                {
                    lines.push(line(put(&flow), note));
                    return;
                }
                lines.push(line(format!("{start}{lead}"), self.note.clone()));
                for item in items {
                    let dash = format!("{}- ", " ".repeat(indent));
                    match &item.body {
                        Body::Map(members) if !members.is_empty() => write_map(members, indent + 2, &dash, lines),
                        _ => item.write("", &dash, indent + 2, lines),
                    }
                }
            }
            Body::Map(members) => {
                lines.push(line(format!("{start}{lead}"), self.note.clone()));
                write_map(members, indent, "", lines);
            }
        }
    }
}

/// One line, and what is said behind it.
struct Line {
    text: String,
    note: Option<String>,
}

impl Line {
    fn width(&self) -> usize {
        self.text.chars().count()
    }
}

/// Writes members in lines of their own; `first` stands in the place of the first one's indentation.
fn write_map(members: &[(String, Document)], indent: usize, first: &str, lines: &mut Vec<Line>) {
    for (index, (name, document)) in members.iter().enumerate() {
        let start = if index == 0 && !first.is_empty() { first.to_owned() } else { " ".repeat(indent) };
        // The study language itself has a key `on`, and writes it so.
        let lead = if name == "on" { "on:".to_owned() } else { format!("{}:", text(name, false)) };
        document.write(&lead, &start, indent + 2, lines);
    }
}

/// A list on one line, if it holds scalars alone, all with one note.
fn flow(items: &[Document]) -> Option<(String, Option<String>)> {
    let note = &items.first()?.note;
    let mut parts = Vec::with_capacity(items.len());
    for item in items {
        match &item.body {
            Body::Scalar(value) if item.note == *note => parts.push(scalar(value, true)),
            _ => return None,
        }
    }
    Some((format!("[{}]", parts.join(", ")), note.clone()))
}

/// A scalar; inside a list on one line there are more marks to mind.
fn scalar(value: &Value, in_flow: bool) -> String {
    match value {
        Value::String(words) => text(words, in_flow),
        other => other.to_string(),
    }
}

/// A text, quoted where it must be.
fn text(words: &str, in_flow: bool) -> String {
    if is_plain(words, in_flow) {
        return words.to_owned();
    }
    // JSON's quoted form is YAML's, but for characters that YAML does not print.
    let mut quoted = String::from("\"");
    for c in words.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '\r' => quoted.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether a text reads as itself without quotes: here, and to readers of the older YAML, which take `no` for a flag.
fn is_plain(words: &str, in_flow: bool) -> bool {
    const OLD: [&str; 10] = ["yes", "no", "on", "off", "y", "n", "true", "false", "null", "~"];
    let Some(first) = words.chars().next() else { return false };
    let reads_as_text = matches!(core(words), Ok(Kind::Text(_)));
    let ends_document =
        words.strip_prefix("...").is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace));
    let opens = "-?:,[]{}#&*!|>'\"%@`=<".contains(first)
        && !(first == '-' && words.chars().nth(1).is_some_and(char::is_alphabetic));
    let old = OLD.iter().any(|word| words.eq_ignore_ascii_case(word))
        || words.starts_with(['+', '-', '.', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9'])
            && looks_like_number(words);
    let inside = words.contains(": ")
        || words.contains(" #")
        || words.contains("{{")
        || words.contains("{%")
        || words.ends_with(':')
        || words.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
        || in_flow && words.contains(['[', ']', '{', '}', ',', ':']);
    reads_as_text && !opens && !ends_document && !old && !inside && words.trim() == words
}

/// Whether a reader of any YAML may take it for a number, a time or a date: `1_000`, `12:30:45`, `2024-02-14`, `.5`, `1e5`, `0b11`.
fn looks_like_number(words: &str) -> bool {
    words.contains(|c: char| c.is_ascii_digit())
        && words.matches('.').count() < 2
        && words.chars().all(|c| c.is_ascii_digit() || "+-._:eExobTZ".contains(c))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::read_value;

    #[test]
    fn texts_are_quoted_exactly_where_they_must_be() {
        for plain in [
            "power",
            "train[size=s,seed=0]",
            "a b",
            "study.yaml:3",
            "-x",
            "v1.2.3-rc",
            "Li et al. 2024",
            "8GiB",
            "2.11.0",
            "e5",
            "9f86d081",
        ] {
            assert_eq!(text(plain, false), plain);
        }
        for quoted in [
            "",
            " a",
            "a ",
            "true",
            "no",
            "Yes",
            "null",
            "~",
            "12",
            "1e5",
            "010",
            "0x1f",
            ".5",
            ".inf",
            "-",
            "- a",
            "a: b",
            "a #b",
            "#a",
            "{{ x }}",
            "a {{ x }}",
            "[a]",
            "{a}",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "'a'",
            "\"a\"",
            "a:",
            "a\nb",
            "2024-02-14",
            "12:30",
            "1_000",
            "=",
            "<<",
            "...",
            "... -",
            "\u{feff}a",
        ] {
            let written = text(quoted, false);
            assert!(written.starts_with('"'), "{quoted} was written as {written}");
            assert_eq!(read_value(&written).ok(), (!quoted.contains("{{")).then(|| json!(quoted)), "{written}");
        }
        assert_eq!(text("a,b", false), "a,b");
        assert_eq!(text("a,b", true), "\"a,b\"");
    }

    #[test]
    fn a_document_reads_well() {
        let value = json!({
            "name": "train[size=s]",
            "list": [1, 2.5, "no", "a b"],
            "deep": {"empty": {}, "none": [], "maps": [{"a": 1, "b": [true, null]}, {"c": "x"}], "lists": [[1, 2], [3]]},
        });
        let document = Document::of(&value);
        assert_eq!(
            document.to_yaml(),
            "deep:\n  empty: {}\n  lists:\n    - [1, 2]\n    - [3]\n  maps:\n    - a: 1\n      b: [true, null]\n    - c: x\n  none: []\n\
             list: [1, 2.5, \"no\", a b]\nname: train[size=s]\n"
        );
        assert_eq!(read_value(&document.to_yaml()).unwrap(), value);
    }

    #[test]
    fn notes_stand_behind_their_values_in_one_column() {
        let note = |path: &str| Some(format!("of {path}"));
        let value = json!({"steps": 20, "rate": 1e-3, "list": [1, 2]});
        assert_eq!(
            Document::noted(&value, "", &note).to_yaml(),
            "list:\n  - 1        # of list.0\n  - 2        # of list.1\nrate: 0.001  # of rate\nsteps: 20    # of steps\n"
        );
        let same = |_: &str| Some("default".to_owned());
        assert_eq!(Document::noted(&json!({"list": [1, 2]}), "", &same).to_yaml(), "list: [1, 2]  # default\n");
    }

    fn tree() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter("finite", |x| x.is_finite()).prop_map(Value::from),
            "[ -~äß\n\t]{0,12}"
                .prop_filter("no template", |text| !text.contains("{{") && !text.contains("{%"))
                .prop_map(Value::from),
            prop::sample::select(vec!["yes", "010", "1:2", "a: b", "- x", "#", "? a", "|", ">-", "a\u{85}b", "\u{7f}"])
                .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-z .:#-]{1,6}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in tree(), noted in any::<bool>()) {
            let note = |path: &str| noted.then(|| format!("at {path}: # it's [\"odd\"]"));
            let written = Document::noted(&value, "", &note).to_yaml();
            let read = read_value(&written);
            prop_assert!(read.as_ref().is_ok_and(|read| *read == value), "{written}\n{value}\n{read:?}");
        }
    }
}
