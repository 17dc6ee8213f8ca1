//! What a project has come to: its ledger, less times and names of executions, and its store.

use std::{collections::BTreeMap, fs};

use isoflop_ledger::server::PrivateServer;
use sqlx::{Connection, PgConnection, Row};

use crate::project::Project;

/// What must be the same however often a study was interrupted: a query for each table, one line of text a row.
const LEDGER: &[(&str, &str)] = &[
    ("recipes", "select concat_ws(' ', encode(key, 'hex'), kind, revision, text) from isoflop.recipes"),
    ("needs", "select concat_ws(' ', encode(key, 'hex'), port, label, encode(need, 'hex')) from isoflop.needs"),
    ("artifacts", "select concat_ws(' ', encode(digest, 'hex'), shape, bytes, text) from isoflop.artifacts"),
    (
        "results",
        "select concat_ws(' ', encode(key, 'hex'), outcome, encode(artifact, 'hex'), reason) from isoflop.results",
    ),
    ("traces", "select concat_ws(' ', encode(trace, 'hex'), encode(key, 'hex')) from isoflop.traces"),
    (
        "metrics of what stands",
        "select concat_ws(' ', encode(r.key, 'hex'), m.series, m.step, m.value)
         from isoflop.results r join isoflop.metrics m on m.attempt = r.attempt",
    ),
    (
        "the latest plan",
        "select concat_ws(' ', position, name, encode(key, 'hex'), encode(artifact, 'hex')) from isoflop.plan_tasks
         where run = (select id from isoflop.runs order by id desc limit 1)",
    ),
    ("how it ended", "select state from isoflop.runs order by id desc limit 1"),
    // Made once: not twice by two engines, nor again after it was recorded.
    (
        "made",
        "select concat_ws(' ', encode(key, 'hex'), count(*)) from isoflop.attempts where outcome = 'made' group by key",
    ),
    // A run that died is not ended by anybody on its own machine, and its own lease runs out.
    (
        "leases in hand",
        "select encode(key, 'hex') from isoflop.leases where holder is not null and key in (select key from isoflop.recipes)",
    ),
    ("attempts that nobody ended", "select concat_ws(' ', task, fence) from isoflop.attempts where outcome is null"),
];

/// Lines by what they are of.
pub type State = BTreeMap<&'static str, Vec<String>>;

/// Does `work` with a connection to the project's private server.
pub fn with<T>(project: &Project, work: impl AsyncFnOnce(PgConnection) -> T) -> T {
    let url = PrivateServer::new(project.path(".isoflop/postgres")).ensure().expect("the server starts");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async { work(PgConnection::connect(&url).await.expect("the server answers")).await })
}

/// The ledger and the store of a project.
pub fn of(project: &Project) -> State {
    let mut state = with(project, async |mut conn| {
        let mut state = State::new();
        for (name, query) in LEDGER {
            let rows = sqlx::query(*query).fetch_all(&mut conn).await.expect("the tables are there");
            let mut lines: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            lines.sort();
            state.insert(name, lines);
        }
        conn.close().await.expect("a connection can be closed");
        state
    });
    // Names are digests, and `audit` holds the bytes against them.
    for kind in ["blobs", "manifests"] {
        let store = project.path(".isoflop/store");
        let line = |path: std::path::PathBuf| {
            let size = fs::metadata(&path).map_or(0, |meta| meta.len());
            format!("{} {size}", path.strip_prefix(&store).expect("it is in the store").display())
        };
        state.insert(kind, project.files(&format!("store/{kind}")).into_iter().map(line).collect());
    }
    state.insert(
        "quarantine",
        project.files("store/quarantine").iter().map(|path| path.display().to_string()).collect(),
    );
    state.insert("scratch", project.files("scratch").iter().map(|path| path.display().to_string()).collect());
    state
}

/// What differs, in a few lines.
pub fn differences(expected: &State, found: &State) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, lines) in expected {
        let there = &found[name];
        let missing = lines.iter().filter(|line| !there.contains(line)).map(|line| format!("{name}: missing: {line}"));
        let more = there.iter().filter(|line| !lines.contains(line)).map(|line| format!("{name}: too much: {line}"));
        differences.extend(missing.chain(more).map(|line| line.chars().take(240).collect()));
    }
    differences
}

/// A project as it was before its first run, but for the server, which takes a second to make.
pub fn forget(project: &Project) {
    with(project, async |mut conn| {
        sqlx::query("drop schema isoflop cascade").execute(&mut conn).await.expect("nobody else uses it");
        conn.close().await.expect("a connection can be closed");
    });
    for folder in ["store", "logs", "scratch", "checkpoints"] {
        let folder = project.path(".isoflop").join(folder);
        if folder.exists() {
            fs::remove_dir_all(folder).expect("it is this test's");
        }
    }
}
