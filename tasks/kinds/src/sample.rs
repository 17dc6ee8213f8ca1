//! `sample-images`: images for the captions of a set of scenes.

use isoflop_contract::{Complaint, Cost, Environment, Feeders, Kind, Misfit, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{artifact, train::Weights, trained::Trained};

/// How to sample, with classifier-free guidance (arXiv 2207.12598).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SampleImages {
    /// Captions to sample for: the first so many.
    #[schemars(range(min = 1))]
    pub count: u64,
    /// Denoising steps, evenly spaced over the levels.
    #[serde(default = "steps")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub steps: u64,
    /// Which levels those are.
    #[serde(default)]
    pub spacing: Spacing,
    /// How a step is taken.
    #[serde(default)]
    pub sampler: Sampler,
    /// DDIM's η, the share of DDPM's noise that a step adds: 0 adds none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1))]
    pub eta: f64,
    /// Guidance: 1 follows the caption plainly, more exaggerates it.
    #[serde(default = "guidance")]
    #[schemars(range(min = 0))]
    pub guidance: f64,
    /// The weights to sample from.
    #[serde(default)]
    pub weights: Weights,
    /// The step of the model's checkpoint to sample from, instead of its end. `compute` and `images_seen` are then those up to there, and `loss` is the
    /// held-out loss that was measured there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub checkpoint: Option<u64>,
    /// The initial noise of prompt `i` depends on this and `i` alone, so that all models start from the same.
    #[serde(default)]
    pub noise_seed: u64,
    /// Whether each step's estimate of the image is held to the range of pixels. Latents have none, and are left alone.
    #[serde(default = "yes")]
    pub clip: bool,
}

/// How a step from one noise level to the next is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sampler {
    /// DDIM (Song et al. 2020, arXiv 2010.02502), which ends at the first level, as Stable Diffusion does.
    #[default]
    #[serde(rename = "ddim")]
    Ddim,
    /// DDPM's own (Ho et al. 2020, arXiv 2006.11239), with its smaller variance.
    #[serde(rename = "ddpm")]
    Ddpm,
    /// Euler's on the probability-flow equation (Karras et al. 2022, arXiv 2206.00364), down to no noise at all.
    #[serde(rename = "euler")]
    Euler,
    /// DPM-Solver++(2M) (Lu et al. 2022, arXiv 2211.01095): second order, for few steps.
    #[serde(rename = "dpm-solver++")]
    DpmSolver,
}

/// Which noise levels sampling visits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Spacing {
    /// One above multiples of the stride, as with Stable Diffusion: the last level is left out.
    #[default]
    Leading,
    /// From the last level down, for models whose last level is all noise (Lin et al. 2023, arXiv 2305.08891).
    Trailing,
}

fn steps() -> u64 {
    50
}

fn guidance() -> f64 {
    7.5
}

fn yes() -> bool {
    true
}

ports! {
    /// What sampling needs.
    pub struct Needs {
        /// The denoiser to sample from.
        model: One<artifact::Denoiser>,
        /// Images whose captions are the prompts.
        prompts: One<artifact::Set>,
        /// The autoencoder that the model's latents are of, where it denoises latents.
        vae: Maybe<artifact::Vae>,
        /// The text encoder that the model's captions were read by, where that was frozen.
        text: Maybe<artifact::Clip>,
    }
}

impl Kind for SampleImages {
    const NAME: &'static str = "sample-images";
    // 1: first version. 2: `weights`. 3: `sampler` and `eta`, `checkpoint` and `spacing`; no `batch`: an image does not depend on which others are
    // sampled. 4: a checkpoint's sample tells the held-out loss of the checkpoint, and nothing of the training's end.
    const REVISION: u32 = 4;
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false; // `noise_seed` is the only randomness, so all models share it
    const FOLLOWS: &'static [&'static str] = &["model"];
    const ABOUT: &'static str = "Samples images for the captions of a set of scenes.";
    const EXAMPLE: &'static str = "count: 256\nsteps: 20\nguidance: 3\n";
    type Needs = Needs;
    type Makes = artifact::Images;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless(self.count > 0, "count", "must be positive")?;
        Complaint::unless((1..=1_000_000).contains(&self.steps), "steps", "must be between 1 and 1000000")?;
        Complaint::unless((0.0..=1.0).contains(&self.eta), "eta", "must be between 0 and 1")?;
        Complaint::unless(self.checkpoint != Some(0), "checkpoint", "is a step, and the first is 1")?;
        let alone = self.eta == 0.0 || self.sampler == Sampler::Ddim;
        Complaint::unless(alone, "eta", "belongs to `sampler: ddim` alone")?;
        Complaint::unless(self.guidance.is_finite() && self.guidance >= 0.0, "guidance", "must not be negative")
    }

    fn follows(&self, feeders: &Feeders<'_>, _here: &Environment) -> Vec<Misfit> {
        let Some(model) = Trained::behind(feeders("model")) else { return Vec::new() };
        let tied = |port: &'static str, said: bool, wants: &str, who: &str, otherwise: &str| {
            let (at, problem, hint) = match (said, feeders(port).is_some()) {
                (true, false) => {
                    let problem = format!("samples from a model that {wants}, and feeds nothing to the port `{port}`");
                    ("model", problem, format!("feed it {who}: `needs: {{ {port}: … }}`"))
                }
                (false, true) => {
                    let problem = format!("feeds the port `{port}`, and samples from a model that {otherwise}");
                    (port, problem, "leave the port out".to_owned())
                }
                _ => return None,
            };
            Some(Misfit { port: at, problem, hint })
        };
        let space = ("denoises latents", "the autoencoder that they are of", "denoises pixels");
        let text = ("reads frozen text", "the encoder that read it", "has a text encoder of its own");
        [
            tied("vae", model.in_latents(), space.0, space.1, space.2),
            tied("text", model.reads_frozen_text(), text.0, text.1, text.2),
            model.lacks("model", self.weights, self.checkpoint),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn cost(&self) -> Cost {
        Cost::default() // depends on the model, which is a need
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::{Entry, Feeder};
    use serde_json::{Value, json};

    use super::*;

    /// What is said of sampling with `with` from a training with `more`, where these ports are fed.
    fn said(more: Value, with: Value, fed: &[&str]) -> Vec<String> {
        let mut spec = json!({
            "backbone": {"family": "dit", "width": 32, "depth": 1, "heads": 2, "condition": {"text": 64}}, "steps": 9, "batch": 2, "learning_rate": 1e-3, "warmup": 0
        });
        let mut own = json!({"count": 1});
        for (whole, part) in [(&mut spec, more), (&mut own, with)] {
            whole.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
        }
        let environment = &Environment::default_for(Runtime::Torch);
        let feeder = |port: &str| match port {
            "model" => Some(Feeder { kind: "train-denoiser", spec: &spec, environment }),
            port => fed.contains(&port).then_some(Feeder { kind: "train-vae", spec: &Value::Null, environment }),
        };
        let misfits = Entry::of::<SampleImages>().follows(&own, &feeder, environment);
        misfits.into_iter().map(|misfit| format!("{}: {} ({})", misfit.port, misfit.problem, misfit.hint)).collect()
    }

    #[test]
    fn ports_and_weights_are_those_of_the_model() {
        let latent = json!({"latent": {"channels": 4, "shrink": 2}, "frozen_text": {"tokens": 4, "width": 16}});
        assert_eq!(said(json!({}), json!({}), &[]), [""; 0]);
        assert_eq!(said(latent.clone(), json!({}), &["vae", "text"]), [""; 0]);
        assert_eq!(
            said(latent, json!({}), &["text"]),
            [
                "model: samples from a model that denoises latents, and feeds nothing to the port `vae` (feed it the autoencoder that they are of: \
              `needs: { vae: … }`)"
            ]
        );
        assert_eq!(
            said(json!({}), json!({}), &["text"]),
            [
                "text: feeds the port `text`, and samples from a model that has a text encoder of its own (leave the port out)"
            ]
        );
        assert_eq!(
            said(json!({}), json!({"weights": "ema"}), &[]),
            [
                "model: asks for averaged weights, and the training at its port `model` keeps no `ema` (say `ema: { decay: 0.999 }` there, or `raw` \
              weights here)"
            ]
        );
        let step = |kept: Value, step: u64| said(json!({"checkpoints": kept}), json!({"checkpoint": step}), &[]);
        assert_eq!(step(json!([3, 6]), 6), [""; 0]);
        let lacking = |hint: &str, step: u64| {
            [format!(
                "model: asks for step {step}, and the training at its port `model` keeps no checkpoint of it ({hint})"
            )]
        };
        assert_eq!(step(json!([3, 6]), 4), lacking("it keeps those of 3, 6", 4));
        assert_eq!(step(json!([]), 4), lacking("say `checkpoints: [4]` there", 4));
        assert_eq!(step(json!([3]), 9), lacking("leave the step out: that is its end", 9));
        // Trainings of several lengths may share a list, and a short one does not come to all of it.
        assert_eq!(step(json!([3, 9, 12]), 9), [""; 0]);
        assert_eq!(step(json!([3, 9, 12]), 4), lacking("it keeps those of 3, 9", 4));
        assert_eq!(step(json!([3, 12]), 12), lacking("it ends at step 9", 12));
    }
}
