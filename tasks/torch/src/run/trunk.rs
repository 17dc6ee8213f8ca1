//! Trunk and branches: a training that goes on from a state of another, which differs from it in length alone, and ends as if it had made every step
//! itself.

use std::path::PathBuf;

use isoflop_contract::{Environment, Handle, Seed, Value};
use isoflop_kinds::{
    artifact,
    train::{Needs, TrainDenoiser},
    trunk,
};
use serde::{Deserialize, Serialize};

use crate::{
    data::read_json,
    error::TorchError,
    train::{Branch, state_file},
};

/// The artifact's file that says what was trained on what, for branches to be held against.
pub const FILE: &str = "trunk.json";

/// What must be the same for two trainings to have the same steps.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The whole spec, lengths included.
    spec: Value,
    seed: Seed,
    /// Where it ran.
    environment: Environment,
    data: String,
    heldout: String,
    init: Option<String>,
    /// What else is fed, by port, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    frozen: Vec<String>,
}

impl Origin {
    /// Of this training.
    pub fn of(spec: &TrainDenoiser, seed: Seed, environment: &Environment, needs: &Needs) -> Self {
        Self {
            spec: serde_json::to_value(spec).expect("a spec is plain data"),
            seed,
            environment: environment.clone(),
            data: needs.data.digest().to_string(),
            heldout: needs.heldout.digest().to_string(),
            init: needs.init.as_ref().map(|init| init.digest().to_string()),
            frozen: {
                let latents = [&needs.latents, &needs.heldout_latents];
                let latents = latents.into_iter().flatten().map(|one| format!("latents {}", one.digest()));
                let texts = [&needs.text, &needs.heldout_text];
                let texts = texts.into_iter().flatten().map(|one| format!("text {}", one.digest()));
                let reader = needs.reader.iter().map(|one| format!("reader {}", one.digest()));
                latents.chain(texts).chain(reader).collect()
            },
        }
    }

    /// What differs from `other` besides lengths.
    fn differs(&self, other: &Self) -> Option<String> {
        let spec = trunk::differs(&self.spec, &other.spec).map(|name| format!("`{name}`"));
        let environment = self.environment.differs(&other.environment);
        let environment = environment.map(|name| format!("`{name}` of the environment"));
        let others = [
            ("the seed (give both the same `seed`)", self.seed == other.seed),
            ("`data`", self.data == other.data),
            ("`heldout`", self.heldout == other.heldout),
            ("`init`", self.init == other.init),
            ("what is fed as latents or frozen text", self.frozen == other.frozen),
        ];
        let other = others.into_iter().find(|(_, same)| !same).map(|(what, _)| what.to_owned());
        spec.or(environment).or(other)
    }
}

/// Where to go on from: the latest state of `trunk` that this training would have come to itself.
pub fn branch(spec: &TrainDenoiser, origin: &Origin, trunk: &Handle<artifact::Denoiser>) -> Result<Branch, TorchError> {
    let wrong = |problem: String| TorchError::Mismatch(problem);
    let theirs: Origin = read_json(&trunk.file(FILE))?;
    if let Some(what) = origin.differs(&theirs) {
        return Err(wrong(format!("`trunk` is another training: {what} differs, and only its length may")));
    }
    let other: TrainDenoiser =
        serde_json::from_value(theirs.spec).map_err(|source| TorchError::Json { path: trunk.file(FILE), source })?;
    let most = spec.shares(&other);
    let file = |step: u64| -> Option<PathBuf> { Some(trunk.file(&state_file(step))).filter(|file| file.exists()) };
    let mut states = spec.checkpoints.iter().rev().filter(|&&step| step <= most);
    let found = states.find_map(|&step| Some(Branch { step, state: file(step)?, folder: trunk.file("checkpoints") }));
    found.ok_or_else(|| {
        wrong(format!(
            "`trunk` has no state within the {most} steps that both share: it keeps one at each of its `checkpoints` with `keep_states: true`"
        ))
    })
}
