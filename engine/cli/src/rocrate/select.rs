//! Which bytes go into a crate.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Key, manifest::File};
use isoflop_ledger::Past;
use isoflop_plan::{Claim, Plan};
use isoflop_report::{Judged, rocrate::Which};

/// Files below this size go into every crate that has bytes.
const SMALL: u64 = 1 << 20;

/// What is to go into a crate of an artifact.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The first task that made it.
    pub task: String,
    /// Those of its files.
    pub files: Vec<File>,
}

/// The artifacts of which bytes go into a crate, in the plan's order.
pub fn wanted(plan: &Plan, judged: &[Judged], past: &BTreeMap<Key, Past>, which: Which) -> Vec<Wanted> {
    let cited: BTreeSet<&str> = judged
        .iter()
        .flat_map(|claim| &claim.calls)
        .flat_map(|call| &call.tasks)
        .map(|cited| cited.task.as_str())
        .collect();
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for (index, task) in plan.tasks().iter().enumerate() {
        let Some(manifest) = past.get(&task.key).and_then(Past::manifest) else { continue };
        let asked = || cited.contains(task.name.as_str()) || plan.claims.iter().any(|claim| asks(claim, &task.name));
        let whole = match which {
            Which::None => continue,
            Which::All => true,
            Which::Results => plan.consumers(index).next().is_none() || asked(),
        };
        let files = manifest.files.values().filter(|file| whole || file.size < SMALL);
        let files: Vec<File> = files.filter(|file| seen.insert(file.digest)).copied().collect();
        if !files.is_empty() {
            all.push(Wanted { task: task.name.clone(), files });
        }
    }
    all
}

/// Whether a claim's expression asks for this task or its group.
pub fn asks(claim: &Claim, task: &str) -> bool {
    let group = task.split('[').next().unwrap_or(task);
    [task, group]
        .iter()
        .any(|name| ['\'', '"'].iter().any(|quote| claim.check.contains(&format!("{quote}{name}{quote}"))))
}
