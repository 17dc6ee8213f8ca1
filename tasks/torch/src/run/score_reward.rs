//! The body of `score-reward`.

use isoflop_kinds::score::{RewardNeeds, ScoreReward};
use isoflop_worker::{Context, Halt, Made};
use tch::{Kind, Tensor};

use super::{
    outside,
    record::{Record, count, mean, write_values},
    reward::{Looks, open, read, say},
    settle::settle,
    towers::Towers,
};
use crate::{
    data::{Gallery, Scenes},
    error::TorchError,
};

const DEFINITION: &str = "the mean over prompts of a learned preference, less the mean and over the deviation of its reference set (arXiv 2304.05977)";

/// Scores images.
pub fn run(spec: ScoreReward, needs: RewardNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let prompts = Scenes::read_captions(&needs.prompts)?;
    let images = Gallery::images(&needs.images)?;
    let count = count(&images, prompts.len())?;
    let record = |definition: &str, preprocessing: &str| {
        Record::new("reward", definition, preprocessing, spec.resampling())
            .of("images", &needs.images)
            .of("prompts", &needs.prompts)
            .maybe_of("reward", needs.reward.as_ref())
            .maybe_of("clip", needs.clip.as_ref())
            .maybe_of("ratings", needs.ratings.as_ref())
            .beside("prompts", count as f64)
    };
    let record = match (&needs.reward, &needs.clip, &needs.ratings) {
        (Some(reward), Some(clip), None) => {
            let towers = Towers::open(clip, setting)?;
            let (config, head) = open(reward, clip.digest())?;
            let texts = read(&towers.read(&needs.prompts, &prompts, count)?);
            let reward = |looks: &Looks| say((&config, &head), &looks.with(&texts));
            let values = reward(&Looks::at(&towers, &images, count))?;
            write_values(context, "prompt", "reward", &values)?;
            let record = record(DEFINITION, &towers.image.preprocessing(images.side())).mean("reward", &values)?;
            match Gallery::if_pictured(&needs.prompts)? {
                None => record,
                Some(own) => {
                    let own = Looks::at(&towers, &own, count);
                    let next =
                        (Tensor::arange(count as i64, (Kind::Int64, tch::Device::Cpu)) + 1).remainder(count as i64);
                    record.beside("ceiling", mean(&reward(&own)?)).beside("chance", mean(&reward(&own.rows(&next))?))
                }
            }
        }
        (None, None, Some(ratings)) => {
            let values = outside::ratings(ratings, count)?;
            write_values(context, "prompt", "reward", &values)?;
            record("the mean over prompts of what a program of the study's own says", "that program's")
                .mean("reward", &values)?
        }
        _ => return Err(TorchError::Mismatch("feed `reward` and `clip`, or `ratings` alone".into()).into()),
    };
    Ok(record.leave(context)?.inherit(&needs.images))
}
