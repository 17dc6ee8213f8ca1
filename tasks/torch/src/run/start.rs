//! The weights of a denoiser that was trained before, for another to start from or to sample from.

use std::path::PathBuf;

use isoflop_contract::Handle;
use isoflop_kinds::{artifact, model, train::Weights};
use tch::{Tensor, no_grad};

use super::train_denoiser::Config;
use crate::{
    data::{read_json, read_tensors},
    error::TorchError,
    nn::Params,
    train::checkpoint,
};

/// The file of these weights of a trained denoiser: of a checkpoint's, or those of its end.
pub fn weights_file(
    handle: &Handle<artifact::Denoiser>,
    weights: Weights,
    step: Option<u64>,
) -> Result<PathBuf, TorchError> {
    let end = match weights {
        Weights::Raw => "model.safetensors",
        Weights::Ema => "ema.safetensors",
    };
    let file = handle.file(&step.map_or_else(|| end.to_owned(), |step| checkpoint(step, weights)));
    if file.exists() {
        return Ok(file);
    }
    let whose = step.map_or_else(String::new, |step| format!(" at step {step}"));
    let problem = if weights == Weights::Ema && !handle.file(end).exists() {
        "an average of weights is asked for, and the model was trained without `ema`".to_owned()
    } else {
        format!("the model has no weights{whose}: what its `checkpoints` does not name was not kept")
    };
    Err(TorchError::Mismatch(problem))
}

/// Starts `params`, which are `config`'s, from a trained denoiser of the same layers, at this or another resolution.
pub fn start(
    params: &Params,
    config: &model::Denoiser,
    handle: &Handle<artifact::Denoiser>,
    weights: Weights,
    step: Option<u64>,
) -> Result<(), TorchError> {
    let other: Config = read_json(&handle.file("config.json"))?;
    let mut values = read_tensors(&weights_file(handle, weights, step)?)?;
    if let (model::Backbone::Uvit(_), model::Backbone::Uvit(_)) = (&config.backbone, &other.model.backbone) {
        let before = 1 + config.tokens() as i64;
        for (name, parameter) in params.named() {
            if let (true, Some(value)) = (name.ends_with("pos_embed"), values.get_mut(&name)) {
                *value = stretched(value, before, parameter.size()[1]);
            }
        }
    }
    params
        .load(&values)
        .map_err(|error| TorchError::Mismatch(format!("`init` is a denoiser of other layers than this one: {error}")))
}

/// Learned positions `[1, before + N, width]` of a square image behind `before` tokens, for an image whose sequence has `length` entries.
fn stretched(positions: &Tensor, before: i64, length: i64) -> Tensor {
    let [_, there, width] = positions.size()[..] else { return positions.shallow_clone() };
    let side = |count: i64| (count as f64).sqrt().round() as i64;
    let (old, new) = (side(there - before), side(length - before));
    if there == length || old * old != there - before || new * new != length - before {
        return positions.shallow_clone();
    }
    no_grad(|| {
        let image = positions.narrow(1, before, there - before).view([1, old, old, width]).permute([0, 3, 1, 2]);
        let image = image.upsample_bilinear2d([new, new], false, None::<f64>, None::<f64>);
        let image = image.permute([0, 2, 3, 1]).reshape([1, new * new, width]);
        Tensor::cat(&[positions.narrow(1, 0, before), image], 1)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_stretched_and_tokens_left_alone() {
        let old = Tensor::arange(2 + 4, (tch::Kind::Float, tch::Device::Cpu)).view([1, 6, 1]);
        assert_eq!(stretched(&old, 2, 6), old);
        let new = stretched(&old, 2, 2 + 16);
        assert_eq!(new.size(), [1, 18, 1]);
        assert_eq!(new.narrow(1, 0, 2), old.narrow(1, 0, 2));
        // Corners stay; what lies between two old places lies between their values.
        let at = |i: i64| new.double_value(&[0, 2 + i, 0]);
        for (place, value) in [(0, 2.0), (3, 3.0), (12, 4.0), (15, 5.0), (1, 2.25), (5, 2.75)] {
            assert!((at(place) - value).abs() < 1e-6, "{place} is {}", at(place));
        }
    }
}
