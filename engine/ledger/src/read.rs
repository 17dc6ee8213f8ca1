//! Views of runs, tasks and attempts, for people and reports.

use std::collections::BTreeMap;

use isoflop_contract::{Digest, Key, Value};

use crate::{
    at::At,
    bytes::digest,
    chain::count,
    claim::shown,
    error::LedgerError,
    fault::{Fault, bad_row},
    holder::Holder,
    id::{AttemptId, RunId},
    ledger::Ledger,
    view::{AttemptView, RunView, TaskView},
};

/// A run as it is stored.
#[derive(sqlx::FromRow)]
pub(crate) struct RunRow {
    id: RunId,
    study: String,
    file: String,
    plan: [u8; 32],
    soft: String,
    holder: String,
    state: String,
    tasks: i64,
    began: At,
    ended: Option<At>,
}

fn soft(text: &str, of: &str) -> Result<Value, Fault> {
    serde_json::from_str(text).map_err(|e| bad_row(format!("the soft environment of {of}: {e}")))
}

impl RunRow {
    fn view(self, outcomes: BTreeMap<String, u64>) -> Result<RunView, Fault> {
        Ok(RunView {
            id: self.id,
            plan: Digest::from_bytes(self.plan),
            soft: soft(&self.soft, &format!("run {}", self.id))?,
            holder_dead: self.holder.parse::<Holder>().is_ok_and(|holder| holder.is_dead()),
            holder: shown(&self.holder),
            state: self.state.parse().map_err(bad_row)?,
            began: self.began.0,
            ended: self.ended.map(|at| at.0),
            tasks: count(self.tasks, "a run's number of tasks")?,
            study: self.study,
            file: self.file,
            outcomes,
        })
    }
}

/// A task of a run as it is stored.
#[derive(sqlx::FromRow)]
pub(crate) struct TaskRow {
    run: RunId,
    study: String,
    name: String,
    key: [u8; 32],
    kind: String,
    outcome: Option<String>,
    artifact: Option<[u8; 32]>,
    attempt: Option<AttemptId>,
    reason: Option<String>,
    seconds: Option<f64>,
}

impl TaskRow {
    pub(crate) fn view(self) -> Result<TaskView, Fault> {
        Ok(TaskView {
            run: self.run,
            study: self.study,
            name: self.name,
            key: Key::from_bytes(self.key),
            kind: self.kind,
            outcome: self.outcome.map(|outcome| outcome.parse().map_err(bad_row)).transpose()?,
            artifact: digest(self.artifact),
            attempt: self.attempt,
            reason: self.reason,
            seconds: self.seconds,
        })
    }
}

/// An attempt as it is stored.
#[derive(sqlx::FromRow)]
struct AttemptRow {
    id: AttemptId,
    run: RunId,
    task: String,
    key: [u8; 32],
    fence: i64,
    purpose: String,
    holder: String,
    soft: String,
    began: At,
    ended: Option<At>,
    outcome: Option<String>,
    artifact: Option<[u8; 32]>,
    reason: Option<String>,
    class: Option<String>,
    seconds: Option<f64>,
}

impl AttemptRow {
    fn view(self) -> Result<AttemptView, Fault> {
        Ok(AttemptView {
            id: self.id,
            run: self.run,
            task: self.task,
            key: Key::from_bytes(self.key),
            fence: self.fence,
            purpose: self.purpose,
            holder: shown(&self.holder),
            soft: soft(&self.soft, &format!("attempt {}", self.id))?,
            began: self.began.0,
            ended: self.ended.map(|at| at.0),
            outcome: self.outcome,
            artifact: digest(self.artifact),
            reason: self.reason,
            class: self.class,
            seconds: self.seconds,
        })
    }
}

impl Ledger {
    /// One run: by id, by the beginning or the end of its id, or `latest`.
    pub async fn run(&self, name: &str) -> Result<RunView, LedgerError> {
        let unknown = || LedgerError::NoRun(name.to_owned());
        if name.is_empty() || (name != "latest" && !name.chars().all(|c| c.is_ascii_hexdigit() || c == '-')) {
            return Err(unknown());
        }
        self.with("look up a run", |pool| async move {
            let rows: Vec<RunRow> = sqlx::query_as(
                "select id, study, file, plan, soft, holder, state, tasks, began, ended
                 from runs
                 where $1 = 'latest' or id::text like lower($1) || '%' or id::text like '%' || lower($1)
                 order by id desc limit case when $1 = 'latest' then 1 else 10 end",
            )
            .bind(name)
            .fetch_all(&pool)
            .await?;
            match rows.len() {
                0 => Err(unknown().into()),
                1 => Ok(self.views(&pool, rows).await?.remove(0)),
                count => Err(LedgerError::Ambiguous { prefix: name.to_owned(), count }.into()),
            }
        })
        .await
    }

    /// `rows` with their tasks counted by outcome.
    pub(crate) async fn views(&self, pool: &sqlx::PgPool, rows: Vec<RunRow>) -> Result<Vec<RunView>, Fault> {
        let counted: Vec<(RunId, String, i64)> = sqlx::query_as(
            "select run, outcome, count(*) from plan_tasks where run = any($1) and outcome is not null group by run, outcome",
        )
        .bind(rows.iter().map(|row| row.id.uuid()).collect::<Vec<_>>())
        .fetch_all(pool)
        .await?;
        let mut outcomes: BTreeMap<RunId, BTreeMap<String, u64>> = BTreeMap::new();
        for (run, outcome, number) in counted {
            outcomes.entry(run).or_default().insert(outcome, count(number, "a number of tasks")?);
        }
        rows.into_iter()
            .map(|row| {
                let counted = outcomes.remove(&row.id).unwrap_or_default();
                row.view(counted)
            })
            .collect()
    }

    /// All tasks of a run in the plan's order.
    pub async fn run_tasks(&self, run: RunId) -> Result<Vec<TaskView>, LedgerError> {
        self.with("list a run's tasks", |pool| async move {
            let rows: Vec<TaskRow> = sqlx::query_as(
                "select p.run, u.study, p.name, p.key, c.kind, p.outcome, p.artifact, p.attempt, p.reason, t.seconds
                 from plan_tasks p join runs u on u.id = p.run join recipes c on c.key = p.key
                 left join attempts t on t.id = p.attempt
                 where p.run = $1 order by p.position",
            )
            .bind(run)
            .fetch_all(&pool)
            .await?;
            rows.into_iter().map(TaskRow::view).collect()
        })
        .await
    }

    /// The task of this name in the latest run that has one (of this study, if one is given).
    pub async fn task_latest(&self, name: &str, study: Option<&str>) -> Result<Option<TaskView>, LedgerError> {
        self.with("look up a task", |pool| async move {
            let row: Option<TaskRow> = sqlx::query_as(
                "select p.run, u.study, p.name, p.key, c.kind, p.outcome, p.artifact, p.attempt, p.reason, t.seconds
                 from plan_tasks p join runs u on u.id = p.run join recipes c on c.key = p.key
                 left join attempts t on t.id = p.attempt
                 where p.name = $1 and ($2::text is null or u.study = $2) order by p.run desc limit 1",
            )
            .bind(name)
            .bind(study)
            .fetch_optional(&pool)
            .await?;
            row.map(TaskRow::view).transpose()
        })
        .await
    }

    /// All attempts at a key, oldest first.
    pub async fn attempts(&self, key: &Key) -> Result<Vec<AttemptView>, LedgerError> {
        self.with("list attempts", |pool| async move {
            let rows: Vec<AttemptRow> = sqlx::query_as(
                "select id, run, task, key, fence, purpose, holder, soft, began, ended, outcome, artifact, reason, class, seconds
                 from attempts where key = $1 order by fence, began, id",
            )
            .bind(key.as_bytes())
            .fetch_all(&pool)
            .await?;
            rows.into_iter().map(AttemptRow::view).collect()
        })
        .await
    }

    /// Attempts of a run that have not ended, oldest first.
    pub async fn running(&self, run: RunId) -> Result<Vec<AttemptView>, LedgerError> {
        self.with("list what is running", |pool| async move {
            let rows: Vec<AttemptRow> = sqlx::query_as(
                "select id, run, task, key, fence, purpose, holder, soft, began, ended, outcome, artifact, reason, class, seconds
                 from attempts where run = $1 and outcome is null order by began, id",
            )
            .bind(run)
            .fetch_all(&pool)
            .await?;
            rows.into_iter().map(AttemptRow::view).collect()
        })
        .await
    }

    /// What an attempt measured: points by series, in order of their step.
    pub async fn metrics(&self, attempt: AttemptId) -> Result<BTreeMap<String, Vec<(u64, f64)>>, LedgerError> {
        self.with("read metrics", |pool| async move {
            let rows: Vec<(String, i64, f64)> =
                sqlx::query_as("select series, step, value from metrics where attempt = $1 order by series, step")
                    .bind(attempt)
                    .fetch_all(&pool)
                    .await?;
            let mut all: BTreeMap<String, Vec<(u64, f64)>> = BTreeMap::new();
            for (series, step, value) in rows {
                all.entry(series).or_default().push((count(step, "a metric's step")?, value));
            }
            Ok(all)
        })
        .await
    }
}
