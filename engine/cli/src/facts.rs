//! Facts: what a report and its claims are made of, gathered from plan, ledger and store.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Cursor},
};

use isoflop_contract::{Key, Manifest, Value, manifest::File};
use isoflop_ledger::{
    Ledger, Past, PastOutcome, RunId, TaskOutcome,
    audit::Books,
    view::{AttemptView, RunView, TaskView},
};
use isoflop_plan::{Plan, Task};
use isoflop_report::{Facts, Picture, RunFacts, State, StudyFacts, TaskFacts, WorkerFacts};
use isoflop_store::Store;

use crate::{
    home,
    settings::Settings,
    soft,
    stop::{Stop, infrastructure},
};

/// How much to gather.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Outcomes and final numbers: all that claims need. No byte of the store is read.
    Scalars,
    /// Series, previews and fits too.
    Everything,
}

/// Captions shown beside a preview.
const CAPTIONS: usize = 64;

/// Where the bytes of a report come from.
#[derive(Clone, Copy)]
pub enum Shelf<'a> {
    /// The home's store, which is opened for it, with its remote.
    Home,
    /// This store.
    Of(&'a Store),
    /// What lies in this store, if there is one: nothing is fetched, nothing moved.
    Still(Option<&'a Store>),
}

impl Shelf<'_> {
    /// The bytes of a file, if they are there and sound.
    fn read(self, file: &File) -> Option<Vec<u8>> {
        match self {
            Self::Home => None,
            Self::Of(store) => store.read(file).ok(),
            Self::Still(store) => store?.peek_file(file),
        }
    }
}

/// Where facts come from.
pub struct Sources<'a> {
    /// The ledger, if there is one.
    pub ledger: Option<&'a Ledger>,
    /// Where bytes come from.
    pub store: Shelf<'a>,
    /// Another ledger, and what counts of it where the first knows nothing.
    pub before: Option<(&'a Ledger, BTreeMap<Key, Past>)>,
}

impl<'a> Sources<'a> {
    /// The home's.
    pub fn of(ledger: Option<&'a Ledger>) -> Self {
        Self { ledger, store: Shelf::Home, before: None }
    }
}

/// Gathers what is known of every task of `plan`.
pub async fn gather(plan: &Plan, settings: &Settings, sources: Sources<'_>, depth: Depth) -> Result<Facts, Stop> {
    let Sources { ledger, store, before } = sources;
    let mut facts = Facts { study: study(plan), ..Facts::default() };
    facts.tasks = plan.tasks().iter().map(|task| bare(plan, task)).collect();
    let Some(ledger) = ledger else { return Ok(facts) };

    let run = ledger.runs_of(&[&plan.study.name], 1).await.map_err(infrastructure)?.pop();
    let latest: BTreeMap<String, TaskView> = match &run {
        Some(run) => {
            let views = ledger.run_tasks(run.id).await.map_err(infrastructure)?;
            views.into_iter().map(|view| (view.name.clone(), view)).collect()
        }
        None => BTreeMap::new(),
    };
    facts.run = run.as_ref().map(run_facts);
    let keys: Vec<_> = plan.tasks().iter().map(|task| task.key).collect();
    let mut past = ledger.past(&keys).await.map_err(infrastructure)?;
    let mut bits = ledger.bits(&keys).await.map_err(infrastructure)?;
    let mut earlier: BTreeMap<Key, &Ledger> = BTreeMap::new();
    if let Some((ledger, before)) = before {
        let before: BTreeMap<Key, Past> = before.into_iter().filter(|(key, _)| !past.contains_key(key)).collect();
        let keys: Vec<Key> = before.keys().copied().collect();
        bits.extend(ledger.bits(&keys).await.map_err(infrastructure)?);
        earlier.extend(keys.into_iter().map(|key| (key, ledger)));
        past.extend(before);
    }
    let homes = match store {
        Shelf::Home if depth == Depth::Everything && !past.is_empty() => Some(home::store(settings)?),
        _ => None,
    };
    let shelf = homes.as_ref().map_or(store, Shelf::Of);

    for (task, facts_of) in plan.tasks().iter().zip(&mut facts.tasks) {
        if past.contains_key(&task.key) {
            facts_of.bits = Some(bits.remove(&task.key).unwrap_or_default().to_string());
        }
        let view = latest.get(&task.name).filter(|view| view.key == task.key);
        match past.get(&task.key) {
            Some(past) => settled(facts_of, past, view.and_then(|view| view.outcome), run.as_ref().map(|run| run.id)),
            None => {
                unsettled(facts_of, view.and_then(|view| view.outcome), view.and_then(|view| view.reason.as_deref()));
            }
        }
        if depth == Depth::Everything
            && let Some(id) = past.get(&task.key).and_then(|past| past.attempt)
        {
            let ledger = earlier.get(&task.key).copied().unwrap_or(ledger);
            facts_of.series = ledger.metrics(id).await.map_err(infrastructure)?;
            let attempts = ledger.attempts(&task.key).await.map_err(infrastructure)?;
            if let Some(attempt) = attempts.iter().find(|attempt| attempt.id == id) {
                facts_of.seconds = attempt.seconds;
                facts_of.worker = Some(worker(task, attempt));
            }
        }
    }
    if depth == Depth::Everything {
        for task in plan.tasks() {
            let Some(manifest) = past.get(&task.key).and_then(Past::manifest) else { continue };
            pictures(plan, task, manifest, &past, shelf, &mut facts);
        }
    }
    Ok(facts)
}

/// The scalars of every task of `plan`, from books alone. `recorded` names the keys of tasks whose recorded key this program's plan does not
/// have.
pub fn of_books(plan: &Plan, books: &Books, recorded: &BTreeMap<String, Key>) -> Facts {
    let mut facts = Facts { study: study(plan), ..Facts::default() };
    let (past, outcomes, run) = (books.past(), books.outcomes(), books.audited().next_back());
    for task in plan.tasks() {
        let key = recorded.get(&task.name).copied().unwrap_or(task.key);
        let mut facts_of = bare(plan, task);
        let known = outcomes.get(&task.name).filter(|(recorded, ..)| *recorded == key);
        let outcome = known.map(|(_, outcome, _)| *outcome);
        match past.get(&key) {
            Some(past) => settled(&mut facts_of, past, outcome, run),
            None => unsettled(&mut facts_of, outcome, known.and_then(|(.., reason)| reason.as_deref())),
        }
        facts.tasks.push(facts_of);
    }
    facts
}

fn study(plan: &Plan) -> StudyFacts {
    let head = &plan.study;
    StudyFacts {
        name: head.name.clone(),
        about: head.about.clone().unwrap_or_default(),
        file: head.file.clone(),
        profile: head.profile.clone(),
        params: head.params.clone(),
        seed: head.seed,
    }
}

/// A task as far as the plan knows it.
fn bare(plan: &Plan, task: &Task) -> TaskFacts {
    let mut facts = TaskFacts::new(&task.name, &task.group, task.kind, task.key);
    facts.cell = task.cell.clone();
    facts.seed = task.recipe.seed.map(isoflop_contract::Seed::get);
    facts.cost = task.cost;
    facts.origin = format!("{}:{}", task.origin.file, task.origin.line);
    facts.needs = task
        .needs
        .values()
        .flat_map(isoflop_plan::TaskNeed::tasks)
        .map(|producer| plan.tasks()[producer].name.clone())
        .collect();
    facts
}

fn run_facts(run: &RunView) -> RunFacts {
    let soft = |name: &str| run.soft[name].as_str().unwrap_or_default().to_owned();
    RunFacts {
        id: run.id.to_string(),
        started: format!("{:.0}", run.began),
        ended: run.ended.map(|ended| format!("{ended:.0}")),
        seconds: run.ended.map(|ended| ended.duration_since(run.began).as_secs_f64()),
        engine: soft("engine"),
        commit: run.soft["commit"].as_str().map(str::to_owned),
        dirty: run.soft["dirty"].as_bool().unwrap_or(false),
        host: soft("host"),
        cpu: soft("cpu"),
        os: soft("os"),
    }
}

fn settled(facts: &mut TaskFacts, past: &Past, outcome: Option<TaskOutcome>, run: Option<RunId>) {
    match &past.outcome {
        PastOutcome::Made { digest, manifest } => {
            facts.digest = Some(*digest);
            facts.scalars.clone_from(&manifest.scalars);
            facts.state = match outcome {
                Some(TaskOutcome::Made) => State::Made,
                Some(TaskOutcome::Adopted) => State::Adopted,
                _ => State::Kept,
            };
        }
        PastOutcome::Diverged { reason } => {
            facts.state = State::Diverged;
            facts.message = Some(reason.clone());
        }
    }
    facts.made_at = Some(format!("{:.0}", past.at));
    facts.made_in = run.filter(|run| *run != past.run).map(|_| past.run.to_string());
}

fn unsettled(facts: &mut TaskFacts, outcome: Option<TaskOutcome>, reason: Option<&str>) {
    facts.message = reason.map(str::to_owned);
    facts.state = match outcome {
        Some(TaskOutcome::Failed) => State::Failed,
        Some(TaskOutcome::Blocked) => State::Blocked,
        _ => State::Waiting,
    };
}

fn worker(task: &Task, attempt: &AttemptView) -> WorkerFacts {
    let soft = |name: &str| attempt.soft[name].as_str().unwrap_or_default().to_owned();
    let hard = serde_json::to_value(&task.recipe.environment).unwrap_or_default();
    let declared = |name: &str| hard[name].as_str().unwrap_or_default().to_owned();
    // Behind the dot stands how often the word has changed its meaning.
    let word = |name: &str| declared(name).split('.').next().unwrap_or_default().to_owned();
    WorkerFacts {
        host: soft("host"),
        cpu: soft("cpu"),
        gpu: soft::cards(&attempt.soft).unwrap_or_default(),
        libtorch: declared("libtorch"),
        isa: word("isa"),
        threads: hard["threads"].as_u64().and_then(|threads| threads.try_into().ok()),
        precision: word("precision"),
        deterministic: hard["deterministic"].as_bool(),
    }
}

/// Previews and fits of one task. Bytes that are not in the store, or are not what they should be, are left out of the page; `doctor`
/// and the next run that needs them say so.
fn pictures(
    plan: &Plan,
    task: &Task,
    manifest: &Manifest,
    past: &BTreeMap<Key, Past>,
    shelf: Shelf<'_>,
    facts: &mut Facts,
) {
    let read = |file: Option<&File>| file.and_then(|file| shelf.read(file));
    if let Some(png) = read(manifest.files.get("preview.png")) {
        let mut needed = task.needs.values().flat_map(isoflop_plan::TaskNeed::tasks);
        let scenes = manifest.files.get("scenes.jsonl").or_else(|| {
            needed.find_map(|producer| past.get(&plan.tasks()[producer].key)?.manifest()?.files.get("scenes.jsonl"))
        });
        let captions = read(scenes).map(|bytes| captions(&bytes)).unwrap_or_default();
        facts.images.insert(task.name.clone(), Picture { png, captions });
    }
    if let Some(fit) =
        read(manifest.files.get("fit.json")).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
    {
        let mut fit = fit;
        let draws = read(manifest.files.get("draws.csv")).and_then(|bytes| draws(&bytes));
        if let (Some(members), Some(draws)) = (fit.as_object_mut(), draws) {
            members.entry("draws").or_insert(draws);
        }
        facts.fits.insert(task.name.clone(), fit);
    }
}

/// Resamples of a fit that a page looks at.
const DRAWS: usize = 2000;

/// The first resamples of a `draws.csv`, as lists by parameter. None if it is not such a file.
fn draws(bytes: &[u8]) -> Option<Value> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let names: Vec<&str> = lines.next()?.split(',').collect();
    let mut columns: Vec<Vec<Value>> = vec![Vec::new(); names.len()];
    for line in lines.take(DRAWS) {
        let cells: Vec<f64> = line.split(',').map(|cell| cell.parse().ok()).collect::<Option<_>>()?;
        for (column, cell) in columns.iter_mut().zip(cells) {
            column.push(serde_json::Number::from_f64(cell).map_or(Value::Null, Value::Number));
        }
    }
    Some(Value::Object(names.into_iter().map(str::to_owned).zip(columns.into_iter().map(Value::Array)).collect()))
}

/// The captions in the first lines of a `scenes.jsonl`.
fn captions(bytes: &[u8]) -> Vec<String> {
    BufReader::new(Cursor::new(bytes))
        .lines()
        .take(CAPTIONS)
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok()?["caption"].as_str().map(str::to_owned))
        .collect()
}
