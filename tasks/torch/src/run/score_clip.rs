//! The body of `score-clip`.

use isoflop_kinds::{
    head::Seen,
    score::{ClipNeeds, ScoreClip},
};
use isoflop_worker::{Context, Halt, Made};

use super::{
    record::{Record, count, mean, write_values},
    settle::settle,
    towers::Towers,
};
use crate::{
    data::{Gallery, Scenes},
    metrics::{cosine, directions},
};

/// Scores images.
pub fn run(spec: ScoreClip, needs: ClipNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let towers = Towers::open(&needs.clip, setting)?;
    let prompts = Scenes::read_captions(&needs.prompts)?;
    let (images, own) = (Gallery::images(&needs.images)?, Gallery::if_pictured(&needs.prompts)?);
    let count = count(&images, prompts.len())?;
    let texts = directions(&towers.read(&needs.prompts, &prompts, count)?);
    let see = |gallery: &Gallery| directions(&towers.image.features(gallery, count, Seen::Projected));
    let (seen, own) = (see(&images), own.as_ref().map(see));
    let cosines = |seen: &[Vec<f64>], turn: usize| -> Vec<f64> {
        let others = seen.iter().cycle().skip(turn);
        texts.iter().zip(others).map(|(text, image)| cosine(text, image)).collect()
    };
    let values = cosines(&seen, 0);
    write_values(context, "prompt", "cosine", &values)?;
    let definition =
        "the mean over prompts of the cosine of image and prompt (arXiv 2104.08718 without its factor and its floor)";
    let record = Record::new("clip_score", definition, &towers.image.preprocessing(images.side()), spec.resampling())
        .of("images", &needs.images)
        .of("prompts", &needs.prompts)
        .of("clip", &needs.clip)
        .mean("clip_score", &values)?
        .beside("prompts", count as f64);
    let record = match own {
        Some(own) => record.beside("ceiling", mean(&cosines(&own, 0))).beside("chance", mean(&cosines(&own, 1))),
        None => record,
    };
    Ok(record.leave(context)?.inherit(&needs.images))
}
