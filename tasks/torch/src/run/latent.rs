//! Latent space as artifacts: autoencoders, and what they made of images.

use isoflop_contract::{Digest, Handle};
use isoflop_kinds::{
    artifact,
    model::{self, Companion},
};
use serde::{Deserialize, Serialize};
use tch::{Device, Kind, Tensor};

use super::shards::Shard;
use crate::{
    data::read_json,
    error::TorchError,
    models::AutoencoderKl,
    nn::Params,
    weights::{Weights, load_at},
};

/// What `config.json` of latents holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file's version.
    pub version: u32,
    /// The autoencoder.
    pub network: model::AutoencoderKl,
    /// What latents are multiplied by.
    pub scaling_factor: f64,
    /// Height and width of the images.
    pub resolution: u64,
    /// The autoencoder's artifact.
    pub vae: Digest,
    /// The scenes' artifact.
    pub data: Digest,
    /// The files, in order.
    pub shards: Vec<Shard>,
}

/// An autoencoder that is not trained any more, on this device.
pub fn vae(
    handle: &Handle<artifact::Vae>,
    device: Device,
) -> Result<(model::AutoencoderKl, AutoencoderKl), TorchError> {
    let path = handle.file("config.json");
    let config: Companion = read_json(&path)?;
    let Companion::AutoencoderKl(config) = config else {
        let problem = format!("it is the config of a {}, and an autoencoder-kl is wanted", config.family());
        return Err(TorchError::Inconsistent { path, problem });
    };
    if let Err(complaint) = config.check(config.shrink(), "") {
        let problem = format!("`{}` {}", complaint.field.trim_start_matches('.'), complaint.problem);
        return Err(TorchError::Inconsistent { path, problem });
    }
    let params = Params::hollow();
    let network = AutoencoderKl::new(&params.root(), &config);
    load_at(&params, "autoencoder-kl", &Weights::open(&handle.file("model.safetensors"))?, (Kind::Float, device))?;
    Ok((config, network))
}

/// Sums by which the deviation of all numbers of all draws is known.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spread {
    sum: f64,
    squares: f64,
    count: f64,
}

impl Spread {
    /// Takes in the means and deviations of some draws.
    pub fn add(&mut self, mean: &Tensor, deviation: &Tensor) {
        let total = |tensor: Tensor| tensor.sum(Kind::Double).double_value(&[]);
        self.sum += total(mean.to_kind(Kind::Double));
        self.squares += total(mean.to_kind(Kind::Double).square() + deviation.to_kind(Kind::Double).square());
        self.count += mean.numel() as f64;
    }

    /// One over the deviation; none if there is no deviation.
    pub fn factor(&self) -> Option<f64> {
        let mean = self.sum / self.count;
        let factor = 1.0 / (self.squares / self.count - mean * mean).sqrt();
        (factor.is_finite() && factor > 0.0).then_some(factor)
    }
}

/// The numbers of `count` rows, `batch` at a time.
pub fn rows(count: u64, batch: u64) -> impl Iterator<Item = Tensor> {
    (0..count).step_by(batch.max(1) as usize).map(move |start| {
        Tensor::arange_start(start as i64, (start + batch).min(count) as i64, (Kind::Int64, Device::Cpu))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_what_is_drawn() {
        let mut spread = Spread::default();
        assert_eq!(spread.factor(), None);
        // Means 1 and 5 with deviation 1 and 3: the mean is 3, the variance (1 + 1 + 25 + 9) / 2 - 9 = 9.
        spread.add(&Tensor::from_slice(&[1_f32]), &Tensor::from_slice(&[1_f32]));
        spread.add(&Tensor::from_slice(&[5_f32]), &Tensor::from_slice(&[3_f32]));
        assert!((spread.factor().unwrap() - 1.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn rows_are_cut_without_a_rest() {
        let cut: Vec<Vec<i64>> = rows(5, 2).map(|rows| Vec::try_from(rows).unwrap()).collect();
        assert_eq!(cut, [vec![0, 1], vec![2, 3], vec![4]]);
    }
}
