//! Plain YAML as JSON has it: what a config needs and no more.
//!
//! The planner reads studies with places, findings and templates; a config file stands by itself, so that one sentence with a line is enough. What is
//! read here means the same there: plain scalars are JSON's numbers, `true`, `false` and `null`, and everything else is text. Aliases, tags and second
//! documents are refused.

use granit_parser::{Event, Parser, ScalarStyle};
use serde_json::{Map, Value};

/// How deep lists and maps may nest.
const DEPTH: usize = 32;

/// A list or a map under way.
enum Open {
    List(Vec<Value>),
    Map(Map<String, Value>, Option<String>),
}

/// The value that `text` is, or what is wrong with it. JSON is YAML too.
pub fn read_yaml(text: &str) -> Result<Value, String> {
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| error.to_string())?;
        let wrong = |problem: &str| Err(format!("{problem}, at line {}", span.start.line()));
        let value = match event {
            Event::DocumentStart(..) if root.is_some() => return wrong("a second document begins"),
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, _, Some(_))
            | Event::MappingStart(_, _, Some(_)) => {
                return wrong("a value is tagged, which means nothing here");
            }
            Event::Alias(_) => return wrong("an alias stands for a value, which is to be written out"),
            Event::SequenceStart(..) | Event::MappingStart(..) if open.len() == DEPTH => {
                return wrong("it nests too deep");
            }
            Event::SequenceStart(..) => {
                open.push(Open::List(Vec::new()));
                continue;
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(Map::new(), None));
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => match open.pop() {
                Some(Open::List(items)) => Value::Array(items),
                Some(Open::Map(map, _)) => Value::Object(map),
                None => unreachable!("the parser closes only what it opened"),
            },
            Event::Scalar(text, style, _, None) => match open.last_mut() {
                Some(Open::Map(map, key @ None)) => {
                    if map.contains_key(text.as_ref()) {
                        return wrong(&format!("the key `{text}` stands twice"));
                    }
                    *key = Some(text.into_owned());
                    continue;
                }
                _ if style == ScalarStyle::Plain => plain(&text),
                _ => Value::String(text.into_owned()),
            },
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(value),
            Some(Open::List(items)) => items.push(value),
            Some(Open::Map(map, key)) => match key.take() {
                Some(key) => drop(map.insert(key, value)),
                None => return wrong("a key is no text"),
            },
        }
    }
    root.ok_or_else(|| "it is empty".to_owned())
}

/// A plain scalar.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" => Value::Null,
        _ => match serde_json::from_str(text) {
            Ok(value @ (Value::Null | Value::Bool(_) | Value::Number(_))) => value,
            _ => Value::String(text.to_owned()),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn configs_read_as_yaml_and_as_json() {
        let yaml = "# a model\nfamily: dit\nwidth: 64\ncondition: { classes: 10 }\nflags: [true, no, ~, 1e-3, \"1\", 010]\nsizes:\n  - 1\n  - 2\n";
        let value = json!({
            "family": "dit", "width": 64, "condition": {"classes": 10}, "flags": [true, "no", null, 1e-3, "1", "010"], "sizes": [1, 2]
        });
        assert_eq!(read_yaml(yaml), Ok(value.clone()));
        assert_eq!(read_yaml(&value.to_string()), Ok(value.clone()));
        assert_eq!(read_yaml(&serde_json::to_string_pretty(&value).unwrap()), Ok(value));
    }

    #[test]
    fn what_means_nothing_here_is_refused_with_its_line() {
        let deep = format!("{}{}", "[".repeat(40), "]".repeat(40));
        for (text, said) in [
            ("a: 1\na: 2", "the key `a` stands twice, at line 2"),
            ("a: &x 1\nb: *x", "an alias stands for a value, which is to be written out, at line 2"),
            ("a: !!str 1", "a value is tagged, which means nothing here, at line 1"),
            ("a: 1\n---\nb: 1", "a second document begins, at line 2"),
            ("[a]: 1", "a key is no text, at line 1"),
            (&deep, "it nests too deep, at line 1"),
            ("", "it is empty"),
        ] {
            assert_eq!(read_yaml(text), Err(said.to_owned()), "{text}");
        }
        assert!(read_yaml("a: [1").is_err());
    }
}
