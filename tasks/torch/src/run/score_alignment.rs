//! The body of `score-alignment`.

use std::fmt::Write;

use isoflop_contract::{Digest, Handle};
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
    data::{Questions, Scenes, read_tensors, write_bytes, write_json},
    error::TorchError,
    metrics::{alignment, interval},
    nn::precise,
};

/// Scenes that the network sees at a time. Fixed, so that the same images score the same bits.
const SCENES: u64 = 64;

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

/// What the score is of, and by what.
#[derive(serde::Serialize)]
struct Identity {
    version: u32,
    metric: &'static str,
    definition: &'static str,
    judge: Digest,
    prompts: Digest,
    images: Digest,
    preprocessing: &'static str,
    bootstrap: u64,
    level: f64,
}

/// Scores images.
pub fn run(spec: ScoreAlignment, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let precision = settle(context)?;
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

    let answers = |pictures: &Tensor| precise(precision, || ask(&network, pictures, &questions, SCENES));
    let given = answers(&images);
    let real = answers(&prompts.pixels().narrow(0, 0, count));
    let none = || TorchError::Mismatch("none of the scored prompts has a question".into());
    let marked = mark(&questions, &given);
    let score = alignment(&marked).ok_or_else(none)?;
    let around = interval(&marked, spec.bootstrap, spec.level).ok_or_else(none)?;
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
    let identity = Identity {
        version: 1,
        metric: "alignment",
        definition: "TIFA (arXiv 2303.11897): the mean over prompts of the share of right answers; by element, pooled over questions",
        judge: needs.vqa.digest(),
        prompts: needs.prompts.digest(),
        images: needs.images.digest(),
        preprocessing: "pixels to [-1, 1], no resizing",
        bootstrap: spec.bootstrap,
        level: spec.level,
    };
    write_json(&context.out("metric.json"), &identity)?;

    let mut made = Made::new()
        .scalar("alignment", score.mean)?
        .scalar("alignment_lower", around.lower)?
        .scalar("alignment_upper", around.upper)?
        .scalar("alignment_stderr", around.stderr)?
        .scalar("ceiling", ceiling.mean)?
        .scalar("prompts", count as f64)?;
    for (category, share) in score.by_category {
        made = made.scalar(format!("alignment_{}", questions.categories[category as usize]), share)?;
    }
    Ok(made.inherit(&needs.images))
}
