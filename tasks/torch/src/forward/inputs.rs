//! A model's inputs by name, each checked where it is taken.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use tch::{Kind, Tensor};

use super::Place;
use crate::{error::TorchError, weights::Weights};

/// Tensors of one file.
#[derive(Debug)]
pub struct Inputs {
    path: PathBuf,
    tensors: BTreeMap<String, Tensor>,
    used: RefCell<BTreeSet<String>>,
    place: Place,
}

/// A dimension that an input must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Any.
    Any,
    /// Any number of samples, none among them.
    Batch,
    /// Just this.
    Is(i64),
    /// At most this.
    Most(i64),
    /// A multiple of this.
    Multiple(i64),
}

impl Side {
    fn holds(self, n: i64) -> bool {
        match self {
            Self::Any => n > 0,
            Self::Batch => n >= 0,
            Self::Is(wanted) => n == wanted,
            Self::Most(most) => (1..=most).contains(&n),
            Self::Multiple(of) => n > 0 && n % of == 0,
        }
    }

    fn word(self) -> String {
        match self {
            Self::Any | Self::Batch => "any".into(),
            Self::Is(wanted) => wanted.to_string(),
            Self::Most(most) => format!("up to {most}"),
            Self::Multiple(of) => format!("a multiple of {of}"),
        }
    }
}

impl Inputs {
    /// Reads a safetensors file.
    pub fn read(path: &Path) -> Result<Self, TorchError> {
        let tensors = Weights::open(path)?.all()?;
        Ok(Self { path: path.into(), tensors, used: RefCell::default(), place: Place::default() })
    }

    /// Inputs that are at hand.
    pub fn given<'a>(tensors: impl IntoIterator<Item = (&'a str, Tensor)>) -> Self {
        let tensors = tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect();
        Self { path: "the inputs".into(), tensors, used: RefCell::default(), place: Place::default() }
    }

    /// The same for a model that is at `place`.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        let at = |(name, tensor): (String, Tensor)| (name, tensor.to_device(place.device));
        Self { tensors: self.tensors.into_iter().map(at).collect(), place, ..self }
    }

    /// What is wrong with them, and where they come from.
    pub fn wrong(&self, problem: String) -> TorchError {
        TorchError::Inconsistent { path: self.path.clone(), problem }
    }

    /// The input `name`, if it is there: real numbers of these dimensions.
    pub fn real(&self, name: &str, sides: &[Side]) -> Result<Option<Tensor>, TorchError> {
        let taken = self.take(name, sides, |kind| kind == Kind::Float, "real numbers")?;
        Ok(taken.map(|tensor| tensor.to_kind(self.place.kind)))
    }

    /// The input `name`, if it is there: whole numbers of these dimensions, as i64.
    pub fn whole(&self, name: &str, sides: &[Side]) -> Result<Option<Tensor>, TorchError> {
        let taken = self.take(name, sides, |kind| kind != Kind::Float, "whole numbers")?;
        Ok(taken.map(|tensor| tensor.to_kind(Kind::Int64)))
    }

    /// Token numbers `[B, T]`, all below `vocabulary`.
    pub fn ids(&self, name: &str, longest: Side, vocabulary: u64) -> Result<Tensor, TorchError> {
        let ids = self.needed(name, self.whole(name, &[Side::Batch, longest])?)?;
        if ids.numel() == 0 {
            return Ok(ids);
        }
        let (least, most) = (ids.min().int64_value(&[]), ids.max().int64_value(&[]));
        if least < 0 || most >= vocabulary as i64 {
            return Err(
                self.wrong(format!("`{name}` has numbers from {least} to {most}, and there are {vocabulary} tokens"))
            );
        }
        Ok(ids)
    }

    /// `tensor`, or an error that says which input is missing and which are there.
    pub fn needed(&self, name: &str, tensor: Option<Tensor>) -> Result<Tensor, TorchError> {
        tensor.ok_or_else(|| {
            let there: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
            self.wrong(format!("it has no `{name}`, which this model reads; it has {}", there.join(", ")))
        })
    }

    /// Refuses inputs that nobody has taken: a misspelt name would else be silently left out.
    pub fn all_used(&self) -> Result<(), TorchError> {
        let used = self.used.borrow();
        let unused: Vec<&str> = self.tensors.keys().filter(|name| !used.contains(*name)).map(String::as_str).collect();
        if unused.is_empty() {
            return Ok(());
        }
        let read: Vec<&str> = used.iter().map(String::as_str).collect();
        Err(self.wrong(format!("this model reads {} and not {}", read.join(", "), unused.join(", "))))
    }

    fn take(
        &self,
        name: &str,
        sides: &[Side],
        fits: impl Fn(Kind) -> bool,
        what: &str,
    ) -> Result<Option<Tensor>, TorchError> {
        self.used.borrow_mut().insert(name.to_owned());
        let Some(tensor) = self.tensors.get(name) else { return Ok(None) };
        let size = tensor.size();
        if size.len() != sides.len() || !sides.iter().zip(&size).all(|(side, &n)| side.holds(n)) {
            let wanted: Vec<String> = sides.iter().map(|side| side.word()).collect();
            return Err(self.wrong(format!("`{name}` is {size:?} and this model reads [{}]", wanted.join(", "))));
        }
        if !fits(tensor.kind()) {
            return Err(self.wrong(format!("`{name}` does not hold {what}")));
        }
        Ok(Some(tensor.shallow_clone()))
    }
}
