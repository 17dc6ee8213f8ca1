//! Groups: a run's tasks counted, and read a stretch at a time, so that a page of a large run is as small as one of a small run.

use std::collections::BTreeMap;

use isoflop_contract::Key;

use crate::{
    chain::count,
    error::LedgerError,
    id::RunId,
    ledger::Ledger,
    read::{RunRow, TaskRow},
    view::{GroupView, RunView, TaskView},
};

/// Some rows of one group, as they are stored: group, kind, outcome, how many, their seconds.
type Part = (String, String, Option<String>, i64, Option<f64>);

impl Ledger {
    /// The groups of a run in the plan's order.
    pub async fn run_groups(&self, run: RunId) -> Result<Vec<GroupView>, LedgerError> {
        self.with("count a run's tasks", |pool| async move {
            let parts: Vec<Part> = sqlx::query_as(
                "select p.part, min(c.kind), p.outcome, count(*), sum(t.seconds)
                 from (select split_part(name, '[', 1) as part, key, outcome, attempt, position from plan_tasks where run = $1) p
                 join recipes c on c.key = p.key left join attempts t on t.id = p.attempt
                 group by p.part, p.outcome order by min(p.position), p.part",
            )
            .bind(run)
            .fetch_all(&pool)
            .await?;
            let mut groups: Vec<GroupView> = Vec::new();
            let mut places: BTreeMap<String, usize> = BTreeMap::new();
            for (group, kind, outcome, number, seconds) in parts {
                let at = *places.entry(group.clone()).or_insert_with(|| {
                    groups.push(GroupView { group, kind, tasks: 0, outcomes: BTreeMap::new(), seconds: 0.0 });
                    groups.len() - 1
                });
                let number = count(number, "a number of tasks")?;
                groups[at].tasks += number;
                groups[at].seconds += seconds.unwrap_or(0.0);
                if let Some(outcome) = outcome {
                    groups[at].outcomes.insert(outcome, number);
                }
            }
            Ok(groups)
        })
        .await
    }

    /// Tasks of one group of a run in the plan's order: at most `limit`, after the first `skip`.
    pub async fn group_tasks(
        &self,
        run: RunId,
        group: &str,
        skip: u32,
        limit: u32,
    ) -> Result<Vec<TaskView>, LedgerError> {
        self.with("list a group's tasks", |pool| async move {
            let rows: Vec<TaskRow> = sqlx::query_as(
                "select p.run, u.study, p.name, p.key, c.kind, p.outcome, p.artifact, p.attempt, p.reason, t.seconds
                 from plan_tasks p join runs u on u.id = p.run join recipes c on c.key = p.key
                 left join attempts t on t.id = p.attempt
                 where p.run = $1 and split_part(p.name, '[', 1) = $2 order by p.position offset $3 limit $4",
            )
            .bind(run)
            .bind(group)
            .bind(i64::from(skip))
            .bind(i64::from(limit))
            .fetch_all(&pool)
            .await?;
            rows.into_iter().map(TaskRow::view).collect()
        })
        .await
    }

    /// Tasks of a run that failed, then those that diverged: at most `limit`.
    pub async fn run_troubles(&self, run: RunId, limit: u32) -> Result<Vec<TaskView>, LedgerError> {
        self.with("list what failed in a run", |pool| async move {
            let rows: Vec<TaskRow> = sqlx::query_as(
                "select p.run, u.study, p.name, p.key, c.kind, p.outcome, p.artifact, p.attempt, p.reason, t.seconds
                 from plan_tasks p join runs u on u.id = p.run join recipes c on c.key = p.key
                 left join attempts t on t.id = p.attempt
                 where p.run = $1 and p.outcome in ('failed', 'diverged')
                 order by p.outcome = 'diverged', p.position limit $2",
            )
            .bind(run)
            .bind(i64::from(limit))
            .fetch_all(&pool)
            .await?;
            rows.into_iter().map(TaskRow::view).collect()
        })
        .await
    }

    /// The latest run of each study, newest first.
    pub async fn studies(&self) -> Result<Vec<RunView>, LedgerError> {
        self.with("list studies", |pool| async move {
            let rows: Vec<RunRow> = sqlx::query_as(
                "select id, study, file, plan, soft, holder, state, tasks, began, ended from runs
                 where id in (select distinct on (study) id from runs order by study, id desc) order by id desc",
            )
            .fetch_all(&pool)
            .await?;
            self.views(&pool, rows).await
        })
        .await
    }

    /// What the task with this key is called: by the latest attempt at it, else by the run that planned it first. Its study with it.
    pub async fn task_of(&self, key: &Key) -> Result<Option<(String, String, RunId)>, LedgerError> {
        self.with("look up a key's task", |pool| async move {
            let named = sqlx::query_as(
                "(select t.task, u.study, u.id from attempts t join runs u on u.id = t.run where t.key = $1 order by t.began desc limit 1)
                 union all
                 (select p.name, u.study, u.id from recipes c join plan_tasks p on p.run = c.first_run and p.key = c.key
                  join runs u on u.id = p.run where c.key = $1 order by p.position limit 1)
                 limit 1",
            );
            Ok(named.bind(key.as_bytes()).fetch_optional(&pool).await?)
        })
        .await
    }

    /// How many runs and events there are: changes with every fact.
    pub async fn extent(&self) -> Result<(u64, u64), LedgerError> {
        self.with("count what is recorded", |pool| async move {
            let (runs, events): (i64, i64) =
                sqlx::query_as("select count(*), coalesce(sum(events), 0)::bigint from runs").fetch_one(&pool).await?;
            Ok((count(runs, "a number of runs")?, count(events, "a number of events")?))
        })
        .await
    }
}
