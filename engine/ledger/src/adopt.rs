//! Adoptions: an old result for a new key, because its inputs came out with bytes already seen (early cut-off).

use isoflop_contract::{Digest, Key};

use crate::{
    chain::Pen,
    error::LedgerError,
    event::Event,
    fault::bad_row,
    id::RunId,
    ledger::Ledger,
    past::{Past, PastOutcome},
    recall,
    result::{self, NewResult},
};

impl Ledger {
    /// Adopts an old result for a key whose trace is the old one's (early cut-off). Needs no lease, as nothing is run. Answers with what
    /// stands under the key now: another engine's result, if that came first. What was made from other bits than these gives way.
    pub async fn adopt(
        &self,
        run: RunId,
        task: &str,
        key: Key,
        past: &Past,
        trace: Digest,
    ) -> Result<Past, LedgerError> {
        self.with("adopt a result", |pool| async move {
            let mut tx = pool.begin().await?;
            let mut pen = Pen::take(&mut tx, run).await?;
            let (artifact, reason) = match &past.outcome {
                PastOutcome::Made { digest, .. } => (Some(*digest), None),
                PastOutcome::Diverged { reason } => (None, Some(reason.as_str())),
            };
            let before = recall::standing(&mut tx, &key).await?;
            let stale = before.filter(|before| before.trace.is_some_and(|of| of != trace));
            let new = NewResult { key, run, at: pen.at(), artifact, reason, attempt: past.attempt, trace };
            result::record(&mut tx, &[new], stale.is_some()).await?;
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
                let replaces = stale.as_ref().and_then(Past::digest);
                pen.write(Event::Adopted { task: task.to_owned(), key, artifact: stands.digest(), trace, replaces });
                pen.put_down(&mut tx).await?;
            }
            tx.commit().await?;
            Ok(stands)
        })
        .await
    }
}
