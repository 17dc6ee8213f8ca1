//! An aesthetic head as an artifact, and what it says of features.

use isoflop_contract::{Digest, Handle};
use isoflop_kinds::{
    artifact,
    head::{Head as Layers, Seen},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad};

use super::{
    head::{self, Told},
    towers::ImageTower,
};
use crate::{
    data::{Gallery, read_json},
    error::TorchError,
    metrics::in_blocks,
    models::Head,
};

/// What `config.json` of an aesthetic head holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file's version.
    pub version: u32,
    /// The layers.
    pub head: Layers,
    /// Width of the features.
    pub width: u64,
    /// Which features.
    pub features: Seen,
    /// Whether they are brought to unit length before.
    #[serde(default)]
    pub direction: bool,
    /// What is said where the layers say zero.
    #[serde(default)]
    pub mean: f64,
    /// What a one of theirs stands for.
    #[serde(default = "one")]
    pub deviation: f64,
    /// The towers it was trained on; none, if nobody knows.
    #[serde(default)]
    pub clip: Option<Digest>,
}

fn one() -> f64 {
    1.0
}

/// A trained head.
pub fn open(handle: &Handle<artifact::Aesthetic>, clip: Digest) -> Result<(Config, Head), TorchError> {
    let config: Config = read_json(&handle.file("config.json"))?;
    let Config { head: layers, width, mean, deviation, .. } = &config;
    let told = Told { layers, width: *width, mean: *mean, deviation: *deviation, clip: config.clip };
    let head = head::open(handle, &told, clip)?;
    Ok((config, head))
}

/// What `head` says of the first `count` pictures.
pub fn say(
    (config, head): (&Config, &Head),
    tower: &ImageTower,
    gallery: &Gallery,
    count: u64,
) -> Result<Vec<f64>, TorchError> {
    let features = tower.features(gallery, count, config.features);
    if features.size()[1] != config.width as i64 {
        let (there, wanted) = (features.size()[1], config.width);
        return Err(TorchError::Mismatch(format!("the head reads {wanted} features, and the tower has {there}")));
    }
    let said = in_blocks(count, |rows| {
        let features = features.index_select(0, &Tensor::from_slice(rows));
        let features = if config.direction {
            &features / features.norm_scalaropt_dim(2, 1, true).clamp_min(1e-12)
        } else {
            features
        };
        Ok::<_, TorchError>(no_grad(|| head.forward(&features)))
    })?;
    let said: Vec<f64> = Vec::try_from(said.to_kind(Kind::Double)).expect("one dimension of f64");
    Ok(said.into_iter().map(|x| config.mean + config.deviation * x).collect())
}
