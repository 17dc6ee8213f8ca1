//! An open kind: it takes any port, reads files, and says in its spec what it makes.

use std::borrow::Cow;

use isoflop_contract::{Complaint, Fed, Kind, Runtime, port::Open, shape::Any};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// Ports and files, by name.
    #[serde(default)]
    reads: Vec<String>,
    makes: String,
    #[serde(skip_serializing, default)]
    code: Vec<String>,
    #[serde(default)]
    draws: bool,
}

impl Kind for Script {
    const NAME: &'static str = "script";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = true;
    const FILES: bool = true;
    const ABOUT: &'static str = "Runs a script.";
    const EXAMPLE: &'static str = "{ makes: scores }";
    type Needs = Open;
    type Makes = Any;

    fn makes(&self) -> Cow<'static, str> {
        Cow::Owned(self.makes.clone())
    }

    fn seeded(&self) -> bool {
        self.draws
    }

    fn code(&self) -> &[String] {
        &self.code
    }

    fn suits(&self, fed: &Fed<'_>) -> Vec<Complaint> {
        let unknown = |name: &str| !fed.ports.contains_key(name) && !fed.files.contains_key(name);
        let reads = self.reads.iter().enumerate().filter(|(_, name)| unknown(name));
        reads.map(|(at, name)| Complaint::new(format!("reads.{at}"), format!("there is no `{name}`"))).collect()
    }
}
