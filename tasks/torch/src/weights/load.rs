//! A model's numbers from files.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use tch::{Device, Kind, Tensor, no_grad};

use super::{
    Weights,
    names::{Said, said},
};
use crate::{error::TorchError, nn::Params};

/// Tensors' dimensions by name.
pub type Shapes = BTreeMap<String, Vec<i64>>;

/// All that keeps weights from being a model's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Misfit {
    /// Parameters that the weights lack, and their shapes.
    pub missing: Vec<(String, Vec<i64>)>,
    /// Tensors, by the file's name for them, that the model does not have.
    pub extra: Vec<String>,
    /// Parameters of another shape: the file's name, the shape found and the shape wanted.
    pub misshapen: Vec<(String, Vec<i64>, Vec<i64>)>,
    /// Tensors that stand for one parameter and differ.
    pub contradicting: Vec<(String, String)>,
}

impl Misfit {
    fn is_none(&self) -> bool {
        self == &Self::default()
    }

    /// What keeps `values` from being the `wanted` ones, name by name; nothing, if they are.
    pub fn between(wanted: &Shapes, values: &Shapes) -> Result<(), Self> {
        let mut misfit = Self::default();
        for (name, shape) in wanted {
            match values.get(name) {
                None => misfit.missing.push((name.clone(), shape.clone())),
                Some(found) if found != shape => misfit.misshapen.push((name.clone(), found.clone(), shape.clone())),
                Some(_) => {}
            }
        }
        misfit.extra = values.keys().filter(|name| !wanted.contains_key(*name)).cloned().collect();
        if misfit.is_none() { Ok(()) } else { Err(misfit) }
    }
}

/// One line a tensor, in the order of their names.
impl Display for Misfit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let count = [self.missing.len(), self.extra.len(), self.misshapen.len(), self.contradicting.len()];
        let words = ["missing", "extra", "misshapen", "contradicting"];
        let said: Vec<String> =
            count.iter().zip(words).filter(|(n, _)| **n > 0).map(|(n, word)| format!("{n} {word}")).collect();
        write!(f, "{}", said.join(", "))?;
        for (name, shape) in &self.missing {
            write!(f, "\n  missing: {name} {shape:?}")?;
        }
        for name in &self.extra {
            write!(f, "\n  extra: {name}")?;
        }
        for (name, found, wanted) in &self.misshapen {
            write!(f, "\n  misshapen: {name} is {found:?} and the model wants {wanted:?}")?;
        }
        for (one, other) in &self.contradicting {
            write!(f, "\n  contradicting: {one} and {other} are tied, and differ")?;
        }
        Ok(())
    }
}

/// Gives the model over `params`, of `family`, its numbers from `weights`: each parameter once, none left over, in single precision on the processor.
/// A model over [hollow](Params::hollow) parameters gets its memory here, tensor by tensor.
pub fn load(params: &Params, family: &str, weights: &Weights) -> Result<(), TorchError> {
    load_at(params, family, weights, (Kind::Float, Device::Cpu))
}

/// The same in another precision, on another device.
pub fn load_at(
    params: &Params,
    family: &str,
    weights: &Weights,
    (kind, device): (Kind, Device),
) -> Result<(), TorchError> {
    let state = params.state();
    let sources = pair(&state, family, weights).map_err(|misfit| TorchError::Weights {
        path: weights.path().into(),
        family: family.to_owned(),
        misfit: Box::new(misfit),
    })?;
    for (name, tensor) in &state {
        let value = weights.tensor(sources[name.as_str()])?.to_device(device).to_kind(kind).reshape(tensor.size());
        // Every clone that a layer holds is the same variable, and follows.
        no_grad(|| tensor.shallow_clone().set_data(&value));
    }
    Ok(())
}

/// For each of the model's names the file's.
fn pair<'a>(
    state: &'a BTreeMap<String, Tensor>,
    family: &str,
    weights: &'a Weights,
) -> Result<BTreeMap<&'a str, &'a str>, Misfit> {
    let mut sources: BTreeMap<&str, &str> = BTreeMap::new();
    let mut misfit = Misfit::default();
    for theirs in weights.names() {
        let (ours, optional) = match said(family, theirs) {
            Said::Foreign => continue,
            Said::Parameter(ours) => (ours, false),
            Said::Optional(ours) => (ours, true),
        };
        let Some((ours, tensor)) = state.get_key_value(ours.as_ref()) else {
            if !optional {
                misfit.extra.push(theirs.to_owned());
            }
            continue;
        };
        let (found, wanted) = (weights.shape(theirs).unwrap_or_default(), tensor.size());
        if trimmed(&found) != trimmed(&wanted) {
            misfit.misshapen.push((theirs.to_owned(), found, wanted));
        }
        if let Some(before) = sources.insert(ours, theirs)
            && weights.bytes(before) != weights.bytes(theirs)
        {
            misfit.contradicting.push((before.to_owned(), theirs.to_owned()));
        }
    }
    let missing = state.iter().filter(|(name, _)| !sources.contains_key(name.as_str()));
    misfit.missing = missing.map(|(name, tensor)| (name.clone(), tensor.size())).collect();
    if misfit.is_none() { Ok(sources) } else { Err(misfit) }
}

/// Without ones at the end: a linear layer over pixels and a 1×1 convolution are the same numbers, and files have either.
fn trimmed(shape: &[i64]) -> &[i64] {
    let length = shape.iter().rposition(|&n| n != 1).map_or(0, |last| last + 1);
    &shape[..length]
}
