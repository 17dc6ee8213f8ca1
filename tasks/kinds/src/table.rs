//! `read-table`: a CSV file of the study, so that fits rest on data of others by the bytes.

use isoflop_contract::{Complaint, Fed, Kind, Runtime, port::NoNeeds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::Table;

/// The name of the file under `files:`.
pub const FILE: &str = "table";

/// What `read-table` is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadTable {
    /// Columns that must be there, so that a wrong file is found before any fit is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
}

impl Kind for ReadTable {
    const NAME: &'static str = "read-table";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const FILES: bool = true;
    const ABOUT: &'static str = "Reads a CSV file of the study, `files: { table: … }`, whose rows are points for fits.";
    const EXAMPLE: &'static str = "\
columns: [params, flops, loss]
";
    type Needs = NoNeeds;
    type Makes = Table;

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let one = match fed.files.get(FILE) {
            Some(Some(manifest)) => manifest.files.len() == 1,
            Some(None) => true,
            None => false,
        };
        Complaint::unless(one && fed.files.len() == 1, "files", "must name one file of the study, as `table`")
            .err()
            .into_iter()
            .collect()
    }
}
