//! The body of `score-alignment`.

use std::fmt::Write;

use isoflop_kinds::alignment::{Needs, ScoreAlignment};
use isoflop_worker::{Context, Halt, Made};

use super::{
    asked,
    encoder::words,
    examine::{ask_in_blocks, load, mark},
    record::{Record, count},
    settle::settle,
};
use crate::{
    data::{Gallery, Questions, Scenes, write_bytes},
    error::TorchError,
    metrics::alignment,
    nn::precise,
};

/// A line a question.
fn table(questions: &Questions, given: &[i64]) -> String {
    let cell = |text: &str| {
        if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
    };
    let mut table = "scene,category,question,right,given,correct\n".to_owned();
    for (q, &given) in given.iter().enumerate() {
        let (category, right) = (questions.category[q] as usize, questions.answer[q]);
        writeln!(
            table,
            "{},{},{},{},{},{}",
            questions.scene[q],
            questions.categories[category],
            cell(&questions.text(q)),
            cell(&questions.answers[right as usize]),
            cell(&questions.answers[given as usize]),
            u8::from(right == given),
        )
        .expect("a string takes any text");
    }
    table
}

/// Scores images.
pub fn run(spec: ScoreAlignment, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let (config, network) = load(&needs.vqa, setting)?;
    let (images, own) = (Gallery::images(&needs.images)?, Gallery::scenes(&needs.prompts)?);
    let prompts = Scenes::read(&needs.prompts)?;
    let count = count(&images, prompts.len())?;
    if images.side() != own.side() || images.side() != config.world.resolution {
        return Err("images, prompts and the question-answering network are not of one size".into());
    }
    let questions = match &needs.questions {
        Some(file) => asked::questions(file, &prompts, &words(&needs.prompts)?, count, &config)?,
        None => Questions::read(&needs.prompts, prompts.len())?,
    };
    if (&questions.vocabulary, &questions.answers, questions.length())
        != (&config.words, &config.answers, config.world.length)
    {
        return Err("the question-answering network was trained on other words or answers than `prompts` has".into());
    }

    let none = || TorchError::Mismatch("none of the scored prompts has a question".into());
    let answers = |gallery: &Gallery, turn: i64| {
        let look = |rows: &[i64]| {
            let rows: Vec<i64> = rows.iter().map(|row| (row + turn) % count as i64).collect();
            gallery.at(&rows)
        };
        precise(setting, || ask_in_blocks((&network, setting), count, look, &questions))
    };
    let faithful = |given: &[i64]| alignment(&mark(&questions, given)).ok_or_else(none);
    let given = answers(&images, 0);
    let score = faithful(&given)?;
    write_bytes(&context.out("answers.csv"), table(&questions, &given).as_bytes())?;

    let definition = "TIFA (arXiv 2303.11897): the mean over prompts of the share of right answers; by element, pooled over questions";
    let shares: Vec<f64> = score.by_scene.into_values().collect();
    let mut record = Record::new("alignment", definition, "pixels to [-1, 1], no resizing", spec.resampling())
        .of("vqa", &needs.vqa)
        .of("prompts", &needs.prompts)
        .of("images", &needs.images)
        .maybe_of("questions", needs.questions.as_ref())
        .mean("alignment", &shares)?
        .beside("ceiling", faithful(&answers(&own, 0))?.mean)
        .beside("chance", faithful(&answers(&own, 1))?.mean)
        .beside("prompts", shares.len() as f64)
        .beside("questions", given.len() as f64);
    for (category, share) in score.by_category {
        record = record.beside(&format!("alignment_{}", questions.categories[category as usize]), share);
    }
    Ok(record.leave(context)?.inherit(&needs.images))
}
