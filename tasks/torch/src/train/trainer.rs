//! The training loop: set the rate, step, log, evaluate, save.

use isoflop_kinds::train::Decay;
use isoflop_worker::{Context, Diverged, Halt};
use tch::Tensor;

use super::{
    AdamW, Settings, rate,
    state::{FILE, Progress},
};
use crate::nn::Params;

/// What is trained: a loss for every step, and a measure on held-out data.
pub trait Objective {
    /// The loss of batch `step`, which depends on the task's seed and `step` alone.
    fn loss(&self, step: u64) -> Tensor;

    /// The held-out measure, as the series it is recorded in and its value.
    fn evaluate(&self) -> (&'static str, f64);
}

/// How long to train, and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Recipe {
    /// Optimizer steps.
    pub steps: u64,
    /// The learning rate after warm-up.
    pub learning_rate: f64,
    /// Steps of rising learning rate.
    pub warmup: u64,
    /// The learning rate after that.
    pub schedule: Decay,
    /// AdamW's constants.
    pub optimizer: Settings,
    /// Steps between held-out measures.
    pub evaluate_every: u64,
}

/// One point of the curve: a held-out measure, beside the mean training loss since the last.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Curve {
    /// Steps taken.
    pub step: u64,
    /// Mean training loss since the point before.
    pub loss: f64,
    /// The held-out measure.
    pub heldout: f64,
}

/// How training went.
#[derive(Debug)]
pub struct Outcome {
    /// The last held-out measure.
    pub heldout: f64,
    /// Mean training loss over the last tenth of the steps.
    pub loss: f64,
    /// The curve; its last point is at the last step.
    pub history: Vec<Curve>,
}

impl Outcome {
    /// The curve as a table.
    pub fn csv(&self, measure: &str) -> String {
        let rows = self.history.iter().map(|p| format!("{},{},{}\n", p.step, p.loss, p.heldout));
        std::iter::once(format!("step,loss,{measure}\n")).chain(rows).collect()
    }
}

/// Losses are recorded as means over so many steps.
const WINDOW: u64 = 10;

/// Trains `params` on `objective`, from the beginning or from where an earlier attempt had come to.
pub fn train(
    params: &Params,
    recipe: &Recipe,
    objective: &impl Objective,
    context: &mut Context,
) -> Result<Outcome, Halt> {
    let steps = recipe.steps;
    let mut optimizer = AdamW::new(params.pack(), recipe.optimizer);
    let mut now = match context.resume() {
        Some(resume) => Progress::load(&resume.file(FILE), params, &mut optimizer)?,
        None => Progress::default(),
    };

    for step in now.done..steps {
        let loss = objective.loss(step);
        let value = loss.double_value(&[]);
        if !value.is_finite() {
            return Err(diverged("the training loss", value, step, &now.history));
        }
        let rate = recipe.learning_rate * rate(step, steps, recipe.warmup, recipe.schedule);
        let norm = optimizer.step(&loss, rate);
        if !norm.is_finite() {
            return Err(diverged("the gradient's norm", norm, step, &now.history));
        }

        now.window.add(value);
        now.since.add(value);
        if step >= steps - steps.div_ceil(10) {
            now.last.add(value);
        }
        now.done = step + 1;
        if now.done % WINDOW == 0 || now.done == steps {
            context.metric("loss", now.done, now.window.take())?;
            context.metric("gradient_norm", now.done, norm)?;
        }
        if now.done % recipe.evaluate_every == 0 || now.done == steps {
            let (series, heldout) = tch::no_grad(|| objective.evaluate());
            if !heldout.is_finite() {
                return Err(diverged("the held-out measure", heldout, step, &now.history));
            }
            context.metric(series, now.done, heldout)?;
            now.history.push(Curve { step: now.done, loss: now.since.take(), heldout });
        }
        context.progress(now.done, steps);
        context.checkpoint(now.done, |folder| Ok(now.save(&folder.join(FILE), params, &optimizer)?))?;
    }

    let heldout = now.history.last().expect("the last step is evaluated").heldout;
    Ok(Outcome { heldout, loss: now.last.take(), history: now.history })
}

/// The evidence that training diverged.
fn diverged(what: &str, value: f64, step: u64, history: &[Curve]) -> Halt {
    let before = history.last().map_or_else(String::new, |point| {
        format!(
            "; at step {} the training loss was {:.4} and the held-out measure {:.4}",
            point.step, point.loss, point.heldout
        )
    });
    Diverged(format!("{what} is {value} at step {}{before}", step + 1)).into()
}
