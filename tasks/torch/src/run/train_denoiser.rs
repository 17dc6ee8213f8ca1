//! The body of `train-denoiser`.

use isoflop_contract::{Kind as _, Seed};
use isoflop_kinds::{
    model,
    train::{Needs, Noise, Prediction, TrainDenoiser},
};
use isoflop_worker::{Context, Halt, Made};
use tch::{Device, Kind, Tensor};

use super::settle::settle;
use crate::{
    data::{Order, Scenes, write_bytes, write_json, write_tensors},
    diffusion::{Schedule, noise_in},
    error::TorchError,
    models::Denoiser,
    nn::Params,
    train::{Heldout, Objective, Recipe, Settings, normal, train},
};

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
    data: &'a Scenes,
    heldout: Heldout,
    order: Order,
    seed: Seed,
    /// In how many parts a batch goes through the network, and images in each.
    parts: u64,
    part: u64,
    tokens: i64,
    patch: i64,
    caption_dropout: f64,
}

impl Objective for Denoising<'_> {
    fn parts(&self) -> u64 {
        self.parts
    }

    fn loss(&self, step: u64, part: u64) -> Tensor {
        let (batch, size) = ((self.part * self.parts) as i64, self.part as i64);
        let index = step * self.parts + part; // of this part among all there ever are
        let rows = self.order.rows(index, self.part);
        let images = self.data.images(&rows).pixel_unshuffle(self.patch);
        let captions = self.data.captions(&rows, self.tokens);
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
        let output = self.model.denoise(&noisy, &level, &self.model.read(&captions));
        let seen = noise_in(self.prediction, self.schedule, &noisy, output, &level);
        seen.mse_loss(&noise, tch::Reduction::Mean)
    }

    fn evaluate(&self) -> (&'static str, f64) {
        ("heldout_loss", self.heldout.loss(self.model, self.schedule))
    }
}

/// Uniform doubles in [0, 1) that depend on `seed` alone.
fn uniform(seed: Seed, size: &[i64]) -> Tensor {
    tch::manual_seed(seed.get() as i64);
    Tensor::rand(size, (Kind::Double, Device::Cpu))
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
    settle(context)?;
    let seed = context.seed()?;
    let config = spec.denoiser();
    let (data, heldout) = (Scenes::read(&needs.data)?, Scenes::read(&needs.heldout)?);
    fit(&config, &data, "data")?;
    fit(&config, &heldout, "heldout")?;

    let schedule = Schedule::new(&spec.noise);
    let params = Params::new(seed.stream("init", 0));
    let model = Denoiser::new(&params, &config);
    let tokens = config.text.tokens as i64;
    let objective = Denoising {
        model: &model,
        schedule: &schedule,
        prediction: spec.prediction,
        data: &data,
        heldout: Heldout::new(&heldout, spec.evaluate_images, &config, &schedule, spec.prediction),
        order: Order::new(seed, data.len()),
        seed,
        parts: spec.batch / spec.part(),
        part: spec.part(),
        tokens,
        patch: spec.patch as i64,
        caption_dropout: spec.caption_dropout,
    };
    let recipe = Recipe {
        steps: spec.steps,
        learning_rate: spec.learning_rate,
        warmup: spec.warmup,
        schedule: spec.schedule,
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
    };
    let outcome = train(&params, &recipe, &objective, context)?;

    write_tensors(&context.out("model.safetensors"), &params.named())?;
    if let Some(ema) = &outcome.ema {
        write_tensors(&context.out("ema.safetensors"), ema)?;
    }
    write_json(&context.out("config.json"), &Config { model: config, noise: spec.noise, prediction: spec.prediction })?;
    write_bytes(&context.out("history.csv"), outcome.csv("heldout_loss").as_bytes())?;
    let cost = spec.cost();
    Ok(Made::new()
        .scalar("loss", outcome.heldout)?
        .scalar("train_loss", outcome.loss)?
        .scalar("params", params.count() as f64)?
        .scalar("macs", cost.macs.expect("training knows its multiply-accumulates") as f64)?
        .scalar("compute", cost.flops)?
        .scalar("images_seen", (spec.batch * spec.steps) as f64)?)
}
