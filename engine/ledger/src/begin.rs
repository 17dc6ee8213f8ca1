//! A run from its beginning to its end: plan, what is kept, what is blocked, how it ended. All tasks in a few statements, however many.

use std::collections::BTreeSet;

use isoflop_contract::{Digest, Key, Need, Recipe, canon};
use sqlx::PgConnection;

use crate::{
    at::At,
    bytes::{clean, keys},
    chain::Pen,
    error::LedgerError,
    event::Event,
    fault::Fault,
    id::RunId,
    ledger::Ledger,
    run::{PlanTask, Run, RunHead, RunState},
    silence::{self, Silent},
};

/// A need of a recipe that is new to the ledger.
struct NewEdge {
    key: [u8; 32],
    port: String,
    label: String,
    need: [u8; 32],
}

fn unfit(what: String, why: &dyn ToString) -> Fault {
    LedgerError::Unfit { what, why: why.to_string() }.into()
}

/// Records those recipes of `tasks` that are new, and their needs.
async fn record_recipes(conn: &mut PgConnection, run: RunId, tasks: &[PlanTask]) -> Result<(), Fault> {
    let known: Vec<[u8; 32]> = sqlx::query_scalar("select key from recipes where key = any($1)")
        .bind(keys(tasks.iter().map(|task| &task.key)))
        .fetch_all(&mut *conn)
        .await?;
    let mut known: BTreeSet<[u8; 32]> = known.into_iter().collect();
    // Sorted, so that two engines that record the same recipes wait for each other and never in a circle.
    let mut new: Vec<&PlanTask> = tasks.iter().filter(|task| known.insert(*task.key.as_bytes())).collect();
    if new.is_empty() {
        return Ok(());
    }
    new.sort_by_key(|task| task.key);
    let (mut kinds, mut revisions, mut texts, mut edges) = (vec![], vec![], vec![], vec![]);
    for task in &new {
        let what = || format!("the recipe of `{}`", task.name);
        if Key::of_text(&task.recipe_text) != task.key {
            return Err(unfit(what(), &"its key is not the hash of its text"));
        }
        let recipe: Recipe = serde_json::from_str(&task.recipe_text).map_err(|e| unfit(what(), &e))?;
        let key = *task.key.as_bytes();
        for (port, need) in recipe.needs {
            match need {
                Need::One(need) => edges.push(NewEdge { key, port, label: String::new(), need: *need.as_bytes() }),
                Need::Many(cells) => edges.extend(cells.into_iter().filter_map(|(label, need)| {
                    Some(NewEdge { key, port: port.clone(), label, need: *need?.as_bytes() })
                })),
            }
        }
        kinds.push(recipe.kind);
        revisions.push(i64::from(recipe.revision));
        texts.push(task.recipe_text.as_str());
    }
    sqlx::query(
        "insert into recipes (key, kind, revision, text, first_run)
         select key, kind, revision, text, $5
         from unnest($1::bytea[], $2::text[], $3::bigint[], $4::text[]) as t (key, kind, revision, text)
         on conflict (key) do nothing",
    )
    .bind(keys(new.iter().map(|task| &task.key)))
    .bind(kinds)
    .bind(revisions)
    .bind(texts)
    .bind(run)
    .execute(&mut *conn)
    .await?;
    if !edges.is_empty() {
        sqlx::query(
            "insert into needs (key, port, label, need)
             select * from unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[])
             on conflict on constraint needs_pk do nothing",
        )
        .bind(edges.iter().map(|edge| edge.key).collect::<Vec<_>>())
        .bind(edges.iter().map(|edge| edge.port.as_str()).collect::<Vec<_>>())
        .bind(edges.iter().map(|edge| edge.label.as_str()).collect::<Vec<_>>())
        .bind(edges.iter().map(|edge| edge.need).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// The digest of lines, for a chain that should not hold five thousand names.
pub(crate) fn list(lines: impl Iterator<Item = String>) -> Digest {
    Digest::of(lines.map(|line| line + "\n").collect::<String>())
}

/// The event for what is kept, from rows in the plan's order.
fn kept(mut rows: Vec<(i64, [u8; 32], Option<[u8; 32]>)>) -> Option<Event> {
    rows.sort_unstable_by_key(|(position, ..)| *position);
    let line = |(_, key, artifact): &(i64, [u8; 32], Option<[u8; 32]>)| {
        let artifact = artifact.map_or_else(|| "diverged".to_owned(), |bytes| Digest::from_bytes(bytes).to_string());
        format!("{} {artifact}", Key::from_bytes(*key))
    };
    (!rows.is_empty()).then(|| Event::Kept { tasks: rows.len() as u64, list: list(rows.iter().map(line)) })
}

impl Ledger {
    /// When the next run begins: now by the ledger's clock, and after the last one in any case, so that runs sort as they began.
    async fn next_beginning(&self) -> Result<At, LedgerError> {
        self.with("ask for the time", |pool| async move {
            let at = sqlx::query_scalar(
                "select greatest(ledger_time(), (select began + interval '1 millisecond' from runs order by id desc limit 1))",
            );
            Ok(at.fetch_one(&pool).await?)
        })
        .await
    }

    /// Begins a run: records plan, recipes, needs and what is kept.
    pub async fn begin_run(&self, head: &RunHead) -> Result<Run, LedgerError> {
        let at = self.next_beginning().await?;
        let id = RunId::at(at.0);
        let soft = canon::text(&head.soft)
            .map_err(|e| LedgerError::Unfit { what: "the soft environment".to_owned(), why: e.to_string() })?;
        let soft = &clean(&soft);
        self.with_much("begin a run", |pool| async move {
            let mut tx = pool.begin().await?;
            // Between its statements are the recipes of a hundred thousand tasks; and nobody waits for what it locks.
            sqlx::query("set local idle_in_transaction_session_timeout = '10min'").execute(&mut *tx).await?;
            let holder = self.holder().to_string();
            let began = sqlx::query(
                "insert into runs (id, study, file, plan, soft, holder, tasks, began, head)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, decode(repeat('00', 32), 'hex'))
                 on conflict (id) do nothing",
            )
            .bind(id)
            .bind(clean(&head.study))
            .bind(clean(&head.file))
            .bind(head.plan.as_bytes())
            .bind(soft)
            .bind(&holder)
            .bind(i64::try_from(head.tasks.len()).unwrap_or(i64::MAX))
            .bind(at)
            .execute(&mut *tx)
            .await?;
            if began.rows_affected() == 0 {
                return Ok(()); // committed before the connection broke
            }
            silence::begin(&mut tx, id, &holder, self.terms()).await?;
            record_recipes(&mut tx, id, &head.tasks).await?;
            let rows: Vec<(i64, [u8; 32], Option<[u8; 32]>)> = sqlx::query_as(
                "with added as (
                     insert into plan_tasks (run, position, name, key, outcome, artifact, attempt)
                     select $1, t.position, t.name, t.key, case when r.key is not null then 'kept' end, r.artifact, r.attempt
                     from unnest($2::text[], $3::bytea[], $4::boolean[]) with ordinality as t (name, key, kept, position)
                     left join results r on r.key = t.key and t.kept
                     returning position, key, artifact, outcome
                 )
                 select position, key, artifact from added where outcome = 'kept'",
            )
            .bind(id)
            .bind(head.tasks.iter().map(|task| task.name.as_str()).collect::<Vec<_>>())
            .bind(keys(head.tasks.iter().map(|task| &task.key)))
            .bind(head.tasks.iter().map(|task| task.kept).collect::<Vec<_>>())
            .fetch_all(&mut *tx)
            .await?;
            let began = Event::RunBegan {
                study: head.study.clone(),
                plan: head.plan,
                tasks: head.tasks.len() as u64,
                holder,
                list: list(head.tasks.iter().map(|task| format!("{} {}", task.key, task.name))),
                file: Some(clean(&head.file)),
                soft: Some(Digest::of(soft)),
            };
            let mut pen = Pen::begin(id, at);
            [Some(began), kept(rows)].into_iter().flatten().for_each(|event| pen.write(event));
            pen.put_down(&mut tx).await?;
            Ok(tx.commit().await?)
        })
        .await?;
        Ok(Run { id, began: at.0 })
    }

    /// Records tasks as kept that were not when the run began, because another engine made them meanwhile.
    pub async fn keep(&self, run: RunId, tasks: &[(String, Key)]) -> Result<(), LedgerError> {
        self.with_much("record what is kept", |pool| async move {
            let mut tx = pool.begin().await?;
            let rows: Vec<(i64, [u8; 32], Option<[u8; 32]>)> = sqlx::query_as(
                "update plan_tasks p set outcome = 'kept', artifact = r.artifact, attempt = r.attempt
                 from unnest($2::text[], $3::bytea[]) as t (name, key) join results r on r.key = t.key
                 where p.run = $1 and p.name = t.name and p.key = t.key and p.outcome is distinct from 'kept'
                 returning p.position, p.key, p.artifact",
            )
            .bind(run)
            .bind(tasks.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>())
            .bind(keys(tasks.iter().map(|(_, key)| key)))
            .fetch_all(&mut *tx)
            .await?;
            if let Some(event) = kept(rows) {
                let mut pen = Pen::take(&mut tx, run).await?;
                pen.write(event);
                pen.put_down(&mut tx).await?;
            }
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Records tasks that cannot run because a need failed.
    pub async fn block(&self, run: RunId, tasks: &[String], reason: &str) -> Result<(), LedgerError> {
        self.with_much("record what is blocked", |pool| async move {
            let mut tx = pool.begin().await?;
            let reason = clean(reason);
            let mut rows: Vec<(i64, String)> = sqlx::query_as(
                "update plan_tasks set outcome = 'blocked', reason = $3
                 where run = $1 and name = any($2) and outcome is null
                 returning position, name",
            )
            .bind(run)
            .bind(tasks)
            .bind(&reason)
            .fetch_all(&mut *tx)
            .await?;
            rows.sort_unstable();
            if rows.is_empty() {
                return Ok(tx.rollback().await?);
            }
            let event = Event::Blocked { tasks: rows.into_iter().map(|(_, name)| name).collect(), reason };
            let mut pen = Pen::take(&mut tx, run).await?;
            pen.write(event);
            pen.put_down(&mut tx).await?;
            Ok(tx.commit().await?)
        })
        .await
    }

    /// Ends a run, and gives back whatever leases it still has. Attempts that did not end are lost.
    pub async fn end_run(&self, run: RunId, state: RunState) -> Result<(), LedgerError> {
        self.close_run(run, state, None).await
    }

    /// The same, for somebody else's run if its engine is still `silent`.
    pub(crate) async fn close_run(
        &self,
        run: RunId,
        state: RunState,
        silent: Option<&Silent>,
    ) -> Result<(), LedgerError> {
        self.with("end a run", |pool| async move {
            let mut tx = pool.begin().await?;
            if silent.is_some() && !silence::silent(&mut tx).await?.iter().any(|silent| silent.run == run) {
                return Ok(tx.rollback().await?); // it woke up, or somebody else has closed it
            }
            sqlx::query("update leases set holder = null where run = $1 and holder is not null")
                .bind(run)
                .execute(&mut *tx)
                .await?;
            let found: Option<String> = sqlx::query_scalar("select state from runs where id = $1 for no key update")
                .bind(run)
                .fetch_optional(&mut *tx)
                .await?;
            let found = found.ok_or_else(|| LedgerError::NoRun(run.to_string()))?;
            if found != "running" {
                tx.rollback().await?;
                if found == state.to_string() {
                    return Ok(());
                }
                return Err(LedgerError::Ended { run, found, wanted: state.to_string() }.into());
            }
            let mut pen = Pen::take(&mut tx, run).await?;
            let at = pen.at();
            sqlx::query("update attempts set outcome = 'lost', ended = $2 where run = $1 and outcome is null")
                .bind(run)
                .bind(at)
                .execute(&mut *tx)
                .await?;
            if let Some(Silent { by, seconds, .. }) = silent {
                pen.write(Event::FellSilent { by: by.clone(), seconds: *seconds });
            }
            pen.write(Event::RunEnded { state });
            pen.put_down(&mut tx).await?;
            sqlx::query("update runs set state = $2, ended = $3 where id = $1")
                .bind(run)
                .bind(state.to_string())
                .bind(at)
                .execute(&mut *tx)
                .await?;
            Ok(tx.commit().await?)
        })
        .await
    }
}
