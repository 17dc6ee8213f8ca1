//! Silence: runs whose engines are heard of no more.
//!
//! An engine has a lease on its run as it has on keys, and renews it with them, also while it only waits. Whether an engine of another machine
//! is dead cannot be known; that it has not renewed this lease for long can. Such a run is closed: it would else stay `running`, and hold in
//! the store what it had, for ever. Should its engine wake up after all, it may record nothing more in that run, and its results stand.

use std::{collections::BTreeMap, time::Duration};

use isoflop_contract::{Digest, Key};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    bytes::keys,
    claim::shown,
    error::LedgerError,
    fault::Fault,
    id::RunId,
    lease::{Lease, LeaseTerms, Purpose},
    ledger::Ledger,
    run::RunState,
};

/// How long after its run's lease has run out an engine is taken for dead: a laptop may have slept a little.
const PATIENCE: Duration = Duration::from_mins(10);

/// A run whose engine is heard of no more.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Silent {
    /// The run.
    pub run: RunId,
    /// Its study.
    pub study: String,
    /// Whose it is.
    pub by: String,
    /// For how many seconds nothing was heard of it.
    pub seconds: f64,
}

/// What stands for a run where leases are on keys.
fn key(run: RunId) -> Key {
    Key::from_bytes(*Digest::of(format!("the run {run}")).as_bytes())
}

/// Gives `run`, which begins, the lease that its engine has on it.
pub(crate) async fn begin(conn: &mut PgConnection, run: RunId, holder: &str, terms: LeaseTerms) -> Result<(), Fault> {
    sqlx::query(
        "insert into leases (key, fence, holder, run, seconds, since, expires)
         values ($1, 1, $2, $3, $4, ledger_time(), ledger_time() + make_interval(secs => $4)) on conflict (key) do nothing",
    )
    .bind(key(run).as_bytes())
    .bind(holder)
    .bind(run)
    .bind(terms.length().as_secs_f64())
    .execute(conn)
    .await?;
    Ok(())
}

/// Runs under way of which nothing is heard: their own lease ran out long ago, and they have no other that has not.
pub(crate) async fn silent(conn: &mut PgConnection) -> Result<Vec<Silent>, Fault> {
    let running: Vec<(RunId, String, String)> =
        sqlx::query_as("select id, study, holder from runs where state = 'running' order by id")
            .fetch_all(&mut *conn)
            .await?;
    if running.is_empty() {
        return Ok(vec![]);
    }
    let own: Vec<Key> = running.iter().map(|(run, ..)| key(*run)).collect();
    let past: Vec<([u8; 32], f64)> = sqlx::query_as(
        "select l.key, extract(epoch from ledger_time() - l.expires)::float8 from leases l
         where l.key = any($1) and l.holder is not null and l.expires < ledger_time() - make_interval(secs => $2)
               and not exists (select 1 from leases o where o.run = l.run and o.holder is not null and o.expires > ledger_time())",
    )
    .bind(keys(own.iter()))
    .bind(PATIENCE.as_secs_f64())
    .fetch_all(conn)
    .await?;
    let past: BTreeMap<Key, f64> = past.into_iter().map(|(key, seconds)| (Key::from_bytes(key), seconds)).collect();
    let silent = running.into_iter().zip(own).filter_map(|((run, study, holder), key)| {
        Some(Silent { run, study, by: shown(&holder), seconds: *past.get(&key)? })
    });
    Ok(silent.collect())
}

impl Ledger {
    /// The lease that this engine has on its `run`, to be renewed with its others.
    pub fn presence(&self, run: RunId) -> Lease {
        Lease { key: key(run), fence: 1, holder: self.holder().clone(), purpose: Purpose::Make }
    }

    /// Runs whose engines are heard of no more.
    pub async fn silent_runs(&self) -> Result<Vec<Silent>, LedgerError> {
        self.with("look for engines that fell silent", |pool| async move {
            let mut tx = pool.begin().await?;
            let runs = silent(&mut tx).await?;
            tx.rollback().await?;
            Ok(runs)
        })
        .await
    }

    /// Closes the runs whose engines are heard of no more. Answers with them.
    pub async fn close_silent(&self) -> Result<Vec<Silent>, LedgerError> {
        let runs = self.silent_runs().await?;
        for run in &runs {
            self.close_run(run.run, RunState::Interrupted, Some(run)).await?;
        }
        Ok(runs)
    }
}
