//! What a training goes on from: all that it is between two steps. Parameters, both moments of the optimizer and the average of the weights by name,
//! the count of steps, sums under way and the curve. Nothing random is in it, since batches, levels and noise follow from seed and step.

use std::{collections::BTreeMap, path::Path};

use isoflop_kinds::train::{self, Weights};
use serde::{Deserialize, Serialize};
use tch::{Tensor, no_grad};

use super::{AdamW, Curve, Settings, ema::Ema, health::Watch, kept};
use crate::{
    data::{read_tensors_with, write_tensors, write_tensors_with},
    error::TorchError,
    nn::Params,
};

/// The file of a checkpoint.
pub(super) const FILE: &str = "training.safetensors";

/// The metadata's member.
const MEMBER: &str = "training";

/// The version of what is in the metadata.
const FORMAT: u32 = 2;

/// What trains: the parameters with the optimizer's moments, and their average.
#[derive(Debug)]
pub(super) struct State {
    optimizer: AdamW,
    ema: Option<Ema>,
}

impl State {
    /// `params` before the first step.
    pub(super) fn new(params: &Params, settings: Settings, ema: Option<train::Ema>) -> Self {
        let optimizer = AdamW::new(params.pack(), settings);
        let ema = ema.map(|settings| Ema::new(optimizer.packed(), optimizer.range(), settings));
        Self { optimizer, ema }
    }

    /// One step down the gradients that backward passes left at the parameters. Answers with their norm.
    pub(super) fn step(&mut self, rate: f64) -> Tensor {
        self.optimizer.packed().collect();
        let norm = no_grad(|| self.optimizer.packed().gradient.norm());
        self.optimizer.descend(&norm, rate);
        if let Some(ema) = &mut self.ema {
            ema.update(self.optimizer.packed(), self.optimizer.steps() as u64);
        }
        norm
    }

    /// What `run` finds with these weights in place.
    pub(super) fn seen<T>(&self, weights: Weights, run: impl FnOnce() -> T) -> T {
        match (&self.ema, weights) {
            (Some(ema), Weights::Ema) => ema.in_place(self.optimizer.packed(), run),
            _ => run(),
        }
    }

    /// The average of the weights by name, where one is kept.
    pub(super) fn ema(&self) -> Option<BTreeMap<String, Tensor>> {
        Some(self.optimizer.packed().cut(self.ema.as_ref()?.flat()))
    }

    /// The norm of the weights.
    pub(super) fn norm(&self) -> f64 {
        no_grad(|| self.optimizer.packed().flat.norm()).double_value(&[])
    }

    /// Writes the weights, and their average, as those of checkpoint `step` into `folder`.
    pub(super) fn keep(&self, folder: &Path, step: u64) -> Result<(), TorchError> {
        let packed = self.optimizer.packed();
        write_tensors(&folder.join(kept::name(step, Weights::Raw)), &packed.cut(&packed.flat))?;
        match self.ema() {
            Some(ema) => write_tensors(&folder.join(kept::name(step, Weights::Ema)), &ema),
            None => Ok(()),
        }
    }

    /// Everything in one map, by name: `model.…`, `first.…`, `second.…`, `ema.…`.
    fn tensors(&self) -> BTreeMap<String, Tensor> {
        let packed = self.optimizer.packed();
        let (first, second) = self.optimizer.moments();
        let mut parts = vec![("model", &packed.flat), ("first", first), ("second", second)];
        parts.extend(self.ema.as_ref().map(|ema| ("ema", ema.flat())));
        let named = |(prefix, flat)| {
            packed.cut(flat).into_iter().map(move |(name, tensor)| (format!("{prefix}.{name}"), tensor))
        };
        parts.into_iter().flat_map(named).collect()
    }

    /// Reads everything back. Nothing is touched unless all of it fits.
    pub(super) fn load(&mut self, path: &Path) -> Result<Progress, TorchError> {
        let wrong = |problem: &str| TorchError::Inconsistent { path: path.to_owned(), problem: problem.to_owned() };
        let (tensors, metadata) = read_tensors_with(path)?;
        let head = metadata.get(MEMBER).ok_or_else(|| wrong("it says nothing of a training"))?;
        let head: Head =
            serde_json::from_str(head).map_err(|source| TorchError::Json { path: path.to_owned(), source })?;
        if head.format != FORMAT {
            return Err(wrong("it was written in another format"));
        }
        let packed = self.optimizer.packed();
        let flat = |prefix: &str| -> Result<Tensor, TorchError> {
            let named = tensors.iter().filter_map(|(name, tensor)| {
                let name = name.strip_prefix(prefix)?.strip_prefix('.')?;
                Some((name.to_owned(), tensor.shallow_clone()))
            });
            packed.join(&named.collect()).map_err(|error| wrong(&format!("of `{prefix}`, {error}")))
        };
        let (model, first, second) = (flat("model")?, flat("first")?, flat("second")?);
        if tensors.len() != (3 + usize::from(self.ema.is_some())) * packed.names().len() {
            return Err(wrong("it holds more or fewer tensors than this training has"));
        }
        if let Some(ema) = &mut self.ema {
            ema.restore(&flat("ema")?);
        }
        no_grad(|| packed.flat.shallow_clone().copy_(&model));
        self.optimizer.restore(&first, &second, head.optimizer_steps);
        Ok(head.progress)
    }
}

/// A mean under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    pub(super) fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    /// The mean so far, and a fresh start.
    pub(super) fn take(&mut self) -> f64 {
        let mean = self.sum / self.count.max(1) as f64;
        *self = Self::default();
        mean
    }
}

/// How far a training is, besides its tensors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Progress {
    /// Steps taken.
    pub(super) done: u64,
    /// Losses since a point of the series `loss`.
    pub(super) window: Mean,
    /// Losses since a point of the curve.
    pub(super) since: Mean,
    /// Losses of the last tenth.
    pub(super) last: Mean,
    /// How the losses fare.
    pub(super) watch: Watch,
    pub(super) history: Vec<Curve>,
}

/// What the metadata holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    optimizer_steps: i32,
    progress: Progress,
}

impl Progress {
    /// Writes everything to the file `path`.
    pub(super) fn save(&self, path: &Path, state: &State) -> Result<(), TorchError> {
        let head = Head { format: FORMAT, optimizer_steps: state.optimizer.steps(), progress: self.clone() };
        let head = serde_json::to_string(&head).map_err(|source| TorchError::Json { path: path.to_owned(), source })?;
        write_tensors_with(path, &state.tensors(), &[(MEMBER, &head)])
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Seed;
    use isoflop_kinds::train::Decays;
    use tch::{Device, Kind};

    use super::*;
    use crate::nn::Init;

    fn network(seed: u64, ema: bool) -> (Params, State) {
        let params = Params::new(Seed::from_number(seed));
        let _ = params.root().param("weight", &[3, 2], Init::Normal(1.0));
        let _ = params.root().param("bias", &[2], Init::Normal(1.0));
        let settings =
            Settings { betas: [0.9, 0.99], epsilon: 1e-8, weight_decay: 0.1, decays: Decays::Matrices, clip: 1.0 };
        let state = State::new(&params, settings, ema.then_some(train::Ema { decay: 0.9, ramp: true }));
        (params, state)
    }

    fn step(params: &Params, state: &mut State) {
        let named = params.named();
        let out = Tensor::ones([1, 3], (Kind::Float, Device::Cpu)).matmul(&named["weight"]) + &named["bias"];
        out.square().sum(None).backward();
        let _ = state.step(0.01);
    }

    fn all(state: &State) -> BTreeMap<String, Tensor> {
        state.tensors().into_iter().map(|(name, tensor)| (name, no_grad(|| tensor.copy()))).collect()
    }

    #[test]
    fn a_training_goes_on_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for ema in [false, true] {
            let (params, mut state) = network(1, ema);
            step(&params, &mut state);
            step(&params, &mut state);
            let mut progress = Progress { done: 2, ..Progress::default() };
            progress.window.add(0.1);
            progress.window.add(0.2);
            progress.history.push(Curve { step: 2, loss: 1.0 / 3.0, heldout: 2.0_f64.sqrt() });
            progress.save(&path, &state).unwrap();
            let saved = all(&state);
            assert_eq!(saved.len(), if ema { 8 } else { 6 });
            step(&params, &mut state);
            assert!(saved.iter().all(|(name, tensor)| *tensor != all(&state)[name]), "a step moves everything");

            // Another start, which must leave no trace.
            let (other, mut resumed) = network(2, ema);
            assert_eq!(resumed.load(&path).unwrap(), progress);
            assert_eq!(all(&resumed), saved);
            step(&other, &mut resumed);
            assert_eq!(all(&resumed), all(&state));
            assert_eq!(resumed.optimizer.steps(), 3);
        }
    }

    #[test]
    fn what_does_not_fit_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let (params, mut state) = network(1, false);
        step(&params, &mut state);
        Progress::default().save(&path, &state).unwrap();

        let other = Params::new(Seed::from_number(2));
        let _ = other.root().param("weight", &[3, 2], Init::Normal(1.0));
        let _ = other.root().param("bias", &[2], Init::Normal(1.0));
        let _ = other.root().param("more", &[1], Init::Ones);
        let mut resumed = State::new(&other, state.optimizer.settings(), None);
        let before = other.named()["weight"].copy();
        let error = resumed.load(&path).unwrap_err().to_string();
        assert!(
            error.contains("of `model`, these are not the numbers of this model: 1 missing\n  missing: more [1]"),
            "{error}"
        );
        assert_eq!(other.named()["weight"], before);

        let (averaged, mut resumed) = network(2, true);
        let error = resumed.load(&path).unwrap_err().to_string();
        assert!(error.contains("more or fewer tensors"), "{error}");
        assert_ne!(averaged.named()["weight"], params.named()["weight"]);

        write_tensors(&path, &params.named()).unwrap();
        let error = state.load(&path).unwrap_err().to_string();
        assert!(error.contains("says nothing of a training"), "{error}");
    }
}
