//! The latest of many keys: their last attempts, and where what stands under them came from. One question each, however many keys.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Key;

use crate::{
    bytes::keys as bind,
    earlier::Before,
    error::LedgerError,
    id::{AttemptId, RunId},
    ledger::Ledger,
};

/// The last attempt at a key.
#[derive(Debug, Clone, PartialEq)]
pub struct LastAttempt {
    /// The attempt.
    pub id: AttemptId,
    /// Its run.
    pub run: RunId,
    /// `made`, `diverged`, `failed`, or `lost`; none while it runs.
    pub outcome: Option<String>,
    /// The class of its failure.
    pub class: Option<String>,
    /// Why it diverged or failed.
    pub reason: Option<String>,
}

impl LastAttempt {
    /// Whether it failed.
    pub fn failed(&self) -> bool {
        self.outcome.as_deref() == Some("failed")
    }
}

/// Where a result came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The run that recorded it.
    pub run: RunId,
    /// The key that its attempt ran: another one, if it was adopted.
    pub made_under: Option<Key>,
    /// The run of that attempt.
    pub made_in: Option<RunId>,
}

/// How long one past attempt took.
#[derive(Debug, Clone, PartialEq)]
pub struct Timing {
    /// The kind.
    pub kind: String,
    /// The text of its recipe.
    pub recipe_text: String,
    /// How long the body ran.
    pub seconds: f64,
}

/// Key, run of the result, key and run of the attempt that made it.
type Origins = ([u8; 32], RunId, Option<[u8; 32]>, Option<RunId>);

impl Ledger {
    /// The last attempts, in earlier runs, to make what stands (or not) under `keys`; keys that nobody tried are left out.
    pub async fn last_attempts(&self, keys: &[Key], before: Before) -> Result<BTreeMap<Key, LastAttempt>, LedgerError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.with("look up last attempts", |pool| async move {
            type Row = ([u8; 32], AttemptId, RunId, Option<String>, Option<String>, Option<String>);
            let rows: Vec<Row> = sqlx::query_as(
                "select distinct on (key) key, id, run, outcome, class, reason from attempts
                 where key = any($1) and purpose <> 'witness' and ($2::uuid is null or run < $2)
                 order by key, fence desc, began desc, id desc",
            )
            .bind(bind(keys))
            .bind(before.run())
            .fetch_all(&pool)
            .await?;
            let last = rows.into_iter().map(|(key, id, run, outcome, class, reason)| {
                (Key::from_bytes(key), LastAttempt { id, run, outcome, class, reason })
            });
            Ok(last.collect())
        })
        .await
    }

    /// Where the results under `keys` came from; keys without one are left out.
    pub async fn standing(&self, keys: &[Key]) -> Result<BTreeMap<Key, Standing>, LedgerError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.with("look up where results came from", |pool| async move {
            let rows: Vec<Origins> = sqlx::query_as(
                "select r.key, r.run, t.key, t.run from results r left join attempts t on t.id = r.attempt
                 where r.key = any($1)",
            )
            .bind(bind(keys))
            .fetch_all(&pool)
            .await?;
            let standing = rows.into_iter().map(|(key, run, made_under, made_in)| {
                (Key::from_bytes(key), Standing { run, made_under: made_under.map(Key::from_bytes), made_in })
            });
            Ok(standing.collect())
        })
        .await
    }

    /// The attempts of a run that made something again although a result stood.
    pub async fn remakes(&self, run: RunId) -> Result<BTreeSet<AttemptId>, LedgerError> {
        self.with("look up what was made again", |pool| async move {
            let rows: Vec<AttemptId> =
                sqlx::query_scalar("select id from attempts where run = $1 and purpose = 'remake'")
                    .bind(run)
                    .fetch_all(&pool)
                    .await?;
            Ok(rows.into_iter().collect())
        })
        .await
    }

    /// How long the latest attempts of these kinds took that made something: of each kind at most `limit`, out of the latest 20,000 attempts of
    /// all.
    pub async fn timings(&self, kinds: &[&str], limit: u32) -> Result<Vec<Timing>, LedgerError> {
        if kinds.is_empty() {
            return Ok(Vec::new());
        }
        self.with("look up how long attempts took", |pool| async move {
            let rows: Vec<(String, String, f64)> = sqlx::query_as(
                "with recent as (
                     select id, key, seconds from attempts where outcome = 'made' and seconds is not null
                     order by id desc limit 20000
                 ), ranked as (
                     select c.kind, t.key, t.seconds, row_number() over (partition by c.kind order by t.id desc) as place
                     from recent t join recipes c on c.key = t.key where c.kind = any($1)
                 )
                 select t.kind, c.text, t.seconds from ranked t join recipes c on c.key = t.key where t.place <= $2",
            )
            .bind(kinds)
            .bind(i64::from(limit))
            .fetch_all(&pool)
            .await?;
            Ok(rows
                .into_iter()
                .map(|(kind, recipe_text, seconds)| Timing { kind, recipe_text, seconds })
                .collect())
        })
        .await
    }
}
