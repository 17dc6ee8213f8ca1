//! The body of `train-denoiser`.

use std::{cell::OnceCell, rc::Rc, sync::Arc, time::Duration};

use isoflop_contract::{Cost, Kind as _, Seed};
use isoflop_kinds::{
    model,
    train::{Needs, Noise, Prediction, TrainDenoiser},
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Device, Kind, Tensor};

use super::{
    examples::{Examples, Fed, Lying, Reader, Scale},
    live::Live,
    mixing::{Mixing, uniform},
    numbering::Numbering,
    settle::settle,
    start::start,
    trunk::{self, Origin, branch},
};
use crate::{
    data::{Loader, Order, Portions, write_bytes, write_json, write_tensors},
    diffusion::{Schedule, target},
    error::TorchError,
    models::{Denoiser, Reading, Said},
    nn::{Params, Setting, tally::count, thriftily},
    parallel::team::Team,
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
    /// Whose latents it denoises, where it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<Scale>,
    /// Whose reading of captions it reads, where that is frozen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reader: Option<Reader>,
}

/// Predict what was mixed in: everything random depends on the seed and the step alone.
struct Denoising<'a> {
    model: &'a Denoiser,
    schedule: &'a Schedule,
    setting: Setting,
    prediction: Prediction,
    /// How much an error counts at each level, where not all count alike.
    weights: Option<Tensor>,
    data: &'a Examples,
    /// Images or latents, and frozen texts, read ahead.
    loader: Loader<Arc<Lying>>,
    heldout: Heldout,
    order: Order,
    seed: Seed,
    /// In how many parts a batch goes through the network, and images in each.
    parts: u64,
    part: u64,
    caption_dropout: f64,
    /// The empty caption, as a frozen encoder read it.
    empty: Option<Reading>,
    mixing: Option<Mixing>,
    recompute: bool,
    /// Multiply-accumulates of one image, as the layers counted them at the first batch.
    macs: OnceCell<u64>,
}

impl Denoising<'_> {
    /// What is said of part `index` of all batches: the captions of its images, or now and then a synthetic one of each.
    fn said(&self, index: u64, read: Option<Reading>) -> Result<Said, TorchError> {
        if let Some(read) = read {
            return Ok(Said::Read(read));
        }
        let picks = self.mixing.map(|mixing| mixing.picks(index, self.part as i64));
        self.data.said(&self.order.rows(index, self.part), picks.as_deref())
    }
}

impl Objective for Denoising<'_> {
    fn parts(&self) -> u64 {
        self.parts
    }

    fn waited(&self) -> Option<Duration> {
        Some(self.loader.waited())
    }

    fn given(&self, step: u64, part: u64) -> Result<Vec<Tensor>, TorchError> {
        let (batch, size) = ((self.part * self.parts) as i64, self.part as i64);
        let index = step * self.parts + part; // of this part among all there ever are
        let (views, read) = self.loader.portion(index)?;
        let bring = |tensor: &Tensor| self.setting.bring(tensor);
        let views: Vec<Tensor> = views.iter().map(bring).collect();
        let images = self.data.space.clean(&views, |size| bring(&normal(self.seed.stream("latent", index), size)));
        let kept = uniform(self.seed.stream("dropout", index), &[size, 1]).ge(self.caption_dropout);
        let kept = if self.data.is_live() { bring(&kept) } else { kept }; // where what was read is
        let said = self.said(index, read)?.kept(&kept, self.empty.as_ref()).map(bring);

        // Levels are uniform, one from each of `batch` equal stretches: the same expectation as independent draws with less variance.
        let first = part as i64 * size;
        let stretch = Tensor::arange_start(first, first + size, (Kind::Double, Device::Cpu));
        let within = uniform(self.seed.stream("level", index), &[size]);
        let levels = self.schedule.levels() as f64;
        let level = ((stretch + within) / batch as f64 * levels).floor().clamp(0.0, levels - 1.0).to_kind(Kind::Int64);
        let level = bring(&level);

        let noise = bring(&normal(self.seed.stream("noise", index), &images.size()));
        Ok([images, noise, level].into_iter().chain(said.into_tensors()).collect())
    }

    fn loss(&self, given: &[Tensor]) -> Tensor {
        let [images, noise, level, said @ ..] = given else { unreachable!("`given` gives them") };
        let said = Said::of(said);
        let noisy = self.schedule.mix(images, noise, level);
        let forward = || thriftily(self.recompute, || self.model.denoise(&noisy, level, &self.model.told(&said)));
        let mut output = None;
        if self.macs.get().is_none() {
            let macs = count(|| output = Some(forward())).into_values().sum();
            self.macs.set(macs).expect("it was looked at just now");
        }
        let output = output.unwrap_or_else(forward);
        let output = output.to_kind(Kind::Float);
        let target = target(self.prediction, self.schedule, images, noise, level);
        match &self.weights {
            None => output.mse_loss(&target, tch::Reduction::Mean),
            Some(weights) => {
                let error = (output - target).square().mean_dim([1, 2, 3].as_slice(), false, None::<Kind>);
                (error * weights.index_select(0, level)).mean(None::<Kind>)
            }
        }
    }

    const REPEATS: bool = true;

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

/// What is learned from and what is held out, which must be of one autoencoder and one text encoder.
fn examples(spec: &TrainDenoiser, needs: &Needs, setting: Setting) -> Result<(Examples, Examples), TorchError> {
    let output = spec.text_output.unwrap_or_default();
    let live = needs.reader.as_ref().map(|handle| Live::open(handle, output, setting)).transpose()?.map(Rc::new);
    let config = spec.denoiser();
    let open = |name, data, latents, text| {
        let fed = Fed { name, data, latents, text, live: live.as_ref() };
        Examples::open(&fed, &config)
    };
    let data = open("data", &needs.data, needs.latents.as_ref(), needs.text.as_ref())?;
    let heldout = open("heldout", &needs.heldout, needs.heldout_latents.as_ref(), needs.heldout_text.as_ref())?;
    let vae = |examples: &Examples| examples.space.scale.map(|scale| scale.vae);
    if vae(&data) != vae(&heldout) {
        let problem = "`latents` and `heldout_latents` are of two autoencoders";
        return Err(TorchError::Mismatch(problem.into()));
    }
    if data.reader() != heldout.reader() {
        let problem = "`text` and `heldout_text` are of two text encoders, or of two outputs of one";
        return Err(TorchError::Mismatch(problem.into()));
    }
    Ok((data, heldout))
}

/// By which numbers the text encoder that is trained along knows words: those of what is learned from, which what is held out and what is gone on from must share.
fn numbering(needs: &Needs) -> Result<Numbering, TorchError> {
    let own = Numbering::of(&needs.data)?;
    own.demand(&Numbering::of(&needs.heldout)?, "`data` and `heldout` do not number their words alike")?;
    if let Some(init) = &needs.init {
        own.demand(&Numbering::behind(init)?, "`data` and what `init` learned from do not number their words alike")?;
    }
    Ok(own)
}

/// How captions are mixed, if they are.
fn mixing(spec: &TrainDenoiser, data: &Examples, seed: Seed) -> Result<Option<Mixing>, TorchError> {
    if spec.synthetic_captions <= 0.0 {
        return Ok(None);
    }
    let Some(there) = data.synthetic() else {
        let whose = if spec.frozen_text.is_some() && !data.is_live() { "text" } else { "data" };
        let problem = format!("`synthetic_captions` asks for captions that `{whose}` does not have");
        return Err(TorchError::Mismatch(problem));
    };
    let count = spec.synthetic_top.map_or(there, |top| top as i64);
    if count > there {
        let problem = format!("`synthetic_top` is {count} and there are {there} synthetic captions an image");
        return Err(TorchError::Mismatch(problem));
    }
    Ok(Some(Mixing { seed, share: spec.synthetic_captions, count }))
}

/// Trains a denoiser.
pub fn run(spec: TrainDenoiser, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let team = Team::assemble(context, spec.parts(), setting.device)?;
    let seed = match spec.seed {
        Some(number) => Seed::from_number(number),
        None => context.seed()?,
    };
    let (data, heldout) = examples(&spec, &needs, setting)?;
    let (space, reader) = (data.space.scale, data.reader());
    let config = Config { model: spec.denoiser(), noise: spec.noise, prediction: spec.prediction, space, reader };
    let mixing = mixing(&spec, &data, seed)?;
    let numbering = spec.frozen_text.is_none().then(|| numbering(&needs)).transpose()?;

    let schedule = Schedule::new(&spec.noise).on(setting.device);
    let params = Params::on(setting.device, seed.stream("init", 0));
    let model = Denoiser::new(&params, &config.model);
    if let Some(other) = &needs.init {
        start(&params, &config, other, spec.init_weights, spec.init_checkpoint)?;
    }
    let order = Order::new(seed, data.scenes.len());
    let (rank, world) = (team.rank() as u64, team.world() as u64);
    let portions = Portions { order, parts: spec.parts(), size: spec.part(), rank, world, batches: spec.steps };
    let objective = Denoising {
        model: &model,
        schedule: &schedule,
        setting,
        prediction: spec.prediction,
        weights: schedule.weights(spec.prediction, spec.weighting),
        data: &data,
        loader: Loader::new(Arc::clone(&data.lying), data.sequence(portions, mixing), READERS, AHEAD)?,
        heldout: {
            let count = spec.evaluate_images.min(heldout.scenes.len()) as i64;
            let (views, said) = heldout.first(count)?;
            // Both sets are scaled by the factor of what is learned from, or their losses would be of two problems.
            // Mixed on the processor, so that all devices look at the same.
            let images = data.space.clean(&views, Heldout::draws);
            Heldout::new(&images, said, &Schedule::new(&spec.noise), spec.prediction).on(setting)
        },
        order,
        seed,
        parts: spec.parts(),
        part: spec.part(),
        caption_dropout: spec.caption_dropout,
        empty: data.empty(),
        mixing,
        recompute: spec.recompute,
        macs: OnceCell::new(),
    };
    let cost = spec.cost();
    let origin = Origin::of(&spec, seed, context.environment(), &needs);
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
        setting,
        flops: cost.flops / spec.steps as f64,
    };
    let Some(outcome) = train(&params, &recipe, &objective, &team, context)? else {
        return Ok(Made::new()); // the leader makes it
    };

    write_tensors(&context.out("model.safetensors"), &params.named())?;
    if let Some(ema) = &outcome.ema {
        write_tensors(&context.out("ema.safetensors"), ema)?;
    }
    write_json(&context.out("config.json"), &config)?;
    if let Some(numbering) = numbering {
        numbering.keep(|name| context.out(name))?;
    }
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
