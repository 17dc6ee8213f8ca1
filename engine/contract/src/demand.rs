//! What a task asks of the machine (`on:`). Never hashed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{Bytes, Seconds};

/// Resources and limits of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Demand {
    /// Processor slots it occupies.
    #[schemars(range(min = 1))]
    pub cpus: u32,
    /// Devices it leases.
    pub gpus: u32,
    /// Memory it may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Bytes>,
    /// How long it may take before it is stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<Seconds>,
}

impl Default for Demand {
    fn default() -> Self {
        Self { cpus: 1, gpus: 0, memory: None, time: None }
    }
}
