//! The body of `score-reward`.

use isoflop_kinds::score::{RewardNeeds, ScoreReward};
use isoflop_worker::{Context, Halt, Made};
use tch::{Kind, Tensor};

use super::{
    record::{Record, count, mean, write_values},
    reward::{Looks, open, read, say},
    settle::settle,
    towers::Towers,
};
use crate::data::{Gallery, Scenes};

/// Scores images.
pub fn run(spec: ScoreReward, needs: RewardNeeds, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let towers = Towers::open(&needs.clip, setting)?;
    let (config, head) = open(&needs.reward, needs.clip.digest())?;
    let prompts = Scenes::read(&needs.prompts)?;
    let (images, own) = (Gallery::images(&needs.images)?, Gallery::scenes(&needs.prompts)?);
    let count = count(&images, prompts.len())?;
    let texts = read(&towers.read(&needs.prompts, &prompts, count)?);
    let reward = |looks: &Looks| say((&config, &head), &looks.with(&texts));
    let values = reward(&Looks::at(&towers, &images, count))?;
    let own = Looks::at(&towers, &own, count);
    let next = (Tensor::arange(count as i64, (Kind::Int64, tch::Device::Cpu)) + 1).remainder(count as i64);
    write_values(context, "prompt", "reward", &values)?;
    let definition = "the mean over prompts of a learned preference, less the mean and over the deviation of its reference set (arXiv 2304.05977)";
    let record = Record::new("reward", definition, &towers.image.preprocessing(images.side()), spec.resampling())
        .of("images", &needs.images)
        .of("prompts", &needs.prompts)
        .of("reward", &needs.reward)
        .of("clip", &needs.clip)
        .mean("reward", &values)?
        .beside("ceiling", mean(&reward(&own)?))
        .beside("chance", mean(&reward(&own.rows(&next))?))
        .beside("prompts", count as f64);
    Ok(record.leave(context)?.inherit(&needs.images))
}
