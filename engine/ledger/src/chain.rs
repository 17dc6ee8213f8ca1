//! The chain of events of a run: written at its end, read and checked from its beginning.

use isoflop_contract::Digest;
use sqlx::PgConnection;

use crate::{
    at::At,
    error::LedgerError,
    event::{self, Event, Line},
    fault::{Fault, bad_row},
    id::RunId,
    ledger::Ledger,
    view::{Break, ChainReport, EventView},
};

/// The end of a run's chain, in the hand of one transaction: the run's row is locked from when it is taken up until the transaction ends.
#[derive(Debug)]
pub(crate) struct Pen {
    run: RunId,
    seq: i64,
    head: Digest,
    at: At,
    events: Vec<Event>,
}

impl Pen {
    /// Takes up the chain of `run`.
    pub async fn take(conn: &mut PgConnection, run: RunId) -> Result<Self, Fault> {
        // Not `for update`: rows that refer to the run hold its key shared until they commit, and two such writers would wait for each other.
        let row: Option<(i64, [u8; 32], bool)> =
            sqlx::query_as("select events, head, state = 'running' from runs where id = $1 for no key update")
                .bind(run)
                .fetch_optional(&mut *conn)
                .await?;
        let (seq, head, open) = row.ok_or_else(|| LedgerError::NoRun(run.to_string()))?;
        if !open {
            return Err(LedgerError::Closed(run).into());
        }
        // A question of its own, so that it sees what was written while the first waited for the lock.
        let at: At =
            sqlx::query_scalar("select greatest(ledger_time(), (select at from events where run = $1 and seq = $2))")
                .bind(run)
                .bind(seq)
                .fetch_one(conn)
                .await?;
        Ok(Self { run, seq, head: Digest::from_bytes(head), at, events: vec![] })
    }

    /// The chain of a run that begins at `at`, in the transaction that makes its row.
    pub fn begin(run: RunId, at: At) -> Self {
        Self { run, seq: 0, head: event::ORIGIN, at, events: vec![] }
    }

    /// The time of what this transaction records: the ledger's, and never before that of the run's last event, whatever was done to the clock.
    pub fn at(&self) -> At {
        self.at
    }

    /// Sees to it that the time is not before `at`.
    pub fn not_before(&mut self, at: At) {
        if at.0 > self.at.0 {
            self.at = at;
        }
    }

    /// Adds an event.
    pub fn write(&mut self, event: Event) {
        self.events.push(event);
    }

    /// Writes what was added into the tables.
    pub async fn put_down(self, conn: &mut PgConnection) -> Result<(), Fault> {
        let Self { run, mut seq, mut head, at, events } = self;
        if events.is_empty() {
            return Ok(());
        }
        let (mut seqs, mut bodies, mut prevs, mut hashes) = (vec![], vec![], vec![], vec![]);
        for what in events {
            seq += 1;
            let text = Line { run, seq: seq.cast_unsigned(), at: at.0, what }.text()?;
            let hash = event::link(&head, &text);
            seqs.push(seq);
            bodies.push(text);
            prevs.push(*head.as_bytes());
            hashes.push(*hash.as_bytes());
            head = hash;
        }
        sqlx::query(
            "with added as (
                 insert into events (run, seq, at, body, prev, hash)
                 select $1, seq, $2, body, prev, hash
                 from unnest($3::bigint[], $4::text[], $5::bytea[], $6::bytea[]) as e (seq, body, prev, hash)
             )
             update runs set events = $7, head = $8 where id = $1",
        )
        .bind(run)
        .bind(at)
        .bind(seqs)
        .bind(bodies)
        .bind(prevs)
        .bind(hashes)
        .bind(seq)
        .bind(*head.as_bytes())
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// An event as it is stored.
#[derive(sqlx::FromRow)]
struct Row {
    seq: i64,
    at: At,
    body: String,
    prev: [u8; 32],
    hash: [u8; 32],
}

impl Ledger {
    async fn rows(&self, run: RunId) -> Result<Vec<Row>, LedgerError> {
        self.with_much("read a run's events", |pool| async move {
            let rows = sqlx::query_as("select seq, at, body, prev, hash from events where run = $1 order by seq");
            Ok(rows.bind(run).fetch_all(&pool).await?)
        })
        .await
    }

    /// All events of a run, in order.
    pub async fn events(&self, run: RunId) -> Result<Vec<EventView>, LedgerError> {
        let read = |row: Row| {
            let line: Line = serde_json::from_str(&row.body)
                .map_err(|e| LedgerError::BadRow { what: format!("event {} of run {run}: {e}", row.seq) })?;
            let hash = Digest::from_bytes(row.hash);
            Ok(EventView { seq: row.seq.cast_unsigned(), at: row.at.0, event: line.what, hash, text: row.body })
        };
        self.rows(run).await?.into_iter().map(read).collect()
    }

    /// Walks a run's chain of events and reports the first break.
    pub async fn verify_chain(&self, run: RunId) -> Result<ChainReport, LedgerError> {
        // The end as the run's row has it comes first: events added meanwhile are then more, never fewer.
        let (length, end): (i64, [u8; 32]) = self
            .with("read a run", |pool| async move {
                let row = sqlx::query_as("select events, head from runs where id = $1").bind(run);
                row.fetch_optional(&pool).await?.ok_or_else(|| LedgerError::NoRun(run.to_string()).into())
            })
            .await?;
        let rows = self.rows(run).await?;
        Ok(walk(run, &rows, length, Digest::from_bytes(end)))
    }
}

/// Walks a chain that should have at least `length` events, with the hash `end` at that one.
fn walk(run: RunId, rows: &[Row], length: i64, end: Digest) -> ChainReport {
    let mut prev = event::ORIGIN;
    let mut good = 0;
    let broken = |seq: i64, events: u64, what: &str| {
        let broken = Some(Break { seq: seq.cast_unsigned(), what: what.to_owned() });
        ChainReport { run, events, broken }
    };
    for (row, seq) in rows.iter().zip(1..) {
        if row.seq != seq {
            return broken(seq, good, "the event is missing");
        }
        if row.prev != *prev.as_bytes() {
            return broken(seq, good, "it does not follow the event before it");
        }
        if row.hash != *event::link(&prev, &row.body).as_bytes() {
            return broken(seq, good, "its text is not what was recorded");
        }
        let line = serde_json::from_str::<Line>(&row.body).ok();
        if line.is_none_or(|line| (line.run, line.seq, line.at) != (run, seq.cast_unsigned(), row.at.0)) {
            return broken(seq, good, "its text names another run, place or time than its row");
        }
        prev = Digest::from_bytes(row.hash);
        good += 1;
        if seq == length && prev != end {
            return broken(seq, good, "it is not the last event that the run knows of");
        }
    }
    if good.cast_signed() < length {
        return broken(good.cast_signed() + 1, good, "events are missing at the end");
    }
    ChainReport { run, events: good, broken: None }
}

/// A number that cannot be negative.
pub(crate) fn count(number: i64, what: &str) -> Result<u64, Fault> {
    u64::try_from(number).map_err(|_| bad_row(format!("{what} is {number}")))
}
