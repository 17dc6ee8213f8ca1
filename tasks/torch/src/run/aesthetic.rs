//! An aesthetic head as an artifact, and what it says of features.

use isoflop_contract::{Digest, Handle};
use isoflop_kinds::{
    artifact,
    head::{Head as Layers, Seen},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad};

use super::towers::ImageTower;
use crate::{
    data::{Gallery, read_json},
    error::TorchError,
    metrics::in_blocks,
    models::Head,
    nn::Params,
    weights::{Weights, load},
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
    let path = handle.file("config.json");
    let config: Config = read_json(&path)?;
    let wrong = |problem: String| TorchError::Inconsistent { path: path.clone(), problem };
    if let Err(complaint) = config.head.check("head") {
        return Err(wrong(format!("`{}` {}", complaint.field, complaint.problem)));
    }
    if config.clip.is_some_and(|own| own != clip) {
        return Err(wrong("the head was trained on other towers than `clip` is".into()));
    }
    let params = Params::hollow();
    let head = Head::new(&params.root(), &config.head, config.width as i64);
    load(&params, "head", &Weights::open(&handle.file("model.safetensors"))?)?;
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
