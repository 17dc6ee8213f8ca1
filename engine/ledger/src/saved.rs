//! What an attempt saved on its way, and what it went on from: facts in the chain, of attempts that did either.

use std::collections::BTreeMap;

use isoflop_contract::{Key, checkpoint::Trail};
use serde::Serialize;

use crate::{
    error::LedgerError,
    event::{Event, Line},
    fault::bad_row,
    id::AttemptId,
    ledger::Ledger,
};

/// The checkpoints of one attempt.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// The step it went on from; none if it began at the beginning.
    pub resumed: Option<u64>,
    /// What was saved on the way to its end, by the attempts it goes on from too.
    pub trail: Trail,
}

impl Saved {
    /// Whether there is nothing to record.
    pub fn is_empty(&self) -> bool {
        self.resumed.is_none() && self.trail.is_empty()
    }
}

impl Ledger {
    /// The checkpoints of all attempts at `key` that had any.
    pub async fn saved(&self, key: &Key) -> Result<BTreeMap<AttemptId, Saved>, LedgerError> {
        self.with("look up checkpoints", |pool| async move {
            let bodies: Vec<String> = sqlx::query_scalar(
                "select e.body from events e
                 where e.run in (select run from attempts where key = $1)
                   and e.body like '%\"event\":\"checkpointed\"%' and e.body like $2
                 order by e.run, e.seq",
            )
            .bind(key.as_bytes())
            .bind(format!("%{key}%"))
            .fetch_all(&pool)
            .await?;
            let mut all = BTreeMap::new();
            for body in bodies {
                let line: Line = serde_json::from_str(&body).map_err(|error| bad_row(format!("an event: {error}")))?;
                if let Event::Checkpointed { attempt, key: of, resumed, trail, .. } = line.what
                    && of == *key
                {
                    all.insert(attempt, Saved { resumed, trail });
                }
            }
            Ok(all)
        })
        .await
    }
}
