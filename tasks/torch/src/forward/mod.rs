//! One forward pass of any model, so that anyone can hold it against another implementation.
//!
//! To add a family: one arm in [`build`], with the inputs it reads and the outputs it has.

mod inputs;
mod network;

use std::path::Path;

use isoflop_contract::Seed;
use isoflop_kinds::model;
use serde_json::Value;

use crate::{
    data::{read_json, write_tensors},
    error::TorchError,
    nn::Params,
    weights::{Weights, load},
};
pub use inputs::Inputs;
pub use network::{Outputs, Run, build};

/// Where a model's numbers come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// From files.
    Weights(&'a Path),
    /// From a seed: as training would start.
    Seed(u64),
}

/// The config that `name` stands for: a preset, or a JSON file.
pub fn config(name: &str) -> Result<model::Network, TorchError> {
    if let Some(network) = model::network(name) {
        return Ok(network);
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(TorchError::Mismatch(format!(
            "`{name}` is neither a model nor a JSON file with a model's config; `isoflop model --list` lists models"
        )));
    }
    let value: Value = read_json(path)?;
    let network =
        model::Network::read(&value).map_err(|problem| TorchError::Inconsistent { path: path.into(), problem })?;
    network.check().map_err(TorchError::Config)?;
    Ok(network)
}

/// The model of `config` with its numbers.
pub fn open(config: &model::Network, source: Source) -> Result<Box<dyn Run>, TorchError> {
    match source {
        Source::Seed(seed) => Ok(build(&Params::new(Seed::from_number(seed)), config)),
        Source::Weights(path) => {
            let params = Params::hollow();
            let network = build(&params, config);
            load(&params, config.family(), &Weights::open(path)?)?;
            Ok(network)
        }
    }
}

/// Runs the model on the inputs in one file and writes its outputs into another. Says what it wrote.
pub fn forward(config: &model::Network, source: Source, inputs: &Path, out: &Path) -> Result<Outputs, TorchError> {
    let inputs = Inputs::read(inputs)?;
    let network = open(config, source)?;
    let outputs = tch::no_grad(|| network.run(&inputs))?;
    inputs.all_used()?;
    write_tensors(out, &outputs)?;
    Ok(outputs)
}
