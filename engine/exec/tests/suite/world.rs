//! A project in a folder of its own, with a database of its own on a server that all tests share.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::Arc,
    time::Duration,
};

use isoflop_contract::Key;
use isoflop_exec::{
    ExecError, Interrupt, Job, Moment, Options, Program, Runtimes, Scope, Summary, Survey, run, survey,
};
use isoflop_ledger::{Engine, LeaseTerms, Ledger, Past, Place, server::PrivateServer};
use isoflop_plan::{Memory, Plan, plan};
use isoflop_store::Store;
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};

use crate::toy;

/// The server of all tests, stopped at the end.
pub struct Server {
    folder: TempDir,
    server: PrivateServer,
}

impl Server {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = PrivateServer::new(folder.path().join("postgres"));
        server.ensure().expect("a private Postgres; `setup/postgres.sh` fetches one");
        Self { folder, server }
    }
}

impl Server {
    /// Where its folder is.
    pub fn postgres(&self) -> PathBuf {
        self.folder.path().join("postgres")
    }

    /// Stops the server; whoever needs it starts it again.
    pub fn kill(&self) {
        self.server.stop().expect("the server stops");
    }

    /// Stops the server, and puts its folder where nobody finds it and nobody can make another.
    pub fn take_away(&self) {
        self.kill();
        fs::rename(self.folder.path().join("postgres"), self.folder.path().join("away")).expect("a free name");
        fs::write(self.folder.path().join("postgres"), "in the way").expect("a file");
    }

    /// Undoes it.
    pub fn put_back(&self) {
        fs::remove_file(self.folder.path().join("postgres")).expect("the file");
        fs::rename(self.folder.path().join("away"), self.folder.path().join("postgres")).expect("a free name");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.server.stop();
    }
}

/// One project. Tests share the server's ledger; what they make differs by the folder that is in every spec.
pub struct World {
    folder: TempDir,
    postgres: PathBuf,
}

impl World {
    pub fn new(server: &Server) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("marks")).expect("a folder");
        Self { folder, postgres: server.folder.path().join("postgres") }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Plans a study; `MARKS` stands for the folder of marks.
    pub fn plan(&self, tasks: &str) -> Arc<Plan> {
        plan_of(self.path(), tasks)
    }

    /// The tasks that were executed so far, as often as they were.
    pub fn executed(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path().join("marks")).expect("marks").flatten();
        let mut names: Vec<String> = entries
            .map(|entry| {
                let name = entry.file_name().into_string().expect("names are text");
                name.rsplit_once('.').expect("name and pid").0.to_owned()
            })
            .collect();
        names.sort();
        names
    }

    pub fn forget_marks(&self) {
        fs::remove_dir_all(self.path().join("marks")).expect("marks");
        fs::create_dir(self.path().join("marks")).expect("marks");
    }

    /// All files under `.isoflop/scratch` and all blobs in quarantine.
    pub fn left_in(&self, folder: &str) -> usize {
        fs::read_dir(self.path().join(".isoflop").join(folder)).map_or(0, |entries| entries.flatten().count())
    }

    /// Starts an engine of its own process on `tasks`.
    pub fn engine(&self, tasks: &str) -> Child {
        fs::write(self.path().join("study.yaml"), tasks).expect("the study");
        Command::new(env::current_exe().expect("this binary"))
            .arg("engine")
            .args([self.path(), self.postgres.as_path()])
            .stdout(Stdio::null())
            .spawn()
            .expect("this binary runs")
    }
}

fn plan_of(folder: &Path, tasks: &str) -> Arc<Plan> {
    let tasks = tasks.replace("MARKS", &folder.join("marks").display().to_string());
    let text = format!("study: toy\nseed: 1\ntasks:\n{tasks}");
    let planned =
        plan(&Memory::single("study.yaml", text), "study.yaml", &toy::catalog(), &isoflop_plan::Options::default());
    Arc::new(planned.unwrap_or_else(|findings| panic!("{findings:?}")))
}

/// One way to run a study.
pub struct Go {
    pub options: Options,
    pub scope: Scope,
    pub runtimes: Runtimes,
    interrupt: watch::Receiver<Interrupt>,
    interrupter: watch::Sender<Interrupt>,
    postgres: PathBuf,
    lease: LeaseTerms,
}

/// What came of it.
pub struct Told {
    pub result: Result<Summary, ExecError>,
    pub survey: Survey,
    pub moments: Vec<Moment>,
}

impl World {
    pub fn go(&self) -> Go {
        Go::new(self.path(), &self.postgres)
    }

    /// Runs `tasks` with one option or other.
    pub fn run(&self, tasks: &str) -> Told {
        self.go().run(&self.plan(tasks))
    }
}

impl Go {
    fn new(folder: &Path, postgres: &Path) -> Self {
        let (interrupter, interrupt) = watch::channel(Interrupt::No);
        let mut options = Options::new(folder.join(".isoflop"));
        options.jobs = 2;
        options.variables = env::vars_os().collect();
        let this = env::current_exe().expect("this binary");
        let runtimes = Runtimes::single(Program::new(this, ["worker"]));
        Self {
            options,
            scope: Scope::default(),
            runtimes,
            interrupt,
            interrupter,
            postgres: postgres.to_owned(),
            lease: LeaseTerms::default(),
        }
    }

    pub fn jobs(mut self, jobs: u32) -> Self {
        self.options.jobs = jobs;
        self
    }

    pub fn keep_going(mut self) -> Self {
        self.options.keep_going = true;
        self
    }

    pub fn liar(mut self, how: &str) -> Self {
        let this = env::current_exe().expect("this binary");
        self.runtimes = Runtimes::single(Program::new(this, ["liar", how]));
        self
    }

    pub fn run(self, plan: &Arc<Plan>) -> Told {
        self.run_and(plan, |_, _| {})
    }

    /// Runs, and shows each moment as it comes.
    pub fn run_and(self, plan: &Arc<Plan>, watch: impl FnMut(&Moment, &watch::Sender<Interrupt>)) -> Told {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        runtime.block_on(async { self.run_here(plan, watch).await })
    }

    pub async fn run_here(self, plan: &Arc<Plan>, watch: impl FnMut(&Moment, &watch::Sender<Interrupt>)) -> Told {
        let engine = Engine { lease: self.lease, ..Engine::default() };
        let ledger = Ledger::open_as(Place::private(&self.postgres), engine).await.expect("a ledger");
        let store = Arc::new(Store::open(&self.options.folder.join("store")).expect("a store"));
        let told = self.run_in(plan, &ledger, &store, watch).await;
        ledger.close().await;
        told
    }

    /// Runs on a ledger and a store that are open already.
    pub async fn run_with(self, plan: &Arc<Plan>, ledger: &Ledger, store: &Arc<Store>) -> Told {
        self.run_in(plan, ledger, store, |_, _| {}).await
    }

    async fn run_in(
        self,
        plan: &Arc<Plan>,
        ledger: &Ledger,
        store: &Arc<Store>,
        mut watch: impl FnMut(&Moment, &watch::Sender<Interrupt>),
    ) -> Told {
        let keys: Vec<Key> = plan.tasks().iter().map(|task| task.key).collect();
        let past: BTreeMap<Key, Past> = ledger.past(&keys).await.expect("the past");
        let survey = survey(plan, &past, &|manifest| store.holds(manifest), &self.scope);
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let job = Job {
            plan: Arc::clone(plan),
            survey: survey.clone(),
            store: Arc::clone(store),
            ledger: ledger.clone(),
            runtimes: self.runtimes,
            options: self.options,
            interrupt: self.interrupt,
        };
        let mut moments = Vec::new();
        let listen = async {
            while let Some(moment) = receiver.recv().await {
                watch(&moment, &self.interrupter);
                moments.push(moment);
            }
        };
        let (result, ()) = tokio::join!(run(job, sender), listen);
        Told { result, survey, moments }
    }
}

impl Told {
    pub fn summary(&self) -> &Summary {
        self.result.as_ref().unwrap_or_else(|error| panic!("{error}"))
    }

    /// `name outcome` of every task.
    pub fn outcomes(&self) -> Vec<String> {
        let outcome = |task: &isoflop_exec::TaskSummary| format!("{} {:?}", task.name, task.outcome).to_lowercase();
        self.summary().tasks.iter().map(outcome).collect()
    }

    pub fn reason(&self, task: &str) -> &str {
        let task = self.summary().tasks.iter().find(|t| t.name == task).expect("the task");
        task.reason.as_deref().unwrap_or_default()
    }

    pub fn text(&self, world: &World, task: &str) -> String {
        let task = self.summary().tasks.iter().find(|t| t.name == task).expect("the task");
        let store = Store::open(&world.path().join(".isoflop/store")).expect("the store");
        let manifest = store.manifest(task.digest.expect("an artifact")).expect("a manifest");
        String::from_utf8(store.read(&manifest.files["text"]).expect("the bytes")).expect("text")
    }
}

/// `suite engine FOLDER POSTGRES`: an engine in a process of its own, to be killed.
pub fn engine(args: &[String]) -> ExitCode {
    let [folder, postgres] = args else { panic!("a folder and a server") };
    let folder = Path::new(folder);
    let tasks = fs::read_to_string(folder.join("study.yaml")).expect("the study");
    let mut go = Go::new(folder, Path::new(postgres));
    // So long that whoever takes over from it when it was killed cannot have waited for it to run out.
    go.lease = LeaseTerms::new(Duration::from_mins(15));
    let told = go.run(&plan_of(folder, &tasks));
    if told.result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
