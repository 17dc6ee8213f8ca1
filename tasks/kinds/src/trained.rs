//! A training as a task that takes its denoiser sees it in the plan.

use isoflop_contract::{Feeder, Kind, Misfit};
use serde::{Deserialize, de::IgnoredAny};

use crate::train::{TrainDenoiser, Weights};

/// What a plan tells of a training whose denoiser another task is to take. Read for each cell, so no more of its spec is.
#[derive(Debug, Deserialize)]
pub struct Trained {
    steps: u64,
    #[serde(default)]
    checkpoints: Vec<u64>,
    ema: Option<IgnoredAny>,
    latent: Option<IgnoredAny>,
    frozen_text: Option<IgnoredAny>,
}

impl Trained {
    /// The training that feeds a port, where the plan knows it: a program of the study's own may make denoisers too.
    pub fn behind(feeder: Option<Feeder<'_>>) -> Option<Self> {
        let feeder = feeder.filter(|feeder| feeder.kind == TrainDenoiser::NAME)?;
        Self::deserialize(feeder.spec).ok()
    }

    /// Says of weights that are wanted from the denoiser at `port` that it will not have them, if so.
    pub fn lacks(&self, port: &'static str, weights: Weights, step: Option<u64>) -> Option<Misfit> {
        if weights == Weights::Ema && self.ema.is_none() {
            let problem = format!("asks for averaged weights, and the training at its port `{port}` keeps no `ema`");
            let hint = "say `ema: { decay: 0.999 }` there, or `raw` weights here".to_owned();
            return Some(Misfit { port, problem, hint });
        }
        // A list may go on past the end, for longer trainings.
        let kept: Vec<u64> = self.checkpoints.iter().copied().filter(|&kept| kept <= self.steps).collect();
        let step = step.filter(|step| !kept.contains(step))?;
        let problem = format!("asks for step {step}, and the training at its port `{port}` keeps no checkpoint of it");
        let hint = match kept.as_slice() {
            _ if step == self.steps => "leave the step out: that is its end".to_owned(),
            _ if step > self.steps => format!("it ends at step {}", self.steps),
            [] => format!("say `checkpoints: [{step}]` there"),
            kept => {
                let kept: Vec<String> = kept.iter().map(u64::to_string).collect();
                format!("it keeps those of {}", kept.join(", "))
            }
        };
        Some(Misfit { port, problem, hint })
    }

    /// Whether it denoises latents.
    pub fn in_latents(&self) -> bool {
        self.latent.is_some()
    }

    /// Whether it reads text that a frozen encoder read.
    pub fn reads_frozen_text(&self) -> bool {
        self.frozen_text.is_some()
    }
}
