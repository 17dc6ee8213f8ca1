//! The body of `score-alignment`.

use std::{collections::BTreeSet, fmt::Write};

use isoflop_contract::Handle;
use isoflop_kinds::{
    alignment::{Needs, ScoreAlignment},
    artifact,
};
use isoflop_worker::{Context, Halt, Made};

use super::{
    asked,
    encoder::words,
    examine::{ask_in_blocks, load, mark},
    outside,
    record::{Record, count},
    settle::settle,
};
use crate::{
    data::{Gallery, Questions, Scenes, write_bytes},
    error::TorchError,
    metrics::{Alignment, Answered, alignment},
    nn::{Setting, precise},
};

/// A question, and what was answered to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The scene it is about.
    pub scene: i64,
    /// The element it asks about.
    pub category: String,
    /// The question.
    pub question: String,
    /// The right answer.
    pub right: String,
    /// The one that was given.
    pub given: String,
    /// Whether that is right.
    pub correct: bool,
}

/// What was answered about images, and how their prompts' own images would have done, where they were looked at.
struct Examined {
    replies: Vec<Reply>,
    ceiling: Option<f64>,
    chance: Option<f64>,
    preprocessing: &'static str,
}

/// A line a question.
fn table(replies: &[Reply]) -> String {
    let cell = |text: &str| {
        if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let mut table = "scene,category,question,right,given,correct\n".to_owned();
    for Reply { scene, category, question, right, given, correct } in replies {
        let [question, right, given] = [question, right, given].map(|text| cell(text));
        writeln!(table, "{scene},{category},{question},{right},{given},{}", u8::from(*correct))
            .expect("a string takes any text");
    }
    table
}

/// The score of what was answered, and the names of its categories.
fn scored(replies: &[Reply]) -> Result<(Alignment, Vec<String>), TorchError> {
    let categories: BTreeSet<&String> = replies.iter().map(|reply| &reply.category).collect();
    let categories: Vec<String> = categories.into_iter().cloned().collect();
    let answered: Vec<Answered> = replies
        .iter()
        .map(|reply| Answered {
            scene: reply.scene,
            category: categories.partition_point(|known| *known < reply.category) as i64,
            right: reply.correct,
        })
        .collect();
    Ok((alignment(&answered).ok_or_else(unasked)?, categories))
}

fn unasked() -> TorchError {
    TorchError::Mismatch("none of the scored prompts has a question".into())
}

/// Asks a network of ours.
fn examine(vqa: &Handle<artifact::Vqa>, needs: &Needs, setting: Setting) -> Result<Examined, Halt> {
    let (config, network) = load(vqa, setting)?;
    let (images, own) = (Gallery::images(&needs.images)?, Gallery::scenes(&needs.prompts)?);
    let prompts = Scenes::read_captions(&needs.prompts)?;
    let count = count(&images, prompts.len())?;
    if images.side() != own.side() || images.side() != config.world.resolution {
        return Err("images, prompts and the question-answering network are not of one size".into());
    }
    let questions = match &needs.questions {
        Some(file) => asked::questions(file, &prompts, &words(&needs.prompts)?, count, &config)?,
        None if needs.prompts.file("questions.safetensors").exists() => Questions::read(&needs.prompts, prompts.len())?,
        None => return Err("`prompts` come without questions: feed some to the port `questions`".into()),
    };
    if (&questions.vocabulary, &questions.answers, questions.length())
        != (&config.words, &config.answers, config.world.length)
    {
        return Err("the question-answering network was trained on other words or answers than `prompts` has".into());
    }
    let answers = |gallery: &Gallery, turn: i64| {
        let look = |rows: &[i64]| {
            let rows: Vec<i64> = rows.iter().map(|row| (row + turn) % count as i64).collect();
            gallery.at(&rows)
        };
        precise(setting, || ask_in_blocks((&network, setting), count, look, &questions))
    };
    let mean = |given: &[i64]| alignment(&mark(&questions, given)).map(|alignment| alignment.mean).ok_or_else(unasked);
    let given = answers(&images, 0);
    let reply = |(q, &given): (usize, &i64)| {
        let right = questions.answer[q];
        Reply {
            scene: questions.scene[q],
            category: questions.categories[questions.category[q] as usize].clone(),
            question: questions.text(q),
            right: questions.answers[right as usize].clone(),
            given: questions.answers[given as usize].clone(),
            correct: right == given,
        }
    };
    Ok(Examined {
        replies: given.iter().enumerate().map(reply).collect(),
        ceiling: Some(mean(&answers(&own, 0))?),
        chance: Some(mean(&answers(&own, 1))?),
        preprocessing: "pixels to [-1, 1], no resizing",
    })
}

/// Takes what a network of the study's own has answered.
fn take(answers: &Handle<artifact::Answers>, needs: &Needs) -> Result<Examined, TorchError> {
    let questions = needs.questions.as_ref();
    let questions =
        questions.ok_or_else(|| TorchError::Mismatch("`answers` are to `questions`, and none are fed".into()))?;
    let prompts = Scenes::read_captions(&needs.prompts)?;
    let count = count(&Gallery::images(&needs.images)?, prompts.len())?;
    let replies = outside::answers(answers, questions, &prompts, &words(&needs.prompts)?, count)?;
    Ok(Examined { replies, ceiling: None, chance: None, preprocessing: "that of the program that answered" })
}

/// Scores images.
pub fn run(spec: ScoreAlignment, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let examined = match (&needs.vqa, &needs.answers) {
        (Some(vqa), None) => examine(vqa, &needs, setting)?,
        (None, Some(answers)) => take(answers, &needs)?,
        _ => return Err("feed exactly one of `vqa` and `answers`".into()),
    };
    let (score, categories) = scored(&examined.replies)?;
    write_bytes(&context.out("answers.csv"), table(&examined.replies).as_bytes())?;

    let definition = "TIFA (arXiv 2303.11897): the mean over prompts of the share of right answers; by element, pooled over questions";
    let shares: Vec<f64> = score.by_scene.into_values().collect();
    let mut record = Record::new("alignment", definition, examined.preprocessing, spec.resampling())
        .maybe_of("vqa", needs.vqa.as_ref())
        .maybe_of("answers", needs.answers.as_ref())
        .of("prompts", &needs.prompts)
        .of("images", &needs.images)
        .maybe_of("questions", needs.questions.as_ref())
        .mean("alignment", &shares)?
        .beside("prompts", shares.len() as f64)
        .beside("questions", examined.replies.len() as f64);
    for (name, value) in [("ceiling", examined.ceiling), ("chance", examined.chance)] {
        record = value.into_iter().fold(record, |record, value| record.beside(name, value));
    }
    for (category, share) in score.by_category {
        record = record.beside(&format!("alignment_{}", categories[category as usize]), share);
    }
    Ok(record.leave(context)?.inherit(&needs.images))
}
