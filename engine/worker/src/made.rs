//! What a body made, besides the files under its `out`.

use std::collections::BTreeMap;

use isoflop_contract::{Artifact, Handle};

use crate::halt::NotFinite;

/// The final numbers of an artifact, all finite.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Made {
    scalars: BTreeMap<String, f64>,
}

impl Made {
    /// No numbers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Records `value` as `name`.
    pub fn scalar(mut self, name: impl Into<String>, value: f64) -> Result<Self, NotFinite> {
        let name = name.into();
        if !value.is_finite() {
            return Err(NotFinite { what: format!("the final number `{name}`"), value });
        }
        self.scalars.insert(name, value);
        Ok(self)
    }

    /// Carries over the numbers of a need, so that a score still tells the compute of its model. What is recorded already stays.
    #[must_use]
    pub fn inherit<A: Artifact>(mut self, handle: &Handle<A>) -> Self {
        for (name, value) in handle.scalars() {
            self.scalars.entry(name.clone()).or_insert(*value);
        }
        self
    }

    /// Names and values.
    pub fn scalars(&self) -> &BTreeMap<String, f64> {
        &self.scalars
    }

    /// The numbers.
    pub(crate) fn into_scalars(self) -> BTreeMap<String, f64> {
        self.scalars
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_finite_numbers_are_recorded() {
        let made = Made::new().scalar("loss", 0.5).unwrap().scalar("loss", 0.25).unwrap();
        assert_eq!(made.scalars(), &BTreeMap::from([("loss".to_owned(), 0.25)]));
        let error = made.scalar("compute", f64::INFINITY).unwrap_err().to_string();
        assert_eq!(error, "the final number `compute` is inf; only finite numbers can be recorded");
    }
}
