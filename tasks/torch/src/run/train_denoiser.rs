//! The body of `train-denoiser`.

use std::{cell::OnceCell, time::Duration};

use isoflop_contract::{Cost, Kind as _, Seed};
use isoflop_kinds::{
    model,
    train::{Needs, Noise, Prediction, TrainDenoiser},
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Device, Kind, Tensor};

use super::{
    settle::settle,
    start::start,
    trunk::{self, Origin, branch},
};
use crate::{
    data::{Loader, Order, Portions, Rows, Scenes, unit, write_bytes, write_json, write_tensors},
    diffusion::{Schedule, target},
    draw::drawn,
    error::TorchError,
    models::Denoiser,
    nn::{Params, tally::count, thriftily},
    parallel::{fold::stretch, team::Team},
    train::{Heldout, Objective, Recipe, Settings, normal, train},
};

/// Threads that read images ahead.
const READERS: usize = 2;

/// Parts of batches that they keep.
const AHEAD: usize = 4;

/// What `config.json` of a denoiser holds.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The network.
    pub model: model::Denoiser,
    /// The noise levels it was trained for.
    pub noise: Noise,
    /// What its output stands for.
    pub prediction: Prediction,
}

/// Predict what was mixed in: everything random depends on the seed and the step alone.
struct Denoising<'a> {
    model: &'a Denoiser,
    schedule: &'a Schedule,
    prediction: Prediction,
    /// How much an error counts at each level, where not all count alike.
    weights: Option<Tensor>,
    data: &'a Scenes,
    /// Images, read ahead.
    loader: Loader<Rows>,
    heldout: Heldout,
    order: Order,
    seed: Seed,
    /// In how many parts a batch goes through the network, and images in each.
    parts: u64,
    part: u64,
    tokens: i64,
    patch: i64,
    caption_dropout: f64,
    synthetic_captions: f64,
    recompute: bool,
    /// Multiply-accumulates of one image, as the layers counted them at the first batch.
    macs: OnceCell<u64>,
}

impl Denoising<'_> {
    /// The captions that part `index` of all batches is learned with: those of `rows`, or now and then a synthetic one of each.
    fn captions(&self, index: u64, rows: &Tensor) -> Tensor {
        let own = self.data.captions(rows, self.tokens);
        let Some(count) = self.data.synthetic().filter(|_| self.synthetic_captions > 0.0) else { return own };
        let draws = uniform(self.seed.stream("captions", index), &[2, rows.size()[0]]);
        let which = (draws.get(0) * count as f64).floor().clamp(0.0, count as f64 - 1.0).to_kind(Kind::Int64);
        let written = self.data.written(rows, &which, self.tokens);
        written.where_self(&draws.get(1).lt(self.synthetic_captions).unsqueeze(1), &own)
    }
}

impl Objective for Denoising<'_> {
    fn parts(&self) -> u64 {
        self.parts
    }

    fn waited(&self) -> Option<Duration> {
        Some(self.loader.waited())
    }

    fn loss(&self, step: u64, part: u64) -> Result<Tensor, TorchError> {
        let (batch, size) = ((self.part * self.parts) as i64, self.part as i64);
        let index = step * self.parts + part; // of this part among all there ever are
        let rows = self.order.rows(index, self.part);
        let images = unit(&self.loader.portion(index)?[0]).pixel_unshuffle(self.patch);
        let captions = self.captions(index, &rows);
        let kept = uniform(self.seed.stream("dropout", index), &[size, 1]).ge(self.caption_dropout);
        let captions = captions * kept;

        // Levels are uniform, one from each of `batch` equal stretches: the same expectation as independent draws with less variance.
        let first = part as i64 * size;
        let stretch = Tensor::arange_start(first, first + size, (Kind::Double, Device::Cpu));
        let within = uniform(self.seed.stream("level", index), &[size]);
        let levels = self.schedule.levels() as f64;
        let level = ((stretch + within) / batch as f64 * levels).floor().clamp(0.0, levels - 1.0).to_kind(Kind::Int64);

        let noise = normal(self.seed.stream("noise", index), &images.size());
        let noisy = self.schedule.mix(&images, &noise, &level);
        let forward = || thriftily(self.recompute, || self.model.denoise(&noisy, &level, &self.model.read(&captions)));
        let mut output = None;
        if self.macs.get().is_none() {
            let macs = count(|| output = Some(forward())).into_values().sum();
            self.macs.set(macs).expect("it was looked at just now");
        }
        let output = output.unwrap_or_else(forward);
        let output = output.to_kind(Kind::Float);
        let target = target(self.prediction, self.schedule, &images, &noise, &level);
        Ok(match &self.weights {
            None => output.mse_loss(&target, tch::Reduction::Mean),
            Some(weights) => {
                let error = (output - target).square().mean_dim([1, 2, 3].as_slice(), false, None::<Kind>);
                (error * weights.index_select(0, &level)).mean(None::<Kind>)
            }
        })
    }

    const MEASURE: &'static str = "heldout_loss";

    fn looks(&self) -> u64 {
        self.heldout.looks()
    }

    fn evaluate(&self, look: u64) -> f64 {
        self.heldout.error(self.model, self.schedule, look)
    }

    fn evaluated(&self, parts: &[f64]) -> f64 {
        self.heldout.loss(parts)
    }
}

/// Uniform doubles in [0, 1) that depend on `seed` alone.
fn uniform(seed: Seed, size: &[i64]) -> Tensor {
    drawn(seed.get(), || Tensor::rand(size, (Kind::Double, Device::Cpu)))
}

/// Whether the data fit the model.
fn fit(config: &model::Denoiser, scenes: &Scenes, name: &str) -> Result<(), TorchError> {
    let wrong = |problem: String| Err(TorchError::Mismatch(problem));
    let (channels, side) = (config.backbone.in_channels(), scenes.resolution());
    let there = 3 * config.patch * config.patch;
    if channels != there {
        return wrong(format!("patched images have {there} channels and the backbone's `in_channels` is {channels}"));
    }
    let out = config.backbone.out_channels(); // with a variance behind the prediction or without
    if out != there && out != 2 * there {
        return wrong(format!("patched images have {there} channels and {out} come out of the backbone"));
    }
    if side != config.resolution {
        return wrong(format!("the images of `{name}` are {side}×{side} and `resolution` is {}", config.resolution));
    }
    if scenes.words() > config.text.vocabulary {
        let (there, known) = (scenes.words(), config.text.vocabulary);
        return wrong(format!("`{name}` uses {there} words and `text.vocabulary` is {known}"));
    }
    if scenes.caption_length() > config.text.tokens {
        let (there, known) = (scenes.caption_length(), config.text.tokens);
        return wrong(format!("captions of `{name}` have up to {there} words and `text.tokens` is {known}"));
    }
    Ok(())
}

/// Trains a denoiser.
pub fn run(spec: TrainDenoiser, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let precision = settle(context)?;
    let team = Team::assemble(context, spec.parts())?;
    let seed = match spec.seed {
        Some(number) => Seed::from_number(number),
        None => context.seed()?,
    };
    let config = spec.denoiser();
    let (data, heldout) = (Scenes::read(&needs.data)?, Scenes::read(&needs.heldout)?);
    fit(&config, &data, "data")?;
    fit(&config, &heldout, "heldout")?;

    if spec.synthetic_captions > 0.0 && data.synthetic().is_none() {
        let problem = "`synthetic_captions` asks for captions that `data` does not have";
        return Err(TorchError::Mismatch(problem.into()).into());
    }

    let schedule = Schedule::new(&spec.noise);
    let params = Params::new(seed.stream("init", 0));
    let model = Denoiser::new(&params, &config);
    if let Some(other) = &needs.init {
        start(&params, &config, other, spec.init_weights, spec.init_checkpoint)?;
    }
    let tokens = config.text.tokens as i64;
    let order = Order::new(seed, data.len());
    let mine = stretch(team.rank(), team.world(), spec.parts());
    let portions = Portions { order, parts: spec.parts(), size: spec.part(), mine, batches: spec.steps };
    let objective = Denoising {
        model: &model,
        schedule: &schedule,
        prediction: spec.prediction,
        weights: schedule.weights(spec.prediction, spec.weighting),
        data: &data,
        loader: Loader::new(Scenes::rows(&needs.data)?, portions, READERS, AHEAD)?,
        heldout: Heldout::new(&heldout, spec.evaluate_images, &config, &schedule, spec.prediction),
        order,
        seed,
        parts: spec.parts(),
        part: spec.part(),
        tokens,
        patch: spec.patch as i64,
        caption_dropout: spec.caption_dropout,
        synthetic_captions: spec.synthetic_captions,
        recompute: spec.recompute,
        macs: OnceCell::new(),
    };
    let cost = spec.cost();
    let origin = Origin::of(&spec, seed, &needs);
    let recipe = Recipe {
        steps: spec.steps,
        learning_rate: spec.learning_rate,
        warmup: spec.warmup,
        schedule: spec.schedule,
        falls: spec.falls(),
        optimizer: Settings {
            betas: spec.betas,
            epsilon: spec.epsilon,
            weight_decay: spec.weight_decay,
            decays: spec.decays,
            clip: spec.clip,
        },
        ema: spec.ema,
        evaluate_weights: spec.evaluate_weights,
        evaluate_every: spec.evaluate_every,
        checkpoints: spec.checkpoints.clone(),
        keep_states: spec.keep_states,
        branch: needs.trunk.as_ref().map(|trunk| branch(&spec, &origin, trunk)).transpose()?,
        health: spec.health,
        precision,
        flops: cost.flops / spec.steps as f64,
    };
    let Some(outcome) = train(&params, &recipe, &objective, &team, context)? else {
        return Ok(Made::new()); // the leader makes it
    };

    write_tensors(&context.out("model.safetensors"), &params.named())?;
    if let Some(ema) = &outcome.ema {
        write_tensors(&context.out("ema.safetensors"), ema)?;
    }
    write_json(&context.out("config.json"), &Config { model: config, noise: spec.noise, prediction: spec.prediction })?;
    if spec.keep_states {
        write_json(&context.out(trunk::FILE), &origin)?;
    }
    write_bytes(&context.out("history.csv"), outcome.csv("heldout_loss").as_bytes())?;
    // What was really done; what the planner said where this attempt had no step left to do.
    let macs = objective.macs.get().copied().or(cost.macs).expect("training knows its multiply-accumulates");
    let cost = Cost::training(params.count(), macs, spec.batch, spec.steps);
    Ok(Made::new()
        .scalar("loss", outcome.heldout)?
        .scalar("train_loss", outcome.loss)?
        .scalar("params", params.count() as f64)?
        .scalar("macs", macs as f64)?
        .scalar("compute", cost.flops)?
        .scalar("steps", spec.steps as f64)?
        .scalar("loss_spikes", outcome.spikes as f64)?
        .scalar("images_seen", (spec.batch * spec.steps) as f64)?)
}
