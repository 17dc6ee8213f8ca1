//! A preference as an artifact: what a head says of a text and an image together.

use isoflop_contract::{Digest, Handle};
use isoflop_kinds::{
    artifact,
    head::{Head as Layers, Seen},
};
use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor, no_grad};

use super::{
    head::{self, Told},
    towers::Towers,
};
use crate::{
    data::{Gallery, read_json},
    error::TorchError,
    metrics::in_blocks,
    models::Head,
};

/// What `config.json` of a preference holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file's version.
    pub version: u32,
    /// The layers.
    pub head: Layers,
    /// Width of the joint features.
    pub width: u64,
    /// The mean over the reference set.
    pub mean: f64,
    /// The deviation over it.
    pub deviation: f64,
    /// The towers it was trained on.
    pub clip: Digest,
    /// The reference set.
    pub reference: Reference,
}

/// What a preference is standardized on: right and worse images of held-out pairs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its scenes.
    pub data: Digest,
    /// The same degraded, where they were fed.
    pub worse: Option<Digest>,
    /// How many images.
    pub n: u64,
}

/// A trained head.
pub fn open(handle: &Handle<artifact::Reward>, clip: Digest) -> Result<(Config, Head), TorchError> {
    let config: Config = read_json(&handle.file("config.json"))?;
    let Config { head: layers, width, mean, deviation, .. } = &config;
    let told = Told { layers, width: *width, mean: *mean, deviation: *deviation, clip: Some(config.clip) };
    let head = head::open(handle, &told, clip)?;
    Ok((config, head))
}

/// What is seen of images: their tokens `[N, W]`, and their directions in the shared space `[N, P]`.
#[derive(Debug)]
pub struct Looks {
    tokens: Tensor,
    direction: Tensor,
}

/// At unit length times the root of the width, so that numbers are about one.
fn direction(features: &Tensor) -> Tensor {
    let scale = (features.size()[1] as f64).sqrt();
    features * scale / features.norm_scalaropt_dim(2, 1, true).clamp_min(1e-12)
}

impl Looks {
    /// Of the first `count` pictures.
    pub fn at(towers: &Towers, gallery: &Gallery, count: u64) -> Self {
        let see = |seen| towers.image.features(gallery, count, seen);
        Self { tokens: see(Seen::Tokens), direction: direction(&see(Seen::Projected)) }
    }

    /// Those of `rows`.
    pub fn rows(&self, rows: &Tensor) -> Self {
        let pick = |t: &Tensor| t.index_select(0, rows);
        Self { tokens: pick(&self.tokens), direction: pick(&self.direction) }
    }

    /// Joint features with texts, whose [directions](read) are `[N, P]`: what is seen, what is read, and where they agree.
    pub fn with(&self, texts: &Tensor) -> Tensor {
        Tensor::cat(&[&self.tokens, texts, &(&self.direction * texts)], 1)
    }
}

/// Directions of texts `[N, P]` in the shared space.
pub fn read(texts: &Tensor) -> Tensor {
    direction(texts)
}

/// What the head says of joint features, standardized.
pub fn say((config, head): (&Config, &Head), joint: &Tensor) -> Result<Vec<f64>, TorchError> {
    if joint.size()[1] != config.width as i64 {
        let (there, wanted) = (joint.size()[1], config.width);
        return Err(TorchError::Mismatch(format!("the head reads {wanted} features, and the towers have {there}")));
    }
    let said = in_blocks(joint.size()[0] as u64, |rows| {
        Ok::<_, TorchError>(no_grad(|| head.forward(&joint.index_select(0, &Tensor::from_slice(rows)))))
    })?;
    let said: Vec<f64> = Vec::try_from(said.to_kind(Kind::Double)).expect("one dimension of f64");
    Ok(said.into_iter().map(|f| (f - config.mean) / config.deviation).collect())
}
