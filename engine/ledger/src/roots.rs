//! Roots: what garbage collection must leave in the store, and why. Everything else that the ledger knows can be made again from its recipe.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key};
use serde::Serialize;
use sqlx::PgPool;

use crate::{
    at::At, bytes::keys as bind, claim::shown, error::LedgerError, fault::Fault, holder::Holder, id::RunId,
    ledger::Ledger, pin::Pinned, silence,
};

/// Why artifacts stay.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Root {
    /// A run that is under way, or whose engine cannot be proved dead.
    Running {
        /// The run.
        run: RunId,
        /// Its study.
        study: String,
        /// Whose it is.
        by: String,
    },
    /// One of the latest runs of its study with this profile: a trial of seconds must not cost the bytes of hours.
    Latest {
        /// The run.
        run: RunId,
        /// Its study.
        study: String,
        /// The profile, if one was asked for.
        #[serde(skip_serializing_if = "Option::is_none")]
        profile: Option<String>,
    },
    /// A pinned run.
    PinnedRun {
        /// The run.
        run: RunId,
        /// Its study.
        study: String,
    },
    /// A pinned task.
    PinnedTask {
        /// The name it was pinned under.
        task: String,
        /// Its study.
        study: String,
    },
}

/// What must stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// The artifacts, each with the first root that holds it.
    pub artifacts: BTreeMap<Digest, Root>,
    /// Digests of the studies' own files that any recipe names: no task can make them again.
    pub files: BTreeSet<Digest>,
    /// Whether any engine may be at work.
    pub running: bool,
}

/// Something in the ledger that moves the roots when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pulse {
    runs: i64,
    newest: Option<RunId>,
    pins: i64,
    pinned: Option<At>,
}

/// A run, and how many of its study and profile are newer, itself counted.
#[derive(sqlx::FromRow)]
struct Listed {
    id: RunId,
    study: String,
    profile: Option<String>,
    state: String,
    holder: String,
    back: i64,
}

impl Ledger {
    /// Changes whenever a run began or a pin was set since.
    pub async fn pulse(&self) -> Result<Pulse, LedgerError> {
        self.with("look for new runs", |pool| async move {
            // A pin that is set anew, with a wider reach, is no more pins than before.
            let (runs, newest, pins, pinned) = sqlx::query_as(
                "select (select count(*) from runs), (select id from runs order by id desc limit 1), (select count(*) from pins),
                 (select max(at) from pins)",
            )
            .fetch_one(&pool)
            .await?;
            Ok(Pulse { runs, newest, pins, pinned })
        })
        .await
    }

    /// What must stay: running runs, the `latest` last runs of each study with each profile, and what is pinned.
    pub async fn roots(&self, latest: u32) -> Result<Roots, LedgerError> {
        let pins = &self.pins().await?;
        self.with_much("gather what must stay", |pool| async move {
            let mut roots = Roots::default();
            let runs: Vec<Listed> = sqlx::query_as(
                "select id, study, profile, state, holder, row_number() over (partition by study, profile order by id desc) as back
                 from (select *, soft::json -> 'set' ->> 'profile' as profile from runs) r order by id desc",
            )
            .fetch_all(&pool)
            .await?;
            let alive = |holder: &str| !holder.parse::<Holder>().is_ok_and(|holder| holder.is_dead());
            let silent = silence::silent(&mut *pool.acquire().await?).await?;
            let heard = |run: &RunId| !silent.iter().any(|silent| silent.run == *run);
            let under_way = runs.iter().filter(|run| run.state == "running" && alive(&run.holder) && heard(&run.id));
            for Listed { id, study, holder, .. } in under_way {
                roots.running = true;
                let root = Root::Running { run: *id, study: study.clone(), by: shown(holder) };
                roots.hold_run(&pool, *id, root).await?;
            }
            for Listed { id, study, profile, .. } in runs.iter().filter(|run| run.back <= i64::from(latest)) {
                let root = Root::Latest { run: *id, study: study.clone(), profile: profile.clone() };
                roots.hold_run(&pool, *id, root).await?;
            }
            for pin in pins {
                match pin.pinned {
                    Pinned::Run(run) => {
                        let root = Root::PinnedRun { run, study: pin.study.clone() };
                        roots.hold_run(&pool, run, root).await?;
                    }
                    Pinned::Key { key, lineage } => {
                        let root = Root::PinnedTask { task: pin.name.clone(), study: pin.study.clone() };
                        let held = if lineage { above(&pool, key).await? } else { vec![key] };
                        roots.hold_keys(&pool, &held, &root).await?;
                    }
                }
            }
            roots.files = files_of(&pool).await?;
            Ok(roots)
        })
        .await
    }
}

impl Roots {
    fn hold(&mut self, artifacts: Vec<[u8; 32]>, root: &Root) {
        for artifact in artifacts {
            self.artifacts.entry(Digest::from_bytes(artifact)).or_insert_with(|| root.clone());
        }
    }

    /// Holds what a run's tasks had in it, and what stands under their keys now.
    async fn hold_run(&mut self, pool: &PgPool, run: RunId, root: Root) -> Result<(), Fault> {
        let keys: Vec<[u8; 32]> =
            sqlx::query_scalar("select key from plan_tasks where run = $1").bind(run).fetch_all(pool).await?;
        let keys: Vec<Key> = keys.into_iter().map(Key::from_bytes).collect();
        let had = sqlx::query_scalar("select artifact from plan_tasks where run = $1 and artifact is not null");
        self.hold(had.bind(run).fetch_all(pool).await?, &root);
        self.hold_keys(pool, &keys, &root).await
    }

    async fn hold_keys(&mut self, pool: &PgPool, keys: &[Key], root: &Root) -> Result<(), Fault> {
        let stands = sqlx::query_scalar("select artifact from results where key = any($1) and artifact is not null");
        self.hold(stands.bind(bind(keys)).fetch_all(pool).await?, root);
        Ok(())
    }
}

/// A key and all that it rests on.
async fn above(pool: &PgPool, key: Key) -> Result<Vec<Key>, Fault> {
    let keys: Vec<[u8; 32]> = sqlx::query_scalar(
        "with recursive above (key) as (
             select $1::bytea
             union
             select n.need::bytea from needs n join above a on n.key = a.key
         )
         select key from above",
    )
    .bind(key.as_bytes())
    .fetch_all(pool)
    .await?;
    Ok(keys.into_iter().map(Key::from_bytes).collect())
}

/// The digests of files that recipes name: bytes that no task makes and that are in the store all the same.
async fn files_of(pool: &PgPool) -> Result<BTreeSet<Digest>, Fault> {
    let texts: Vec<String> = sqlx::query_scalar(
        "select distinct f.value from recipes c
         cross join lateral json_each_text(case when json_typeof(c.text::json -> 'files') = 'object' then c.text::json -> 'files' else '{}' end) f
         where c.text like '%\"files\":{%'",
    )
    .fetch_all(pool)
    .await?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}
