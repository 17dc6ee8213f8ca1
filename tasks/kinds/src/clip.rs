//! `train-clip`: texts and images in one space, trained on scenes and their captions.

use isoflop_contract::{Complaint, Cost, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    model::{Activation, ClipImage, ClipText, Count, Tower, number},
    plain::{self, plain},
    train::Decay,
};

/// How to train two towers (Radford et al. 2021, arXiv 2103.00020): of each batch, which caption belongs to which image, and the other way round.
/// Captions that read the same count as each other's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainClip {
    /// The transformer that reads captions.
    #[serde(default = "tower")]
    pub text: Tower,
    /// The transformer that sees images.
    #[serde(default = "tower")]
    pub image: Tower,
    /// Words it knows, and one more that ends a caption.
    #[serde(default = "number::sixty_four")]
    #[schemars(range(min = 2, max = 1_048_576))]
    pub vocabulary: u64,
    /// Tokens a caption has, its end among them.
    #[serde(default = "twenty_four")]
    #[schemars(range(min = 2, max = 1_048_576))]
    pub tokens: u64,
    /// Height and width of the images.
    #[serde(default = "number::sixteen")]
    #[schemars(range(min = 1, max = 65_536))]
    pub resolution: u64,
    /// Squares of `patch × patch` pixels become tokens.
    #[serde(default = "number::four")]
    #[schemars(range(min = 1, max = 65_536))]
    pub patch: u64,
    /// Width of the space that both share.
    #[serde(default = "number::thirty_two")]
    #[schemars(range(min = 1, max = 65_536))]
    pub projection: u64,
    /// Optimizer steps.
    #[schemars(range(min = 1))]
    pub steps: u64,
    /// Pairs a step.
    #[schemars(range(min = 2, max = 65_536))]
    pub batch: u64,
    /// The learning rate after warm-up.
    #[serde(default = "learning_rate")]
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Steps over which the learning rate rises from zero.
    #[serde(default = "plain::warmup")]
    pub warmup: u64,
    /// What the learning rate does after warm-up.
    #[serde(default = "plain::cosine")]
    pub schedule: Decay,
    /// AdamW's decoupled weight decay.
    #[serde(default = "plain::weight_decay")]
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub weight_decay: f64,
    /// Held-out retrieval is measured every so many steps, and at the end.
    #[serde(default = "plain::evaluate_every")]
    #[schemars(range(min = 1))]
    pub evaluate_every: u64,
}

fn tower() -> Tower {
    Tower { width: 64, layers: 2, heads: 4, mlp: 256, activation: Activation::Gelu }
}

fn twenty_four() -> u64 {
    24
}

fn learning_rate() -> f64 {
    1e-3
}

ports! {
    /// What training needs.
    pub struct Needs {
        /// Scenes with captions to learn from.
        data: One<artifact::Set>,
        /// Scenes to measure the retrieval on.
        heldout: One<artifact::Set>,
    }
}

impl TrainClip {
    /// The text tower.
    pub fn text(&self) -> ClipText {
        ClipText {
            tower: self.text.clone(),
            vocabulary: self.vocabulary,
            tokens: self.tokens,
            end: self.vocabulary.saturating_sub(1),
            projection: Some(self.projection),
            logit_scale: true,
        }
    }

    /// The image tower.
    pub fn image(&self) -> ClipImage {
        let (resolution, patch, projection) = (self.resolution, self.patch, self.projection);
        ClipImage { tower: self.image.clone(), resolution, patch, projection }
    }
}

/// A complaint of a tower, whose transformer is the field `name` here.
fn here(complaint: Complaint, name: &str) -> Complaint {
    let field = complaint.field.trim_start_matches('.').replacen("tower", name, 1);
    Complaint::new(field, complaint.problem)
}

plain!(TrainClip);

impl Kind for TrainClip {
    const NAME: &'static str = "train-clip";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = true;
    const ALONE: bool = true;
    const ABOUT: &'static str = "Trains a text tower and an image tower on scenes and their captions to agree.";
    const EXAMPLE: &'static str = "resolution: 16\npatch: 4\nsteps: 600\nbatch: 64\n";
    type Needs = Needs;
    type Makes = artifact::Clip;

    fn check(&self) -> Result<(), Complaint> {
        self.text().check("").map_err(|complaint| here(complaint, "text"))?;
        self.image().check("").map_err(|complaint| here(complaint, "image"))?;
        Complaint::unless(self.vocabulary > 1, "vocabulary", "must hold a word and the end")?;
        Complaint::unless(self.tokens > 1, "tokens", "must leave room for a word and the end")?;
        Complaint::unless(self.batch > 1, "batch", "must be at least 2: there is nothing to tell apart in one pair")?;
        self.plain().check()
    }

    fn cost(&self) -> Cost {
        let count = Count::of(&self.text().blocks()) + Count::of(&self.image().blocks());
        Cost::training(count.params, count.macs, self.batch, self.steps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let spec = |change: fn(&mut TrainClip)| {
            let mut spec: TrainClip = serde_json::from_value(serde_json::json!({"steps": 60, "batch": 8})).unwrap();
            change(&mut spec);
            spec.check().map_err(|complaint| complaint.field)
        };
        assert_eq!(spec(|_| ()), Ok(()));
        assert_eq!(spec(|s| s.text.heads = 7), Err("text.heads".to_owned()));
        assert_eq!(spec(|s| s.image.layers = 0), Err("image.layers".to_owned()));
        assert_eq!(spec(|s| s.patch = 17), Err("patch".to_owned()));
        assert_eq!(spec(|s| s.batch = 1), Err("batch".to_owned()));
        assert_eq!(spec(|s| s.warmup = 61), Err("warmup".to_owned()));
    }
}
