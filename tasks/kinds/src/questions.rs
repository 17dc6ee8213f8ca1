//! `read-questions`: questions about texts from a file of the study, in TIFA's format.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, port::NoNeeds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::Questions;

/// The name of the file under `files:`.
pub const FILE: &str = "questions";

/// The most of it that is read.
pub const MOST_BYTES: u64 = 256 << 20;

/// What is read: a JSON list of questions as TIFA (Hu et al. 2023, arXiv 2303.11897) publishes them, each a map with `id` (the text it is about), `caption` (that
/// text), `question`, `choices`, `answer` and `element_type`; other members are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadQuestions {
    /// The types of elements whose questions are kept; all, if none is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elements: Vec<String>,
}

impl Kind for ReadQuestions {
    const NAME: &'static str = "read-questions";
    const REVISION: u32 = 1; // 1: first version
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const FILES: bool = true;
    const ABOUT: &'static str =
        "Reads questions about texts from a JSON file of the study in TIFA's format, `files: { questions: … }`.";
    const EXAMPLE: &'static str = "elements: [object, color, counting, shape, spatial]\n";
    type Needs = NoNeeds;
    type Makes = Questions;

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let one = match fed.files.get(FILE) {
            Some(Some(manifest)) => manifest.files.len() == 1,
            Some(None) => true,
            None => false,
        };
        Complaint::unless(one && fed.files.len() == 1, "files", "must name one file of the study, as `questions`")
            .err()
            .into_iter()
            .collect()
    }
}
