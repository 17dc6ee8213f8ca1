//! Short trainings: what they share of a recipe, and of what they leave behind.

use isoflop_contract::Cost;
use isoflop_kinds::{
    plain::Plain,
    train::{Decays, Health, Weights},
};
use isoflop_worker::{Context, Halt, Made};

use crate::{
    data::{write_bytes, write_tensors},
    nn::{Params, Setting},
    train::{Outcome, Recipe, Settings},
};

/// The recipe of a plain training: AdamW with a short memory of squares, since there are few steps; `decays` are the parameters that decay.
pub fn recipe(plain: &Plain, decays: Decays, setting: Setting) -> Recipe {
    Recipe {
        steps: plain.steps,
        learning_rate: plain.learning_rate,
        warmup: plain.warmup,
        schedule: plain.schedule,
        optimizer: Settings { betas: [0.9, 0.98], epsilon: 1e-8, weight_decay: plain.weight_decay, clip: 1.0, decays },
        ema: None,
        evaluate_weights: Weights::Raw,
        evaluate_every: plain.evaluate_every,
        falls: plain.steps.div_ceil(10),
        checkpoints: Vec::new(),
        keep_states: false,
        branch: None,
        health: Health::default(),
        setting,
        flops: 0.0,
    }
}

/// Writes weights and curve, and says what the training took. `measure` is what was held out.
pub fn leave(
    context: &Context,
    (params, outcome, measure): (&Params, &Outcome, &str),
    (plain, cost): (&Plain, &Cost),
) -> Result<Made, Halt> {
    Ok(leave_head(context, params, outcome, measure)?
        .scalar("macs", cost.macs.unwrap_or_default() as f64)?
        .scalar("compute", cost.flops)?
        .scalar("images_seen", (plain.batch * plain.steps) as f64)?)
}

/// The same without what it took: of a head on features that others made, and of towers whose training others began.
pub fn leave_head(context: &Context, params: &Params, outcome: &Outcome, measure: &str) -> Result<Made, Halt> {
    write_tensors(&context.out("model.safetensors"), &params.state())?;
    write_bytes(&context.out("history.csv"), outcome.csv(measure).as_bytes())?;
    Ok(Made::new().scalar("train_loss", outcome.loss)?.scalar("params", params.count() as f64)?)
}
