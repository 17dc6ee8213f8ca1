//! A trained head as an artifact: layers, the towers that they were trained on, and what their numbers stand for.

use isoflop_contract::{Artifact, Digest, Handle};
use isoflop_kinds::head::Head as Layers;

use crate::{
    error::TorchError,
    models::Head,
    nn::Params,
    weights::{Weights, load},
};

/// What the config of a head says of it, whatever it judges.
#[derive(Debug)]
pub struct Told<'c> {
    /// The layers.
    pub layers: &'c Layers,
    /// Width of the features.
    pub width: u64,
    /// What is said where the layers say zero.
    pub mean: f64,
    /// What a one of theirs stands for.
    pub deviation: f64,
    /// The towers it was trained on; none, if nobody knows.
    pub clip: Option<Digest>,
}

/// The head of an artifact with this config, to be used on the features of the towers `clip`.
pub fn open<A: Artifact>(handle: &Handle<A>, told: &Told<'_>, clip: Digest) -> Result<Head, TorchError> {
    let wrong = |problem: String| Err(TorchError::Inconsistent { path: handle.file("config.json"), problem });
    if let Err(complaint) = told.layers.check("head") {
        return wrong(format!("`{}` {}", complaint.field, complaint.problem));
    }
    if told.clip.is_some_and(|own| own != clip) {
        return wrong("the head was trained on other towers than `clip` is".into());
    }
    if !(told.deviation > 0.0 && told.deviation.is_finite() && told.mean.is_finite()) {
        return wrong("`mean` and `deviation` standardize nothing".into());
    }
    let params = Params::hollow();
    let head = Head::new(&params.root(), told.layers, told.width as i64);
    load(&params, "head", &Weights::open(&handle.file("model.safetensors"))?)?;
    Ok(head)
}
