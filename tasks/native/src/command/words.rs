//! Words as a program gets them.

use std::collections::BTreeMap;

use isoflop_contract::Seed;
use isoflop_kinds::command::{Command, Piece, Use, Word};

use super::folder::CHECKPOINT;

/// The words of one attempt.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// The variables that are set.
    pub set: BTreeMap<String, String>,
}

impl Words {
    /// Puts in what the placeholders of `command` stand for. Plans refuse placeholders that lead to nothing; here they are errors.
    pub fn of(command: &Command, seed: Option<Seed>) -> Result<Self, String> {
        let word = |word: &Word| -> Result<String, String> {
            let pieces = word.pieces().map_err(|problem| format!("`{}`: {problem}", word.0))?;
            pieces.iter().map(|piece| filled(piece, command, seed)).collect()
        };
        Ok(Self {
            argv: command.argv.iter().map(word).collect::<Result<_, _>>()?,
            set: command
                .set
                .iter()
                .map(|(name, value)| Ok((name.clone(), word(value)?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// The program and its arguments in one line, as a shell takes them.
    pub fn line(&self) -> String {
        self.argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
    }
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+./:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        return format!("$'{}'", word.chars().map(escaped).collect::<String>());
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn escaped(c: char) -> String {
    match c {
        '\n' => r"\n".to_owned(),
        '\t' => r"\t".to_owned(),
        '\'' | '\\' => format!("\\{c}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    }
}

fn filled(piece: &Piece, command: &Command, seed: Option<Seed>) -> Result<String, String> {
    let one = match piece {
        Piece::Text(text) => return Ok(text.clone()),
        Piece::Use(one) => one,
    };
    let found = match one {
        Use::In(port) => Some(format!("in/{port}")),
        Use::InJson(port) => Some(format!("in/{port}.json")),
        Use::Out(name) => command.outputs.get(name).map(|output| format!("out/{}", output.path(name))),
        Use::Param(name) => command.param(name),
        Use::Params => Some("params.json".to_owned()),
        Use::File(name) => Some(format!("files/{name}")),
        Use::Metrics => command.metrics.clone(),
        Use::Checkpoint => Some(CHECKPOINT.to_owned()),
        Use::Seed => seed.map(|seed| seed.get().to_string()),
    };
    found.ok_or_else(|| format!("`{one}` stands for nothing"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn placeholders_become_relative_paths_and_values() {
        let command: Command = serde_json::from_value(json!({
            "argv": ["sh", "{code}/a.sh", "{in.data}/x", "{in.data.json}", "--lr={param.lr}", "{seed}", "{out.model}", "{params}", "{metrics}", "{brace}x}"],
            "outputs": {"model": {"path": "run/model.json"}},
            "param": {"lr": 1e-4},
            "metrics": "m.jsonl",
            "set": {"SEED": "{seed}"},
        }))
        .unwrap();
        let words = Words::of(&command, Some(Seed::from_number(7))).unwrap();
        assert_eq!(
            words.argv,
            [
                "sh",
                "files/code/a.sh",
                "in/data/x",
                "in/data.json",
                "--lr=0.0001",
                "7",
                "out/run/model.json",
                "params.json",
                "m.jsonl",
                "{x}"
            ]
        );
        assert_eq!(words.set["SEED"], "7");
        assert_eq!(
            words.line(),
            "sh files/code/a.sh in/data/x in/data.json --lr=0.0001 7 out/run/model.json params.json m.jsonl '{x}'"
        );
        assert_eq!(["", "it's", "a\n'ü'\u{1}"].map(quoted), ["''", r"'it'\''s'", r"$'a\n\'ü\'\u0001'"]);
        assert_eq!(Words::of(&command, None).unwrap_err(), "`{seed}` stands for nothing");
    }
}
