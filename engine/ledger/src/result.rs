//! Results and artifacts: what stands under keys, and the manifests of what was made. Many at a time, in few statements.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key, Manifest};
use sqlx::PgConnection;

use crate::{
    at::At,
    bytes::keys,
    error::LedgerError,
    fault::Fault,
    id::{AttemptId, RunId},
};

/// A result to be recorded under a key.
#[derive(Debug)]
pub(crate) struct NewResult<'a> {
    pub key: Key,
    pub run: RunId,
    pub at: At,
    pub artifact: Option<Digest>,
    pub reason: Option<&'a str>,
    pub attempt: Option<AttemptId>,
    /// The digest of the recipe with needs by digest: what it was made from.
    pub trace: Digest,
}

/// Records results under keys that differ: the first stands, unless these are to `replace` what does. Answers with the keys under which these
/// stand now.
pub(crate) async fn record(
    conn: &mut PgConnection,
    new: &[NewResult<'_>],
    replace: bool,
) -> Result<BTreeSet<Key>, Fault> {
    if new.is_empty() {
        return Ok(BTreeSet::new());
    }
    let statement = if replace {
        "insert into results as r (key, outcome, artifact, reason, attempt, run, at, trace)
         select * from unnest($1::bytea[], $2::text[], $3::bytea[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[],
                              $8::bytea[])
         on conflict (key) do update
         set outcome = excluded.outcome, artifact = excluded.artifact, reason = excluded.reason, attempt = excluded.attempt,
             run = excluded.run, at = excluded.at, trace = excluded.trace
         where (r.outcome, r.artifact, r.trace) is distinct from (excluded.outcome, excluded.artifact, excluded.trace)
         returning key"
    } else {
        "insert into results (key, outcome, artifact, reason, attempt, run, at, trace)
         select * from unnest($1::bytea[], $2::text[], $3::bytea[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[],
                              $8::bytea[])
         on conflict (key) do nothing returning key"
    };
    let stand: Vec<[u8; 32]> = sqlx::query_scalar(statement)
        .bind(keys(new.iter().map(|new| &new.key)))
        .bind(new.iter().map(|new| if new.artifact.is_some() { "made" } else { "diverged" }).collect::<Vec<_>>())
        .bind(new.iter().map(|new| new.artifact.map(|digest| *digest.as_bytes())).collect::<Vec<_>>())
        .bind(new.iter().map(|new| new.reason).collect::<Vec<_>>())
        .bind(new.iter().map(|new| new.attempt).collect::<Vec<_>>())
        .bind(new.iter().map(|new| new.run).collect::<Vec<_>>())
        .bind(new.iter().map(|new| new.at).collect::<Vec<_>>())
        .bind(new.iter().map(|new| *new.trace.as_bytes()).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    Ok(stand.into_iter().map(Key::from_bytes).collect())
}

/// A manifest's text, if its digest is `digest`.
pub(crate) fn manifest_text(digest: Digest, manifest: &Manifest) -> Result<String, LedgerError> {
    let unfit = |why: String| LedgerError::Unfit { what: format!("artifact {digest}"), why };
    let text = manifest.text().map_err(|error| unfit(error.to_string()))?;
    if Digest::of(&text) == digest { Ok(text) } else { Err(unfit("its digest is not that of its manifest".to_owned())) }
}

/// An artifact to be recorded: the run that has it, its manifest and the manifest's text.
pub(crate) type NewArtifact<'a> = (RunId, &'a Manifest, &'a str);

/// Records artifacts that are new.
pub(crate) async fn record_artifacts(
    conn: &mut PgConnection,
    new: &BTreeMap<Digest, NewArtifact<'_>>,
) -> Result<(), Fault> {
    if new.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into artifacts (digest, shape, text, bytes, first_run)
         select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[], $5::uuid[])
         on conflict (digest) do nothing",
    )
    .bind(new.keys().map(|digest| *digest.as_bytes()).collect::<Vec<_>>())
    .bind(new.values().map(|(_, manifest, _)| manifest.shape.as_str()).collect::<Vec<_>>())
    .bind(new.values().map(|(.., text)| *text).collect::<Vec<_>>())
    .bind(new.values().map(|(_, manifest, _)| i64::try_from(manifest.size()).unwrap_or(i64::MAX)).collect::<Vec<_>>())
    .bind(new.values().map(|(run, ..)| *run).collect::<Vec<_>>())
    .execute(conn)
    .await?;
    Ok(())
}
