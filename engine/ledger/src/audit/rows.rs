//! The rows that an audit is about, read in one snapshot.

use std::collections::BTreeSet;

use isoflop_contract::{Digest, Key};
use sqlx::{PgConnection, PgPool};

use super::{
    Reach,
    books::{ArtifactRow, AttemptRow, Books, EventRow, RecipeRow, ResultRow, RunRow, TaskRow},
};
use crate::{
    error::LedgerError,
    fault::Fault,
    id::{AttemptId, RunId},
};

/// An array to look for, or nothing where everything is wanted.
type Wanted<T> = Option<Vec<T>>;

/// Reads everything that `reach` covers.
pub(super) async fn load(pool: &PgPool, reach: Reach) -> Result<Books, Fault> {
    let mut tx = pool.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    let conn = &mut *tx;
    let mut books = Books { everything: reach == Reach::Everything, ..Books::default() };
    let all = reach == Reach::Everything;
    let only = match reach {
        Reach::Run(run) => Some(vec![run.uuid()]),
        Reach::Everything => None,
    };
    for run in runs(conn, only.clone()).await? {
        books.audited.insert(run.id);
        books.runs.insert(run.id, run);
    }
    if let (Reach::Run(run), true) = (reach, books.audited.is_empty()) {
        return Err(LedgerError::NoRun(run.to_string()).into());
    }
    for task in tasks(conn, only.clone()).await? {
        books.tasks.entry(task.run).or_default().push(task);
    }
    let planned: BTreeSet<[u8; 32]> = books.tasks.values().flatten().map(|task| task.key).collect();
    let keys = (!all).then(|| planned.into_iter().collect::<Vec<_>>());
    load_keys(conn, &mut books, keys.clone()).await?;
    load_makers(conn, &mut books, only, &[], all).await?;
    if all {
        let strangers = sqlx::query_scalar(
            "select distinct run from events e where not exists (select from runs where id = e.run)",
        );
        books.strangers = strangers.fetch_all(&mut *conn).await?;
    }
    let misplaced: Vec<[u8; 32]> = sqlx::query_scalar(
        "select c.key from recipes c
         where ($1::bytea[] is null or c.key = any($1))
           and not exists (select from plan_tasks p where p.run = c.first_run and p.key = c.key)",
    )
    .bind(&keys)
    .fetch_all(&mut *conn)
    .await?;
    books.misplaced = misplaced.into_iter().map(Key::from_bytes).collect();
    let traces: Vec<([u8; 32], [u8; 32])> =
        sqlx::query_as("select trace, key from traces where $1::bytea[] is null or key = any($1)")
            .bind(&keys)
            .fetch_all(&mut *conn)
            .await?;
    books.traces = traces.into_iter().map(|(trace, key)| (Digest::from_bytes(trace), Key::from_bytes(key))).collect();
    if !all {
        elsewhere(conn, &mut books).await?;
    }
    tx.rollback().await?;
    Ok(books)
}

/// Reads the books of a study: see [`Ledger::books_of`](crate::Ledger::books_of).
pub(super) async fn of_study(pool: &PgPool, study: &str, plan: Digest, keys: &[[u8; 32]]) -> Result<Books, Fault> {
    let mut tx = pool.begin().await?;
    sqlx::query("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    let conn = &mut *tx;
    let mut books = Books::default();
    let run: Option<RunId> = sqlx::query_scalar(
        "select r.id from runs r
         where r.study = $1 and (r.plan = $2 or exists (select from plan_tasks p where p.run = r.id and p.key = any($3)))
         order by (r.plan = $2) desc, r.began desc, r.id desc limit 1",
    )
    .bind(study)
    .bind(plan.as_bytes())
    .bind(keys)
    .fetch_optional(&mut *conn)
    .await?;
    let only = Some(run.into_iter().map(RunId::uuid).collect::<Vec<_>>());
    for run in runs(conn, only.clone()).await? {
        books.audited.insert(run.id);
        books.runs.insert(run.id, run);
    }
    for task in tasks(conn, only.clone()).await? {
        books.tasks.entry(task.run).or_default().push(task);
    }
    let planned = books.tasks.values().flatten().map(|task| task.key);
    let all: BTreeSet<[u8; 32]> = planned.chain(keys.iter().copied()).collect();
    load_keys(conn, &mut books, Some(all.into_iter().collect())).await?;
    load_makers(conn, &mut books, only, keys, false).await?;
    tx.rollback().await?;
    Ok(books)
}

async fn runs(conn: &mut PgConnection, wanted: Wanted<uuid::Uuid>) -> Result<Vec<RunRow>, Fault> {
    let rows = sqlx::query_as(
        "select id, study, file, plan, soft, holder, state, tasks, began, ended, events, head
         from runs where $1::uuid[] is null or id = any($1)",
    );
    Ok(rows.bind(wanted).fetch_all(conn).await?)
}

async fn tasks(conn: &mut PgConnection, wanted: Wanted<uuid::Uuid>) -> Result<Vec<TaskRow>, Fault> {
    let rows = sqlx::query_as(
        "select run, position, name, key, outcome, artifact, attempt, reason
         from plan_tasks where $1::uuid[] is null or run = any($1) order by run, position",
    );
    Ok(rows.bind(wanted).fetch_all(conn).await?)
}

/// Recipes, their needs and what stands under their keys.
async fn load_keys(conn: &mut PgConnection, books: &mut Books, keys: Wanted<[u8; 32]>) -> Result<(), Fault> {
    let recipes: Vec<RecipeRow> =
        sqlx::query_as("select key, kind, revision, text from recipes where $1::bytea[] is null or key = any($1)")
            .bind(&keys)
            .fetch_all(&mut *conn)
            .await?;
    books.recipes = recipes.into_iter().map(|row| (Key::from_bytes(row.key), row)).collect();
    let needs: Vec<([u8; 32], String, String, [u8; 32])> =
        sqlx::query_as("select key, port, label, need from needs where $1::bytea[] is null or key = any($1)")
            .bind(&keys)
            .fetch_all(&mut *conn)
            .await?;
    for (key, port, label, need) in needs {
        books.needs.entry(Key::from_bytes(key)).or_default().insert((port, label, Key::from_bytes(need)));
    }
    let results: Vec<ResultRow> = sqlx::query_as(
        "select key, outcome, artifact, reason, attempt, run, at, trace
         from results where $1::bytea[] is null or key = any($1)",
    )
    .bind(&keys)
    .fetch_all(&mut *conn)
    .await?;
    books.results = results.into_iter().map(|row| (Key::from_bytes(row.key), row)).collect();
    Ok(())
}

/// Attempts, artifacts, and the chains of all runs that made them. Of `keys`, every attempt counts, whoever made it.
async fn load_makers(
    conn: &mut PgConnection,
    books: &mut Books,
    only: Wanted<uuid::Uuid>,
    keys: &[[u8; 32]],
    all: bool,
) -> Result<(), Fault> {
    let named = books.tasks.values().flatten().filter_map(|task| task.attempt);
    let named: BTreeSet<AttemptId> = named.chain(books.results.values().filter_map(|row| row.attempt)).collect();
    let named: Vec<_> = named.into_iter().map(AttemptId::uuid).collect();
    let attempts: Vec<AttemptRow> = sqlx::query_as(
        "select id, run, task, key, fence, purpose, holder, soft, began, ended, outcome, artifact, reason, class, seconds
         from attempts where $1::uuid[] is null or run = any($1)
         union
         select id, run, task, key, fence, purpose, holder, soft, began, ended, outcome, artifact, reason, class, seconds
         from attempts where id = any($2) or key = any($3)",
    )
    .bind(&only)
    .bind(named)
    .bind(keys)
    .fetch_all(&mut *conn)
    .await?;
    books.attempts = attempts.into_iter().map(|row| (row.id, row)).collect();

    let made = books.tasks.values().flatten().filter_map(|task| task.artifact);
    let made = made.chain(books.results.values().filter_map(|row| row.artifact));
    let made: BTreeSet<[u8; 32]> = made.chain(books.attempts.values().filter_map(|row| row.artifact)).collect();
    let made = (!all).then(|| made.into_iter().collect::<Vec<_>>());
    let artifacts: Vec<ArtifactRow> = sqlx::query_as(
        "select digest, shape, text, bytes, first_run from artifacts where $1::bytea[] is null or digest = any($1)",
    )
    .bind(made)
    .fetch_all(&mut *conn)
    .await?;
    books.artifacts = artifacts.into_iter().map(|row| (Digest::from_bytes(row.digest), row)).collect();

    let others = books.results.values().map(|row| row.run).chain(books.attempts.values().map(|row| row.run));
    let others = others.chain(books.artifacts.values().map(|row| row.first_run));
    let others: BTreeSet<RunId> = others.filter(|run| !books.runs.contains_key(run)).collect();
    for run in runs(conn, Some(others.into_iter().map(RunId::uuid).collect())).await? {
        books.runs.insert(run.id, run);
    }
    let loaded: Vec<_> = books.runs.keys().map(|run| run.uuid()).collect();
    let events: Vec<EventRow> =
        sqlx::query_as("select run, seq, at, body, prev, hash from events where run = any($1) order by run, seq")
            .bind(loaded)
            .fetch_all(&mut *conn)
            .await?;
    for event in events {
        books.events.entry(event.run).or_default().push(event);
    }
    let ids: Vec<_> = books.attempts.keys().map(|id| id.uuid()).collect();
    // A few hundred at a time: series are the bulk of a ledger, and one answer should not hold all of them twice.
    for ids in ids.chunks(500) {
        let points: Vec<(AttemptId, String, i64, f64)> =
            sqlx::query_as("select attempt, series, step, value from metrics where attempt = any($1)")
                .bind(ids)
                .fetch_all(&mut *conn)
                .await?;
        for (attempt, series, step, value) in points {
            books.points.entry(attempt).or_default().insert((series, step), value);
        }
    }
    Ok(())
}

/// Which traces of the loaded keys are named by an event of some other run, where no loaded one names them.
async fn elsewhere(conn: &mut PgConnection, books: &mut Books) -> Result<(), Fault> {
    // Nearly always the events at hand name them all, so the search through the others is left for the odd one.
    let traces: BTreeSet<Digest> = books.traces.iter().map(|(trace, _)| *trace).collect();
    let bodies: BTreeSet<&str> = books.events.values().flatten().filter_map(|event| trace_in(&event.body)).collect();
    let open: Vec<Digest> = traces.into_iter().filter(|trace| !bodies.contains(trace.to_string().as_str())).collect();
    for trace in open {
        let found: bool = sqlx::query_scalar("select exists (select from events where body like $1)")
            .bind(format!("%\"trace\":\"{trace}\"%"))
            .fetch_one(&mut *conn)
            .await?;
        if found {
            books.traces_elsewhere.insert(trace);
        }
    }
    Ok(())
}

/// The trace that an event's text names; no event names two.
fn trace_in(body: &str) -> Option<&str> {
    body.split_once("\"trace\":\"")?.1.get(..64)
}
