//! The body of `score-alignment`.

use std::fmt::Write;

use isoflop_contract::Handle;
use isoflop_kinds::{
    alignment::{Needs, ScoreAlignment},
    artifact,
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Kind, Tensor};

use super::{
    examine::{ask, load, mark},
    settle::settle,
};
use crate::{
    data::{Questions, Scenes, read_tensors, write_bytes},
    error::TorchError,
    metrics::alignment,
};

/// The sampled images, u8 `[N, 3, R, R]`.
fn images(handle: &Handle<artifact::Images>) -> Result<Tensor, TorchError> {
    let path = handle.file("images.safetensors");
    let images = read_tensors(&path)?.remove("images");
    images.filter(|t| t.kind() == Kind::Uint8 && t.dim() == 4 && t.size()[0] > 0).ok_or(TorchError::NoTensor {
        path,
        name: "images",
        wanted: "u8 [N, 3, R, R]",
    })
}

/// Scores images.
pub fn run(spec: ScoreAlignment, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    settle(context)?;
    let (config, network) = load(&needs.vqa)?;
    let images = images(&needs.images)?;
    let prompts = Scenes::read(&needs.prompts)?;
    let questions = Questions::read(&needs.prompts, prompts.len())?;
    let count = images.size()[0];
    if count as u64 > prompts.len() {
        let problem = format!("there are {count} images and `prompts` has {} scenes", prompts.len());
        return Err(TorchError::Mismatch(problem).into());
    }
    if images.size()[1..] != prompts.pixels().size()[1..] || images.size()[3] != config.world.resolution {
        return Err("images, prompts and the question-answering network are not of one size".into());
    }
    if (&questions.vocabulary, &questions.answers, questions.length())
        != (&config.words, &config.answers, config.world.length)
    {
        return Err("the question-answering network was trained on other words or answers than `prompts` has".into());
    }

    let given = ask(&network, &images, &questions, spec.batch);
    let real = ask(&network, &prompts.pixels().narrow(0, 0, count), &questions, spec.batch);
    let none = || TorchError::Mismatch("none of the scored prompts has a question".into());
    let score = alignment(&mark(&questions, &given)).ok_or_else(none)?;
    let ceiling = alignment(&mark(&questions, &real)).ok_or_else(none)?;

    let mut table = "scene,category,question,right,given,correct\n".to_owned();
    for (q, &given) in given.iter().enumerate() {
        let (category, right) = (questions.category[q] as usize, questions.answer[q]);
        writeln!(
            table,
            "{},{},{},{},{},{}",
            questions.scene[q],
            questions.categories[category],
            questions.text(q),
            questions.answers[right as usize],
            questions.answers[given as usize],
            u8::from(right == given),
        )
        .expect("a string takes any text");
    }
    write_bytes(&context.out("answers.csv"), table.as_bytes())?;

    let mut made = Made::new()
        .scalar("alignment", score.mean)?
        .scalar("ceiling", ceiling.mean)?
        .scalar("prompts", count as f64)?;
    for (category, share) in score.by_category {
        made = made.scalar(format!("alignment_{}", questions.categories[category as usize]), share)?;
    }
    Ok(made.inherit(&needs.images))
}
