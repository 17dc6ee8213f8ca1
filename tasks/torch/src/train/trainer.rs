//! The training loop: set the rate, step, log, evaluate, save.

use std::collections::BTreeMap;

use isoflop_kinds::train::{self, Decay, Weights};
use isoflop_worker::{Context, Diverged, Halt};
use tch::{Device, Kind, Tensor, no_grad};

use super::{
    Settings, rate,
    state::{FILE, Progress, State},
};
use crate::nn::Params;

/// What is trained: a loss for every step, and a measure on held-out data.
pub trait Objective {
    /// In how many parts of one size a batch goes through the network.
    fn parts(&self) -> u64 {
        1
    }

    /// The mean loss over part `part` of batch `step`, which depends on the task's seed, `step` and `part` alone.
    fn loss(&self, step: u64, part: u64) -> Tensor;

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
    /// The average of the weights that is kept, if any.
    pub ema: Option<train::Ema>,
    /// The weights that held-out measures are taken with.
    pub evaluate_weights: Weights,
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
    /// The average of the weights by name, where one was kept.
    pub ema: Option<BTreeMap<String, Tensor>>,
}

impl Outcome {
    /// The curve as a table.
    pub fn csv(&self, measure: &str) -> String {
        let rows = self.history.iter().map(|p| format!("{},{},{}\n", p.step, p.loss, p.heldout));
        std::iter::once(format!("step,loss,{measure}\n")).chain(rows).collect()
    }
}

/// Losses are recorded as means over so many steps. In between nothing waits for a device.
const WINDOW: u64 = 10;

/// Losses and gradient norms of the last steps, still on the device that computed them.
#[derive(Debug, Default)]
struct Recent {
    losses: Vec<Tensor>,
    norms: Vec<Tensor>,
}

impl Recent {
    fn add(&mut self, loss: Tensor, norm: Tensor) {
        self.losses.push(loss);
        self.norms.push(norm);
    }

    /// What they are, oldest first; none are left.
    fn take(&mut self) -> Vec<(f64, f64)> {
        if self.losses.is_empty() {
            return Vec::new();
        }
        let numbers = |tensors: &mut Vec<Tensor>| {
            let together = Tensor::stack(&std::mem::take(tensors), 0).to_kind(Kind::Double).to_device(Device::Cpu);
            Vec::<f64>::try_from(together).expect("one number each")
        };
        numbers(&mut self.losses).into_iter().zip(numbers(&mut self.norms)).collect()
    }
}

/// Trains `params` on `objective`, from the beginning or from where an earlier attempt had come to.
pub fn train(
    params: &Params,
    recipe: &Recipe,
    objective: &impl Objective,
    context: &mut Context,
) -> Result<Outcome, Halt> {
    let (steps, parts) = (recipe.steps, objective.parts());
    let mut state = State::new(params, recipe.optimizer, recipe.ema);
    let mut now = match context.resume() {
        Some(resume) => state.load(&resume.file(FILE))?,
        None => Progress::default(),
    };
    let mut recent = Recent::default();

    for step in now.done..steps {
        let mut mean: Option<Tensor> = None;
        for part in 0..parts {
            let loss = objective.loss(step, part) / parts as f64;
            loss.backward();
            let loss = loss.detach();
            mean = Some(mean.map_or_else(|| loss.shallow_clone(), |sum| sum + &loss));
        }
        let rate = recipe.learning_rate * rate(step, steps, recipe.warmup, recipe.schedule);
        let norm = state.step(rate);
        recent.add(mean.expect("a batch has one part at least"), norm);

        now.done = step + 1;
        let (last, evaluates) = (now.done == steps, now.done % recipe.evaluate_every == 0);
        if now.done % WINDOW == 0 || evaluates || last {
            let norm = now.note(&recent.take(), steps)?;
            if now.done % WINDOW == 0 || last {
                context.metric("loss", now.done, now.window.take())?;
                context.metric("gradient_norm", now.done, norm)?;
            }
        }
        if evaluates || last {
            let (series, heldout) = state.seen(recipe.evaluate_weights, || no_grad(|| objective.evaluate()));
            if !heldout.is_finite() {
                return Err(now.diverged("the held-out measure", heldout, now.done));
            }
            context.metric(series, now.done, heldout)?;
            now.history.push(Curve { step: now.done, loss: now.since.take(), heldout });
        }
        context.progress(now.done, steps);
        context.checkpoint(now.done, |folder| {
            now.note(&recent.take(), steps)?;
            Ok(now.save(&folder.join(FILE), &state)?)
        })?;
    }

    let heldout = now.history.last().expect("the last step is evaluated").heldout;
    Ok(Outcome { heldout, loss: now.last.take(), history: now.history, ema: state.ema() })
}

impl Progress {
    /// Takes in losses and gradient norms of the last steps, the latest of which is `done`. Answers with the latest norm.
    fn note(&mut self, recent: &[(f64, f64)], steps: u64) -> Result<f64, Halt> {
        let mut latest = 0.0;
        for (i, &(loss, norm)) in recent.iter().enumerate() {
            let step = self.done - (recent.len() - i) as u64 + 1;
            if !loss.is_finite() {
                return Err(self.diverged("the training loss", loss, step));
            }
            if !norm.is_finite() {
                return Err(self.diverged("the gradient's norm", norm, step));
            }
            self.window.add(loss);
            self.since.add(loss);
            if step > steps - steps.div_ceil(10) {
                self.last.add(loss);
            }
            latest = norm;
        }
        Ok(latest)
    }

    /// The evidence that training diverged: what was seen at step number `step` (from one).
    fn diverged(&self, what: &str, value: f64, step: u64) -> Halt {
        let before = self.history.last().map_or_else(String::new, |point| {
            format!(
                "; at step {} the training loss was {:.4} and the held-out measure {:.4}",
                point.step, point.loss, point.heldout
            )
        });
        Diverged(format!("{what} is {value} at step {step}{before}")).into()
    }
}
