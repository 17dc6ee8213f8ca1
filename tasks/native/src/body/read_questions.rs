//! The body of `read-questions`.

use std::{collections::BTreeSet, fs};

use isoflop_contract::port::NoNeeds;
use isoflop_kinds::questions::{FILE, MOST_BYTES, ReadQuestions};
use isoflop_worker::{Context, Halt, Made};

use super::only_file;
use crate::{file_error::FileError, questions::Questions};

#[expect(clippy::needless_pass_by_value, reason = "every body has this signature")]
pub fn run(spec: ReadQuestions, _: NoNeeds, context: &mut Context) -> Result<Made, Halt> {
    let folder = context.files(FILE).ok_or("there is no file `questions`")?;
    let path = only_file(folder)?;
    if fs::metadata(&path)?.len() > MOST_BYTES {
        let problem = format!("is larger than {} MiB, the most that is read", MOST_BYTES >> 20);
        return Err(FileError::format(&path, problem).into());
    }
    let text = fs::read(&path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let mut questions = Questions::read(&name, &text)?;
    questions.keep(&spec.elements)?;
    fs::write(context.out("questions.json"), questions.to_json())?;
    let count = |of: fn(&crate::questions::Question) -> &str| {
        questions.questions.iter().map(of).collect::<BTreeSet<_>>().len() as f64
    };
    let made = Made::new()
        .scalar("questions", questions.questions.len() as f64)?
        .scalar("prompts", count(|question| &question.id))?
        .scalar("element_types", count(|question| &question.element_type))?;
    Ok(made)
}
