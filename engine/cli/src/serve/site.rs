//! The site: asks the ledger, the store and the home for what an address leads to, and has it shown. It writes to none of them: its connections to the
//! ledger are read-only, and of the store it takes what lies there.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use isoflop_contract::{Catalog, Digest, Key};
use isoflop_ledger::{
    Ledger,
    lineage::Direction,
    view::{AttemptView, RunView},
};
use isoflop_store::Store;
use jiff::Timestamp;
use serde_json::Value;
use tokio::{sync::Mutex, task::block_in_place, time::timeout};

use super::{
    answer::Answer,
    api,
    files::{self, LARGEST},
    pages::{self, lineage, notice, readable, run, runs, study, task},
    route::{Api, Asked, Query, Route, Way},
    studies::Studies,
};
use crate::{
    glimpse::{self, Glimpse, Series},
    home, named,
    now::{self, is_under_way},
    settings::Settings,
    stop::{Stop, infrastructure},
    verbs::show,
};

/// How long a lost connection to the ledger is tried for: somebody waits for a page.
const LEDGER: Duration = Duration::from_secs(2);

/// How long a page may take; a report has longer.
const PAGE: Duration = Duration::from_secs(20);
const REPORT: Duration = Duration::from_mins(2);

/// Runs that the first page lists, and the most that it does.
const RUNS: u32 = 50;
const MOST_RUNS: u32 = 3200;

/// Of a log, how much a page reads at its end, in bytes and lines; of a failure among others, fewer lines.
const LOG: u64 = 64 << 10;
const LOG_LINES: usize = 200;
const LAST_WORDS: usize = 20;

/// What is served.
pub struct Site {
    settings: Settings,
    studies: Studies,
    ledger: Mutex<Option<Ledger>>,
    /// Whether the trouble that there is has been told on the terminal.
    told: AtomicBool,
}

impl Site {
    /// The site of these settings, of the named studies or of all.
    pub fn new(settings: Settings, studies: &[PathBuf], catalog: Catalog) -> Result<Self, Stop> {
        let studies = Studies::new(studies, catalog)?;
        Ok(Self { settings, studies, ledger: Mutex::default(), told: AtomicBool::new(false) })
    }

    /// The ledger, as soon as there is one.
    pub async fn ledger(&self) -> Result<Option<Ledger>, Stop> {
        let mut held = self.ledger.lock().await;
        // Whoever is asked to look at a folder that was taken away must not make another in its place.
        if !home::has_ledger(&self.settings) {
            *held = None;
        } else if held.is_none() {
            *held = home::ledger_to_serve(&self.settings, LEDGER).await?;
        }
        Ok(held.clone())
    }

    /// What an address leads to.
    pub async fn answer(&self, path: &str, asked: &Asked) -> Answer {
        let patience = if matches!(asked.route, Route::Report(_)) { REPORT } else { PAGE };
        let Ok(found) = timeout(patience, Box::pin(self.find(path, asked))).await else {
            self.tell(&format!("{path} was not answered within {} s", patience.as_secs()));
            return notice::away(path);
        };
        match found {
            Ok(answer) => {
                if answer.status < 500
                    && !matches!(asked.route, Route::Style | Route::Script)
                    && self.told.swap(false, Ordering::Relaxed)
                {
                    eprintln!("the ledger answers again");
                }
                answer
            }
            Err(Stop::Usage(why)) => notice::not_found(path, &why),
            Err(stop @ Stop::Infrastructure(_)) => {
                self.tell(&stop.to_string());
                notice::away(path)
            }
            Err(other) => {
                eprintln!("{path}: {other}");
                notice::mistake(path)
            }
        }
    }

    /// Tells of trouble once, not for every page that meets it.
    fn tell(&self, what: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            eprintln!("warning: {what}; pages say so until it is over");
        }
    }

    async fn find(&self, path: &str, asked: &Asked) -> Result<Answer, Stop> {
        let query = &asked.query;
        match &asked.route {
            Route::Style => return Ok(Answer::text("text/css; charset=utf-8", pages::style())),
            Route::Script => return Ok(Answer::text("text/javascript; charset=utf-8", pages::script())),
            _ => {}
        }
        let ledger = self.ledger().await?;
        let ledger = ledger.as_ref();
        match &asked.route {
            Route::Style | Route::Script => unreachable!("answered above"),
            Route::Home => self.home(path, query, ledger).await,
            Route::Run(name) => self.run(name, query, api::need(ledger)?).await,
            Route::Study(name) => self.study(name, ledger).await,
            Route::Report(name) => self.report(path, name, ledger).await,
            Route::Task(name) => self.task(name, query, ledger).await,
            Route::Lineage(name, way) => {
                let (ledger, named) = api::task(name, query.text("study"), ledger).await?;
                let direction = if *way == Way::Up { Direction::Up } else { Direction::Down };
                let walked = ledger.walk(named.key, direction, None, named.run).await.map_err(infrastructure)?;
                Ok(Answer::page(lineage::lineage(&named.label, named.key, &walked, direction, Timestamp::now())))
            }
            Route::Log(name) => {
                let (ledger, named) = api::task(name, query.text("study"), ledger).await?;
                let attempts = ledger.attempts(&named.key).await.map_err(infrastructure)?;
                let bytes = attempts.last().and_then(|last| self.log(last, u64::MAX));
                let bytes = bytes.ok_or_else(|| Stop::Usage(format!("there is no log of `{}` here", named.label)))?;
                Ok(Answer::text("text/plain; charset=utf-8", String::from_utf8_lossy(&bytes).into_owned()))
            }
            Route::File(artifact, name) => self.file(*artifact, name, api::need(ledger)?).await,
            Route::Api(Api::Claims(name)) => {
                let latest = self.latest(name, ledger).await?;
                let found = self.studies.find(name, latest.as_ref()).map_err(Stop::Usage)?;
                let judged = self.studies.claims(&found.plan, &self.settings, ledger).await?;
                Ok(Answer::json(&api::claimed(name, judged)))
            }
            Route::Api(api) => Ok(Answer::json(&api::data(api, query, ledger, &self.settings).await?)),
        }
    }

    async fn home(&self, path: &str, query: &Query, ledger: Option<&Ledger>) -> Result<Answer, Stop> {
        let names = self.studies.names();
        let Some(ledger) = ledger else {
            if names.is_empty() {
                return Ok(notice::nothing_yet(path));
            }
            return Ok(self.home_of(&[], RUNS, &[], &names, &[]));
        };
        let most = query.number("n").unwrap_or(RUNS).clamp(1, MOST_RUNS);
        let wanted: Vec<&str> = names.iter().map(String::as_str).collect();
        let shown = ledger.runs_of(&wanted, most).await.map_err(infrastructure)?;
        let mut studies = ledger.studies().await.map_err(infrastructure)?;
        studies.retain(|run| self.studies.means(&run.study));
        let unrun: Vec<String> =
            names.into_iter().filter(|name| !studies.iter().any(|run| run.study == *name)).collect();
        let mut under_way = Vec::new();
        for run in shown.iter().filter(|run| is_under_way(run)) {
            let running = ledger.running(run.id).await.map_err(infrastructure)?;
            under_way.push((run.clone(), running.len(), Glimpse::read(&self.settings.home, run.id)));
        }
        Ok(self.home_of(&shown, most, &studies, &unrun, &under_way))
    }

    fn home_of(
        &self,
        runs: &[RunView],
        most: u32,
        studies: &[RunView],
        unrun: &[String],
        under_way: &[(RunView, usize, Option<Glimpse>)],
    ) -> Answer {
        let home = self.settings.home.display().to_string();
        let now = Timestamp::now();
        Answer::page(runs::home(&runs::Home { folder: &home, now, runs, most, studies, unrun, under_way }))
    }

    async fn run(&self, name: &str, query: &Query, ledger: &Ledger) -> Result<Answer, Stop> {
        let run = named::run(ledger, name, query.text("study")).await?;
        let groups = ledger.run_groups(run.id).await.map_err(infrastructure)?;
        let running =
            if is_under_way(&run) { ledger.running(run.id).await.map_err(infrastructure)? } else { Vec::new() };
        let failed = ["failed", "diverged"].iter().any(|outcome| run.outcomes.contains_key(*outcome));
        let mut troubles = Vec::new();
        if failed {
            for task in ledger.run_troubles(run.id, run::TROUBLES).await.map_err(infrastructure)? {
                let log = task.attempt.and_then(|attempt| self.last_words(attempt, LAST_WORDS));
                troubles.push((task, log));
            }
        }
        let skip = query.number("skip").unwrap_or(0);
        // Where there is one group, it is meant.
        let group = query.text("group").or(match groups.as_slice() {
            [only] => Some(only.group.as_str()),
            _ => None,
        });
        let listed = match group {
            Some(group) => ledger.group_tasks(run.id, group, skip, run::LISTED).await.map_err(infrastructure)?,
            None => Vec::new(),
        };
        let glimpse = if running.is_empty() { None } else { Glimpse::read(&self.settings.home, run.id) };
        Ok(Answer::page(run::run(&run::Shown {
            now: Timestamp::now(),
            run: &run,
            groups: &groups,
            running: &running,
            glimpse: glimpse.as_ref(),
            troubles: &troubles,
            unfolded: group.map(|group| (group, skip, listed.as_slice())),
        })))
    }

    async fn latest(&self, study: &str, ledger: Option<&Ledger>) -> Result<Option<RunView>, Stop> {
        let Some(ledger) = ledger else { return Ok(None) };
        Ok(ledger.runs_of(&[study], 1).await.map_err(infrastructure)?.pop())
    }

    async fn study(&self, name: &str, ledger: Option<&Ledger>) -> Result<Answer, Stop> {
        let shown = match ledger {
            Some(ledger) => ledger.runs_of(&[name], RUNS).await.map_err(infrastructure)?,
            None => Vec::new(),
        };
        let found = self.studies.find(name, shown.first());
        if let (Err(why), true) = (&found, shown.is_empty()) {
            return Err(Stop::Usage(why.clone()));
        }
        let claims = match &found {
            Ok(found) => self.studies.claims(&found.plan, &self.settings, ledger).await?,
            Err(_) => Vec::new(),
        };
        let files = found.as_ref().map_err(String::as_str).map(|found| study::Files {
            about: found.plan.study.about.as_deref().unwrap_or_default(),
            file: &found.plan.study.file,
            claims: &claims,
            changed: found.changed,
        });
        Ok(Answer::page(study::study(&study::Study { now: Timestamp::now(), name, runs: &shown, files })))
    }

    async fn report(&self, path: &str, name: &str, ledger: Option<&Ledger>) -> Result<Answer, Stop> {
        let latest = self.latest(name, ledger).await?;
        match self.studies.find(name, latest.as_ref()) {
            Ok(found) => {
                let store = self.store();
                let html = self.studies.report(&found.plan, &self.settings, ledger, store.as_ref()).await?;
                Ok(Answer::report(html))
            }
            Err(why) => {
                Ok(notice::no_report(path, &format!("No report of {name}"), &format!("It cannot be made: {why}")))
            }
        }
    }

    async fn task(&self, name: &str, query: &Query, ledger: Option<&Ledger>) -> Result<Answer, Stop> {
        let (ledger, named) = api::task(name, query.text("study"), ledger).await?;
        if name != named.key.to_string() {
            return Ok(Answer::elsewhere(format!("/tasks/{}", named.key)));
        }
        let key: Key = named.key;
        let shown = show::gather(ledger, named.label.clone(), key, named.study.clone()).await?;
        let attempts = ledger.attempts(&key).await.map_err(infrastructure)?;
        let mut at_it: Option<&AttemptView> = None;
        for attempt in attempts.iter().rev().filter(|attempt| attempt.outcome.is_none()) {
            let run = ledger.run(&attempt.run.to_string()).await.map_err(infrastructure)?;
            if is_under_way(&run) {
                at_it = Some(attempt);
                break;
            }
        }
        let mut series = match at_it {
            Some(attempt) => block_in_place(|| glimpse::series(&self.settings.home, attempt.id)),
            None => measured(&shown["metrics"]),
        };
        if let (true, None, Some(last)) = (series.is_empty(), at_it, attempts.last()) {
            series = ledger.metrics(last.id).await.map_err(infrastructure)?;
        }
        let glimpse = at_it.and_then(|attempt| Glimpse::read(&self.settings.home, attempt.run));
        let beat =
            at_it.zip(glimpse.as_ref()).and_then(|(attempt, glimpse)| glimpse.attempts.get(&attempt.id.to_string()));
        let walk = async |direction| ledger.walk(key, direction, Some(1), named.run).await.map_err(infrastructure);
        let (up, down) = (walk(Direction::Up).await?, walk(Direction::Down).await?);
        let past = ledger.result(&key).await.map_err(infrastructure)?;
        let store = self.store();
        let manifest = past.as_ref().and_then(isoflop_ledger::Past::manifest);
        let pictures =
            manifest.map(|manifest| block_in_place(|| files::pictures(manifest, store.as_ref()))).unwrap_or_default();
        let log = attempts.last().and_then(|attempt| self.last_words(attempt.id, LOG_LINES));
        Ok(Answer::page(task::task(&task::Task {
            now: Timestamp::now(),
            label: &named.label,
            key,
            shown: &shown,
            up: &up,
            down: &down,
            series: &series,
            beat,
            live: at_it.is_some(),
            pictures: &pictures,
            log: log.as_deref(),
        })))
    }

    async fn file(&self, artifact: Digest, name: &str, ledger: &Ledger) -> Result<Answer, Stop> {
        let manifest = ledger.artifact(artifact).await.map_err(infrastructure)?;
        let manifest = manifest.ok_or_else(|| Stop::Usage(format!("no artifact {artifact} is recorded")))?;
        let file = manifest.files.get(name);
        let file = file.ok_or_else(|| Stop::Usage(format!("artifact {} has no file {name}", artifact.short())))?;
        if file.size > LARGEST {
            let why = format!("{name} is too large to be handed out here; the store has it as blob {}", file.digest);
            return Err(Stop::Usage(why));
        }
        let store = self.store();
        let answer = block_in_place(|| files::answer(artifact, name, file, store.as_ref()));
        answer.ok_or_else(|| Stop::Usage(format!("the bytes of {name} are not in this store, or not sound: they were evicted, or made elsewhere; `isoflop doctor` tells")))
    }

    /// The store as it lies there. It may come and go while this serves.
    fn store(&self) -> Option<Store> {
        Store::look(&self.settings.store())
    }

    fn last_words(&self, attempt: isoflop_ledger::AttemptId, lines: usize) -> Option<String> {
        let bytes = tail(&now::log_of(&self.settings, attempt), LOG).ok()?;
        Some(readable(&bytes, lines))
    }

    fn log(&self, attempt: &AttemptView, most: u64) -> Option<Vec<u8>> {
        tail(&now::log_of(&self.settings, attempt.id), most).ok()
    }
}

/// The last `most` bytes of a file.
fn tail(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    file.seek(SeekFrom::Start(size.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Series as `show` prints them. A point that is not finite has no place in a figure.
fn measured(metrics: &Value) -> Series {
    let points = |list: &Value| -> Vec<(u64, f64)> {
        let point = |point: &Value| Some((point.get(0)?.as_u64()?, point.get(1)?.as_f64()?));
        list.as_array().into_iter().flatten().filter_map(point).collect()
    };
    metrics.as_object().into_iter().flatten().map(|(name, list)| (name.clone(), points(list))).collect()
}
