//! Claims: who may run a key. One row a key, locked while it is decided; its fence goes up with every grant and never down.

use isoflop_contract::Key;
use sqlx::PgConnection;

use crate::{
    at::At,
    bytes::keys,
    chain,
    error::LedgerError,
    event::Event,
    fault::Fault,
    holder::Holder,
    id::RunId,
    lease::{Claim, LENGTH, Lease, Purpose},
    ledger::Ledger,
    recall,
};

/// A lease as it is stored.
#[derive(sqlx::FromRow)]
struct Row {
    fence: i64,
    holder: Option<String>,
    since: At,
    expired: bool,
}

/// Seconds, as a number for the database's clock: leases are timed by that one alone.
fn seconds() -> f64 {
    LENGTH.as_secs_f64()
}

/// Whether the engine that `text` names is provably dead.
fn dead(text: &str) -> bool {
    text.parse::<Holder>().is_ok_and(|holder| holder.is_dead())
}

/// A stored holder, for a person.
pub(crate) fn shown(text: &str) -> String {
    text.parse::<Holder>().map_or_else(|_| text.to_owned(), |holder| holder.short())
}

/// Locks the row of `key` and decides: the fence of the lease and from whom it was taken over, or who has it.
async fn decide(
    conn: &mut PgConnection,
    run: RunId,
    key: &Key,
    me: &str,
) -> Result<Result<(i64, Option<String>), (String, At)>, Fault> {
    let made: Option<i64> = sqlx::query_scalar(
        "insert into leases (key, fence, holder, run, since, expires)
         values ($1, 1, $2, $3, now(), now() + make_interval(secs => $4))
         on conflict (key) do nothing returning fence",
    )
    .bind(key.as_bytes())
    .bind(me)
    .bind(run)
    .bind(seconds())
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(fence) = made {
        return Ok(Ok((fence, None)));
    }
    let row: Row =
        sqlx::query_as("select fence, holder, since, expires < now() as expired from leases where key = $1 for update")
            .bind(key.as_bytes())
            .fetch_one(&mut *conn)
            .await?;
    let from = match row.holder {
        // The grant was committed before the connection broke.
        Some(holder) if holder == me => return Ok(Ok((row.fence, None))),
        Some(holder) if !row.expired && !dead(&holder) => return Ok(Err((shown(&holder), row.since))),
        other => other,
    };
    let fence = row.fence + 1;
    sqlx::query(
        "update leases set fence = $2, holder = $3, run = $4, since = now(), expires = now() + make_interval(secs => $5)
         where key = $1",
    )
    .bind(key.as_bytes())
    .bind(fence)
    .bind(me)
    .bind(run)
    .bind(seconds())
    .execute(conn)
    .await?;
    Ok(Ok((fence, from)))
}

impl Ledger {
    /// Asks for the right to run `key`.
    pub async fn claim(&self, run: RunId, key: Key, purpose: Purpose) -> Result<Claim, LedgerError> {
        self.with("claim a key", |pool| async move {
            let me = self.holder().to_string();
            let mut tx = pool.begin().await?;
            let (fence, from) = match decide(&mut tx, run, &key, &me).await? {
                Ok(granted) => granted,
                Err((by, since)) => {
                    tx.rollback().await?;
                    return Ok(Claim::Held { by, since: since.0 });
                }
            };
            // Asked under the lock: whoever had it before may just have finished.
            if purpose == Purpose::Make
                && let Some(past) = recall::standing(&mut tx, &key).await?
            {
                tx.rollback().await?;
                return Ok(Claim::Done(past));
            }
            if let Some(from) = from {
                let at = At::now();
                sqlx::query("update attempts set outcome = 'lost', ended = $3 where key = $1 and fence < $2 and outcome is null")
                    .bind(key.as_bytes())
                    .bind(fence)
                    .bind(at)
                    .execute(&mut *tx)
                    .await?;
                let event = Event::TakenOver { key, fence, from: shown(&from) };
                chain::append(&mut tx, run, at, vec![event]).await?;
            }
            tx.commit().await?;
            Ok(Claim::Granted(Lease { key, fence, holder: self.holder().clone(), purpose }))
        })
        .await
    }

    /// Renews all of `leases` in one statement; answers with those that were lost.
    pub async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, LedgerError> {
        if leases.is_empty() {
            return Ok(vec![]);
        }
        let kept: Vec<[u8; 32]> = self
            .with("renew leases", |pool| async move {
                let kept = sqlx::query_scalar(
                    "update leases l set expires = now() + make_interval(secs => $4)
                     from unnest($1::bytea[], $2::bigint[]) as t (key, fence)
                     where l.key = t.key and l.fence = t.fence and l.holder = $3
                     returning l.key",
                )
                .bind(keys(leases.iter().map(|lease| &lease.key)))
                .bind(leases.iter().map(|lease| lease.fence).collect::<Vec<_>>())
                .bind(self.holder().to_string())
                .bind(seconds());
                Ok(kept.fetch_all(&pool).await?)
            })
            .await?;
        Ok(leases.iter().filter(|lease| !kept.contains(lease.key.as_bytes())).cloned().collect())
    }

    /// Gives a lease back without a result. One that was lost is no longer there to give: nothing happens.
    pub async fn release(&self, lease: &Lease) -> Result<(), LedgerError> {
        self.with("give a lease back", |pool| async move {
            sqlx::query("update leases set holder = null where key = $1 and fence = $2 and holder = $3")
                .bind(lease.key.as_bytes())
                .bind(lease.fence)
                .bind(lease.holder.to_string())
                .execute(&pool)
                .await?;
            Ok(())
        })
        .await
    }
}
