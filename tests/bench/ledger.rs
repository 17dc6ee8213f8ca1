//! The ledger's figures: what one task costs in it, alone and in company, and how soon a coefficient is traced in a ledger of 100,000 tasks.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Instant};

use isoflop_contract::{Digest, Environment, Key, Manifest, Need, Recipe, manifest::File, recipe::FORMAT};
use isoflop_ledger::{
    AttemptOutcome, Claim, Ending, Engine, Ledger, Place, PlanTask, Purpose, RunHead, RunState, Saved,
    server::PrivateServer,
};
use serde_json::json;

use crate::{Folder, Outcome, measure};

/// Rounds of each case, by turns.
const ROUNDS: usize = 7;

/// Tasks in a round.
const TASKS: usize = 240;

/// Models of the synthetic study: five tasks each, and three more.
const CELLS: usize = 20_000;

fn task(name: String, what: &str, needs: BTreeMap<String, Need>) -> Outcome<PlanTask> {
    let recipe = Recipe {
        format: FORMAT,
        kind: "train-denoiser".into(),
        revision: 1,
        spec: json!({"what": what}),
        seed: None,
        environment: Environment::Native,
        needs,
        files: BTreeMap::new(),
    };
    let recipe_text = recipe.text()?;
    Ok(PlanTask { name, key: Key::of_text(&recipe_text), recipe_text, kept: false })
}

fn head(study: &str, tasks: Vec<PlanTask>) -> RunHead {
    RunHead { study: study.into(), file: "study.yaml".into(), plan: Digest::of(study), soft: json!({}), tasks }
}

/// Claims, begins and ends one task, as an engine does.
async fn carry_out(ledger: &Ledger, run: isoflop_ledger::RunId, task: &PlanTask) -> Result<(), String> {
    let say = |error: isoflop_ledger::LedgerError| error.to_string();
    let Claim::Granted(lease) = ledger.claim(run, task.key, Purpose::Make).await.map_err(say)? else {
        return Err("another engine is here".to_owned());
    };
    let attempt = ledger.start_attempt(run, &lease, &task.name, &json!({"host": "bench"})).await.map_err(say)?;
    let file = File { digest: Digest::of(&task.name), size: 1 };
    let manifest = Manifest {
        shape: "checkpoint".into(),
        files: BTreeMap::from([("model.safetensors".to_owned(), file)]),
        scalars: BTreeMap::from([("loss".to_owned(), 0.5)]),
    };
    let digest = manifest.digest().map_err(|error| error.to_string())?;
    let trace = Digest::of(&task.recipe_text);
    let outcome = AttemptOutcome::Made { digest, manifest, trace };
    let ending = Ending { outcome, metrics: vec![], seconds: 0.1, saved: Saved::default() };
    ledger.finish_attempt(run, &lease, attempt, &ending).await.map(|_| ()).map_err(say)
}

/// Milliseconds of ledger time for the start (claim and beginning) or the end of a task, with `company` tasks at a time.
async fn round(server: &PrivateServer, round: usize, group: usize, company: usize) -> Outcome<f64> {
    let engine = Engine { group, ..Engine::default() };
    let ledger = Ledger::open_as(Place::Private(server.clone()), engine).await?;
    let what = format!("{round} {group} {company}");
    let tasks = (0..TASKS).map(|n| task(format!("t{n}"), &format!("{what} {n}"), BTreeMap::new()));
    let tasks: Vec<PlanTask> = tasks.collect::<Outcome<_>>()?;
    let run = ledger.begin_run(&head(&what, tasks.clone())).await?.id;
    let began = Instant::now();
    let lanes: Vec<_> = (0..company)
        .map(|lane| {
            let (ledger, tasks): (Ledger, Vec<PlanTask>) =
                (ledger.clone(), tasks.iter().skip(lane).step_by(company).cloned().collect());
            tokio::spawn(async move {
                for task in &tasks {
                    carry_out(&ledger, run, task).await?;
                }
                Ok::<(), String>(())
            })
        })
        .collect();
    for lane in lanes {
        lane.await??;
    }
    let each = began.elapsed().as_secs_f64() * 1e3 / (2.0 * TASKS as f64);
    ledger.end_run(run, RunState::Done).await?;
    ledger.close().await;
    Ok(each)
}

/// Group commit, with and without, by turns.
pub fn commits() -> Outcome<()> {
    let folder = Folder::new()?;
    let server = PrivateServer::new(folder.path.join("postgres"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        for company in [1, 8, 64] {
            let cases = [("one transaction each", 1), ("in groups", Engine::default().group)];
            let mut samples = [Vec::new(), Vec::new()];
            for n in 0..=ROUNDS {
                for ((_, group), samples) in cases.iter().zip(&mut samples) {
                    let each = round(&server, n, *group, company).await?;
                    // The first warms the server's memory.
                    if n > 0 {
                        samples.push(each);
                    }
                }
            }
            for ((name, _), samples) in cases.iter().zip(&mut samples) {
                samples.sort_by(f64::total_cmp);
                println!(
                    "{:<44} {:>10.3} {:>10.3} {:>10.3}  ms a start or end",
                    format!("ledger, {company} at a time, {name}"),
                    samples[ROUNDS / 2],
                    samples[0],
                    samples[ROUNDS - 1]
                );
            }
        }
        Ok::<(), Box<dyn std::error::Error>>(())
    });
    server.stop()?;
    result
}

/// A study of [`CELLS`] models: data, a judge, and for each model a training, samples, scores, a table and a plot; a law over a hundred of them.
fn study() -> Outcome<Vec<PlanTask>> {
    let one = |name: &str, key: Key| (name.to_owned(), Need::One(key));
    let data = task("data".into(), "data", BTreeMap::new())?;
    let judge = task("judge".into(), "judge", [one("data", data.key)].into())?;
    let mut tasks = vec![data.clone(), judge.clone()];
    let mut points = BTreeMap::new();
    for cell in 0..CELLS {
        let mut add = |group: &str, needs: BTreeMap<String, Need>| -> Outcome<Key> {
            let name = format!("{group}[cell={cell}]");
            let task = task(name.clone(), &name, needs)?;
            tasks.push(task.clone());
            Ok(task.key)
        };
        let train = add("train", [one("data", data.key)].into())?;
        let samples = add("samples", [one("model", train), one("prompts", data.key)].into())?;
        let scores = add("scores", [one("images", samples), one("judge", judge.key)].into())?;
        let table = add("table", [one("scores", scores)].into())?;
        add("plot", [one("table", table)].into())?;
        if cell < 100 {
            points.insert(format!("cell={cell}"), Some(scores));
        }
    }
    tasks.push(task("law".into(), "law", [("points".to_owned(), Need::Many(points))].into())?);
    Ok(tasks)
}

/// Results for all of a run's tasks, as engines would have left them.
const FILL: &str = r#"
set search_path to isoflop;
create temporary table filled as
    select p.run, p.name, p.key, gen_random_uuid() as attempt,
           format('{"files":{"model.safetensors":{"digest":"%s","size":100}},"scalars":{"loss":%s},"shape":"checkpoint"}',
                  encode(p.key, 'hex'), 1 + 1.0 / p.position) as text
    from plan_tasks p;
alter table filled add column artifact bytea;
update filled set artifact = sha256(name::bytea);
insert into artifacts select artifact, 'checkpoint', text, 100, run from filled;
insert into attempts (id, run, task, key, fence, purpose, holder, soft, began, ended, outcome, artifact, seconds)
    select attempt, run, name, key, 1, 'make', 'h b n 1 1 00000000-0000-0000-0000-000000000000',
           '{"host":"node7","cpu":"Xeon","commit":"abc","gpus":["H200"]}', now(), now(), 'made', artifact, 1 from filled;
insert into results select key, 'made', artifact, null, attempt, run, now() from filled;
insert into metrics select attempt, 'loss', 1, 0.5 from filled;
update plan_tasks p set outcome = 'made', artifact = f.artifact, attempt = f.attempt from filled f
    where f.run = p.run and f.name = p.name;
analyze;
"#;

/// `trace up` from a law, as a whole process, with 100,003 tasks in the ledger.
pub fn trace(programs: &[PathBuf]) -> Outcome<()> {
    let folder = Folder::new()?;
    let server = PrivateServer::new(folder.path.join(".isoflop/postgres"));
    fs::create_dir_all(folder.path.join(".isoflop"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ledger = Ledger::open(Place::Private(server.clone())).await?;
        let run = ledger.begin_run(&head("ladder", study()?)).await?.id;
        let pool = sqlx::PgPool::connect(&server.ensure()?).await?;
        sqlx::raw_sql(FILL).execute(&pool).await?;
        pool.close().await;
        ledger.end_run(run, RunState::Done).await?;
        ledger.close().await;
        Ok::<(), Box<dyn std::error::Error>>(())
    })?;
    let what = "trace up law, 100,003 tasks in the ledger";
    let result = measure(programs, what, &folder.path, &["trace", "up", "law", "--json"]);
    server.stop()?;
    result
}
