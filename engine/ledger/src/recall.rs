//! Recall: what is known of a key, a trace, an artifact.

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Key, Manifest};
use sqlx::{PgConnection, PgExecutor};

use crate::{
    at::At,
    bytes::keys as bind,
    error::LedgerError,
    fault::{Fault, bad_row},
    id::{AttemptId, RunId},
    ledger::Ledger,
    past::{Past, PastOutcome},
    view::Edge,
};

/// A result as it is stored, with its artifact's manifest.
#[derive(sqlx::FromRow)]
pub(crate) struct Row {
    key: [u8; 32],
    artifact: Option<[u8; 32]>,
    reason: Option<String>,
    attempt: Option<AttemptId>,
    run: RunId,
    at: At,
    trace: Option<[u8; 32]>,
    manifest: Option<String>,
}

impl Row {
    /// What stands, under which key.
    pub fn past(self) -> Result<(Key, Past), Fault> {
        let key = Key::from_bytes(self.key);
        let outcome = match (self.artifact.map(Digest::from_bytes), self.manifest) {
            (Some(digest), Some(text)) => PastOutcome::Made { digest, manifest: manifest(&digest, &text)? },
            (None, _) => PastOutcome::Diverged { reason: self.reason.unwrap_or_default() },
            (Some(digest), None) => {
                return Err(bad_row(format!("the result of key {key} names artifact {digest}, which is not there")));
            }
        };
        let trace = self.trace.map(Digest::from_bytes);
        Ok((key, Past { outcome, run: self.run, attempt: self.attempt, at: self.at.0, trace }))
    }
}

/// A manifest from its text, if that is what it was.
pub(crate) fn manifest(digest: &Digest, text: &str) -> Result<Manifest, Fault> {
    if Digest::of(text) != *digest {
        return Err(bad_row(format!("the manifest of artifact {digest} is not the text that its digest is of")));
    }
    serde_json::from_str(text).map_err(|e| bad_row(format!("the manifest of artifact {digest}: {e}")))
}

/// What stands under `keys`.
async fn results(conn: impl PgExecutor<'_>, keys: Vec<[u8; 32]>) -> Result<BTreeMap<Key, Past>, Fault> {
    let rows: Vec<Row> = sqlx::query_as(
        "select r.key, r.artifact, r.reason, r.attempt, r.run, r.at, r.trace, a.text as manifest
         from results r left join artifacts a on a.digest = r.artifact
         where r.key = any($1)",
    )
    .bind(keys)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::past).collect()
}

/// What stands under each of `keys`, inside a transaction.
pub(crate) async fn standing_all(conn: &mut PgConnection, keys: &[Key]) -> Result<BTreeMap<Key, Past>, Fault> {
    if keys.is_empty() { Ok(BTreeMap::new()) } else { results(conn, bind(keys)).await }
}

/// What stands under `key`, inside a transaction.
pub(crate) async fn standing(conn: &mut PgConnection, key: &Key) -> Result<Option<Past>, Fault> {
    let row: Option<Row> = sqlx::query_as(
        "select r.key, r.artifact, r.reason, r.attempt, r.run, r.at, r.trace, a.text as manifest
         from results r left join artifacts a on a.digest = r.artifact
         where r.key = $1",
    )
    .bind(key.as_bytes())
    .fetch_optional(conn)
    .await?;
    Ok(row.map(Row::past).transpose()?.map(|(_, past)| past))
}

impl Ledger {
    /// What stands under each of `keys`; keys without a result are left out.
    pub async fn past(&self, keys: &[Key]) -> Result<BTreeMap<Key, Past>, LedgerError> {
        self.with("look up results", |pool| async move { results(&pool, bind(keys)).await }).await
    }

    /// What stands under a key.
    pub async fn result(&self, key: &Key) -> Result<Option<Past>, LedgerError> {
        Ok(self.past(std::slice::from_ref(key)).await?.remove(key))
    }

    /// What came of any recipe with this trace, if that still stands: a result may have been made again from other bits.
    pub async fn by_trace(&self, trace: Digest) -> Result<Option<Past>, LedgerError> {
        self.with("look up a trace", |pool| async move {
            let row: Option<Row> = sqlx::query_as(
                "select r.key, r.artifact, r.reason, r.attempt, r.run, r.at, r.trace, a.text as manifest
                 from traces t join results r on r.key = t.key and r.trace = t.trace left join artifacts a on a.digest = r.artifact
                 where t.trace = $1",
            )
            .bind(trace.as_bytes())
            .fetch_optional(&pool)
            .await?;
            Ok(row.map(Row::past).transpose()?.map(|(_, past)| past))
        })
        .await
    }

    /// The canonical text of a key's recipe.
    pub async fn recipe(&self, key: &Key) -> Result<Option<String>, LedgerError> {
        self.with("look up a recipe", |pool| async move {
            let text = sqlx::query_scalar("select text from recipes where key = $1").bind(key.as_bytes());
            Ok(text.fetch_optional(&pool).await?)
        })
        .await
    }

    /// The keys whose full text begins with `prefix` (hexadecimal digits), at most ten. Anything else begins no key.
    pub async fn keys_like(&self, prefix: &str) -> Result<Vec<Key>, LedgerError> {
        let bound = |fill: char| format!("{prefix:fill$}", fill = 64).replace(' ', &fill.to_string()).parse::<Key>();
        let (Ok(low), Ok(high)) = (bound('0'), bound('f')) else { return Ok(vec![]) };
        self.with("look up keys", |pool| async move {
            let rows: Vec<[u8; 32]> =
                sqlx::query_scalar("select key from recipes where key between $1 and $2 order by key limit 10")
                    .bind(low.as_bytes())
                    .bind(high.as_bytes())
                    .fetch_all(&pool)
                    .await?;
            Ok(rows.into_iter().map(Key::from_bytes).collect())
        })
        .await
    }

    /// The manifest of an artifact, as recorded.
    pub async fn artifact(&self, digest: Digest) -> Result<Option<Manifest>, LedgerError> {
        self.with("look up an artifact", |pool| async move {
            let text: Option<String> = sqlx::query_scalar("select text from artifacts where digest = $1")
                .bind(digest.as_bytes())
                .fetch_optional(&pool)
                .await?;
            text.map(|text| manifest(&digest, &text)).transpose()
        })
        .await
    }

    /// Every need that `key` rests on, directly or through others.
    pub async fn lineage(&self, key: &Key) -> Result<Vec<Edge>, LedgerError> {
        self.with_much("walk a lineage", |pool| async move {
            let rows: Vec<([u8; 32], String, String, [u8; 32])> = sqlx::query_as(
                "with recursive above (key) as (
                     select $1::bytea
                     union
                     select n.need::bytea from needs n join above a on n.key = a.key
                 )
                 select n.key, n.port, n.label, n.need from needs n join above a on n.key = a.key
                 order by n.key, n.port, n.label",
            )
            .bind(key.as_bytes())
            .fetch_all(&pool)
            .await?;
            let edge = |(key, port, label, need)| Edge::bare(Key::from_bytes(key), port, label, Key::from_bytes(need));
            Ok(rows.into_iter().map(edge).collect())
        })
        .await
    }
}
