//! What a training goes on from: all that it is between two steps. Parameters and both moments of the optimizer by name, its count of steps,
//! sums under way and the curve. Nothing random is in it, since batches, levels and noise follow from seed and step.

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::{AdamW, Curve};
use crate::{
    data::{read_tensors_with, write_tensors_with},
    error::TorchError,
    nn::Params,
};

/// The file of a checkpoint.
pub(super) const FILE: &str = "training.safetensors";

/// The metadata's member.
const MEMBER: &str = "training";

/// The version of what is in the metadata.
const FORMAT: u32 = 1;

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
    pub(super) fn save(&self, path: &Path, params: &Params, optimizer: &AdamW) -> Result<(), TorchError> {
        let mut tensors = BTreeMap::new();
        let (first, second) = optimizer.moments();
        let mut offset = 0;
        for (name, tensor) in params.named() {
            let length = tensor.numel() as i64;
            let part = |flat: &Tensor| flat.narrow(0, offset, length).view(tensor.size().as_slice());
            tensors.insert(format!("first.{name}"), part(first));
            tensors.insert(format!("second.{name}"), part(second));
            offset += length;
            tensors.insert(format!("model.{name}"), tensor);
        }
        let head = Head { format: FORMAT, optimizer_steps: optimizer.steps(), progress: self.clone() };
        let head = serde_json::to_string(&head).map_err(|source| TorchError::Json { path: path.to_owned(), source })?;
        write_tensors_with(path, &tensors, &[(MEMBER, &head)])
    }

    /// Reads everything back, the tensors into `params` and `optimizer`. Nothing is touched unless all of it fits.
    pub(super) fn load(path: &Path, params: &Params, optimizer: &mut AdamW) -> Result<Self, TorchError> {
        let wrong = |problem: &str| TorchError::Inconsistent { path: path.to_owned(), problem: problem.to_owned() };
        let (tensors, metadata) = read_tensors_with(path)?;
        let head = metadata.get(MEMBER).ok_or_else(|| wrong("it says nothing of a training"))?;
        let head: Head =
            serde_json::from_str(head).map_err(|source| TorchError::Json { path: path.to_owned(), source })?;
        if head.format != FORMAT {
            return Err(wrong("it was written in another format"));
        }
        let part = |prefix: &str| -> BTreeMap<String, Tensor> {
            let named = tensors.iter().filter_map(|(name, tensor)| Some((name.strip_prefix(prefix)?, tensor)));
            named.map(|(name, tensor)| (name.to_owned(), tensor.shallow_clone())).collect()
        };
        let flat = |prefix: &str| -> Result<Tensor, TorchError> {
            let parts = part(prefix);
            let whole = params.named().into_iter().map(|(name, tensor)| match parts.get(&name) {
                Some(part) if part.size() == tensor.size() => Ok(part.reshape([-1])),
                _ => Err(wrong(&format!("it lacks `{prefix}{name}` as the model has it"))),
            });
            Ok(Tensor::cat(&whole.collect::<Result<Vec<_>, _>>()?, 0))
        };
        let (first, second) = (flat("first.")?, flat("second.")?);
        params.load(&part("model."))?;
        optimizer.restore(&first, &second, head.optimizer_steps);
        Ok(head.progress)
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Seed;
    use tch::{Device, Kind, no_grad};

    use super::*;
    use crate::{nn::Init, train::Settings};

    fn network(seed: u64) -> (Params, AdamW) {
        let params = Params::new(Seed::from_number(seed));
        let _ = params.root().param("weight", &[3, 2], Init::Normal(1.0));
        let _ = params.root().param("bias", &[2], Init::Normal(1.0));
        let settings = Settings { betas: [0.9, 0.99], epsilon: 1e-8, weight_decay: 0.1, clip: 1.0 };
        let optimizer = AdamW::new(params.pack(), settings);
        (params, optimizer)
    }

    fn step(params: &Params, optimizer: &mut AdamW) {
        let named = params.named();
        let out = Tensor::ones([1, 3], (Kind::Float, Device::Cpu)).matmul(&named["weight"]) + &named["bias"];
        optimizer.step(&out.square().sum(None), 0.01);
    }

    fn all(params: &Params, optimizer: &AdamW) -> Vec<Tensor> {
        let (first, second) = optimizer.moments();
        let named = params.named().into_values().map(|tensor| no_grad(|| tensor.copy()));
        named.chain([first.copy(), second.copy()]).collect()
    }

    #[test]
    fn a_training_goes_on_to_the_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let (params, mut optimizer) = network(1);
        step(&params, &mut optimizer);
        step(&params, &mut optimizer);
        let mut progress = Progress { done: 2, ..Progress::default() };
        progress.window.add(0.1);
        progress.window.add(0.2);
        progress.history.push(Curve { step: 2, loss: 1.0 / 3.0, heldout: 2.0_f64.sqrt() });
        progress.save(&path, &params, &optimizer).unwrap();
        let saved = all(&params, &optimizer);
        step(&params, &mut optimizer);

        // Another start, which must leave no trace.
        let (other, mut resumed) = network(2);
        assert_eq!(Progress::load(&path, &other, &mut resumed).unwrap(), progress);
        assert_eq!(all(&other, &resumed), saved);
        step(&other, &mut resumed);
        assert_eq!(all(&other, &resumed), all(&params, &optimizer));
    }

    #[test]
    fn what_does_not_fit_touches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let (params, mut optimizer) = network(1);
        step(&params, &mut optimizer);
        Progress::default().save(&path, &params, &optimizer).unwrap();
        let (other, mut resumed) = network(2);
        let _ = other.root().param("more", &[1], Init::Ones);
        let before = other.named()["weight"].copy();
        let error = Progress::load(&path, &other, &mut resumed).unwrap_err().to_string();
        assert!(error.contains("it lacks `first.more`"), "{error}");
        assert_eq!(other.named()["weight"], before);
        crate::data::write_tensors(&path, &params.named()).unwrap();
        let error = Progress::load(&path, &params, &mut optimizer).unwrap_err().to_string();
        assert!(error.contains("says nothing of a training"), "{error}");
    }
}
