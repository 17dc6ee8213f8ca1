//! Pins: what a person wants kept, whatever else garbage collection takes away.

use isoflop_contract::Key;
use jiff::Timestamp;
use serde::Serialize;

use crate::{at::At, bytes::clean, error::LedgerError, id::RunId, ledger::Ledger};

/// What is pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pinned {
    /// Everything of a run.
    Run(RunId),
    /// The result under a key, and with `lineage` all that it rests on.
    Key {
        /// The key.
        key: Key,
        /// Whether what it rests on is kept too.
        lineage: bool,
    },
}

/// One pin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// What it holds.
    pub pinned: Pinned,
    /// What it was called when it was pinned.
    pub name: String,
    /// Of which study it was.
    pub study: String,
    /// Why, as the person put it; may be empty.
    pub note: String,
    /// Who pinned it.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// A pin as it is stored.
#[derive(sqlx::FromRow)]
struct Row {
    run: Option<RunId>,
    key: Option<[u8; 32]>,
    name: String,
    study: String,
    lineage: bool,
    note: String,
    by_whom: String,
    at: At,
}

impl Row {
    fn pin(self) -> Option<Pin> {
        let pinned = match (self.run, self.key) {
            (Some(run), None) => Pinned::Run(run),
            (None, Some(key)) => Pinned::Key { key: Key::from_bytes(key), lineage: self.lineage },
            _ => return None, // refused by the table
        };
        Some(Pin { pinned, name: self.name, study: self.study, note: self.note, by: self.by_whom, at: self.at.0 })
    }
}

impl Pinned {
    fn columns(self) -> (Option<RunId>, Option<[u8; 32]>, bool) {
        match self {
            Self::Run(run) => (Some(run), None, false),
            Self::Key { key, lineage } => (None, Some(*key.as_bytes()), lineage),
        }
    }
}

impl Ledger {
    /// All pins, oldest first.
    pub async fn pins(&self) -> Result<Vec<Pin>, LedgerError> {
        self.with("list pins", |pool| async move {
            let rows: Vec<Row> =
                sqlx::query_as("select run, key, name, study, lineage, note, by_whom, at from pins order by at, name")
                    .fetch_all(&pool)
                    .await?;
            Ok(rows.into_iter().filter_map(Row::pin).collect())
        })
        .await
    }

    /// Pins a run or a key under the name it goes by, for whoever `by` is. Pinned once more, it takes the new note and reach.
    pub async fn pin(&self, pinned: Pinned, name: &str, study: &str, note: &str, by: &str) -> Result<(), LedgerError> {
        let (run, key, lineage) = pinned.columns();
        self.with("pin", |pool| async move {
            let mut tx = pool.begin().await?;
            sqlx::query("delete from pins where run = $1 or key = $2").bind(run).bind(key).execute(&mut *tx).await?;
            sqlx::query(
                "insert into pins (run, key, name, study, lineage, note, by_whom, at) values ($1, $2, $3, $4, $5, $6, $7, ledger_time())",
            )
            .bind(run)
            .bind(key)
            .bind(clean(name))
            .bind(clean(study))
            .bind(lineage)
            .bind(clean(note))
            .bind(clean(by))
            .execute(&mut *tx)
            .await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Takes a pin out. False if there was none.
    pub async fn unpin(&self, pinned: Pinned) -> Result<bool, LedgerError> {
        let (run, key, _) = pinned.columns();
        self.with("take a pin out", |pool| async move {
            let done = sqlx::query("delete from pins where run = $1 or key = $2").bind(run).bind(key);
            Ok(done.execute(&pool).await?.rows_affected() > 0)
        })
        .await
    }
}
