//! Earlier recipes: what tasks of a study were before, for many tasks in one question.

use std::collections::BTreeMap;

use isoflop_contract::Key;

use crate::{bytes::keys as bind, error::LedgerError, fault::bad_row, id::RunId, ledger::Ledger, run::TaskOutcome};

/// How many of a study's plans are looked back through, the latest first. Runs of one plan count once, however many there are.
const PLANS: i64 = 100;

/// How many rows are looked through: with many tasks, fewer plans.
const ROWS: i64 = 250_000;

/// How many recipes of one task are told.
const RECIPES: i64 = 8;

/// A recipe that a task of this name had in an earlier plan of the study.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// The task's name.
    pub name: String,
    /// The recipe's key.
    pub key: Key,
    /// The recipe's canonical text.
    pub text: String,
    /// The latest run that planned it.
    pub run: RunId,
    /// Whether something stands under the key.
    pub settled: bool,
    /// How the task came out in that run, if it did.
    pub outcome: Option<TaskOutcome>,
    /// Why it diverged, failed or was blocked there.
    pub reason: Option<String>,
}

/// Which runs count as earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// All there are.
    Now,
    /// Those begun before this one.
    Run(RunId),
}

impl Before {
    pub(crate) fn run(self) -> Option<RunId> {
        match self {
            Self::Now => None,
            Self::Run(run) => Some(run),
        }
    }
}

/// Name, key, recipe, run, whether it has a result, outcome, reason.
type Row = (String, [u8; 32], String, RunId, bool, Option<String>, Option<String>);

impl Ledger {
    /// The recipes that the tasks `names` of `study` had in earlier runs: for each name the latest few, latest first.
    pub async fn earlier(&self, study: &str, names: &[&str], before: Before) -> Result<Vec<Earlier>, LedgerError> {
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let plans = (ROWS / i64::try_from(names.len()).unwrap_or(i64::MAX)).clamp(8, PLANS);
        self.with("look up earlier recipes", |pool| async move {
            let rows: Vec<Row> = sqlx::query_as(
                "with plans as (
                     select id from (
                         select distinct on (plan) id from runs
                         where study = $1 and ($3::uuid is null or id < $3) order by plan, id desc
                     ) latest order by id desc limit $4
                 ), recent as (
                     select distinct on (p.name, p.key) p.name, p.key, p.run, p.outcome, p.reason
                     from plans join plan_tasks p on p.run = plans.id where p.name = any($2)
                     order by p.name, p.key, p.run desc
                 ), ranked as (
                     select *, row_number() over (partition by name order by run desc, key) as place from recent
                 )
                 select e.name, e.key, c.text, e.run, r.key is not null, e.outcome, e.reason
                 from ranked e join recipes c on c.key = e.key left join results r on r.key = e.key
                 where e.place <= $5 order by e.name, e.place",
            )
            .bind(study)
            .bind(names)
            .bind(before.run())
            .bind(plans)
            .bind(RECIPES)
            .fetch_all(&pool)
            .await?;
            rows.into_iter()
                .map(|(name, key, text, run, settled, outcome, reason)| {
                    let outcome = outcome.map(|outcome| outcome.parse().map_err(bad_row)).transpose()?;
                    Ok(Earlier { name, key: Key::from_bytes(key), text, run, settled, outcome, reason })
                })
                .collect()
        })
        .await
    }

    /// The names that keys went by in these runs.
    pub async fn names(&self, runs: &[RunId]) -> Result<Vec<(String, Key)>, LedgerError> {
        if runs.is_empty() {
            return Ok(Vec::new());
        }
        self.with("look up the names of earlier tasks", |pool| async move {
            let rows: Vec<(String, [u8; 32])> =
                sqlx::query_as("select distinct name, key from plan_tasks where run = any($1)")
                    .bind(runs.iter().map(|run| run.uuid()).collect::<Vec<_>>())
                    .fetch_all(&pool)
                    .await?;
            Ok(rows.into_iter().map(|(name, key)| (name, Key::from_bytes(key))).collect())
        })
        .await
    }

    /// The canonical texts of these keys' recipes; keys without one are left out.
    pub async fn recipes(&self, keys: &[Key]) -> Result<BTreeMap<Key, String>, LedgerError> {
        if keys.is_empty() {
            return Ok(BTreeMap::new());
        }
        self.with("look up recipes", |pool| async move {
            let rows: Vec<([u8; 32], String)> = sqlx::query_as("select key, text from recipes where key = any($1)")
                .bind(bind(keys))
                .fetch_all(&pool)
                .await?;
            Ok(rows.into_iter().map(|(key, text)| (Key::from_bytes(key), text)).collect())
        })
        .await
    }
}
