//! The weights of a denoiser that was trained before, for another to start from or to sample from.

use std::path::PathBuf;

use isoflop_contract::Handle;
use isoflop_kinds::{artifact, model, train::Weights};
use serde_json::{Value, json};
use tch::{Tensor, no_grad};

use super::{examples::Scale, train_denoiser::Config};
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

/// In what `other` is another network than `own`, or learned another problem, if so: its weights may fit, and would mean something else. The resolution is no
/// part of that.
fn differs(own: &Config, other: &Config) -> Option<String> {
    let space = match (own.space, other.space) {
        (None, Some(_)) => Some("it denoises latents, and this training pixels".to_owned()),
        (Some(_), None) => Some("it denoises pixels, and this training latents".to_owned()),
        (Some(own), Some(other)) if own.vae != other.vae => Some("its latents are of another autoencoder".to_owned()),
        (Some(Scale { scaling_factor: own, .. }), Some(Scale { scaling_factor: other, .. })) => {
            (own.to_bits() != other.to_bits()).then(|| {
                format!("its latents were multiplied by {other} and these are by {own}: encode with `scaling: stated`")
            })
        }
        (None, None) => None,
    };
    let reader = || match (own.reader, other.reader) {
        (None, Some(_)) => Some("it reads frozen text, and this training has a text encoder of its own"),
        (Some(_), None) => Some("it has a text encoder of its own, and this training reads frozen text"),
        (Some(own), Some(other)) if own.text != other.text => Some("another text encoder read for it"),
        (Some(own), Some(other)) if own.output != other.output => Some("it reads another output of the text encoder"),
        _ => None,
    };
    let layers = own.model.differs(&other.model);
    let value = |config: &Config| json!({"prediction": config.prediction, "noise": config.noise});
    let (own, other) = (value(own), value(other));
    let fields =
        ["/prediction", "/noise/schedule", "/noise/levels", "/noise/start", "/noise/end", "/noise/zero_terminal_snr"];
    let mut fields = fields.into_iter().map(|at| (at, own.pointer(at), other.pointer(at)));
    let said = |name: &str, own: &Value, other: &Value| format!("its `{name}` is {other}, and here it is {own}");
    let field = fields.find(|(_, own, other)| own != other).map(|(at, own, other)| {
        let name = at.trim_start_matches('/').replace('/', ".");
        said(&name, own.unwrap_or(&Value::Null), other.unwrap_or(&Value::Null))
    });
    space
        .or_else(|| reader().map(str::to_owned))
        .or(field)
        .or(layers.map(|(name, own, other)| said(&name, &own, &other)))
}

/// Starts `params`, which are `config`'s, from a trained denoiser of the same layers and the same problem, at this or another resolution.
pub fn start(
    params: &Params,
    config: &Config,
    handle: &Handle<artifact::Denoiser>,
    weights: Weights,
    step: Option<u64>,
) -> Result<(), TorchError> {
    let other: Config = read_json(&handle.file("config.json"))?;
    if let Some(what) = differs(config, &other) {
        return Err(TorchError::Mismatch(format!("`init` cannot be gone on from: {what}")));
    }
    let config = &config.model;
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
    use isoflop_contract::Digest;
    use isoflop_kinds::{
        encode::TextOutput,
        train::{Noise, Prediction},
    };

    use super::*;
    use crate::run::examples::Reader;

    #[test]
    fn what_learned_another_problem_is_not_gone_on_from() {
        let model = json!({
            "backbone": {"family": "dit", "width": 32, "depth": 1, "heads": 2, "condition": {"text": 64}}, "text": {}, "resolution": 16, "patch": 1
        });
        let plain = Config {
            model: serde_json::from_value(model).unwrap(),
            noise: Noise::default(),
            prediction: Prediction::Velocity,
            space: None,
            reader: None,
        };
        let mut large = plain.clone();
        large.model.resolution *= 2;
        let found = differs(&large, &plain).unwrap();
        assert_eq!(
            found, "its `backbone.sample_size` is 16, and here it is 32",
            "places would go on where nothing was learned"
        );
        let model::Backbone::Dit(dit) = &mut large.model.backbone else { unreachable!("it is a DiT") };
        dit.sample_size = Some(16);
        assert_eq!(differs(&large, &plain), None);
        let model::Backbone::Dit(dit) = &mut large.model.backbone else { unreachable!("it is a DiT") };
        dit.heads = 4;
        assert_eq!(differs(&large, &plain).unwrap(), "its `backbone.heads` is 2, and here it is 4");

        let digest = |byte: u8| Digest::of([byte]);
        let with = |space: Option<(u8, f64)>, reader: Option<(u8, TextOutput)>| Config {
            space: space.map(|(vae, scaling_factor)| Scale { vae: digest(vae), scaling_factor }),
            reader: reader.map(|(text, output)| Reader { text: digest(text), output }),
            ..plain.clone()
        };
        let (last, before) = (TextOutput::Last, TextOutput::Penultimate);
        let own = with(Some((1, 0.5)), Some((2, last)));
        assert_eq!(differs(&own, &own), None);
        for (other, said) in [
            (with(None, Some((2, last))), "it denoises pixels, and this training latents"),
            (with(Some((3, 0.5)), Some((2, last))), "its latents are of another autoencoder"),
            (with(Some((1, 0.25)), Some((2, last))), "its latents were multiplied by 0.25 and these are by 0.5: "),
            (with(Some((1, 0.5)), Some((3, last))), "another text encoder read for it"),
            (with(Some((1, 0.5)), Some((2, before))), "it reads another output of the text encoder"),
            (with(Some((1, 0.5)), None), "it has a text encoder of its own"),
            (Config { prediction: Prediction::Image, ..own.clone() }, r#"its `prediction` is "image", and here"#),
            (
                Config { noise: Noise { end: 0.02, ..Noise::default() }, ..own.clone() },
                "its `noise.end` is 0.02, and here it is 0.012",
            ),
            (
                Config { noise: Noise { zero_terminal_snr: true, ..Noise::default() }, ..own.clone() },
                "its `noise.zero_terminal_snr` is true, and here it is false",
            ),
        ] {
            let found = differs(&own, &other).unwrap_or_default();
            assert!(found.starts_with(said), "{found}");
        }
        assert_eq!(differs(&plain, &own).unwrap(), "it denoises latents, and this training pixels");
    }

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
