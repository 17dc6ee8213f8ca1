//! The training loop: set the rate, step, log, evaluate, save.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use isoflop_kinds::train::{self, Decay, Health, Weights};
use isoflop_worker::{Context, Diverged, Halt};
use tch::{Device, Kind, Tensor, no_grad};

use super::{
    Settings,
    gauge::Gauge,
    kept::{self, Branch, CHECKPOINTS, carry, folder, restore},
    rate,
    state::{FILE, Mean, Progress, State},
};
use crate::{
    error::TorchError,
    nn::{Params, Replay, Setting, precise, precisely},
    parallel::{
        fold::{Fold, rounds, turn},
        group::agree,
        team::Team,
    },
};

/// What is trained: a loss for every step, and a measure on held-out data.
pub trait Objective {
    /// In how many parts of one size a batch goes through the network.
    fn parts(&self) -> u64 {
        1
    }

    /// What the loss over part `part` of batch `step` is computed from, on the device; it depends on the task's seed, `step` and `part` alone.
    fn given(&self, step: u64, part: u64) -> Result<Vec<Tensor>, TorchError>;

    /// The mean loss over what is given.
    fn loss(&self, given: &[Tensor]) -> Tensor;

    /// Whether `loss` does the same operations on tensors of the same shapes whatever numbers it is given, and neither waits for the device nor brings anything
    /// to it: then it can be [recorded](Replay::again).
    const REPEATS: bool = false;

    /// The time that losses have waited for data so far, where data is read by others.
    fn waited(&self) -> Option<Duration> {
        None
    }

    /// The series that the held-out measure is recorded in.
    const MEASURE: &'static str;

    /// In how many parts held-out data are looked at: ranks share them.
    fn looks(&self) -> u64 {
        1
    }

    /// What part `look` of held-out data comes to.
    fn evaluate(&self, look: u64) -> f64;

    /// The held-out measure, from what the parts came to, in their order.
    fn evaluated(&self, parts: &[f64]) -> f64 {
        parts.iter().sum()
    }
}

/// How long to train, and how fast.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Optimizer steps.
    pub steps: u64,
    /// The learning rate after warm-up.
    pub learning_rate: f64,
    /// Steps of rising learning rate.
    pub warmup: u64,
    /// The learning rate after that.
    pub schedule: Decay,
    /// Steps of a fall at the end.
    pub falls: u64,
    /// AdamW's constants.
    pub optimizer: Settings,
    /// The average of the weights that is kept, if any.
    pub ema: Option<train::Ema>,
    /// The weights that held-out measures are taken with.
    pub evaluate_weights: Weights,
    /// Steps between held-out measures.
    pub evaluate_every: u64,
    /// Steps whose weights are kept, in rising order.
    pub checkpoints: Vec<u64>,
    /// Whether all that others need to go on from there is kept with them.
    pub keep_states: bool,
    /// The state of another training to go on from.
    pub branch: Option<Branch>,
    /// When to give up.
    pub health: Health,
    /// Where, and in what precision, losses and measures are computed.
    pub setting: Setting,
    /// Floating-point operations of one step; zero where nobody has counted them.
    pub flops: f64,
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
    /// Spikes of the training loss that there were.
    pub spikes: u64,
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
    /// Of each step, the losses of the parts that are this rank's.
    losses: Vec<Tensor>,
    norms: Vec<Tensor>,
}

impl Recent {
    fn add(&mut self, losses: &[Tensor], norm: Tensor) {
        self.losses.push(Tensor::stack(losses, 0));
        self.norms.push(norm);
    }

    /// What they are, oldest first; none are left. A step's loss is the sum of its `parts` parts', in their order, whoever computed them.
    fn take(&mut self, parts: u64, team: &Team) -> Result<Vec<(f64, f64)>, Halt> {
        let steps = self.losses.len();
        if steps == 0 {
            return Ok(Vec::new());
        }
        let numbers = |tensors: &mut Vec<Tensor>| {
            let together = Tensor::stack(&std::mem::take(tensors), 0).to_kind(Kind::Double).to_device(Device::Cpu);
            Vec::<f64>::try_from(together.reshape([-1])).expect("one dimension")
        };
        let (losses, norms) = (numbers(&mut self.losses), numbers(&mut self.norms));
        let losses = team.together(|group| group.gather(&losses))?;
        Ok(summed(&losses, parts as usize, team.world()).zip(norms).collect())
    }
}

/// The sum of each step's `parts` losses, in the order of parts, of what `world` ranks told: each, of all steps, those of the parts that fell to it.
fn summed(losses: &[f64], parts: usize, world: usize) -> impl Iterator<Item = f64> {
    let steps = losses.len() / parts;
    let each = move |rank: usize| (parts - rank).div_ceil(world);
    (0..steps).map(move |step| {
        let of = |part: usize| {
            let (rank, round) = (part % world, part / world);
            let before: usize = (0..rank).map(|rank| steps * each(rank)).sum();
            losses[before + step * each(rank) + round]
        };
        (0..parts).map(of).fold(0.0, |sum, loss| sum + loss)
    })
}

/// What the leader says when it saves: the others hand it what they have.
const SAVE: &[u8] = b"save";

/// Trains `params` on `objective` as one of `team`, from the beginning or from where an earlier attempt had come to. The outcome is the leader's.
pub fn train<O: Objective>(
    params: &Params,
    recipe: &Recipe,
    objective: &O,
    team: &Team,
    context: &mut Context,
) -> Result<Option<Outcome>, Halt> {
    let (steps, parts) = (recipe.steps, objective.parts());
    let packed = params.pack_for(recipe.setting);
    let halves = packed.halves.clone();
    let mut state = State::new(packed, recipe.optimizer, recipe.ema, team);
    let resumed = context.resume();
    let mut now = match (&resumed, &recipe.branch) {
        (Some(resume), _) => state.load(&resume.file(FILE))?,
        (None, Some(branch)) => state.load(&branch.state)?,
        (None, None) => Progress::default(),
    };
    team.together(|group| agree(group, now.done))?;
    let earlier = resumed.map(|resume| resume.file("")).or(recipe.branch.as_ref().map(|branch| branch.folder.clone()));
    if team.leads() {
        restore(recipe, now.done, earlier.as_deref(), context)?;
    }
    let mut recent = Recent::default();
    let mut gauge = Gauge::new(recipe, now.done, team)?;
    let pass = |given: &[Tensor]| {
        let loss = precisely(recipe.setting, halves.as_ref(), || objective.loss(given)) / parts as f64;
        loss.backward();
        loss.detach()
    };
    let mut replay = Replay::on(if O::REPEATS { recipe.setting.device } else { Device::Cpu });

    for step in now.done..steps {
        let mut sum = Fold::new(parts);
        let mut losses = Vec::new();
        for round in 0..rounds(team.world(), parts) {
            let Some(part) = turn(round, team.world(), parts).nth(team.rank()) else {
                state.share(round, None, &mut sum, team)?;
                continue;
            };
            let given = objective.given(step, part)?;
            if let Some([loss, gradient]) = replay.again(&given, |given| vec![pass(given), state.gradient()]) {
                losses.push(loss.copy());
                state.take(round, gradient, &mut sum, team)?;
            } else {
                if replay.broke() {
                    state.forget();
                }
                losses.push(pass(&given));
                state.collect(round, &mut sum, team)?;
            }
        }
        let rate = recipe.learning_rate * rate(step, steps, recipe.warmup, recipe.schedule, recipe.falls);
        let norm = state.step(sum, rate, team)?;
        recent.add(&losses, norm);

        now.done = step + 1;
        let keeps = recipe.checkpoints.binary_search(&now.done).is_ok();
        let (last, evaluates) = (now.done == steps, keeps || now.done % recipe.evaluate_every == 0);
        if now.done % WINDOW == 0 || evaluates || last {
            let noted = now.note(&recent.take(parts, team)?, recipe);
            now.watch.tell(context)?; // a divergence begins with spikes
            let norm = noted?;
            if now.done % WINDOW == 0 || last {
                // Where a point is due at the end alone, a longer training goes on summing.
                let mean = if now.done % WINDOW == 0 { now.window.take() } else { now.window.mean() };
                context.metric("loss", now.done, mean)?;
                context.metric("gradient_norm", now.done, norm)?;
                let weights = state.norm();
                if !weights.is_finite() {
                    return Err(now.diverged(&format!("the weights' norm is {weights} at step {}", now.done)));
                }
                context.metric("weight_norm", now.done, weights)?;
                gauge.tell(now.done, objective.waited(), context)?;
            }
        }
        if evaluates || last {
            let (began, loss) = (Instant::now(), now.since.take());
            let look = |look| precise(recipe.setting, || no_grad(|| objective.evaluate(look)));
            let found = state.seen(recipe.evaluate_weights, objective.looks(), team, look)?;
            if team.leads() {
                let heldout = objective.evaluated(&found);
                if !heldout.is_finite() {
                    return Err(now.diverged(&format!("the held-out measure is {heldout} at step {}", now.done)));
                }
                context.metric(O::MEASURE, now.done, heldout)?;
                now.history.push(Curve { step: now.done, loss, heldout });
            }
            gauge.rest(began.elapsed());
        }
        if keeps {
            let folder = folder(context)?;
            state.keep(&folder, now.done, team)?;
            if recipe.keep_states
                && let Some(whole) = state.whole(team)?
            {
                // Which steps are the last tenth is for each length to say.
                let kept = Progress { last: Mean::default(), ..now.clone() };
                kept.save(&folder.join(kept::state(now.done)), &whole)?;
            }
        }
        context.progress(now.done, steps);
        if team.leads() {
            let (mut saves, mut diverged) = (false, false);
            let kept = context.out(CHECKPOINTS);
            let saved = context.checkpoint(now.done, |folder| {
                saves = true;
                team.together(|group| group.broadcast(SAVE))?;
                now.note(&recent.take(parts, team)?, recipe).inspect_err(|_| diverged = true)?;
                carry(recipe, now.done, &kept, folder)?;
                let whole = state.whole(team)?.expect("the leader gets it");
                Ok(now.save(&folder.join(FILE), &whole)?)
            });
            if diverged {
                now.watch.tell(context)?;
            }
            saved?;
            if !saves {
                team.together(|group| group.broadcast(&[]))?;
            }
        } else if team.together(|group| group.broadcast(&[]))? == SAVE {
            now.note(&recent.take(parts, team)?, recipe)?;
            state.whole(team)?;
        }
    }

    let ema = state.ema(team)?;
    let Some(heldout) = now.history.last().map(|point| point.heldout).filter(|_| team.leads()) else {
        return Ok(None);
    };
    Ok(Some(Outcome { heldout, loss: now.last.take(), history: now.history, ema, spikes: now.watch.spikes }))
}

impl Progress {
    /// Takes in losses and gradient norms of the last steps, the latest of which is `done`. Answers with the latest norm.
    fn note(&mut self, recent: &[(f64, f64)], recipe: &Recipe) -> Result<f64, Halt> {
        let mut latest = 0.0;
        for (i, &(loss, norm)) in recent.iter().enumerate() {
            let step = self.done - (recent.len() - i) as u64 + 1;
            if let Err(evidence) = self.watch.look(recipe.health, step, loss, norm) {
                return Err(self.diverged(&evidence));
            }
            self.window.add(loss);
            self.since.add(loss);
            if step > recipe.steps - recipe.steps.div_ceil(10) {
                self.last.add(loss);
            }
            latest = norm;
        }
        Ok(latest)
    }

    /// That training diverged, with what was seen.
    fn diverged(&self, evidence: &str) -> Halt {
        let before = self.history.last().map_or_else(String::new, |point| {
            format!(
                "; at step {} the training loss was {:.4} and the held-out measure {:.4}",
                point.step, point.loss, point.heldout
            )
        });
        Diverged(format!("{evidence}{before}")).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two steps of five parts, whose losses are powers of two, on any number of ranks.
    #[test]
    fn a_steps_loss_is_the_sum_of_its_parts_whoever_computed_them() {
        let loss = |step: u64, part: u64| f64::from(1 << (5 * step + part));
        for world in 1..=5 {
            let parts = |rank: usize| (0..rounds(world, 5)).filter_map(move |round| turn(round, world, 5).nth(rank));
            let told =
                (0..world).flat_map(|rank| (0..2).flat_map(move |step| parts(rank).map(move |part| loss(step, part))));
            let told: Vec<f64> = told.collect();
            assert_eq!(summed(&told, 5, world).collect::<Vec<_>>(), [31.0, 992.0], "{world}");
        }
    }
}
