//! The body of `sample-images`.

use std::collections::BTreeMap;

use isoflop_contract::{Handle, Seed};
use isoflop_kinds::{
    artifact,
    sample::{Needs, SampleImages},
};
use isoflop_worker::{Context, Halt, Interrupted, Made};
use tch::{Device, Kind, Tensor, no_grad};

use super::{
    encoder::{Encoder, words},
    examples::readable,
    latent::vae,
    numbering::Numbering,
    settle::settle,
    standing::at_step,
    start::weights_file,
    train_denoiser::Config,
};
use crate::{
    data::{Scenes, pixels, read_json, write_preview, write_tensors},
    diffusion::{Schedule, Walk, estimate, guide, levels},
    error::TorchError,
    models::{AutoencoderKl, Denoiser, Reading, Said, Told},
    nn::{Params, Replay, Setting, precise},
    train::normal,
    weights::{Weights as Files, load_at as load_weights},
};

/// Images that go through the network together, however many are wanted: always so many, because the last bits of a row may depend on how many there are. So
/// an image depends on its prompt and its place in its block alone.
const BLOCK: u64 = 16;

/// A trained denoiser with its config.
fn load(
    handle: &Handle<artifact::Denoiser>,
    spec: &SampleImages,
    setting: Setting,
) -> Result<(Config, Denoiser), TorchError> {
    let config: Config = read_json(&handle.file("config.json"))?;
    config.model.check().map_err(TorchError::Config)?;
    config.noise.check("noise").map_err(TorchError::Config)?;
    let params = Params::hollow();
    let model = Denoiser::new(&params, &config.model);
    let file = weights_file(handle, spec.weights, spec.checkpoint)?;
    load_weights(&params, "denoiser", &Files::open(&file)?, (Kind::Float, setting.device))?;
    Ok((config, model))
}

/// How the model is told of captions.
enum Prompts {
    /// In words, which it reads itself.
    Words { tokens: i64 },
    /// As a frozen encoder reads them.
    Frozen { encoder: Box<Encoder>, names: Vec<String>, empty: Reading },
}

impl Prompts {
    fn open(config: &Config, needs: &Needs, prompts: &Scenes, setting: Setting) -> Result<Self, TorchError> {
        let wrong = |problem: &str| Err(TorchError::Mismatch(problem.to_owned()));
        match (config.reader, &needs.text) {
            (None, None) => {
                readable(&config.model, prompts, "prompts")?;
                let said = "`prompts` and what the model learned from do not number their words alike";
                Numbering::behind(&needs.model)?.demand(&Numbering::of(&needs.prompts)?, said)?;
                Ok(Self::Words { tokens: config.model.tokens() as i64 })
            }
            (Some(reader), Some(text)) if reader.text == text.digest() => {
                let encoder = Box::new(Encoder::open(text, reader.output, setting)?);
                let names = words(&needs.prompts)?;
                let empty = encoder.read_nothing(prompts, &names)?;
                Ok(Self::Frozen { encoder, names, empty })
            }
            (Some(_), Some(_)) => wrong("the model was trained on what another text encoder than that of `text` read"),
            (Some(_), None) => {
                wrong("the model reads what a frozen text encoder reads, and the port `text` is fed nothing")
            }
            (None, Some(_)) => wrong("the model has a text encoder of its own, and the port `text` is fed another"),
        }
    }

    /// What is said of these rows; `guided`, the empty caption as often before them.
    fn of(&self, prompts: &Scenes, rows: &Tensor, guided: bool) -> Result<Said, TorchError> {
        Ok(match self {
            Self::Words { tokens } => {
                let captions = prompts.captions(rows, *tokens);
                Said::Words(if guided { Tensor::cat(&[&captions.zeros_like(), &captions], 0) } else { captions })
            }
            Self::Frozen { encoder, names, empty } => {
                let read = encoder.read_rows(prompts, rows, None, names)?;
                let both = |nothing: &Tensor, read: &Tensor| Tensor::cat(&[&nothing.expand_as(read), read], 0);
                Said::Read(if guided {
                    Reading::of([
                        both(&empty.tokens, &read.tokens),
                        both(&empty.pooled, &read.pooled),
                        both(&empty.mask, &read.mask),
                    ])
                } else {
                    read
                })
            }
        })
    }
}

/// What brings latents back to pixels, and the factor they are multiplied by; none if the model denoises pixels.
fn decoder(config: &Config, needs: &Needs, device: Device) -> Result<Option<(AutoencoderKl, f64)>, TorchError> {
    let wrong = |problem: &str| Err(TorchError::Mismatch(problem.to_owned()));
    match (config.space, &needs.vae) {
        (None, None) => Ok(None),
        (Some(space), Some(handle)) if space.vae == handle.digest() => {
            Ok(Some((vae(handle, device)?.1, space.scaling_factor)))
        }
        (Some(_), Some(_)) => wrong("the model denoises latents of another autoencoder than that of `vae`"),
        (Some(_), None) => wrong("the model denoises latents, and the port `vae` is fed nothing"),
        (None, Some(_)) => wrong("the model denoises pixels, and the port `vae` is fed an autoencoder"),
    }
}

/// Samples images for captions.
pub fn run(spec: SampleImages, needs: Needs, context: &mut Context) -> Result<Made, Halt> {
    let setting = settle(context)?;
    let (config, model) = load(&needs.model, &spec, setting)?;
    let prompts = Scenes::read_captions(&needs.prompts)?;
    let said = Prompts::open(&config, &needs, &prompts, setting)?;
    let decoder = decoder(&config, &needs, setting.device)?;
    if spec.count > prompts.len() {
        let problem = format!("`count` is {} and `prompts` has {} scenes", spec.count, prompts.len());
        return Err(TorchError::Mismatch(problem).into());
    }

    let schedule = Schedule::new(&config.noise).on(setting.device);
    let side = config.model.size() as i64;
    let (channels, patch) = (config.model.backbone.in_channels() as i64, config.model.patch as i64);
    let seed = Seed::from_number(spec.noise_seed);
    let walk = levels(schedule.levels(), spec.steps as usize, spec.spacing);
    let mut images = Vec::new();
    let mut replay = Replay::on(setting.device);
    let total = spec.count.div_ceil(BLOCK) * walk.len() as u64;
    let mut done = 0;
    for start in (0..spec.count).step_by(BLOCK as usize) {
        let mut walk_of_block = Walk::new(spec.sampler, &schedule, &walk, spec.eta, spec.clip && decoder.is_none());
        // The last block is filled up with the prompts that follow, or the last of all over again.
        let batch: Vec<i64> = (start..start + BLOCK).map(|i| i.min(prompts.len() - 1) as i64).collect();
        let rows = Tensor::from_slice(&batch);
        let noise = |&i: &i64| normal(seed.stream("initial-noise", i as u64), &[channels, side, side]);
        let mut x = setting.bring(&Tensor::stack(&batch.iter().map(noise).collect::<Vec<_>>(), 0));
        let images_of_batch = no_grad(|| -> Result<Tensor, Halt> {
            let guided = (spec.guidance - 1.0).abs() > f64::EPSILON;
            // Guided, the empty caption goes through the model beside the real one.
            let said = said.of(&prompts, &rows, guided)?.map(|tensor| setting.bring(tensor));
            // Read once a block; where the walk is recorded, once a step, since what is recorded begins with what comes from outside.
            let text = precise(setting, || model.told(&said));
            let said = said.into_tensors();
            for (step, &at) in walk.iter().enumerate() {
                if context.should_stop() {
                    return Err(Interrupted.into());
                }
                let input = if guided { Tensor::cat(&[&x, &x], 0) } else { x.shallow_clone() };
                let level = Tensor::full(input.size()[0], at as i64, (Kind::Int64, setting.device));
                let denoise = |input: &Tensor, level: &Tensor, text: &Told| {
                    precise(setting, || model.denoise(input, level, text)).to_kind(Kind::Float)
                };
                let anew = |given: &[Tensor]| {
                    let [input, level, said @ ..] = given else { unreachable!("they are given below") };
                    vec![denoise(input, level, &precise(setting, || model.told(&Said::of(said))))]
                };
                let given: Vec<Tensor> = [&input, &level].into_iter().chain(&said).map(Tensor::shallow_clone).collect();
                let mut output = match replay.again(&given, anew) {
                    // A sampler may keep what it is given until the next step, by when this place holds something else.
                    Some(made) => made[0].copy(),
                    None => denoise(&input, &level, &text),
                };
                if guided {
                    let halves = output.chunk(2, 0);
                    output = guide(&halves[0], &halves[1], spec.guidance);
                }
                let seen = estimate(config.prediction, &schedule, &x, output, &level.narrow(0, 0, x.size()[0]));
                let fresh = || {
                    let of = |&i: &i64| {
                        normal(seed.stream("step-noise", i as u64).stream("step", step as u64), &[channels, side, side])
                    };
                    setting.bring(&Tensor::stack(&batch.iter().map(of).collect::<Vec<_>>(), 0))
                };
                x = walk_of_block.step(step, &x, (seen.image, seen.noise), fresh);
                done += 1;
                context.progress(done, total);
            }
            let x = x.pixel_shuffle(patch);
            Ok(match &decoder {
                Some((network, factor)) => network.decode(&(x / *factor)),
                None => x,
            })
        })?;
        images.push(pixels(&images_of_batch).to_device(Device::Cpu).narrow(
            0,
            0,
            (spec.count - start).min(BLOCK) as i64,
        ));
    }

    let images = Tensor::cat(&images, 0);
    write_preview(&context.out("preview.png"), &images)?;
    write_tensors(&context.out("images.safetensors"), &BTreeMap::from([("images".to_owned(), images)]))?;
    let made = Made::new().scalar("images", spec.count as f64)?;
    match spec.checkpoint {
        Some(step) => {
            at_step(&needs.model, step).into_iter().try_fold(made, |made, (name, value)| Ok(made.scalar(name, value)?))
        }
        None => Ok(made.inherit(&needs.model)),
    }
}
