//! The in-toto statement: one file that names everything else, so that signing it signs the crate.
//!
//! Its first subject is the list of digests, by which every other file is named; the others are the artifacts, by the digests of their manifests,
//! so that a statement can be found from an artifact alone. Specification: <https://github.com/in-toto/attestation/tree/main/spec/v1>.

use isoflop_contract::{Digest, Value};
use serde_json::json;

use super::{Contents, SUMS, graph::pretty};
use crate::claims::Judged;

/// The type of what the statement says of its subjects: `study`, `plan`, `isoflop`, the ends of all chains, and the verdicts.
pub const PREDICATE: &str = "urn:isoflop:study-results:v1";

/// The subjects of a crate: its list of digests, then each task's artifact in the plan's order.
pub fn subjects(contents: &Contents<'_>, sums: &Digest) -> Value {
    let mut subjects = vec![json!({"name": SUMS, "digest": {"sha256": sums}})];
    for task in contents.plan.tasks() {
        let Some(artifact) = contents.results.get(&task.key).and_then(|standing| standing.artifact) else { continue };
        let Some(stamp) = contents.files.get(&super::manifest_path(&artifact)) else { continue };
        subjects.push(json!({"name": task.name, "digest": {"sha256": stamp.sha256, "blake3": artifact}}));
    }
    Value::Array(subjects)
}

/// The statement. `heads` are the ends of all chains: run, number of events, hash of the last.
pub fn statement(contents: &Contents<'_>, sums: &Digest, heads: &[(String, u64, Digest)], claims: &[Judged]) -> String {
    let heads: Vec<Value> =
        heads.iter().map(|(run, events, hash)| json!({"run": run, "events": events, "head": hash})).collect();
    let claims: Vec<Value> = claims
        .iter()
        .map(|claim| json!({"name": claim.name, "verdict": claim.verdict, "restsOn": claim.digest()}))
        .collect();
    pretty(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subjects(contents, sums),
        "predicateType": PREDICATE,
        "predicate": {
            "isoflop": contents.head.isoflop,
            "study": contents.head.study,
            "plan": contents.head.plan,
            "runs": heads,
            "claims": claims,
            "missing": contents.head.missing,
        },
    }))
}
