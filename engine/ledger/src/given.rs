//! What was given: the artifacts that a result was made from, where others may stand under the keys it needs by now. A ledger holds the digest of a
//! result's trace; the trace that has this digest is looked for among all that was ever made under those keys.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key, Need, Recipe};
use sqlx::PgPool;

use crate::{
    bytes::{self, keys as bind},
    fault::Fault,
};

/// How many traces are tried for one result.
const TRIES: usize = 4096;

/// What one result was made from, by the keys it needs.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// The artifacts, where they could be told.
    pub artifacts: BTreeMap<Key, Digest>,
    /// Whether these are others than stand under those keys now.
    pub changed: bool,
}

/// A result, what it needs, and the digest of its trace.
struct Rested {
    recipe: Recipe,
    needs: Vec<Key>,
    trace: Digest,
}

impl Rested {
    fn is_of(&self, artifacts: &BTreeMap<Key, Digest>) -> bool {
        let trace = self.recipe.trace(|key| artifacts.get(key).copied()).and_then(|trace| trace.text().ok());
        trace.is_some_and(|text| Digest::of(&text) == self.trace)
    }

    /// The artifacts of its trace, each one of those that were made under its key.
    fn among(&self, standing: &BTreeMap<Key, Digest>, made: &BTreeMap<Key, BTreeSet<Digest>>) -> BTreeMap<Key, Digest> {
        let choices: Vec<(Key, Vec<Digest>)> = self
            .needs
            .iter()
            .map(|need| {
                let now = standing.get(need);
                let others = made.get(need).into_iter().flatten().filter(|other| Some(*other) != now);
                (*need, now.into_iter().chain(others).copied().collect::<Vec<_>>())
            })
            .filter(|(_, choices)| !choices.is_empty())
            .collect();
        for mut number in 0..TRIES {
            let mut artifacts = BTreeMap::new();
            for (need, choices) in &choices {
                artifacts.insert(*need, choices[number % choices.len()]);
                number /= choices.len();
            }
            if number > 0 {
                break; // all were tried
            }
            if self.is_of(&artifacts) {
                return artifacts;
            }
        }
        BTreeMap::new()
    }
}

/// What the results under `keys` were made from. Of a result whose trace is not recorded nothing is told.
pub(crate) async fn given(pool: &PgPool, keys: &[Key]) -> Result<BTreeMap<Key, Given>, Fault> {
    let rows: Vec<([u8; 32], String, [u8; 32])> = sqlx::query_as(
        "select c.key, c.text, r.trace from recipes c join results r on r.key = c.key
         where c.key = any($1) and r.trace is not null",
    )
    .bind(bind(keys))
    .fetch_all(pool)
    .await?;
    let rested = rows.into_iter().filter_map(|(key, text, trace)| {
        // A text that cannot be read is the audit's to report.
        let recipe: Recipe = serde_json::from_str(&text).ok()?;
        let needs = recipe.needs.values().flat_map(|need| match need {
            Need::One(key) => vec![*key],
            Need::Many(cells) => cells.values().flatten().copied().collect(),
        });
        let needs: BTreeSet<Key> = needs.collect();
        Some((
            Key::from_bytes(key),
            Rested { needs: needs.into_iter().collect(), recipe, trace: Digest::from_bytes(trace) },
        ))
    });
    let rested: Vec<(Key, Rested)> = rested.collect();
    let needs: BTreeSet<Key> = rested.iter().flat_map(|(_, rested)| rested.needs.iter().copied()).collect();
    let rows: Vec<([u8; 32], Option<[u8; 32]>)> =
        sqlx::query_as("select key, artifact from results where key = any($1)")
            .bind(bind(needs.iter()))
            .fetch_all(pool)
            .await?;
    let standing: BTreeMap<Key, Digest> =
        rows.into_iter().filter_map(|(key, artifact)| Some((Key::from_bytes(key), bytes::digest(artifact)?))).collect();
    let (held, open): (Vec<_>, Vec<_>) = rested.into_iter().partition(|(_, rested)| rested.is_of(&standing));
    let mut all = BTreeMap::new();
    for (key, rested) in held {
        let artifacts = rested.needs.iter().filter_map(|need| Some((*need, *standing.get(need)?))).collect();
        all.insert(key, Given { artifacts, changed: false });
    }
    if open.is_empty() {
        return Ok(all);
    }
    let needs: BTreeSet<Key> = open.iter().flat_map(|(_, rested)| rested.needs.iter().copied()).collect();
    let rows: Vec<([u8; 32], [u8; 32])> =
        sqlx::query_as("select distinct key, artifact from attempts where key = any($1) and artifact is not null")
            .bind(bind(needs.iter()))
            .fetch_all(pool)
            .await?;
    let mut made: BTreeMap<Key, BTreeSet<Digest>> = BTreeMap::new();
    for (key, artifact) in rows {
        made.entry(Key::from_bytes(key)).or_default().insert(Digest::from_bytes(artifact));
    }
    for (key, rested) in open {
        all.insert(key, Given { artifacts: rested.among(&standing, &made), changed: true });
    }
    Ok(all)
}
