//! Claims: who may run a key. One row a key, locked while it is decided; its fence goes up with every grant and never down. Leases are timed by
//! the ledger's clock alone.

use std::collections::BTreeMap;

use isoflop_contract::Key;
use sqlx::PgConnection;

use crate::{
    at::At,
    bytes::keys,
    error::LedgerError,
    event::Event,
    fault::Fault,
    group::{Answer, Ask, Batch},
    holder::Holder,
    id::RunId,
    lease::{Claim, Lease, Purpose},
    ledger::Ledger,
    recall,
};

/// An ask for the right to run a key.
#[derive(Debug)]
pub(crate) struct ClaimAsk {
    pub run: RunId,
    pub key: Key,
    pub purpose: Purpose,
}

/// A grant about to be written.
struct Grant<'a> {
    place: usize,
    ask: &'a ClaimAsk,
    fence: i64,
    /// Whose it was, if it is taken over.
    from: Option<String>,
    /// Whether it was granted before, and the connection broke after that commit.
    again: bool,
}

/// A stored holder, for a person.
pub(crate) fn shown(text: &str) -> String {
    text.parse::<Holder>().map_or_else(|_| text.to_owned(), |holder| holder.short())
}

/// Decides on all of `asks`, whose leases are locked.
pub(crate) async fn grant(
    batch: &mut Batch,
    conn: &mut PgConnection,
    ledger: &Ledger,
    asks: Vec<(usize, &ClaimAsk)>,
    answers: &mut BTreeMap<usize, Result<Answer, LedgerError>>,
) -> Result<(), Fault> {
    if asks.is_empty() {
        return Ok(());
    }
    let mut free = vec![];
    let mut overlong = vec![];
    for (place, ask) in asks {
        let row =
            batch.leases.get(&ask.key).ok_or_else(|| crate::fault::bad_row(format!("key {} has no lease", ask.key)))?;
        let dead = |holder: &str| holder.parse::<Holder>().is_ok_and(|holder| ledger.holder().knows_dead(&holder));
        match &row.holder {
            Some(holder) if *holder == batch.me => {
                free.push(Grant { place, ask, fence: row.fence, from: None, again: true });
            }
            Some(holder) if !row.expired && !dead(holder) => {
                if row.overlong {
                    overlong.push(*ask.key.as_bytes());
                }
                let claim = Claim::Held { by: shown(holder), since: row.since.0 };
                answers.insert(place, Ok(Answer::Claimed(claim)));
            }
            other => {
                let fence = if batch.fresh.contains(&ask.key) { row.fence } else { row.fence + 1 };
                free.push(Grant { place, ask, fence, from: other.clone(), again: false });
            }
        }
    }
    if !overlong.is_empty() {
        sqlx::query("update leases set expires = ledger_time() + make_interval(secs => seconds) where key = any($1)")
            .bind(overlong)
            .execute(&mut *conn)
            .await?;
        batch.wrote = true;
    }
    // Asked under the lock: whoever had it before may just have finished.
    let wanted: Vec<Key> =
        free.iter().filter(|grant| grant.ask.purpose == Purpose::Make).map(|grant| grant.ask.key).collect();
    let mut standing = recall::standing_all(conn, &wanted).await?;
    let mut granted = vec![];
    for grant in free {
        let done = if grant.ask.purpose == Purpose::Make { standing.remove(&grant.ask.key) } else { None };
        match done {
            Some(past) => {
                answers.insert(grant.place, Ok(Answer::Claimed(Claim::Done(past))));
            }
            None => granted.push(grant),
        }
    }
    take_over(batch, conn, &granted).await?;
    let new: Vec<&Grant<'_>> = granted.iter().filter(|grant| !grant.again).collect();
    if !new.is_empty() {
        sqlx::query(
            "update leases l set fence = t.fence, holder = $4, run = t.run, seconds = $5, since = ledger_time(),
                    expires = ledger_time() + make_interval(secs => $5)
             from unnest($1::bytea[], $2::bigint[], $3::uuid[]) as t (key, fence, run) where l.key = t.key",
        )
        .bind(keys(new.iter().map(|grant| &grant.ask.key)))
        .bind(new.iter().map(|grant| grant.fence).collect::<Vec<_>>())
        .bind(new.iter().map(|grant| grant.ask.run).collect::<Vec<_>>())
        .bind(&batch.me)
        .bind(batch.terms.length().as_secs_f64())
        .execute(conn)
        .await?;
        batch.wrote = true;
    }
    for Grant { place, ask, fence, .. } in granted {
        let lease = Lease { key: ask.key, fence, holder: ledger.holder().clone(), purpose: ask.purpose };
        answers.insert(place, Ok(Answer::Claimed(Claim::Granted(lease))));
    }
    Ok(())
}

/// Says that the attempts under way at keys taken over are lost, and from whom.
async fn take_over(batch: &mut Batch, conn: &mut PgConnection, granted: &[Grant<'_>]) -> Result<(), Fault> {
    for grant in granted {
        let Some(from) = &grant.from else { continue };
        let key = grant.ask.key;
        let begun: Option<At> =
            sqlx::query_scalar("select max(began) from attempts where key = $1 and fence < $2 and outcome is null")
                .bind(key.as_bytes())
                .bind(grant.fence)
                .fetch_one(&mut *conn)
                .await?;
        let pen = batch.pen(conn, grant.ask.run).await?;
        if let Some(begun) = begun {
            pen.not_before(begun);
        }
        pen.write(Event::TakenOver { key, fence: grant.fence, from: shown(from) });
    }
    for grant in granted.iter().filter(|grant| grant.from.is_some()) {
        let at = batch.pen(conn, grant.ask.run).await?.at();
        sqlx::query(
            "update attempts set outcome = 'lost', ended = $3 where key = $1 and fence < $2 and outcome is null",
        )
        .bind(grant.ask.key.as_bytes())
        .bind(grant.fence)
        .bind(at)
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

impl Ledger {
    /// Asks for the right to run `key`.
    pub async fn claim(&self, run: RunId, key: Key, purpose: Purpose) -> Result<Claim, LedgerError> {
        match self.ask(Ask::Claim(ClaimAsk { run, key, purpose })).await? {
            Answer::Claimed(claim) => Ok(claim),
            other => unreachable!("a claim is not answered with {other:?}"),
        }
    }

    /// Renews all of `leases` in one statement; answers with those that were lost.
    pub async fn renew(&self, leases: &[Lease]) -> Result<Vec<Lease>, LedgerError> {
        if leases.is_empty() {
            return Ok(vec![]);
        }
        let kept: Vec<[u8; 32]> = self
            .with("renew leases", |pool| async move {
                let kept = sqlx::query_scalar(
                    "update leases l set seconds = $4, expires = ledger_time() + make_interval(secs => $4)
                     from unnest($1::bytea[], $2::bigint[]) as t (key, fence)
                     where l.key = t.key and l.fence = t.fence and l.holder = $3
                     returning l.key",
                )
                .bind(keys(leases.iter().map(|lease| &lease.key)))
                .bind(leases.iter().map(|lease| lease.fence).collect::<Vec<_>>())
                .bind(self.holder().to_string())
                .bind(self.terms().length().as_secs_f64());
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
