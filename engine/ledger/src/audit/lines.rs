//! Books as text, for whoever is to audit them without a database: one JSON object a line, in a fixed order, so that the same books give the
//! same bytes.
//!
//! `ledger.jsonl` begins with a line of its own (`"row": "books"`: the layout's version and the runs that were asked for); then come runs with
//! their events and tasks, attempts with their series, results and artifacts, members named as the ledger's columns. `recipes.jsonl` has the
//! recipes. Manifests are files, named by their digests. What follows from other lines is left out: needs, which recipes' texts name, and
//! traces, which events name.

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Key, Recipe};
use serde::{Deserialize, Serialize, Serializer, de::Error as _};

use super::{
    Finding, FindingKind, Subject,
    books::{ArtifactRow, AttemptRow, Books, EventRow, RecipeRow, ResultRow, RunRow, TaskRow},
    recipe,
};
use crate::id::{AttemptId, RunId};

/// The layout of the lines.
const VERSION: u32 = 1;

/// Books as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written {
    /// Everything but recipes and manifests, one object a line.
    pub ledger: String,
    /// Recipes, one object a line.
    pub recipes: String,
    /// Canonical texts of manifests, by their digests.
    pub manifests: BTreeMap<Digest, String>,
}

/// One line of `ledger.jsonl`.
#[derive(Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "kebab-case")]
enum Line<'a> {
    Books { version: u32, audited: Vec<RunId> },
    Run(Row<'a, RunRow>),
    Event(Row<'a, EventRow>),
    Task(Row<'a, TaskRow>),
    Attempt(Row<'a, AttemptRow>),
    Series { attempt: AttemptId, series: String, points: Vec<(i64, Value)> },
    Result(Row<'a, ResultRow>),
    Artifact(Row<'a, ArtifactRow>),
}

/// A row to write, or one that was read.
enum Row<'a, T> {
    Lent(&'a T),
    Owned(T),
}

impl<T> Row<'_, T> {
    /// The row, of one that was read.
    fn own(self) -> Option<T> {
        match self {
            Self::Owned(row) => Some(row),
            Self::Lent(_) => None,
        }
    }
}

impl<T: Serialize> Serialize for Row<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Lent(row) => row.serialize(serializer),
            Self::Owned(row) => row.serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Row<'_, T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(Self::Owned)
    }
}

/// The value of a point: a number, or `NaN`, `inf` and `-inf` as a string, for which JSON has no number.
struct Value(f64);

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.is_finite() { serializer.serialize_f64(self.0) } else { serializer.collect_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let number = value.as_f64().or_else(|| value.as_str()?.parse().ok());
        number.map(Self).ok_or_else(|| D::Error::custom(format!("{value} is no number")))
    }
}

/// 32 bytes as hexadecimal digits.
pub(super) mod hex {
    use isoflop_contract::Digest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], serializer: S) -> Result<S::Ok, S::Error> {
        Digest::from_bytes(*bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 32], D::Error> {
        Digest::deserialize(deserializer).map(|digest| *digest.as_bytes())
    }
}

/// The same, or nothing.
pub(super) mod hex_or_none {
    use isoflop_contract::Digest;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
    pub fn serialize<S: Serializer>(bytes: &Option<[u8; 32]>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.map(Digest::from_bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[u8; 32]>, D::Error> {
        Ok(Option::<Digest>::deserialize(deserializer)?.map(|digest| *digest.as_bytes()))
    }
}

impl Books {
    /// The books as text.
    pub fn write(&self) -> Written {
        let mut written = Written::default();
        let mut put = |line: Line<'_>| push(&mut written.ledger, &line);
        put(Line::Books { version: VERSION, audited: self.audited.iter().copied().collect() });
        for (id, run) in &self.runs {
            put(Line::Run(Row::Lent(run)));
            self.events_of(*id).iter().for_each(|event| put(Line::Event(Row::Lent(event))));
            self.tasks.get(id).into_iter().flatten().for_each(|task| put(Line::Task(Row::Lent(task))));
        }
        for (id, attempt) in &self.attempts {
            put(Line::Attempt(Row::Lent(attempt)));
            let mut series: BTreeMap<&String, Vec<(i64, Value)>> = BTreeMap::new();
            for ((name, step), value) in self.points.get(id).into_iter().flatten() {
                series.entry(name).or_default().push((*step, Value(*value)));
            }
            for (name, points) in series {
                put(Line::Series { attempt: *id, series: name.clone(), points });
            }
        }
        self.results.values().for_each(|row| put(Line::Result(Row::Lent(row))));
        self.artifacts.values().for_each(|row| put(Line::Artifact(Row::Lent(row))));
        self.recipes.values().for_each(|row| push(&mut written.recipes, row));
        written.manifests = self.artifacts.iter().map(|(digest, row)| (*digest, row.text.clone())).collect();
        written
    }

    /// Reads books that were [written](Self::write). What cannot be read is a finding, and the rest is read all the same.
    pub fn read(written: &Written) -> (Self, Vec<Finding>) {
        let (mut books, mut findings) = (Self::default(), Vec::new());
        let mut found = |file: &str, line: usize, what: String| {
            let what = format!("line {} of {file} {what}", line + 1);
            findings.push(Finding { kind: FindingKind::File, what, subject: Subject::Nothing });
        };
        for (at, text) in written.ledger.lines().enumerate() {
            let known = match serde_json::from_str(text) {
                Ok(line) => books.take(line, &written.manifests),
                Err(error) => Err(format!("cannot be read: {error}")),
            };
            if let Err(what) = known {
                found("ledger.jsonl", at, what);
            }
        }
        for (at, text) in written.recipes.lines().enumerate() {
            match serde_json::from_str::<RecipeRow>(text) {
                Ok(row) => {
                    let key = Key::from_bytes(row.key);
                    if let Ok(recipe) = serde_json::from_str::<Recipe>(&row.text) {
                        books.needs.insert(key, recipe::edges(recipe));
                    }
                    if books.recipes.insert(key, row).is_some() {
                        found("recipes.jsonl", at, "has a key that an earlier line has".to_owned());
                    }
                }
                Err(error) => found("recipes.jsonl", at, format!("cannot be read: {error}")),
            }
        }
        // A recipe without needs has no entry in the ledger's books either.
        books.needs.retain(|_, needs| !needs.is_empty());
        (books, findings)
    }

    /// Adds what a line says.
    fn take(&mut self, line: Line<'_>, manifests: &BTreeMap<Digest, String>) -> Result<(), String> {
        let known = match line {
            Line::Books { version, .. } if version != VERSION => {
                return Err(format!("is of layout {version}, and this isoflop reads layout {VERSION}"));
            }
            Line::Books { audited, .. } => {
                self.audited = audited.into_iter().collect();
                false
            }
            Line::Run(row) => row.own().is_some_and(|row| self.runs.insert(row.id, row).is_some()),
            Line::Event(row) => {
                row.own().into_iter().for_each(|row| self.events.entry(row.run).or_default().push(row));
                false
            }
            Line::Task(row) => {
                row.own().into_iter().for_each(|row| self.tasks.entry(row.run).or_default().push(row));
                false
            }
            Line::Attempt(row) => row.own().is_some_and(|row| self.attempts.insert(row.id, row).is_some()),
            Line::Series { attempt, series, points } => {
                let all = self.points.entry(attempt).or_default();
                // A point that is there twice is no harm: the digest in the chain is of all of them.
                all.extend(points.into_iter().map(|(step, Value(value))| ((series.clone(), step), value)));
                false
            }
            Line::Result(row) => {
                row.own().is_some_and(|row| self.results.insert(Key::from_bytes(row.key), row).is_some())
            }
            Line::Artifact(row) => row.own().is_some_and(|mut row| {
                let digest = Digest::from_bytes(row.digest);
                row.text = manifests.get(&digest).cloned().unwrap_or_default();
                self.artifacts.insert(digest, row).is_some()
            }),
        };
        if known { Err("says again what an earlier line says".to_owned()) } else { Ok(()) }
    }
}

fn push(text: &mut String, line: &impl Serialize) {
    text.push_str(&serde_json::to_string(line).expect("rows are plain data"));
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event;

    fn books() -> Books {
        let mut books = Books::default();
        let run: RunId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let attempt: AttemptId = "01890a5d-ac96-774b-bcce-b302099a8058".parse().unwrap();
        let body = "{}".to_owned();
        let hash = *event::link(&event::ORIGIN, &body).as_bytes();
        let at = crate::at::At("2026-11-23T10:00:00.123456Z".parse().unwrap());
        books.audited.insert(run);
        books.events.insert(run, vec![EventRow { run, seq: 1, at, body, prev: *event::ORIGIN.as_bytes(), hash }]);
        let points = [(("loss".to_owned(), 1), 0.1), (("loss".to_owned(), 2), f64::NAN), (("x".to_owned(), 0), -0.0)];
        books.points.insert(attempt, points.into_iter().collect());
        let row = RunRow {
            id: run,
            study: "s".into(),
            file: "study.yaml".into(),
            plan: [1; 32],
            soft: "{}".into(),
            holder: "h".into(),
            state: "done".into(),
            tasks: 1,
            began: at,
            ended: None,
            events: 1,
            head: hash,
        };
        books.runs.insert(run, row);
        let row = AttemptRow {
            id: attempt,
            run,
            task: "t".into(),
            key: [2; 32],
            fence: 1,
            purpose: "make".into(),
            holder: "h".into(),
            soft: "{}".into(),
            began: at,
            ended: Some(at),
            outcome: Some("made".into()),
            artifact: Some(*Digest::of("{}").as_bytes()),
            reason: None,
            class: None,
            seconds: Some(0.125),
        };
        books.attempts.insert(attempt, row);
        let row = ArtifactRow {
            digest: *Digest::of("{}").as_bytes(),
            shape: "any".into(),
            text: "{}".into(),
            bytes: 0,
            first_run: run,
        };
        books.artifacts.insert(Digest::of("{}"), row);
        books
    }

    #[test]
    fn books_come_back_as_they_were_written() {
        let written = books().write();
        let (again, findings) = Books::read(&written);
        assert_eq!((findings, again.write()), (vec![], written.clone()));
        assert!(written.ledger.contains(r#""points":[[1,0.1],[2,"NaN"]]"#), "{}", written.ledger);
        let points = &again.points.values().next().unwrap();
        assert!(points[&("x".to_owned(), 0)].is_sign_negative(), "every bit of a number counts");
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named_and_the_others_are_read() {
        let mut written = books().write();
        written.ledger = written.ledger.replacen("\"seq\":1", "\"seq\":?", 1);
        let last = written.ledger.lines().last().unwrap().to_owned();
        written.ledger += &last;
        written.recipes = "{\"key\":7}\n".to_owned();
        let (again, findings) = Books::read(&written);
        let told: Vec<&str> = findings.iter().map(|finding| finding.what.as_str()).collect();
        assert!(told[0].starts_with("line 3 of ledger.jsonl cannot be read"), "{told:?}");
        let twice = written.ledger.lines().count();
        assert_eq!(told[1], format!("line {twice} of ledger.jsonl says again what an earlier line says"));
        assert!(told[2].starts_with("line 1 of recipes.jsonl cannot be read"), "{told:?}");
        assert_eq!((told.len(), again.attempts.len(), again.events.len()), (3, 1, 0));
    }

    #[test]
    fn lines_of_a_later_layout_are_refused() {
        let mut written = books().write();
        written.ledger = written.ledger.replacen("\"version\":1", "\"version\":2", 1);
        let (_, findings) = Books::read(&written);
        assert!(findings[0].what.contains("is of layout 2"), "{findings:?}");
    }
}
