//! Group commit: what concurrent tasks ask of the ledger goes into one transaction.
//!
//! A durable commit waits for the disk, and one is as quick for twenty tasks as for one. So claims, beginnings and ends of attempts stand in
//! line; whoever finds nobody at it writes all that stand there in one transaction, and again until the line is empty. While one transaction
//! waits for the disk, the next one's tasks gather. Nobody waits for company beyond that, and an engine with one task waits for nothing, unless
//! the engine says that no answer is awaited just now ([`Ledger::gather`]): a transaction costs thirty times what one more ask in it does.
//!
//! Nobody is answered before the commit. What concerns one ask alone (a lost lease, a value that has no place) is its answer and nobody else's;
//! should the database refuse a transaction for what is in it, each ask is tried once more by itself.

use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use isoflop_contract::Key;
use sqlx::PgConnection;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::{
    at::At,
    chain::Pen,
    claim::{self, ClaimAsk},
    error::LedgerError,
    fault::Fault,
    finish::{self, FinishAsk},
    id::RunId,
    lease::{Claim, Lease, LeaseTerms},
    ledger::Ledger,
    past::Past,
    start::{self, StartAsk},
};

/// More asks than this wait for the next transaction.
pub(crate) const MOST: usize = 64;

/// How a group's transaction begins. Its statements look up a few dozen rows by their keys; a planner that does not know yet how large the tables
/// have grown in this run would rather pass over all of them, for every group, and a run would cost the square of its tasks.
const BEGIN: &str =
    "begin; set local enable_seqscan = off; set local enable_hashjoin = off; set local enable_mergejoin = off";

/// What can stand in line.
#[derive(Debug)]
pub(crate) enum Ask {
    /// For the right to run a key.
    Claim(ClaimAsk),
    /// To record that an attempt begins.
    Start(StartAsk),
    /// To record how one ended.
    Finish(Box<FinishAsk>),
}

impl Ask {
    fn key(&self) -> Key {
        match self {
            Self::Claim(ask) => ask.key,
            Self::Start(ask) => ask.lease.key,
            Self::Finish(ask) => ask.lease.key,
        }
    }

    fn doing(&self) -> &'static str {
        match self {
            Self::Claim(_) => "claim a key",
            Self::Start(_) => "begin an attempt",
            Self::Finish(_) => "record how an attempt ended",
        }
    }
}

/// What is answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Claimed(Claim),
    Started,
    Finished(Option<Past>),
}

type Answered = Result<Answer, LedgerError>;

/// One ask, and whoever waits.
type Waiting = (Ask, oneshot::Sender<Answered>);

/// The line.
#[derive(Debug, Default)]
pub(crate) struct Group {
    line: Mutex<Line>,
    /// Told when whoever waits for company should look again.
    hurry: Notify,
}

#[derive(Debug, Default)]
struct Line {
    waiting: Vec<Waiting>,
    /// Whether somebody writes.
    busy: bool,
    /// How long the first in line may wait for company.
    patience: Duration,
}

impl Group {
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stands in line, which is full with `most`. True if nobody writes: then the caller must see to it.
    fn join(&self, waiting: Waiting, most: usize) -> bool {
        let mut line = self.line();
        line.waiting.push(waiting);
        if line.waiting.len() == most {
            self.hurry.notify_one();
        }
        !std::mem::replace(&mut line.busy, true)
    }

    fn set_patience(&self, patience: Duration) {
        self.line().patience = patience;
        self.hurry.notify_one();
    }

    /// How long to wait before writing: none, if nobody stands in line or it is full with `most`.
    fn patience(&self, most: usize) -> Duration {
        let line = self.line();
        if (1..most).contains(&line.waiting.len()) { line.patience } else { Duration::ZERO }
    }

    /// Waits for company, as long as nobody is in a hurry.
    async fn gather(&self, most: usize) {
        let gathered = async {
            while !self.patience(most).is_zero() {
                self.hurry.notified().await;
            }
        };
        let _ = timeout(self.patience(most), gathered).await; // in time or not, it goes on
    }

    /// The first `most` in line, of each key one: what a key's second ask is told depends on the first. None: the line is empty and nobody writes.
    fn take(&self, most: usize) -> Option<Vec<Waiting>> {
        let mut line = self.line();
        let mut keys = BTreeSet::new();
        let (taken, left): (Vec<Waiting>, Vec<Waiting>) = std::mem::take(&mut line.waiting)
            .into_iter()
            .partition(|(ask, _)| keys.len() < most && keys.insert(ask.key()));
        line.waiting = left;
        line.busy = !taken.is_empty();
        (!taken.is_empty()).then_some(taken)
    }
}

/// Whoever writes. Should it end before the line is empty, however that came about, those left are told, and the next ask finds nobody at it.
struct Writing {
    ledger: Ledger,
    done: bool,
}

impl Writing {
    async fn carry_on(mut self) {
        let (group, most) = (self.ledger.group(), self.ledger.most());
        group.gather(most).await;
        while let Some(waiting) = group.take(most) {
            self.ledger.write_all(waiting).await;
            group.gather(most).await;
        }
        self.done = true;
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        if !self.done {
            let mut line = self.ledger.group().line();
            *line = Line { patience: line.patience, ..Line::default() };
        }
    }
}

impl Ledger {
    /// Lets asks wait for company for so long; not at all from now on, if that is zero. To be set by an engine whose slots have enough to do
    /// without the answers, and only for as long as that is so.
    pub fn gather(&self, patience: Duration) {
        self.group().set_patience(patience);
    }

    /// Asks, and waits for the commit.
    pub(crate) async fn ask(&self, ask: Ask) -> Answered {
        let doing = ask.doing();
        let (answer, answered) = oneshot::channel();
        if self.group().join((ask, answer), self.most()) {
            // A task of its own: whoever asked first may go away, and the others still want their answers.
            tokio::spawn(Writing { ledger: self.clone(), done: false }.carry_on());
        }
        answered.await.unwrap_or(Err(LedgerError::Abandoned { doing }))
    }

    /// Writes what stood in line, and answers.
    async fn write_all(&self, waiting: Vec<Waiting>) {
        let (asks, answers): (Vec<Ask>, Vec<_>) = waiting.into_iter().unzip();
        let written = self.write(&asks.iter().collect::<Vec<_>>()).await;
        let results = match written {
            Ok(results) => results,
            Err(error) if asks.len() > 1 && error.is_of_one() => {
                let mut results = vec![];
                for ask in &asks {
                    results.push(self.write(&[ask]).await.and_then(|mut one| one.remove(0)));
                }
                results
            }
            Err(error) if asks.len() == 1 => vec![Err(error)],
            Err(error) => {
                let error = Arc::new(error);
                asks.iter().map(|_| Err(LedgerError::Shared(Arc::clone(&error)))).collect()
            }
        };
        for (answer, result) in answers.into_iter().zip(results) {
            let _ = answer.send(result); // whoever asked may have gone
        }
    }

    /// One transaction for all of `asks`, whose keys differ.
    async fn write(&self, asks: &[&Ask]) -> Result<Vec<Answered>, LedgerError> {
        let doing = asks.first().map_or("", |ask| ask.doing());
        self.in_line(doing, |pool| async move {
            let mut tx = pool.begin_with(BEGIN).await?;
            let mut batch = Batch {
                me: self.holder().to_string(),
                terms: self.terms(),
                leases: BTreeMap::new(),
                fresh: BTreeSet::new(),
                pens: BTreeMap::new(),
                wrote: false,
            };
            let results = batch.carry_out(&mut tx, self, asks).await?;
            if batch.wrote {
                for pen in batch.pens.into_values() {
                    pen.put_down(&mut tx).await?;
                }
                tx.commit().await?;
            } else {
                tx.rollback().await?;
            }
            Ok(results)
        })
        .await
    }
}

/// A lease's row, locked.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct Row {
    key: [u8; 32],
    pub fence: i64,
    pub holder: Option<String>,
    pub since: At,
    pub expired: bool,
    pub overlong: bool,
}

/// One transaction under way.
pub(crate) struct Batch {
    pub me: String,
    pub terms: LeaseTerms,
    pub leases: BTreeMap<Key, Row>,
    /// Keys that have a lease's row only since this transaction.
    pub fresh: BTreeSet<Key>,
    pens: BTreeMap<RunId, Pen>,
    pub wrote: bool,
}

impl Batch {
    async fn carry_out(
        &mut self,
        conn: &mut PgConnection,
        ledger: &Ledger,
        asks: &[&Ask],
    ) -> Result<Vec<Answered>, Fault> {
        self.lock(conn, asks).await?;
        let mut answers: BTreeMap<usize, Answered> = BTreeMap::new();
        let claims = asks.iter().enumerate().filter_map(|(n, ask)| match ask {
            Ask::Claim(ask) => Some((n, ask)),
            _ => None,
        });
        claim::grant(self, conn, ledger, claims.collect(), &mut answers).await?;
        let starts = asks.iter().enumerate().filter_map(|(n, ask)| match ask {
            Ask::Start(ask) => Some((n, ask)),
            _ => None,
        });
        start::record(self, conn, starts.collect(), &mut answers).await?;
        let ends = asks.iter().enumerate().filter_map(|(n, ask)| match ask {
            Ask::Finish(ask) => Some((n, &**ask)),
            _ => None,
        });
        finish::record(self, conn, ends.collect(), &mut answers).await?;
        Ok(answers.into_values().collect())
    }

    /// Locks the leases of all keys, those claimed for the first time included. Always new rows before old ones and each in the order of keys,
    /// so that no two engines wait for each other in a circle.
    async fn lock(&mut self, conn: &mut PgConnection, asks: &[&Ask]) -> Result<(), Fault> {
        let mut keys: Vec<[u8; 32]> = asks.iter().map(|ask| *ask.key().as_bytes()).collect();
        keys.sort_unstable();
        let mut claimed: Vec<[u8; 32]> =
            asks.iter().filter(|ask| matches!(ask, Ask::Claim(_))).map(|ask| *ask.key().as_bytes()).collect();
        claimed.sort_unstable();
        if !claimed.is_empty() {
            let fresh: Vec<[u8; 32]> = sqlx::query_scalar(
                "insert into leases (key, fence, since, expires)
                 select key, 1, ledger_time(), ledger_time() from unnest($1::bytea[]) as t (key)
                 on conflict (key) do nothing returning key",
            )
            .bind(claimed)
            .fetch_all(&mut *conn)
            .await?;
            self.fresh = fresh.into_iter().map(Key::from_bytes).collect();
        }
        let rows: Vec<Row> = sqlx::query_as(
            "select key, fence, holder, since, expires < ledger_time() as expired,
                    expires > ledger_time() + make_interval(secs => seconds) as overlong
             from leases where key = any($1) order by key for update",
        )
        .bind(keys)
        .fetch_all(conn)
        .await?;
        self.leases = rows.into_iter().map(|row| (Key::from_bytes(row.key), row)).collect();
        Ok(())
    }

    /// Whether `lease` is still whose it was. Refuses otherwise.
    pub fn hold(&self, lease: &Lease) -> Result<(), LedgerError> {
        let row = self.leases.get(&lease.key);
        let held =
            row.is_some_and(|row| row.fence == lease.fence && row.holder.as_ref() == Some(&lease.holder.to_string()));
        if held { Ok(()) } else { Err(LedgerError::LeaseLost { key: lease.key, fence: lease.fence }) }
    }

    /// The end of a run's chain.
    pub async fn pen(&mut self, conn: &mut PgConnection, run: RunId) -> Result<&mut Pen, Fault> {
        Ok(match self.pens.entry(run) {
            Entry::Occupied(pen) => pen.into_mut(),
            Entry::Vacant(place) => place.insert(Pen::take(conn, run).await?),
        })
    }

    /// Takes up the chains of `runs`, in the order of their ids.
    pub async fn take_pens(&mut self, conn: &mut PgConnection, runs: impl Iterator<Item = RunId>) -> Result<(), Fault> {
        for run in runs.collect::<BTreeSet<_>>() {
            self.pen(conn, run).await?;
        }
        Ok(())
    }
}
