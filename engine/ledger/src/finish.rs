//! Ends of attempts: where results come from. The fence is checked in the transaction that records the result, under a lock on the lease's row,
//! so an engine that lost its lease records nothing.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key};
use sqlx::PgConnection;

use crate::{
    at::At,
    attempt::{self, AttemptOutcome, Ending, Points},
    bytes::{clean, keys},
    error::LedgerError,
    event::Event,
    fault::Fault,
    group::{Answer, Ask, Batch},
    id::{AttemptId, RunId},
    lease::{Lease, Purpose},
    ledger::Ledger,
    past::{Past, PastOutcome},
    recall,
    result::{self, NewArtifact, NewResult},
    saved::Saved,
};

/// An ask to record how an attempt ended.
#[derive(Debug)]
pub(crate) struct FinishAsk {
    run: RunId,
    pub lease: Lease,
    attempt: AttemptId,
    ending: Ending,
    points: Points,
    /// The manifest's text, if an artifact was made.
    manifest: Option<String>,
    /// Why it diverged or failed, as it is stored.
    reason: Option<String>,
}

impl FinishAsk {
    fn new(run: RunId, lease: &Lease, attempt: AttemptId, ending: &Ending) -> Result<Self, LedgerError> {
        let (manifest, reason) = match &ending.outcome {
            AttemptOutcome::Made { digest, manifest, .. } => (Some(result::manifest_text(*digest, manifest)?), None),
            AttemptOutcome::Diverged { reason, .. } => (None, Some(clean(reason))),
            AttemptOutcome::Failed(failure) => (None, Some(clean(&failure.message))),
        };
        let points = attempt::points(&ending.metrics)?;
        Ok(Self { run, lease: lease.clone(), attempt, ending: ending.clone(), points, manifest, reason })
    }

    fn artifact(&self) -> Option<Digest> {
        match &self.ending.outcome {
            AttemptOutcome::Made { digest, .. } => Some(*digest),
            AttemptOutcome::Diverged { .. } | AttemptOutcome::Failed(_) => None,
        }
    }

    /// The recipe's trace, of what is kept.
    fn trace(&self) -> Option<Digest> {
        match &self.ending.outcome {
            AttemptOutcome::Made { trace, .. } | AttemptOutcome::Diverged { trace, .. } => Some(*trace),
            AttemptOutcome::Failed(_) => None,
        }
    }

    /// What stands under the key, if this is it.
    fn past(&self, at: At) -> Option<Past> {
        let outcome = match &self.ending.outcome {
            AttemptOutcome::Made { digest, manifest, .. } => {
                PastOutcome::Made { digest: *digest, manifest: manifest.clone() }
            }
            AttemptOutcome::Diverged { .. } => {
                PastOutcome::Diverged { reason: self.reason.clone().unwrap_or_default() }
            }
            AttemptOutcome::Failed(_) => return None,
        };
        Some(Past { outcome, run: self.run, attempt: Some(self.attempt), at: at.0, trace: self.trace() })
    }

    fn word(&self) -> &'static str {
        match &self.ending.outcome {
            AttemptOutcome::Made { .. } => "made",
            AttemptOutcome::Diverged { .. } => "diverged",
            AttemptOutcome::Failed(_) => "failed",
        }
    }

    fn class(&self) -> Option<String> {
        match &self.ending.outcome {
            AttemptOutcome::Failed(failure) => serde_json::to_value(failure.class).ok()?.as_str().map(str::to_owned),
            AttemptOutcome::Made { .. } | AttemptOutcome::Diverged { .. } => None,
        }
    }

    /// What is said of the attempt's checkpoints, if it had any.
    fn checkpointed(&self, task: &str) -> Option<Event> {
        let Saved { resumed, trail } = self.ending.saved.clone();
        let (attempt, task, key) = (self.attempt, task.to_owned(), self.lease.key);
        (!self.ending.saved.is_empty()).then_some(Event::Checkpointed { attempt, task, key, resumed, trail })
    }

    fn event(&self, task: String, replaces: Option<Digest>, stands: bool) -> Event {
        let (attempt, key) = (self.attempt, self.lease.key);
        let (metrics, seconds) = (Some(attempt::digest(&self.points)), Some(self.ending.seconds));
        match &self.ending.outcome {
            AttemptOutcome::Made { digest, trace, .. } => {
                let (artifact, trace) = (*digest, *trace);
                Event::Made { attempt, task, key, artifact, trace, replaces, stands, metrics, seconds }
            }
            AttemptOutcome::Diverged { trace, .. } => {
                let (trace, reason) = (*trace, self.reason.clone().unwrap_or_default());
                Event::Diverged { attempt, task, key, trace, reason, stands, metrics, seconds }
            }
            AttemptOutcome::Failed(failure) => {
                Event::Failed { attempt, task, key, failure: failure.clone(), metrics, seconds }
            }
        }
    }
}

/// An end that is about to be written.
struct End<'a> {
    place: usize,
    ask: &'a FinishAsk,
    task: String,
    at: At,
}

/// Records all of `asks`, whose leases are locked and whose keys differ.
pub(crate) async fn record(
    batch: &mut Batch,
    conn: &mut PgConnection,
    asks: Vec<(usize, &FinishAsk)>,
    answers: &mut BTreeMap<usize, Result<Answer, LedgerError>>,
) -> Result<(), Fault> {
    if asks.is_empty() {
        return Ok(());
    }
    let mut asked: BTreeMap<usize, Key> = BTreeMap::new();
    let ends = open(batch, conn, asks, &mut asked, answers).await?;
    if !ends.is_empty() {
        let new = ends.iter().filter_map(|end| {
            let AttemptOutcome::Made { digest, manifest, .. } = &end.ask.ending.outcome else { return None };
            Some((*digest, (end.ask.run, manifest, end.ask.manifest.as_deref()?)))
        });
        let new: BTreeMap<Digest, NewArtifact<'_>> = new.collect();
        result::record_artifacts(conn, &new).await?;
        let before: Vec<Key> =
            ends.iter().filter(|end| end.ask.lease.purpose != Purpose::Make).map(|end| end.ask.lease.key).collect();
        let before = recall::standing_all(conn, &before).await?;
        let stand = record_results(conn, &ends, &before).await?;
        record_traces(conn, &ends).await?;
        record_metrics(conn, &ends).await?;
        close(conn, &ends).await?;
        for end in &ends {
            let key = end.ask.lease.key;
            let stands = stand.contains(&key);
            let replaces = before.get(&key).and_then(Past::digest).filter(|_| stands);
            let pen = batch.pen(conn, end.ask.run).await?;
            end.ask.checkpointed(&end.task).into_iter().for_each(|event| pen.write(event));
            pen.write(end.ask.event(end.task.clone(), replaces, stands));
            match end.ask.past(end.at).filter(|_| stands) {
                Some(past) => drop(answers.insert(end.place, Ok(Answer::Finished(Some(past))))),
                None => drop(asked.insert(end.place, key)),
            }
        }
        batch.wrote = true;
    }
    let keys: Vec<Key> = asked.values().copied().collect();
    let standing = recall::standing_all(conn, &keys).await?;
    for (place, key) in asked {
        answers.insert(place, Ok(Answer::Finished(standing.get(&key).cloned())));
    }
    Ok(())
}

/// The ends that are to be written: not those recorded before a connection broke (their keys go to `asked`), nor those whose lease was lost.
async fn open<'a>(
    batch: &mut Batch,
    conn: &mut PgConnection,
    asks: Vec<(usize, &'a FinishAsk)>,
    asked: &mut BTreeMap<usize, Key>,
    answers: &mut BTreeMap<usize, Result<Answer, LedgerError>>,
) -> Result<Vec<End<'a>>, Fault> {
    let mut ids: Vec<AttemptId> = asks.iter().map(|(_, ask)| ask.attempt).collect();
    ids.sort_unstable();
    let rows: Vec<(AttemptId, Option<String>, String)> =
        sqlx::query_as("select id, outcome, task from attempts where id = any($1) order by id for no key update")
            .bind(ids)
            .fetch_all(&mut *conn)
            .await?;
    let mut rows: BTreeMap<AttemptId, (Option<String>, String)> =
        rows.into_iter().map(|(id, outcome, task)| (id, (outcome, task))).collect();
    let mut held = vec![];
    for (place, ask) in asks {
        match (rows.remove(&ask.attempt), batch.hold(&ask.lease)) {
            // The lease may be anybody's by now.
            (Some((Some(outcome), _)), _) if outcome != "lost" => drop(asked.insert(place, ask.lease.key)),
            (_, Err(error)) => drop(answers.insert(place, Err(error))),
            (Some((_, task)), Ok(())) => held.push((place, ask, task)),
            (None, Ok(())) => {
                let what = format!("attempt {} of run {} is not there", ask.attempt, ask.run);
                answers.insert(place, Err(LedgerError::BadRow { what }));
            }
        }
    }
    batch.take_pens(conn, held.iter().map(|(_, ask, _)| ask.run)).await?;
    let mut ends = vec![];
    for (place, ask, task) in held {
        let at = batch.pen(conn, ask.run).await?.at();
        ends.push(End { place, ask, task, at });
    }
    // In the order of keys: whatever they insert, two engines insert it in one order.
    ends.sort_by_key(|end| end.ask.lease.key);
    Ok(ends)
}

/// Records results. Answers with the keys under which these stand.
async fn record_results(
    conn: &mut PgConnection,
    ends: &[End<'_>],
    before: &BTreeMap<Key, Past>,
) -> Result<BTreeSet<Key>, Fault> {
    let (mut first, mut instead) = (vec![], vec![]);
    for (end, trace) in ends.iter().filter_map(|end| Some((end, end.ask.trace()?))) {
        let lease = &end.ask.lease;
        let new = NewResult {
            key: lease.key,
            run: end.ask.run,
            at: end.at,
            artifact: end.ask.artifact(),
            reason: end.ask.reason.as_deref(),
            attempt: Some(end.ask.attempt),
            trace,
        };
        match lease.purpose {
            Purpose::Remake => instead.push(new),
            // A witness changes nothing that stands.
            Purpose::Witness if before.contains_key(&lease.key) => {}
            Purpose::Make | Purpose::Witness => first.push(new),
        }
    }
    let mut stand = result::record(conn, &first, false).await?;
    stand.extend(result::record(conn, &instead, true).await?);
    Ok(stand)
}

/// Records which traces led to which keys' results. Not for a witness, whose bits may differ from those that stand.
async fn record_traces(conn: &mut PgConnection, ends: &[End<'_>]) -> Result<(), Fault> {
    let told = ends.iter().filter(|end| end.ask.lease.purpose != Purpose::Witness);
    let traces: BTreeMap<Digest, Key> =
        told.rev().filter_map(|end| Some((end.ask.trace()?, end.ask.lease.key))).collect();
    if traces.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "insert into traces (trace, key) select * from unnest($1::bytea[], $2::bytea[]) on conflict (trace) do nothing",
    )
    .bind(traces.keys().map(|trace| *trace.as_bytes()).collect::<Vec<_>>())
    .bind(keys(traces.values()))
    .execute(conn)
    .await?;
    Ok(())
}

/// Records what was measured.
async fn record_metrics(conn: &mut PgConnection, ends: &[End<'_>]) -> Result<(), Fault> {
    if ends.iter().all(|end| end.ask.points.is_empty()) {
        return Ok(());
    }
    let (mut attempts, mut series, mut steps, mut values) = (vec![], vec![], vec![], vec![]);
    for end in ends {
        for ((name, step), value) in &end.ask.points {
            attempts.push(end.ask.attempt);
            series.push(name.as_str());
            steps.push(*step);
            values.push(*value);
        }
    }
    sqlx::query(
        "insert into metrics (attempt, series, step, value)
         select * from unnest($1::uuid[], $2::text[], $3::bigint[], $4::float8[])",
    )
    .bind(attempts)
    .bind(series)
    .bind(steps)
    .bind(values)
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends attempts, their tasks in their runs, and their leases, in one statement.
async fn close(conn: &mut PgConnection, ends: &[End<'_>]) -> Result<(), Fault> {
    sqlx::query(
        "with t as (
             select * from unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::bytea[], $5::text[], $6::text[], $7::float8[],
                                  $8::boolean[], $9::bytea[])
                           as t (id, at, outcome, artifact, reason, class, seconds, counts, key)
         ), a as (
             update attempts a
             set ended = t.at, outcome = t.outcome, artifact = t.artifact, reason = t.reason, class = t.class, seconds = t.seconds
             from t where a.id = t.id returning a.id, a.run, a.task
         ), p as (
             update plan_tasks p set outcome = t.outcome, artifact = t.artifact, attempt = t.id, reason = t.reason
             from a join t on t.id = a.id where p.run = a.run and p.name = a.task and t.counts
         )
         update leases l set holder = null from t where l.key = t.key",
    )
    .bind(ends.iter().map(|end| end.ask.attempt).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.at).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.ask.word()).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.ask.artifact().map(|digest| *digest.as_bytes())).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.ask.reason.as_deref()).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.ask.class()).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.ask.ending.seconds).collect::<Vec<_>>())
    .bind(ends.iter().map(|end| end.ask.lease.purpose != Purpose::Witness).collect::<Vec<_>>())
    .bind(keys(ends.iter().map(|end| &end.ask.lease.key)))
    .execute(conn)
    .await?;
    Ok(())
}

impl Ledger {
    /// Records how an attempt ended, its metrics and, if there is one, its result, and gives the lease back: one transaction, and no more if
    /// it is repeated. Answers with what stands under the key now.
    pub async fn finish_attempt(
        &self,
        run: RunId,
        lease: &Lease,
        attempt: AttemptId,
        ending: &Ending,
    ) -> Result<Option<Past>, LedgerError> {
        match self.ask(Ask::Finish(Box::new(FinishAsk::new(run, lease, attempt, ending)?))).await? {
            Answer::Finished(past) => Ok(past),
            other => unreachable!("an end is not answered with {other:?}"),
        }
    }
}
