//! Attempts and adoptions: where results come from. The fence is checked in the transaction that records the result, under a lock on the
//! lease's row, so an engine that lost its lease records nothing.

use isoflop_contract::{Digest, Key, Manifest, Value, canon};
use sqlx::PgConnection;

use crate::{
    at::At,
    attempt::{self, AttemptOutcome, Ending, Points},
    bytes::{self, clean},
    chain,
    error::LedgerError,
    event::Event,
    fault::{Fault, bad_row},
    id::{AttemptId, RunId},
    lease::{Lease, Purpose},
    ledger::Ledger,
    past::{Past, PastOutcome},
    recall,
    saved::Saved,
};

impl Purpose {
    /// As it is stored.
    const fn word(self) -> &'static str {
        match self {
            Self::Make => "make",
            Self::Remake => "remake",
            Self::Witness => "witness",
        }
    }
}

/// Locks the lease's row, and refuses if it is somebody else's by now.
async fn hold(conn: &mut PgConnection, lease: &Lease) -> Result<(), Fault> {
    let held: Option<bool> = sqlx::query_scalar(
        "select fence = $2 and holder is not distinct from $3 from leases where key = $1 for update",
    )
    .bind(lease.key.as_bytes())
    .bind(lease.fence)
    .bind(lease.holder.to_string())
    .fetch_optional(conn)
    .await?;
    match held {
        Some(true) => Ok(()),
        _ => Err(LedgerError::LeaseLost { key: lease.key, fence: lease.fence }.into()),
    }
}

/// Records an artifact, if it is new.
pub(crate) async fn record_artifact(
    conn: &mut PgConnection,
    run: RunId,
    digest: Digest,
    manifest: &Manifest,
) -> Result<(), Fault> {
    let text = manifest.text()?;
    if Digest::of(&text) != digest {
        let why = "its digest is not that of its manifest".to_owned();
        return Err(LedgerError::Unfit { what: format!("artifact {digest}"), why }.into());
    }
    sqlx::query(
        "insert into artifacts (digest, shape, text, bytes, first_run) values ($1, $2, $3, $4, $5)
         on conflict (digest) do nothing",
    )
    .bind(digest.as_bytes())
    .bind(&manifest.shape)
    .bind(text)
    .bind(i64::try_from(manifest.size()).unwrap_or(i64::MAX))
    .bind(run)
    .execute(conn)
    .await?;
    Ok(())
}

/// A result to be recorded under a key.
struct NewResult<'a> {
    key: &'a Key,
    artifact: Option<Digest>,
    reason: Option<&'a str>,
    attempt: Option<AttemptId>,
    replace: bool,
}

/// Records a result: the first stands, unless this one is to replace it. Answers with whether it stands now.
async fn record_result(conn: &mut PgConnection, run: RunId, at: At, new: NewResult<'_>) -> Result<bool, Fault> {
    let done = sqlx::query(
        "insert into results as r (key, outcome, artifact, reason, attempt, run, at) values ($1, $2, $3, $4, $5, $6, $7)
         on conflict (key) do update
         set outcome = excluded.outcome, artifact = excluded.artifact, reason = excluded.reason, attempt = excluded.attempt,
             run = excluded.run, at = excluded.at
         where $8 and (r.outcome, r.artifact) is distinct from (excluded.outcome, excluded.artifact)",
    )
    .bind(new.key.as_bytes())
    .bind(if new.artifact.is_some() { "made" } else { "diverged" })
    .bind(new.artifact.as_ref().map(Digest::as_bytes))
    .bind(new.reason)
    .bind(new.attempt)
    .bind(run)
    .bind(at)
    .bind(new.replace)
    .execute(conn)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Records what was measured.
async fn record_metrics(conn: &mut PgConnection, attempt: AttemptId, points: &Points) -> Result<(), Fault> {
    if points.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into metrics (attempt, series, step, value)
         select $1, series, step, value from unnest($2::text[], $3::bigint[], $4::float8[]) as t (series, step, value)",
    )
    .bind(attempt)
    .bind(points.keys().map(|(series, _)| series.as_str()).collect::<Vec<_>>())
    .bind(points.keys().map(|(_, step)| *step).collect::<Vec<_>>())
    .bind(points.values().copied().collect::<Vec<f64>>())
    .execute(conn)
    .await?;
    Ok(())
}

/// How an attempt's row and its task's row end.
#[derive(Default)]
struct Row {
    outcome: &'static str,
    artifact: Option<Digest>,
    reason: Option<String>,
    class: Option<String>,
}

impl Row {
    fn of(outcome: &AttemptOutcome) -> Self {
        match outcome {
            AttemptOutcome::Made { digest, .. } => Self { outcome: "made", artifact: Some(*digest), ..Self::default() },
            AttemptOutcome::Diverged { reason, .. } => {
                Self { outcome: "diverged", reason: Some(clean(reason)), ..Self::default() }
            }
            AttemptOutcome::Failed(failure) => {
                let class = serde_json::to_value(failure.class).ok().and_then(|v| v.as_str().map(str::to_owned));
                Self { outcome: "failed", reason: Some(clean(&failure.message)), class, ..Self::default() }
            }
        }
    }
}

/// Ends the attempt, its task in this run, and the lease, in one statement.
async fn close(
    conn: &mut PgConnection,
    at: At,
    lease: &Lease,
    attempt: AttemptId,
    row: &Row,
    seconds: f64,
) -> Result<(), Fault> {
    sqlx::query(
        "with a as (
             update attempts set ended = $2, outcome = $3, artifact = $4, reason = $5, class = $6, seconds = $7
             where id = $1 returning run, task
         ), p as (
             update plan_tasks p set outcome = $3, artifact = $4, attempt = $1, reason = $5
             from a where p.run = a.run and p.name = a.task and $8
         )
         update leases set holder = null where key = $9",
    )
    .bind(attempt)
    .bind(at)
    .bind(row.outcome)
    .bind(row.artifact.as_ref().map(Digest::as_bytes))
    .bind(&row.reason)
    .bind(&row.class)
    .bind(seconds)
    .bind(lease.purpose != Purpose::Witness)
    .bind(lease.key.as_bytes())
    .execute(conn)
    .await?;
    Ok(())
}

impl Ledger {
    /// Records that an attempt begins.
    pub async fn start_attempt(
        &self,
        run: RunId,
        lease: &Lease,
        task: &str,
        soft: &Value,
    ) -> Result<AttemptId, LedgerError> {
        let (id, at) = (AttemptId::new(), At::now());
        let soft = canon::text(soft)
            .map_err(|e| LedgerError::Unfit { what: "the soft environment".to_owned(), why: e.to_string() })?;
        let soft = &clean(&soft);
        self.with("begin an attempt", |pool| async move {
            let mut tx = pool.begin().await?;
            hold(&mut tx, lease).await?;
            let added = sqlx::query(
                "insert into attempts (id, run, task, key, fence, purpose, holder, soft, began)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (id) do nothing",
            )
            .bind(id)
            .bind(run)
            .bind(task)
            .bind(lease.key.as_bytes())
            .bind(lease.fence)
            .bind(lease.purpose.word())
            .bind(lease.holder.to_string())
            .bind(soft)
            .bind(at)
            .execute(&mut *tx)
            .await?;
            if added.rows_affected() > 0 {
                let event = Event::AttemptBegan {
                    attempt: id,
                    task: task.to_owned(),
                    key: lease.key,
                    fence: lease.fence,
                    purpose: Some(lease.purpose.word().to_owned()),
                    soft: Some(Digest::of(soft)),
                    unkeeps: if lease.purpose == Purpose::Remake { kept(&mut tx, run, task).await? } else { None },
                };
                chain::append(&mut tx, run, at, vec![event]).await?;
            }
            tx.commit().await?;
            Ok(id)
        })
        .await
    }

    /// Records how an attempt ended, its metrics and, if there is one, its result, and gives the lease back: one transaction, and no more if
    /// it is repeated. Answers with what stands under the key now.
    pub async fn finish_attempt(
        &self,
        run: RunId,
        lease: &Lease,
        attempt: AttemptId,
        ending: &Ending,
    ) -> Result<Option<Past>, LedgerError> {
        self.with("record how an attempt ended", |pool| async move {
            let at = At::now();
            let mut tx = pool.begin().await?;
            let held = hold(&mut tx, lease).await;
            let row: Option<(Option<String>, String)> =
                sqlx::query_as("select outcome, task from attempts where id = $1 for no key update")
                    .bind(attempt)
                    .fetch_optional(&mut *tx)
                    .await?;
            let task = match row {
                // Recorded before the connection broke; the lease may be anybody's by now.
                Some((Some(outcome), _)) if outcome != "lost" => {
                    let past = recall::standing(&mut tx, &lease.key).await?;
                    tx.rollback().await?;
                    return Ok(past);
                }
                Some((_, task)) => held.map(|()| task)?,
                None => {
                    held?;
                    return Err(bad_row(format!("attempt {attempt} of run {run} is not there")));
                }
            };
            let (key, named) = (lease.key, task.clone());
            let points = attempt::points(&ending.metrics)?;
            let (metrics, seconds) = (Some(attempt::digest(&points)), Some(ending.seconds));
            let event = match &ending.outcome {
                AttemptOutcome::Made { digest, manifest, trace } => {
                    record_artifact(&mut tx, run, *digest, manifest).await?;
                    let (stands, replaces) = result_of(&mut tx, run, at, lease, attempt, Some(*digest), None).await?;
                    record_trace(&mut tx, trace, lease).await?;
                    Event::Made {
                        attempt,
                        task,
                        key,
                        artifact: *digest,
                        trace: *trace,
                        replaces,
                        stands,
                        metrics,
                        seconds,
                    }
                }
                AttemptOutcome::Diverged { reason, trace } => {
                    let reason = clean(reason);
                    let (stands, _) = result_of(&mut tx, run, at, lease, attempt, None, Some(&reason)).await?;
                    record_trace(&mut tx, trace, lease).await?;
                    Event::Diverged { attempt, task, key, trace: *trace, reason, stands, metrics, seconds }
                }
                AttemptOutcome::Failed(failure) => {
                    Event::Failed { attempt, task, key, failure: failure.clone(), metrics, seconds }
                }
            };
            record_metrics(&mut tx, attempt, &points).await?;
            close(&mut tx, at, lease, attempt, &Row::of(&ending.outcome), ending.seconds).await?;
            let past = recall::standing(&mut tx, &key).await?;
            let saved = checkpointed(attempt, named, key, &ending.saved);
            chain::append(&mut tx, run, at, saved.into_iter().chain([event]).collect()).await?;
            tx.commit().await?;
            Ok(past)
        })
        .await
    }

    /// Adopts an old result for a new key whose trace is the old one's (early cut-off). Needs no lease, as nothing is run. Answers with what
    /// stands under the key now: another engine's result, if that came first.
    pub async fn adopt(
        &self,
        run: RunId,
        task: &str,
        key: Key,
        past: &Past,
        trace: Digest,
    ) -> Result<Past, LedgerError> {
        self.with("adopt a result", |pool| async move {
            let at = At::now();
            let mut tx = pool.begin().await?;
            let (artifact, reason) = match &past.outcome {
                PastOutcome::Made { digest, .. } => (Some(*digest), None),
                PastOutcome::Diverged { reason } => (None, Some(reason.as_str())),
            };
            let new = NewResult { key: &key, artifact, reason, attempt: past.attempt, replace: false };
            record_result(&mut tx, run, at, new).await?;
            let stands =
                recall::standing(&mut tx, &key).await?.ok_or_else(|| bad_row(format!("key {key} has no result")))?;
            let changed = sqlx::query(
                "update plan_tasks set outcome = 'adopted', artifact = $4, attempt = $5, reason = $6
                 where run = $1 and name = $2 and key = $3 and outcome is distinct from 'adopted'",
            )
            .bind(run)
            .bind(task)
            .bind(key.as_bytes())
            .bind(stands.digest().as_ref().map(Digest::as_bytes))
            .bind(stands.attempt)
            .bind(reason)
            .execute(&mut *tx)
            .await?;
            if changed.rows_affected() > 0 {
                let event = Event::Adopted { task: task.to_owned(), key, artifact: stands.digest(), trace };
                chain::append(&mut tx, run, at, vec![event]).await?;
            }
            tx.commit().await?;
            Ok(stands)
        })
        .await
    }
}

/// What is said of an attempt's checkpoints, if it had any.
fn checkpointed(attempt: AttemptId, task: String, key: Key, saved: &Saved) -> Option<Event> {
    let Saved { resumed, trail } = saved.clone();
    (!saved.is_empty()).then_some(Event::Checkpointed { attempt, task, key, resumed, trail })
}

/// The artifact that the run has kept for a task so far, if it has.
async fn kept(conn: &mut PgConnection, run: RunId, task: &str) -> Result<Option<Digest>, Fault> {
    let kept: Option<Option<[u8; 32]>> =
        sqlx::query_scalar("select artifact from plan_tasks where run = $1 and name = $2 and outcome = 'kept'")
            .bind(run)
            .bind(task)
            .fetch_optional(conn)
            .await?;
    Ok(bytes::digest(kept.flatten()))
}

/// Records the result that an attempt under `lease` has. Answers with whether it stands, and which artifact it replaced.
async fn result_of(
    conn: &mut PgConnection,
    run: RunId,
    at: At,
    lease: &Lease,
    attempt: AttemptId,
    artifact: Option<Digest>,
    reason: Option<&str>,
) -> Result<(bool, Option<Digest>), Fault> {
    let before = match lease.purpose {
        Purpose::Make => None,
        Purpose::Remake | Purpose::Witness => recall::standing(&mut *conn, &lease.key).await?,
    };
    if lease.purpose == Purpose::Witness && before.is_some() {
        return Ok((false, None));
    }
    let replace = lease.purpose == Purpose::Remake;
    let new = NewResult { key: &lease.key, artifact, reason, attempt: Some(attempt), replace };
    let stands = record_result(conn, run, at, new).await?;
    Ok((stands, before.and_then(|past| past.digest()).filter(|_| stands)))
}

/// Records that this trace led to the key's result. Not for a witness, whose bits may differ from those that stand.
async fn record_trace(conn: &mut PgConnection, trace: &Digest, lease: &Lease) -> Result<(), Fault> {
    if lease.purpose == Purpose::Witness {
        return Ok(());
    }
    sqlx::query("insert into traces (trace, key) values ($1, $2) on conflict (trace) do nothing")
        .bind(trace.as_bytes())
        .bind(lease.key.as_bytes())
        .execute(conn)
        .await?;
    Ok(())
}
