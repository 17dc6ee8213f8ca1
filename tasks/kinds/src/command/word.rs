//! Words: what a program is given, one argument or value of a variable each, with placeholders.
//!
//! `{` before a lower-case letter begins a placeholder, and only there: `{"width": 8}`, `${HOME}` and `{}` stand for themselves.
//! `{brace}` is a `{` as such. There is no shell: a word is one argument whatever is in it.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

/// One word as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Word(pub String);

/// A part of a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Text as it is.
    Text(String),
    /// What is put in when the program is started.
    Use(Use),
}

/// What a placeholder stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// `{in.PORT}`: the folder of an artifact; of a gather, a folder with one folder a cell.
    In(String),
    /// `{in.PORT.json}`: a file that says what the artifacts are: cells, shapes, digests, final numbers.
    InJson(String),
    /// `{out.NAME}`: where an output is to be written.
    Out(String),
    /// `{param.NAME}`: a value of `param:`.
    Param(String),
    /// `{params}`: a file with all of `param:` as JSON.
    Params,
    /// `{file.NAME}`: the folder of files of the study; `{code}` is `{file.code}`.
    File(String),
    /// `{metrics}`: where metrics are to be written.
    Metrics,
    /// `{seed}`: the task's seed.
    Seed,
    /// `{checkpoint}`: a folder that the next attempt at the same key finds as this one left it.
    Checkpoint,
}

impl Word {
    /// Its parts, or what is wrong with one of its placeholders.
    pub fn pieces(&self) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = self.0.as_str();
        while let Some(at) = rest.find('{') {
            text.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if !after.starts_with(|c: char| c.is_ascii_lowercase()) {
                text.push('{');
                rest = after;
                continue;
            }
            let Some(end) = after.find('}') else {
                return Err(format!("`{{{after}` is not closed; a `{{` as such before a letter is `{{brace}}`"));
            };
            match &after[..end] {
                "brace" => text.push('{'),
                name => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    pieces.push(Piece::Use(placeholder(name)?));
                }
            }
            rest = &after[end + 1..];
        }
        text.push_str(rest);
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }
}

fn placeholder(name: &str) -> Result<Use, String> {
    let owned = str::to_owned;
    let found = match name.split_once('.') {
        None => match name {
            "seed" => Some(Use::Seed),
            "checkpoint" => Some(Use::Checkpoint),
            "metrics" => Some(Use::Metrics),
            "params" => Some(Use::Params),
            "code" => Some(Use::File("code".to_owned())),
            _ => None,
        },
        Some(("in", port)) => match port.strip_suffix(".json") {
            Some(port) => Some(Use::InJson(port.to_owned())),
            None => Some(Use::In(port.to_owned())),
        },
        Some(("out", name)) => Some(Use::Out(owned(name))),
        Some(("param", name)) => Some(Use::Param(owned(name))),
        Some(("file", name)) => Some(Use::File(owned(name))),
        Some(_) => None,
    };
    found.ok_or_else(|| {
        format!(
            "`{{{name}}}` is no placeholder; there are `{{in.PORT}}`, `{{in.PORT.json}}`, `{{out.NAME}}`, `{{param.NAME}}`, \
             `{{params}}`, `{{file.NAME}}`, `{{code}}`, `{{metrics}}`, `{{checkpoint}}`, `{{seed}}`, and `{{brace}}` for a `{{`"
        )
    })
}

impl fmt::Display for Use {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::In(port) => write!(f, "{{in.{port}}}"),
            Self::InJson(port) => write!(f, "{{in.{port}.json}}"),
            Self::Out(name) => write!(f, "{{out.{name}}}"),
            Self::Param(name) => write!(f, "{{param.{name}}}"),
            Self::Params => f.write_str("{params}"),
            Self::File(name) if name == "code" => f.write_str("{code}"),
            Self::File(name) => write!(f, "{{file.{name}}}"),
            Self::Metrics => f.write_str("{metrics}"),
            Self::Seed => f.write_str("{seed}"),
            Self::Checkpoint => f.write_str("{checkpoint}"),
        }
    }
}

/// What may be written for a word.
impl JsonSchema for Word {
    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A text, or a number or flag as JSON writes it: `[--steps, 100]` needs no quotes.
impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Word;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, a number or a flag")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Word, E> {
                Ok(Word(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Word, E> {
                Ok(Word(number.to_string()))
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Word, E> {
                Ok(Word(serde_json::Value::from(number).to_string()))
            }

            fn visit_bool<E: de::Error>(self, flag: bool) -> Result<Word, E> {
                Ok(Word(flag.to_string()))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Result<Vec<Piece>, String> {
        Word(text.to_owned()).pieces()
    }

    #[test]
    fn placeholders_are_read_and_other_braces_stand_for_themselves() {
        let text = |text: &str| Piece::Text(text.to_owned());
        let port = |name: &str| Piece::Use(Use::In(name.to_owned()));
        assert_eq!(pieces("--data={in.data}/x").unwrap(), [text("--data="), port("data"), text("/x")]);
        assert_eq!(pieces("{in.a}{in.b-c}").unwrap(), [port("a"), port("b-c")]);
        assert_eq!(pieces("{in.points.json}").unwrap(), [Piece::Use(Use::InJson("points".to_owned()))]);
        assert_eq!(pieces("{code}").unwrap(), pieces("{file.code}").unwrap());
        for plain in [r#"{"width": 8}"#, "${HOME}", "{}", "{ print }", "a}b", "{", ""] {
            assert_eq!(pieces(plain).unwrap(), if plain.is_empty() { vec![] } else { vec![text(plain)] }, "{plain}");
        }
        assert_eq!(pieces("{brace}print $1} {seed}").unwrap(), [text("{print $1} "), Piece::Use(Use::Seed)]);
    }

    #[test]
    fn what_is_no_placeholder_is_said() {
        for (word, part) in [
            ("{sed}", "`{sed}` is no placeholder; there are `{in.PORT}`"),
            ("{print $1}", "`{brace}` for a `{`"),
            ("x{in.data", "`{in.data` is not closed"),
            ("{input.data}", "is no placeholder"),
        ] {
            let message = pieces(word).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_placeholder_is_shown_as_it_is_written() {
        for word in [
            "{in.a}",
            "{in.a.json}",
            "{out.a}",
            "{param.a}",
            "{params}",
            "{file.a}",
            "{code}",
            "{metrics}",
            "{checkpoint}",
            "{seed}",
        ] {
            let pieces = pieces(word).unwrap();
            let [Piece::Use(one)] = &pieces[..] else { panic!("{word}") };
            assert_eq!(one.to_string(), word);
        }
    }

    #[test]
    fn numbers_and_flags_are_words_too() {
        let words: Vec<Word> = serde_json::from_str(r#"["a", 3, -3, 1e-3, 2.0, true]"#).unwrap();
        let words: Vec<&str> = words.iter().map(|word| word.0.as_str()).collect();
        assert_eq!(words, ["a", "3", "-3", "0.001", "2.0", "true"]);
        let error = serde_json::from_str::<Word>("null").unwrap_err().to_string();
        assert!(error.contains("expected a text, a number or a flag"), "{error}");
    }
}
