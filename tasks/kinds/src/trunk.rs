//! Trunk and branch: a training that goes on from a state of another, which is the same but for its length.

use isoflop_contract::{Environment, Feeder, Kind, Misfit, Value};
use serde::Deserialize;

use crate::train::{Decay, TrainDenoiser};

/// The port.
pub(crate) const PORT: &str = "trunk";

/// Fields that may differ between trunk and branch: they say how long to train.
const LENGTHS: [&str; 3] = ["steps", "decay_steps", "keep_states"];

/// `keep_states`, true or false. What is hashed of it when it is true counts the formats that states have had. 2: they say where they were made, and nothing of
/// the mean of a last tenth that is another training's.
pub(crate) mod states {
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// The format at present.
    const FORMAT: u64 = 2;

    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Whether(bool),
        Format(u64),
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
    pub(crate) fn serialize<S: Serializer>(keep: &bool, serializer: S) -> Result<S::Ok, S::Error> {
        if *keep { serializer.serialize_u64(FORMAT) } else { serializer.serialize_bool(false) }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
        match Said::deserialize(deserializer) {
            Ok(Said::Whether(keep)) => Ok(keep),
            Ok(Said::Format(FORMAT)) => Ok(true),
            _ => Err(de::Error::custom("must be true or false")),
        }
    }
}

/// A field of two trainings' specs that differs, besides those that say how long to train.
pub fn differs(mine: &Value, theirs: &Value) -> Option<String> {
    let (mine, theirs) = (mine.as_object()?, theirs.as_object()?);
    let names = mine.keys().chain(theirs.keys());
    names.filter(|name| !LENGTHS.contains(&name.as_str())).find(|name| mine.get(*name) != theirs.get(*name)).cloned()
}

impl TrainDenoiser {
    /// The steps at the beginning that do not depend on its length.
    fn lasting(&self) -> u64 {
        let falls = match self.schedule {
            Decay::Constant => 0,
            Decay::Wsd => self.falls(),
            Decay::Cosine => self.steps,
        };
        self.steps.saturating_sub(falls)
    }

    /// The most steps that a state of `trunk` may have made for this training to go on from it. What a training says of its last tenth is its own to measure.
    pub fn shares(&self, trunk: &Self) -> u64 {
        self.lasting().min(trunk.lasting()).min(self.steps - self.steps.div_ceil(10))
    }

    /// Says of the training that is to be this one's trunk that it cannot be, if the plan can tell.
    pub(crate) fn strays(&self, feeder: Option<Feeder<'_>>, here: &Environment) -> Option<Misfit> {
        let feeder = feeder.filter(|feeder| feeder.kind == Self::NAME)?;
        let trunk = Self::deserialize(feeder.spec).ok()?;
        let spec = |training: &Self| serde_json::to_value(training).expect("a spec is plain data");
        let (problem, hint) = if let Some(field) = differs(&spec(self), &spec(&trunk)) {
            let problem = format!(
                "is another training than the one at its port `{PORT}`: `{field}` differs, and only its length may"
            );
            (problem, format!("give both the same `{field}`"))
        } else if self.seed.is_none() {
            let problem = format!(
                "has another seed than the training at its port `{PORT}`: each has that of its own name and cell"
            );
            (problem, "give both the same `seed`".to_owned())
        } else if let Some(what) = here.differs(feeder.environment) {
            let problem = format!(
                "runs in another environment than the training at its port `{PORT}`: `{what}` differs, and bits depend on it"
            );
            (problem, "give both the same `environment`".to_owned())
        } else if !trunk.keep_states {
            let problem = format!("goes on from the training at its port `{PORT}`, which keeps no states");
            (problem, "say `keep_states: true` there".to_owned())
        } else {
            let most = self.shares(&trunk);
            if trunk.checkpoints.iter().any(|step| *step <= most) {
                return None;
            }
            let problem =
                format!("shares {most} steps with the training at its port `{PORT}`, which keeps no state within them");
            (problem, "give both a step of those as one of their `checkpoints`, or leave the port out".to_owned())
        };
        Some(Misfit { port: PORT, problem, hint })
    }
}

#[cfg(test)]
mod tests {
    use isoflop_contract::{
        Entry,
        environment::{Precision, Torch},
    };
    use serde_json::json;

    use super::*;

    /// A training, with `more`.
    fn spec(more: &Value) -> Value {
        let mut spec = json!({
            "backbone": {"family": "dit", "width": 32, "depth": 1, "heads": 2, "condition": {"text": 64}},
            "steps": 30, "batch": 2, "learning_rate": 1e-3, "seed": 3, "checkpoints": [15, 20], "keep_states": true
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    }

    /// What is said of a branch with `more` behind a trunk with `other`, in this precision.
    fn said(more: &Value, other: &Value, precision: Precision) -> Vec<String> {
        let entry = Entry::of::<TrainDenoiser>();
        let (branch, trunk) = (entry.read(&spec(more)).unwrap().spec, entry.read(&spec(other)).unwrap().spec);
        let there = Environment::Torch(Torch::default());
        let here = Environment::Torch(Torch { precision, ..Torch::default() });
        let feeder = |port: &str| {
            (port == PORT).then_some(Feeder { kind: TrainDenoiser::NAME, spec: &trunk, environment: &there })
        };
        let misfits = entry.follows(&branch, &feeder, &here);
        misfits.into_iter().map(|misfit| format!("{}: {} ({})", misfit.port, misfit.problem, misfit.hint)).collect()
    }

    #[test]
    fn a_trunk_that_cannot_be_one_is_refused_before_it_trains() {
        let of = |more: Value, other: Value| said(&more, &other, Precision::Fp32).concat();
        let none = json!({});
        assert_eq!(of(none.clone(), json!({"steps": 20})), "");
        // The end of a training may be where another goes on, whatever its number.
        let odd = json!([25]);
        assert_eq!(of(json!({"checkpoints": odd, "keep_states": false}), json!({"steps": 25, "checkpoints": odd})), "");
        assert!(of(json!({"batch": 4}), none.clone()).starts_with(
            "trunk: is another training than the one at its port `trunk`: `batch` differs, and only its length may ("
        ));
        assert!(
            of(json!({"seed": null}), json!({"seed": null})).ends_with("name and cell (give both the same `seed`)")
        );
        assert!(said(&none, &none, Precision::Bf16).concat().contains("`precision` differs"));
        assert!(of(none.clone(), json!({"keep_states": false})).contains("which keeps no states"));
        assert!(of(json!({"steps": 16}), none.clone()).contains("shares 14 steps"));
        assert!(of(json!({"schedule": "cosine"}), json!({"schedule": "cosine"})).contains("shares 0 steps"));
    }

    /// Trainings that keep states have other keys than in the format before, and all others those that they had.
    #[test]
    fn the_format_of_states_is_hashed_where_they_are_kept() {
        let value = |keep: Value| {
            let read: Result<TrainDenoiser, _> = serde_json::from_value(spec(&json!({"keep_states": keep})));
            read.map(|spec| serde_json::to_value(spec).unwrap()["keep_states"].clone())
                .map_err(|error| error.to_string())
        };
        assert_eq!(value(json!(true)), Ok(json!(2)));
        assert_eq!(value(json!(2)), Ok(json!(2)));
        assert_eq!(value(json!(false)), Ok(json!(false)));
        assert_eq!(value(json!("yes")), Err("must be true or false".to_owned()));
        assert_eq!(value(json!(1)), Err("must be true or false".to_owned()));
    }
}
