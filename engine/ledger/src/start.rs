//! Beginnings of attempts: recorded under the lease, and before how they end.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Value, canon};
use sqlx::PgConnection;

use crate::{
    bytes::{self, clean, keys},
    error::LedgerError,
    event::Event,
    fault::Fault,
    group::{Answer, Ask, Batch},
    id::{AttemptId, RunId},
    lease::{Lease, Purpose},
    ledger::Ledger,
};

/// An ask to record that an attempt begins.
#[derive(Debug)]
pub(crate) struct StartAsk {
    id: AttemptId,
    run: RunId,
    pub lease: Lease,
    task: String,
    /// The soft environment's canonical text.
    soft: String,
}

/// Records all of `asks`, whose leases are locked.
pub(crate) async fn record(
    batch: &mut Batch,
    conn: &mut PgConnection,
    asks: Vec<(usize, &StartAsk)>,
    answers: &mut BTreeMap<usize, Result<Answer, LedgerError>>,
) -> Result<(), Fault> {
    let mut held = vec![];
    for (place, ask) in asks {
        match batch.hold(&ask.lease) {
            Ok(()) => held.push((place, ask)),
            Err(error) => drop(answers.insert(place, Err(error))),
        }
    }
    if held.is_empty() {
        return Ok(());
    }
    batch.take_pens(conn, held.iter().map(|(_, ask)| ask.run)).await?;
    let mut ats = vec![];
    for (_, ask) in &held {
        ats.push(batch.pen(conn, ask.run).await?.at());
    }
    let added: Vec<AttemptId> = sqlx::query_scalar(
        "insert into attempts (id, run, task, key, fence, purpose, holder, soft, began)
         select * from unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::timestamptz[])
         on conflict (id) do nothing returning id",
    )
    .bind(held.iter().map(|(_, ask)| ask.id).collect::<Vec<_>>())
    .bind(held.iter().map(|(_, ask)| ask.run).collect::<Vec<_>>())
    .bind(held.iter().map(|(_, ask)| ask.task.as_str()).collect::<Vec<_>>())
    .bind(keys(held.iter().map(|(_, ask)| &ask.lease.key)))
    .bind(held.iter().map(|(_, ask)| ask.lease.fence).collect::<Vec<_>>())
    .bind(held.iter().map(|(_, ask)| ask.lease.purpose.word()).collect::<Vec<_>>())
    .bind(held.iter().map(|(_, ask)| ask.lease.holder.to_string()).collect::<Vec<_>>())
    .bind(held.iter().map(|(_, ask)| ask.soft.as_str()).collect::<Vec<_>>())
    .bind(ats)
    .fetch_all(&mut *conn)
    .await?;
    let added: BTreeSet<AttemptId> = added.into_iter().collect();
    for (place, ask) in held {
        // One that is there was recorded before a connection broke.
        if added.contains(&ask.id) {
            let unkeeps = match ask.lease.purpose {
                Purpose::Remake => kept(conn, ask.run, &ask.task).await?,
                Purpose::Make | Purpose::Witness => None,
            };
            let event = Event::AttemptBegan {
                attempt: ask.id,
                task: ask.task.clone(),
                key: ask.lease.key,
                fence: ask.lease.fence,
                purpose: Some(ask.lease.purpose.word().to_owned()),
                soft: Some(Digest::of(&ask.soft)),
                unkeeps,
            };
            batch.pen(conn, ask.run).await?.write(event);
            batch.wrote = true;
        }
        answers.insert(place, Ok(Answer::Started));
    }
    Ok(())
}

/// The artifact that the run has kept for a task so far, if it has.
async fn kept(conn: &mut PgConnection, run: RunId, task: &str) -> Result<Option<Digest>, Fault> {
    let kept: Option<Option<[u8; 32]>> =
        sqlx::query_scalar("select artifact from plan_tasks where run = $1 and name = $2 and outcome = 'kept'")
            .bind(run)
            .bind(task)
            .fetch_optional(conn)
            .await?;
    Ok(bytes::digest(kept.flatten()))
}

impl Ledger {
    /// Records that an attempt begins. Answers with its id.
    pub async fn start_attempt(
        &self,
        run: RunId,
        lease: &Lease,
        task: &str,
        soft: &Value,
    ) -> Result<AttemptId, LedgerError> {
        let id = AttemptId::new();
        self.record_start(id, run, lease, task, soft).await?;
        Ok(id)
    }

    /// Records that the attempt `id` begins, or has begun.
    pub async fn record_start(
        &self,
        id: AttemptId,
        run: RunId,
        lease: &Lease,
        task: &str,
        soft: &Value,
    ) -> Result<(), LedgerError> {
        let soft = canon::text(soft)
            .map_err(|e| LedgerError::Unfit { what: "the soft environment".to_owned(), why: e.to_string() })?;
        let ask = StartAsk { id, run, lease: lease.clone(), task: task.to_owned(), soft: clean(&soft) };
        match self.ask(Ask::Start(ask)).await? {
            Answer::Started => Ok(()),
            other => unreachable!("a beginning is not answered with {other:?}"),
        }
    }
}
