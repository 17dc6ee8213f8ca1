//! Picking: runs and artifacts by what a person types, and rows of many things at once.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key, Manifest};
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    at::At,
    error::LedgerError,
    id::{AttemptId, RunId},
    ledger::Ledger,
    read::RunRow,
    recall,
    view::RunView,
};

/// `latest`, or `latest~3`: how many runs back.
fn back(name: &str) -> Option<i64> {
    match name.strip_prefix("latest")? {
        "" => Some(0),
        rest => rest.strip_prefix('~')?.parse().ok().filter(|n| *n >= 0),
    }
}

/// Who made an artifact first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Maker {
    /// The task's name then.
    pub task: String,
    /// Its study.
    pub study: String,
    /// Its kind.
    pub kind: String,
    /// The artifact's shape.
    pub shape: String,
    /// When.
    pub made: Option<Timestamp>,
}

/// A maker as it is stored.
type MakerRow = ([u8; 32], String, String, String, String, Option<At>);

impl Ledger {
    /// Who made each of these artifacts first.
    pub async fn makers(&self, artifacts: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, Maker>, LedgerError> {
        self.with_much("look up who made artifacts", |pool| async move {
            let rows: Vec<MakerRow> = sqlx::query_as(
                "select distinct on (t.artifact) t.artifact, t.task, u.study, c.kind, a.shape, t.ended
                 from attempts t
                 join runs u on u.id = t.run
                 join recipes c on c.key = t.key
                 join artifacts a on a.digest = t.artifact
                 where t.artifact = any($1)
                 order by t.artifact, t.began",
            )
            .bind(artifacts.iter().map(|digest| *digest.as_bytes()).collect::<Vec<_>>())
            .fetch_all(&pool)
            .await?;
            let maker = |(digest, task, study, kind, shape, ended): MakerRow| {
                let made = ended.map(|at| at.0);
                (Digest::from_bytes(digest), Maker { task, study, kind, shape, made })
            };
            Ok(rows.into_iter().map(maker).collect())
        })
        .await
    }

    /// The latest runs of a study, or of all, newest first.
    pub async fn runs_of(&self, studies: &[&str], limit: u32) -> Result<Vec<RunView>, LedgerError> {
        self.pick_runs(studies, 0, limit).await
    }

    async fn pick_runs(&self, studies: &[&str], skip: i64, limit: u32) -> Result<Vec<RunView>, LedgerError> {
        self.with("list runs", |pool| async move {
            let rows: Vec<RunRow> = sqlx::query_as(
                "select id, study, file, plan, soft, holder, state, tasks, began, ended
                 from runs where cardinality($1::text[]) = 0 or study = any($1) order by id desc offset $2 limit $3",
            )
            .bind(studies)
            .bind(skip)
            .bind(i64::from(limit))
            .fetch_all(&pool)
            .await?;
            self.views(&pool, rows).await
        })
        .await
    }

    /// One run as a person names it: the beginning or the end of its id, `latest`, or `latest~1` for the one before (of `study`, if given).
    pub async fn pick_run(&self, name: &str, study: Option<&str>) -> Result<RunView, LedgerError> {
        match back(name) {
            Some(skip) => {
                let run = self.pick_runs(study.as_slice(), skip, 1).await?.pop();
                run.ok_or_else(|| LedgerError::NoRun(name.to_owned()))
            }
            None => self.run(name).await,
        }
    }

    /// Length and last hash of the chains of `runs`: noted elsewhere, they tell later whether a whole chain was rewritten.
    pub async fn heads(&self, runs: &[RunId]) -> Result<BTreeMap<RunId, (u64, Digest)>, LedgerError> {
        self.with("read the ends of chains", |pool| async move {
            let rows: Vec<(RunId, i64, [u8; 32])> =
                sqlx::query_as("select id, events, head from runs where id = any($1)")
                    .bind(runs.iter().map(|run| run.uuid()).collect::<Vec<_>>())
                    .fetch_all(&pool)
                    .await?;
            Ok(rows.into_iter().map(|(id, n, head)| (id, (n.cast_unsigned(), Digest::from_bytes(head)))).collect())
        })
        .await
    }

    /// The artifacts whose digest begins with `prefix` (hexadecimal digits), at most ten, each with the keys under which it stands.
    pub async fn artifacts_like(&self, prefix: &str) -> Result<BTreeMap<Digest, Vec<Key>>, LedgerError> {
        let bound = |fill: char| format!("{prefix:fill$}", fill = 64).replace(' ', &fill.to_string()).parse::<Digest>();
        let (Ok(low), Ok(high)) = (bound('0'), bound('f')) else { return Ok(BTreeMap::new()) };
        self.with("look up artifacts", |pool| async move {
            let rows: Vec<([u8; 32], Option<[u8; 32]>)> = sqlx::query_as(
                "select a.digest, r.key
                 from (select digest from artifacts where digest between $1 and $2 order by digest limit 10) a
                 left join results r on r.artifact = a.digest
                 order by a.digest, r.at",
            )
            .bind(low.as_bytes())
            .bind(high.as_bytes())
            .fetch_all(&pool)
            .await?;
            let mut found: BTreeMap<Digest, Vec<Key>> = BTreeMap::new();
            for (digest, key) in rows {
                found.entry(Digest::from_bytes(digest)).or_default().extend(key.map(Key::from_bytes));
            }
            Ok(found)
        })
        .await
    }

    /// The manifests of many artifacts, each checked against its digest.
    pub async fn manifests(&self, artifacts: &BTreeSet<Digest>) -> Result<BTreeMap<Digest, Manifest>, LedgerError> {
        self.with("look up artifacts", |pool| async move {
            let rows: Vec<([u8; 32], String)> =
                sqlx::query_as("select digest, text from artifacts where digest = any($1)")
                    .bind(artifacts.iter().map(|digest| *digest.as_bytes()).collect::<Vec<_>>())
                    .fetch_all(&pool)
                    .await?;
            rows.into_iter()
                .map(|(digest, text)| {
                    let digest = Digest::from_bytes(digest);
                    Ok((digest, recall::manifest(&digest, &text)?))
                })
                .collect()
        })
        .await
    }

    /// The soft environments of many attempts, as their canonical texts.
    pub async fn environments(
        &self,
        attempts: &BTreeSet<AttemptId>,
    ) -> Result<BTreeMap<AttemptId, String>, LedgerError> {
        self.with("look up attempts", |pool| async move {
            let rows: Vec<(AttemptId, String)> = sqlx::query_as("select id, soft from attempts where id = any($1)")
                .bind(attempts.iter().map(|id| id.uuid()).collect::<Vec<_>>())
                .fetch_all(&pool)
                .await?;
            Ok(rows.into_iter().collect())
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_counted_back_from_the_latest() {
        assert_eq!((back("latest"), back("latest~2"), back("latest~0")), (Some(0), Some(2), Some(0)));
        for other in ["latest~", "latest~-1", "latest~x", "late", "0193", ""] {
            assert_eq!(back(other), None, "{other}");
        }
    }
}
