//! A small catalog: a study's four steps, with as few fields as show every fault.

use isoflop_contract::{Artifact, Catalog, Complaint, Cost, Entry, Kind, Runtime, port::NoNeeds, ports, shape::Any};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug)]
pub enum Scenes {}
impl Artifact for Scenes {
    const SHAPE: &'static str = "scenes";
}

#[derive(Debug)]
pub enum Checkpoint {}
impl Artifact for Checkpoint {
    const SHAPE: &'static str = "checkpoint";
}

#[derive(Debug)]
pub enum Scores {}
impl Artifact for Scores {
    const SHAPE: &'static str = "scores";
}

#[derive(Debug)]
pub enum Law {}
impl Artifact for Law {
    const SHAPE: &'static str = "law";
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct MakeScenes {
    images: u64,
    #[serde(default = "resolution")]
    resolution: u32,
    #[serde(default)]
    captions: Captions,
}

fn resolution() -> u32 {
    32
}

#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Captions {
    #[default]
    Sparse,
    Dense,
}

impl Kind for MakeScenes {
    const NAME: &'static str = "make-scenes";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true;
    const ABOUT: &'static str = "Draws scenes.";
    const EXAMPLE: &'static str = "images: 8";
    type Needs = NoNeeds;
    type Makes = Scenes;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless(self.images > 0, "images", "must be positive")
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Train {
    backbone: Backbone,
    steps: u64,
    #[serde(default = "batch")]
    batch: u64,
    #[serde(default = "rate")]
    rate: f64,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Backbone {
    width: u64,
    #[serde(default)]
    depths: Vec<u32>,
}

fn batch() -> u64 {
    64
}

fn rate() -> f64 {
    1e-4
}

ports! {
    /// What training needs.
    pub struct TrainNeeds {
        /// The scenes to learn from.
        data: One<Scenes>,
        /// Where to begin.
        start: Maybe<Checkpoint>,
    }
}

impl Kind for Train {
    const NAME: &'static str = "train-denoiser";
    const REVISION: u32 = 2;
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ABOUT: &'static str = "Trains.";
    const EXAMPLE: &'static str = "{ backbone: { width: 8 }, steps: 10 }";
    type Needs = TrainNeeds;
    type Makes = Checkpoint;

    fn check(&self) -> Result<(), Complaint> {
        Complaint::unless(self.backbone.width.is_multiple_of(8), "backbone.width", "must be a multiple of 8")
    }

    fn cost(&self) -> Cost {
        Cost::training(self.backbone.width, self.backbone.width, self.batch, self.steps)
    }
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Score {
    #[serde(default = "guidance")]
    guidance: f64,
    #[serde(default)]
    notes: std::collections::BTreeMap<String, String>,
}

fn guidance() -> f64 {
    7.5
}

ports! {
    /// What scoring needs.
    pub struct ScoreNeeds {
        /// The model to score.
        model: One<Checkpoint>,
    }
}

impl Kind for Score {
    const NAME: &'static str = "score-alignment";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Scores.";
    const EXAMPLE: &'static str = "guidance: 7.5";
    type Needs = ScoreNeeds;
    type Makes = Scores;
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Fit {
    x: String,
    y: String,
    #[serde(default = "bootstrap")]
    bootstrap: u32,
}

fn bootstrap() -> u32 {
    1000
}

ports! {
    /// What a fit needs.
    pub struct FitNeeds {
        /// The points.
        points: Many<Any>,
    }
}

impl Kind for Fit {
    const NAME: &'static str = "fit-scaling";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true;
    const ABOUT: &'static str = "Fits.";
    const EXAMPLE: &'static str = "{ x: compute, y: loss }";
    type Needs = FitNeeds;
    type Makes = Law;
}

/// All of them.
pub fn catalog() -> Catalog {
    Catalog::new([
        Entry::of::<MakeScenes>(),
        Entry::of::<Train>(),
        Entry::of::<Score>(),
        Entry::of::<Fit>(),
        Entry::of::<crate::script::Script>(),
    ])
}
