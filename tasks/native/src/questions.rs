//! Questions about texts, as TIFA (Hu et al. 2023, arXiv 2303.11897) publishes them: read from a file, with everything that is wrong said at once.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

/// Findings that are told; more are counted.
const TOLD: usize = 20;

/// One question with one right answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Question {
    /// The text that it is about, by name.
    pub id: String,
    /// That text.
    pub caption: String,
    /// The question.
    pub question: String,
    /// Answers that may be given.
    pub choices: Vec<String>,
    /// The right one.
    pub answer: String,
    /// What it asks about.
    pub element_type: String,
}

/// Questions, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Questions {
    version: u32,
    /// The questions.
    pub questions: Vec<Question>,
}

/// All that is wrong with a file of questions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{file}` does not hold questions in TIFA's format:{}", told(findings))]
pub struct NoQuestions {
    /// The file's name.
    pub file: String,
    /// What is wrong, a finding a line.
    pub findings: Vec<String>,
}

fn told(findings: &[String]) -> String {
    let mut lines: Vec<String> = findings.iter().take(TOLD).map(|finding| "\n  ".to_owned() + finding).collect();
    if findings.len() > TOLD {
        lines.push(format!("\n  and {} more", findings.len() - TOLD));
    }
    lines.concat()
}

/// Members of one question, with findings where they are not what they should be.
struct Members<'a> {
    place: String,
    map: &'a serde_json::Map<String, Value>,
    findings: &'a mut Vec<String>,
}

impl Members<'_> {
    fn text(&mut self, name: &str) -> String {
        match self.map.get(name) {
            Some(Value::String(text)) if !text.trim().is_empty() => return text.trim().to_owned(),
            Some(Value::Number(number)) if name == "id" => return number.to_string(),
            Some(Value::String(_)) => self.find(&format!("`{name}` is empty")),
            Some(other) => self.find(&format!("`{name}` is {} and must be a text", sort(other))),
            None => self.find(&format!("has no `{name}`")),
        }
        String::new()
    }

    fn texts(&mut self, name: &str) -> Vec<String> {
        match self.map.get(name) {
            Some(Value::Array(items)) if !items.is_empty() => {
                let text = |item: &Value| item.as_str().map(|text| text.trim().to_owned());
                if let Some(texts) = items.iter().map(text).collect() {
                    return texts;
                }
                self.find(&format!("`{name}` holds something that is no text"));
            }
            Some(Value::Array(_)) => self.find(&format!("`{name}` is empty")),
            Some(other) => self.find(&format!("`{name}` is {} and must be a list of texts", sort(other))),
            None => self.find(&format!("has no `{name}`")),
        }
        Vec::new()
    }

    fn find(&mut self, problem: &str) {
        self.findings.push(format!("{}: {problem}", self.place));
    }
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

impl Questions {
    /// Reads a file's text; `file` is its name, for what there is to say about it.
    pub fn read(file: &str, text: &[u8]) -> Result<Self, NoQuestions> {
        let wrong = |findings: Vec<String>| NoQuestions { file: file.to_owned(), findings };
        let value: Value =
            serde_json::from_slice(text).map_err(|error| wrong(vec![format!("it is no JSON: {error}")]))?;
        let Value::Array(items) = value else {
            return Err(wrong(vec![format!("it is {} and must be a list of questions", sort(&value))]));
        };
        let (mut findings, mut questions) = (Vec::new(), Vec::new());
        if items.is_empty() {
            findings.push("it is an empty list".to_owned());
        }
        let mut captions: BTreeMap<String, String> = BTreeMap::new();
        for (number, item) in items.iter().enumerate() {
            let place = format!("question {}", number + 1);
            let Value::Object(members) = item else {
                findings.push(format!("{place}: is {} and must be a map", sort(item)));
                continue;
            };
            let mut read = Members { place, map: members, findings: &mut findings };
            let question = Question {
                id: read.text("id"),
                caption: read.text("caption"),
                question: read.text("question"),
                choices: read.texts("choices"),
                answer: read.text("answer"),
                element_type: read.text("element_type"),
            };
            if !question.choices.is_empty()
                && !question.answer.is_empty()
                && !question.choices.contains(&question.answer)
            {
                read.find(&format!("`answer` is `{}`, which is none of its `choices`", question.answer));
            }
            let known = captions.entry(question.id.clone()).or_insert_with(|| question.caption.clone());
            if *known != question.caption && !question.id.is_empty() {
                read.find(&format!("`{}` has another `caption` than before", question.id));
            }
            questions.push(question);
        }
        if findings.is_empty() { Ok(Self { version: 1, questions }) } else { Err(wrong(findings)) }
    }

    /// Keeps those about elements of these types; all, if none is named.
    pub fn keep(&mut self, elements: &[String]) -> Result<(), NoQuestions> {
        let there: BTreeSet<&str> = self.questions.iter().map(|question| question.element_type.as_str()).collect();
        let strange = elements.iter().find(|element| !there.contains(element.as_str()));
        if let Some(element) = strange {
            let there: Vec<&str> = there.into_iter().collect();
            let finding = format!("no question is about `{element}`; there are {}", there.join(", "));
            return Err(NoQuestions { file: "questions".to_owned(), findings: vec![finding] });
        }
        if !elements.is_empty() {
            self.questions.retain(|question| elements.contains(&question.element_type));
        }
        Ok(())
    }

    /// What `questions.json` holds.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("texts are JSON") + "\n"
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn question() -> Value {
        json!({
            "id": "drawbench_3", "caption": "a red circle", "element": "red", "question": "what color is the circle?",
            "choices": ["red", "blue"], "answer": "red", "element_type": "color"
        })
    }

    fn read(value: &Value) -> Result<Questions, NoQuestions> {
        Questions::read("tifa.json", value.to_string().as_bytes())
    }

    #[test]
    fn questions_are_read_and_kept_by_element() {
        let mut other = question();
        other["element_type"] = "animal/human".into();
        other["id"] = 7.into();
        let mut questions = read(&json!([question(), other])).unwrap();
        assert_eq!((questions.questions.len(), questions.questions[1].id.as_str()), (2, "7"));
        assert_eq!(Questions::read("x", b"[]").unwrap_err().findings, ["it is an empty list"]);
        let error = questions.keep(&["counting".to_owned()]).unwrap_err().to_string();
        assert!(error.ends_with("no question is about `counting`; there are animal/human, color"), "{error}");
        questions.keep(&["color".to_owned()]).unwrap();
        assert_eq!(questions.questions[0].caption, "a red circle");
        assert!(questions.to_json().contains("\"element_type\": \"color\""));
    }

    #[test]
    fn everything_that_is_wrong_is_said_with_its_place() {
        let with = |name: &str, value: Value| {
            let mut question = question();
            question[name] = value;
            question
        };
        let mut bare = question();
        bare.as_object_mut().unwrap().remove("element_type");
        let cases = json!([
            question(),
            with("choices", json!("red")),
            with("answer", json!("green")),
            with("caption", json!("another")),
            with("question", json!(" ")),
            bare,
            5,
            with("choices", json!([])),
            with("choices", json!([1])),
            with("answer", json!(true)),
        ]);
        assert_eq!(
            read(&cases).unwrap_err().findings,
            [
                "question 2: `choices` is a text and must be a list of texts",
                "question 3: `answer` is `green`, which is none of its `choices`",
                "question 4: `drawbench_3` has another `caption` than before",
                "question 5: `question` is empty",
                "question 6: has no `element_type`",
                "question 7: is a number and must be a map",
                "question 8: `choices` is empty",
                "question 9: `choices` holds something that is no text",
                "question 10: `answer` is true or false and must be a text",
            ]
        );
        let error = read(&json!({"questions": []})).unwrap_err().to_string();
        assert_eq!(
            error,
            "`tifa.json` does not hold questions in TIFA's format:\n  it is a map and must be a list of questions"
        );
        assert!(Questions::read("x", b"[{]").unwrap_err().findings[0].starts_with("it is no JSON: "));
        let many = json!(vec![Value::Null; 30]);
        assert!(
            read(&many).unwrap_err().to_string().ends_with("question 20: is null and must be a map\n  and 10 more")
        );
    }
}
