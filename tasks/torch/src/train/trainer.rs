//! The training loop: set the rate, step, log, evaluate.

use isoflop_kinds::train::Decay;
use isoflop_worker::{Context, Diverged, Halt, Interrupted};
use tch::Tensor;

use super::{AdamW, Settings, rate};
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
#[derive(Debug, Clone, Copy, PartialEq)]
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

/// Trains `params` on `objective`.
pub fn train(
    params: &Params,
    recipe: &Recipe,
    objective: &impl Objective,
    context: &mut Context,
) -> Result<Outcome, Halt> {
    let steps = recipe.steps;
    let mut optimizer = AdamW::new(params.pack(), recipe.optimizer);
    let mut window = Mean::default();
    let mut since = Mean::default();
    let mut last = Mean::default();
    let mut history = Vec::new();

    for step in 0..steps {
        if context.should_stop() {
            return Err(Interrupted.into());
        }
        let loss = objective.loss(step);
        let value = loss.double_value(&[]);
        if !value.is_finite() {
            return Err(diverged("the training loss", value, step, &history));
        }
        let rate = recipe.learning_rate * rate(step, steps, recipe.warmup, recipe.schedule);
        let norm = optimizer.step(&loss, rate);
        if !norm.is_finite() {
            return Err(diverged("the gradient's norm", norm, step, &history));
        }

        window.add(value);
        since.add(value);
        if step >= steps - steps.div_ceil(10) {
            last.add(value);
        }
        let done = step + 1;
        if done % WINDOW == 0 || done == steps {
            context.metric("loss", done, window.take())?;
            context.metric("gradient_norm", done, norm)?;
        }
        if done % recipe.evaluate_every == 0 || done == steps {
            let (series, heldout) = tch::no_grad(|| objective.evaluate());
            if !heldout.is_finite() {
                return Err(diverged("the held-out measure", heldout, step, &history));
            }
            context.metric(series, done, heldout)?;
            history.push(Curve { step: done, loss: since.take(), heldout });
        }
        context.progress(done, steps);
    }

    let heldout = history.last().expect("the last step is evaluated").heldout;
    Ok(Outcome { heldout, loss: last.take(), history })
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

/// A mean under way.
#[derive(Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean so far, and a fresh start.
    fn take(&mut self) -> f64 {
        let mean = self.sum / self.count.max(1) as f64;
        *self = Self::default();
        mean
    }
}
