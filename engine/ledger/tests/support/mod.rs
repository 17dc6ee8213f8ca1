//! A server for one test program, and recipes, artifacts and runs to fill it with.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

use isoflop_contract::{Digest, Environment, Key, Manifest, Need, Recipe, manifest::File, recipe::FORMAT};
use isoflop_ledger::{
    AttemptOutcome, Claim, Ending, Engine, Lease, LeaseTerms, Ledger, Metric, Place, PlanTask, Purpose, RunHead, RunId,
    Saved, server::PrivateServer,
};
use serde_json::json;

/// A folder with a server, which a process of its own stops and removes when this one is gone, however it went.
pub struct Home {
    pub folder: PathBuf,
    _keeper: Child,
}

impl Home {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("ledger-").tempdir().unwrap().keep();
        // It waits on a pipe whose other end is ours.
        let keeper = Command::new("sh")
            .args(["-c", "read _; kill -INT $(head -1 \"$0/pg/data/postmaster.pid\"); sleep 2; rm -rf \"$0\""])
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { folder, _keeper: keeper }
    }

    pub fn server(&self) -> PrivateServer {
        PrivateServer::new(self.folder.join("pg"))
    }
}

/// The server that the tests of a program share.
pub fn home() -> &'static Home {
    static HOME: OnceLock<Home> = OnceLock::new();
    HOME.get_or_init(Home::new)
}

/// One more engine at the shared server.
pub async fn ledger() -> Ledger {
    Ledger::open(Place::Private(home().server())).await.unwrap()
}

/// Direct access to a ledger's tables, for what the ledger itself does not do.
pub async fn tables(server: &PrivateServer) -> sqlx::PgPool {
    let url = server.ensure().unwrap();
    sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .connect(&format!("{url}&options=-csearch_path%3Disoflop"))
        .await
        .unwrap()
}

/// The recipe of a task that nobody else has: `what` is anything that tells it from others.
pub fn recipe(what: &str, needs: &[(&str, Key)]) -> Recipe {
    Recipe {
        format: FORMAT,
        kind: "train-denoiser".into(),
        revision: 1,
        spec: json!({"what": what, "rate": 8e-5, "steps": 600}),
        seed: None,
        environment: Environment::Native,
        needs: needs.iter().map(|(port, key)| ((*port).to_owned(), Need::One(*key))).collect(),
        files: BTreeMap::new(),
    }
}

pub fn task(name: &str, recipe: &Recipe) -> PlanTask {
    let recipe_text = recipe.text().unwrap();
    PlanTask { name: name.to_owned(), key: Key::of_text(&recipe_text), recipe_text, kept: false }
}

pub fn head(study: &str, tasks: Vec<PlanTask>) -> RunHead {
    let file = "study.yaml".to_owned();
    RunHead { study: study.to_owned(), file, plan: Digest::of(study), soft: json!({"host": "here"}), tasks }
}

pub fn artifact(what: &str) -> (Digest, Manifest) {
    let file = File { digest: Digest::of(what), size: what.len() as u64 };
    let files = BTreeMap::from([("model.safetensors".to_owned(), file)]);
    let scalars = BTreeMap::from([("loss".to_owned(), -1.264_904_083_833_744_1e299)]);
    let manifest = Manifest { shape: "checkpoint".into(), files, scalars };
    (manifest.digest().unwrap(), manifest)
}

/// An ending that made the artifact `what`, with the trace of that name.
pub fn made(what: &str) -> Ending {
    let (digest, manifest) = artifact(what);
    let point = |step, value| Metric { series: "loss".into(), step, value };
    Ending {
        outcome: AttemptOutcome::Made { digest, manifest, trace: Digest::of(format!("trace of {what}")) },
        metrics: vec![point(0, 2.0), point(1, f64::NAN), point(1, 1.5)],
        seconds: 0.25,
        saved: Saved::default(),
    }
}

pub fn granted(claim: Claim) -> Lease {
    match claim {
        Claim::Granted(lease) => lease,
        other => panic!("{other:?}"),
    }
}

/// A run of one task with its key, begun.
pub async fn begun(ledger: &Ledger, what: &str) -> (RunId, Key) {
    let task = task("train", &recipe(what, &[]));
    let key = task.key;
    let run = ledger.begin_run(&head(what, vec![task])).await.unwrap();
    (run.id, key)
}

/// An engine on a machine called `host`, with leases of this many seconds, at the server that all share.
pub async fn engine(host: &str, lease: f64) -> Ledger {
    let engine = Engine {
        lease: LeaseTerms::new(Duration::from_secs_f64(lease)),
        host: Some(host.to_owned()),
        ..Engine::default()
    };
    Ledger::open_as(Place::Private(home().server()), engine).await.unwrap()
}

/// Claims `key` until it is granted: for as long as the holder's lease may last, and generously longer.
pub async fn claimed_in_time(ledger: &Ledger, run: RunId, key: Key) -> Lease {
    let began = Instant::now();
    loop {
        match ledger.claim(run, key, Purpose::Make).await.unwrap() {
            Claim::Granted(lease) => return lease,
            other => assert!(began.elapsed() < Duration::from_mins(2), "it is never granted: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Claims, starts and finishes one attempt.
pub async fn carry_out(ledger: &Ledger, run: RunId, key: Key, task: &str, ending: &Ending) {
    let lease = granted(ledger.claim(run, key, Purpose::Make).await.unwrap());
    let attempt = ledger.start_attempt(run, &lease, task, &json!({"gpu": "none"})).await.unwrap();
    ledger.finish_attempt(run, &lease, attempt, ending).await.unwrap();
}

/// Kills the server as a power cut would, and returns when nothing of it is left. The wait is for its
/// children: they outlive the postmaster by a moment, and one of them could still answer the next query.
pub fn kill(server: &PrivateServer) {
    let data = Path::new(server.folder()).join("data").canonicalize().unwrap();
    let pid = std::fs::read_to_string(data.join("postmaster.pid")).unwrap();
    let pid = pid.lines().next().unwrap().to_owned();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    let begin = Instant::now();
    while lives_in(&data) {
        assert!(begin.elapsed() < Duration::from_secs(30), "the killed server's children do not end");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether some process works in the folder `data`, as every Postgres process does.
fn lives_in(data: &Path) -> bool {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(Result::ok)
        .any(|process| std::fs::read_link(process.path().join("cwd")).is_ok_and(|folder| folder == data))
}
