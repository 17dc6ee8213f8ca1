//! One forward pass of any model, so that anyone can hold it against another implementation.
//!
//! To add a family: one arm in [`build`], with the inputs it reads and the outputs it has.

mod example;
mod inputs;
mod latency;
mod network;
mod place;

use std::{fs, path::Path};

use isoflop_contract::Seed;
use isoflop_kinds::model;
use tch::{Device, Kind, Tensor};

use crate::{
    data::{read_yaml, write_tensors},
    error::TorchError,
    nn::Params,
    weights::{Weights, load_at},
};
pub use example::example;
pub use inputs::Inputs;
pub use latency::{Bench, latency, table};
pub use network::{Outputs, Run, build};
pub use place::Place;

/// Where a model's numbers come from.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// From files.
    Weights(&'a Path),
    /// From a seed: as training would start.
    Seed(u64),
}

/// The config that `name` stands for: a preset, or a YAML or JSON file.
pub fn config(name: &str) -> Result<model::Network, TorchError> {
    if let Some(network) = model::network(name) {
        return Ok(network);
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(TorchError::Mismatch(format!(
            "`{name}` is neither a model nor a YAML or JSON file with a model's config; `isoflop model --list` lists models"
        )));
    }
    let wrong = |problem: String| TorchError::Inconsistent { path: path.into(), problem };
    let text = fs::read_to_string(path).map_err(TorchError::file("read", path))?;
    let network = model::Network::read(&read_yaml(&text).map_err(wrong)?).map_err(wrong)?;
    network.check().map_err(|complaint| wrong(format!("`{}` {}", complaint.field, complaint.problem)))?;
    Ok(network)
}

/// The model of `config` with its numbers, at `place`. Numbers from a seed are drawn on the processor in single precision, and so are the same everywhere.
pub fn open(config: &model::Network, source: Source, place: Place) -> Result<Box<dyn Run>, TorchError> {
    match source {
        Source::Seed(seed) => {
            let params = Params::new(Seed::from_number(seed));
            let network = build(&params, config);
            tch::no_grad(|| {
                for tensor in params.state().values() {
                    tensor.shallow_clone().set_data(&tensor.to_device(place.device).to_kind(place.kind));
                }
            });
            Ok(network)
        }
        Source::Weights(path) => {
            let params = Params::hollow();
            let network = build(&params, config);
            load_at(&params, config.family(), &Weights::open(path)?, (place.kind, place.device))?;
            Ok(network)
        }
    }
}

/// Writes the numbers that these models start with at [`Source::Seed`] into one file, under the names of their families' files. Says what it wrote.
pub fn draw(configs: &[model::Network], seed: u64, out: &Path) -> Result<Outputs, TorchError> {
    let mut all = Outputs::new();
    for config in configs {
        let params = Params::new(Seed::from_number(seed));
        let _network = build(&params, config);
        for (name, tensor) in params.state() {
            if all.insert(name.clone(), tensor).is_some() {
                return Err(TorchError::Mismatch(format!(
                    "two of the models have a tensor `{name}`, and one file holds one"
                )));
            }
        }
    }
    write_tensors(out, &all)?;
    Ok(all)
}

/// Runs the model on the inputs in one file and writes its outputs, in single precision, into another. Says what it wrote.
pub fn forward(
    config: &model::Network,
    source: Source,
    place: Place,
    inputs: &Path,
    out: &Path,
) -> Result<Outputs, TorchError> {
    let inputs = Inputs::read(inputs)?.at(place);
    let network = open(config, source, place)?;
    let outputs = tch::no_grad(|| network.run(&inputs))?;
    inputs.all_used()?;
    let single = |(name, tensor): (String, Tensor)| (name, tensor.to_device(Device::Cpu).to_kind(Kind::Float));
    let outputs = outputs.into_iter().map(single).collect();
    write_tensors(out, &outputs)?;
    Ok(outputs)
}
