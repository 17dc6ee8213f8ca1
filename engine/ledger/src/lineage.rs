//! Lineage: everything a recipe rests on, or everything that rests on it, with what came of each and where.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key, Value};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::{
    at::At,
    bytes::{self, keys as bind},
    chain::count,
    error::LedgerError,
    fault::Fault,
    given,
    id::{AttemptId, RunId},
    ledger::Ledger,
    view::Edge,
};

/// Which way to walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To what it rests on.
    Up,
    /// To what rests on it.
    Down,
}

/// Recipes that hang together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Lineage {
    /// Each recipe reached, the first one included.
    pub nodes: BTreeMap<Key, Node>,
    /// The needs between them, by key, port and label.
    pub edges: Vec<Edge>,
    /// Whether there is more behind the depth that was asked for.
    pub cut: bool,
}

/// One recipe and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Node {
    /// Its task's name: in the run that was asked for if it has it, else in the run that planned it first.
    pub task: Option<String>,
    /// The study of that run.
    pub study: Option<String>,
    /// Whether the run that was asked for has no such task: another plan, or another version of this one.
    pub elsewhere: bool,
    /// Its kind.
    pub kind: String,
    /// The kind's revision.
    pub revision: u64,
    /// Its seed, if the kind uses one.
    pub seed: Option<u64>,
    /// The hard environment.
    pub environment: Value,
    /// `made` or `diverged`; none if nothing stands under the key.
    pub outcome: Option<String>,
    /// The artifact that stands.
    pub artifact: Option<Digest>,
    /// Its shape.
    pub shape: Option<String>,
    /// Its size in bytes.
    pub bytes: Option<u64>,
    /// The run that recorded the result.
    pub run: Option<RunId>,
    /// The attempt that made it.
    pub attempt: Option<AttemptId>,
    /// The soft environment of that attempt: where it ran.
    pub soft: Value,
    /// When that attempt began.
    pub began: Option<Timestamp>,
    /// How long its body ran.
    pub seconds: Option<f64>,
}

/// What is read of a recipe's text here.
#[derive(Deserialize, Default)]
struct Excerpt {
    seed: Option<u64>,
    #[serde(default)]
    environment: Value,
}

/// A node as it is stored.
#[derive(sqlx::FromRow)]
struct Row {
    key: [u8; 32],
    kind: String,
    revision: i64,
    text: String,
    outcome: Option<String>,
    artifact: Option<[u8; 32]>,
    shape: Option<String>,
    bytes: Option<i64>,
    run: Option<RunId>,
    attempt: Option<AttemptId>,
    soft: Option<String>,
    began: Option<At>,
    seconds: Option<f64>,
}

impl Row {
    fn node(self) -> Result<(Key, Node), Fault> {
        // A text that cannot be read is the audit's to report; here it has no seed.
        let excerpt: Excerpt = serde_json::from_str(&self.text).unwrap_or_default();
        let node = Node {
            task: None,
            study: None,
            elsewhere: false,
            kind: self.kind,
            revision: count(self.revision, "a revision")?,
            seed: excerpt.seed,
            environment: excerpt.environment,
            outcome: self.outcome,
            artifact: bytes::digest(self.artifact),
            shape: self.shape,
            bytes: self.bytes.map(|n| count(n, "an artifact's size")).transpose()?,
            run: self.run,
            attempt: self.attempt,
            soft: self.soft.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or(Value::Null),
            began: self.began.map(|at| at.0),
            seconds: self.seconds,
        };
        Ok((Key::from_bytes(self.key), node))
    }
}

/// An edge as it is stored.
type EdgeRow = ([u8; 32], String, String, [u8; 32]);

async fn edges(pool: &PgPool, direction: Direction, of: &[Key]) -> Result<Vec<Edge>, Fault> {
    let statement = match direction {
        Direction::Up => "select key, port, label, need from needs where key = any($1) order by key, port, label",
        Direction::Down => "select key, port, label, need from needs where need = any($1) order by key, port, label",
    };
    let rows: Vec<EdgeRow> = sqlx::query_as(statement).bind(bind(of)).fetch_all(pool).await?;
    let edge = |(key, port, label, need)| Edge::bare(Key::from_bytes(key), port, label, Key::from_bytes(need));
    Ok(rows.into_iter().map(edge).collect())
}

async fn nodes(pool: &PgPool, keys: &[Key], run: Option<RunId>) -> Result<BTreeMap<Key, Node>, Fault> {
    let rows: Vec<Row> = sqlx::query_as(
        "select c.key, c.kind, c.revision, c.text, r.outcome, r.artifact, a.shape, a.bytes, r.run, r.attempt,
                t.soft, t.began, t.seconds
         from recipes c
         left join results r on r.key = c.key
         left join artifacts a on a.digest = r.artifact
         left join attempts t on t.id = r.attempt
         where c.key = any($1)",
    )
    .bind(bind(keys))
    .fetch_all(pool)
    .await?;
    let mut nodes: BTreeMap<Key, Node> = rows.into_iter().map(Row::node).collect::<Result<_, _>>()?;
    let mut name = |rows: Vec<([u8; 32], String, String)>, elsewhere| {
        for (key, task, study) in rows {
            if let Some(node) = nodes.get_mut(&Key::from_bytes(key)).filter(|node| node.task.is_none()) {
                (node.task, node.study, node.elsewhere) = (Some(task), Some(study), elsewhere);
            }
        }
    };
    if let Some(run) = run {
        let here = sqlx::query_as(
            "select p.key, p.name, u.study from plan_tasks p join runs u on u.id = p.run
             where p.run = $1 and p.key = any($2) order by p.position",
        );
        name(here.bind(run).bind(bind(keys)).fetch_all(pool).await?, false);
    }
    let first = sqlx::query_as(
        "select p.key, p.name, u.study
         from recipes c join plan_tasks p on p.run = c.first_run and p.key = c.key join runs u on u.id = p.run
         where c.key = any($1) order by p.position",
    );
    name(first.bind(bind(keys)).fetch_all(pool).await?, run.is_some());
    Ok(nodes)
}

impl Ledger {
    /// Walks from `key`, at most `depth` needs far. Names are those of `run` where it has the task.
    pub async fn walk(
        &self,
        key: Key,
        direction: Direction,
        depth: Option<u32>,
        run: Option<RunId>,
    ) -> Result<Lineage, LedgerError> {
        self.with_much("walk a lineage", |pool| async move {
            let (mut seen, mut all) = (BTreeSet::from([key]), BTreeSet::new());
            let mut open = vec![key];
            let (mut left, mut cut) = (depth.unwrap_or(u32::MAX), false);
            // One question a level: as many as a study is deep, however wide it is.
            while !open.is_empty() {
                let found = edges(&pool, direction, &open).await?;
                if left == 0 {
                    cut = !found.is_empty();
                    break;
                }
                left -= 1;
                open.clear();
                for edge in found {
                    let next = match direction {
                        Direction::Up => edge.need,
                        Direction::Down => edge.key,
                    };
                    if seen.insert(next) {
                        open.push(next);
                    }
                    all.insert((edge.key, edge.port, edge.label, edge.need));
                }
            }
            let keys: Vec<Key> = seen.into_iter().collect();
            let nodes = nodes(&pool, &keys, run).await?;
            let given = given::given(&pool, &keys).await?;
            let edge = |(key, port, label, need)| {
                let of = given.get(&key);
                let artifact = of.and_then(|of| of.artifacts.get(&need)).copied();
                Edge { given: artifact, changed: of.is_some_and(|of| of.changed), ..Edge::bare(key, port, label, need) }
            };
            Ok(Lineage { nodes, edges: all.into_iter().map(edge).collect(), cut })
        })
        .await
    }
}
