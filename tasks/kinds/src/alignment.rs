//! `score-alignment`: how faithfully images show what their captions say.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, ports};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    artifact,
    score::{bootstrap, level, one_of, resampling},
};

/// How to score: TIFA (arXiv 2303.11897), the mean over captions of the share of their questions that a network answers rightly from the image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScoreAlignment {
    /// Resamples of the prompts behind the interval.
    #[serde(default = "bootstrap")]
    #[schemars(range(min = 100, max = 100_000))]
    pub bootstrap: u64,
    /// The share of the resamples that the interval holds.
    #[serde(default = "level")]
    #[schemars(range(min = 0.5, max = 0.999))]
    pub level: f64,
}

resampling!(ScoreAlignment);

ports! {
    /// What scoring needs.
    pub struct Needs {
        /// The images to judge.
        images: One<artifact::Images>,
        /// The scenes whose captions they were sampled for, with the questions; with `answers`, any captions.
        prompts: One<artifact::Set>,
        /// The network that answers.
        vqa: Maybe<artifact::Vqa>,
        /// What a network of the study's own has answered, instead: to the questions at the port `questions`.
        answers: Maybe<artifact::Answers>,
        /// Questions about the captions instead of those that the scenes come with, from a file in TIFA's format.
        questions: Maybe<artifact::Questions>,
    }
}

impl Kind for ScoreAlignment {
    const NAME: &'static str = "score-alignment";
    // 1: first version. 2: an interval over prompts, no `batch`. 3: blocks that are always full, what shuffled pictures score, one record for all scores.
    const REVISION: u32 = 3;
    const RUNTIME: Runtime = Runtime::Torch;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Scores images by the questions about their captions that a network answers rightly.";
    const EXAMPLE: &'static str = "bootstrap: 1000\nlevel: 0.9\n";
    type Needs = Needs;
    type Makes = artifact::Alignment;

    fn check(&self) -> Result<(), Complaint> {
        self.resampling().check()
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let lacks = fed.ports.contains_key("answers") && !fed.ports.contains_key("questions");
        let lacks = lacks.then(|| Complaint::new("", "is fed answers, and not to which `questions`"));
        one_of(fed, &["vqa", "answers"], "asks one network").into_iter().chain(lacks).collect()
    }
}
