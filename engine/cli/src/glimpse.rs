//! A glimpse: what a run under way lets be seen of itself before any of it is recorded: how far it is, and what its tasks measured last.
//!
//! The ledger hears of a task when it ends; who looks on from outside (`status`, `serve`) wants to see the curve grow. So the engine keeps a
//! folder of small files in its home, at most one write a second, and takes them away at its end. They are no record: nothing reads them but
//! who looks on, and what a killed engine leaves is taken for nothing after [`FRESH`] and swept by the next run.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use isoflop_exec::Moment;
use isoflop_ledger::{AttemptId, RunId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The folder in the home.
const FOLDER: &str = "glimpses";

/// How often it is written at most.
pub const EVERY: Duration = Duration::from_secs(1);

/// How long nothing need be written where nothing happens.
const AT_LEAST: Duration = Duration::from_secs(10);

/// How old one may be to tell of a run that goes on.
const FRESH: Duration = Duration::from_mins(1);

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Glimpse {
    /// When it was written.
    pub at: Timestamp,
    /// How much of the work is done, by its cost: 0 to 1.
    pub share: f64,
    /// How long the rest takes at the pace so far, once there is one.
    pub left_seconds: Option<u64>,
    /// How far tasks under way are, by attempt.
    pub attempts: BTreeMap<String, Beat>,
}

/// How far an attempt is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beat {
    /// Units done.
    pub done: u64,
    /// Units in all; 0 where the body has not said.
    pub total: u64,
    /// The last point of any series that was measured.
    pub metric: Option<Point>,
}

/// One point of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// The series.
    pub series: String,
    /// The optimizer step, or whatever the series counts in.
    pub step: u64,
    /// Its value there.
    pub value: f64,
}

/// Series by name, each as (step, value) in order.
pub type Series = BTreeMap<String, Vec<(u64, f64)>>;

impl Glimpse {
    /// That of `run`, if its engine works in this home and wrote one lately.
    pub fn read(home: &Path, run: RunId) -> Option<Self> {
        let bytes = fs::read(home.join(FOLDER).join(format!("{run}.json"))).ok()?;
        let glimpse: Self = serde_json::from_slice(&bytes).ok()?;
        let age = Timestamp::now().duration_since(glimpse.at);
        (age.unsigned_abs() < FRESH).then_some(glimpse)
    }
}

/// What an attempt under way has measured so far, thinned as it was passed on; empty where nothing is known.
pub fn series(home: &Path, attempt: AttemptId) -> Series {
    let mut series = Series::new();
    let Ok(file) = fs::File::open(points(&home.join(FOLDER), attempt)) else { return series };
    for line in BufReader::new(file).lines().map_while(Result::ok) {
        // The last line may be half written.
        let Ok((name, step, value)) = serde_json::from_str::<(String, u64, f64)>(&line) else { continue };
        series.entry(name).or_default().push((step, value));
    }
    series
}

fn points(folder: &Path, attempt: AttemptId) -> PathBuf {
    folder.join(format!("{attempt}.jsonl"))
}

/// Writes the glimpses of one run. That it cannot is nobody's failure.
pub struct Writer {
    folder: PathBuf,
    run: Option<RunId>,
    now: Glimpse,
    tasks: BTreeMap<String, AttemptId>,
    /// Points measured since the last write.
    fresh: BTreeMap<AttemptId, String>,
    changed: bool,
    written: Option<Instant>,
}

impl Writer {
    /// A writer in `home`.
    pub fn new(home: &Path) -> Self {
        let (now, tasks, fresh) = (Glimpse::default(), BTreeMap::new(), BTreeMap::new());
        Self { folder: home.join(FOLDER), run: None, now, tasks, fresh, changed: false, written: None }
    }

    /// Takes in what happened.
    pub fn hear(&mut self, moment: &Moment) {
        match moment {
            Moment::RunStarted { run, .. } => self.run = Some(*run),
            Moment::TaskStarted { task, attempt, .. } => {
                self.end(task);
                self.tasks.insert(task.clone(), *attempt);
                self.now.attempts.insert(attempt.to_string(), Beat::default());
            }
            Moment::TaskProgress { task, done, total } => {
                if let Some(beat) = self.beat(task) {
                    (beat.done, beat.total) = (*done, *total);
                }
            }
            Moment::TaskMetric { task, series, step, value } => {
                if let Some(beat) = self.beat(task).filter(|_| value.is_finite()) {
                    beat.metric = Some(Point { series: series.clone(), step: *step, value: *value });
                    let line = serde_json::to_string(&(series, step, value)).expect("a text and finite numbers");
                    let _ = writeln!(self.fresh.entry(self.tasks[task]).or_default(), "{line}");
                }
            }
            Moment::TaskEnded { task, .. } | Moment::Retrying { task, .. } | Moment::LeaseLost { task } => {
                self.end(task);
            }
            _ => return,
        }
        self.changed = true;
    }

    fn beat(&mut self, task: &str) -> Option<&mut Beat> {
        self.now.attempts.get_mut(&self.tasks.get(task)?.to_string())
    }

    /// Forgets an attempt: what it measured is in the ledger by now, or of no use.
    fn end(&mut self, task: &str) {
        if let Some(attempt) = self.tasks.remove(task) {
            self.now.attempts.remove(&attempt.to_string());
            self.fresh.remove(&attempt);
            let _ = fs::remove_file(points(&self.folder, attempt));
        }
    }

    /// Writes what there is to see, with the share of the work that is done and the seconds that are left.
    pub fn write(&mut self, share: f64, left_seconds: Option<u64>) {
        let Some(run) = self.run else { return };
        let late = self.written.is_none_or(|at| at.elapsed() >= AT_LEAST);
        if self.tasks.is_empty() || !(self.changed || late) {
            return;
        }
        if self.written.is_none() {
            sweep(&self.folder);
        }
        (self.now.at, self.now.share, self.now.left_seconds) = (Timestamp::now(), share, left_seconds);
        (self.changed, self.written) = (false, Some(Instant::now()));
        let _ = self.put(run);
        self.fresh.clear();
    }

    fn put(&self, run: RunId) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for (attempt, lines) in &self.fresh {
            let mut file = OpenOptions::new().create(true).append(true).open(points(&self.folder, *attempt))?;
            file.write_all(lines.as_bytes())?;
        }
        let path = self.folder.join(format!("{run}.json"));
        let beside = path.with_extension("new");
        fs::write(&beside, serde_json::to_vec(&self.now)?)?;
        fs::rename(beside, path)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.written.is_none() {
            return;
        }
        for task in self.tasks.keys().cloned().collect::<Vec<_>>() {
            self.end(&task);
        }
        if let Some(run) = self.run {
            let _ = fs::remove_file(self.folder.join(format!("{run}.json")));
        }
        let _ = fs::remove_dir(&self.folder); // unless another run is under way
    }
}

/// Removes what engines left that were killed.
fn sweep(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let modified = entry.metadata().and_then(|meta| meta.modified());
        let age = modified.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        // A series may grow by a point an hour; nobody misses one that was begun a week ago.
        let old =
            Duration::from_hours(if entry.path().extension().is_some_and(|it| it == "jsonl") { 24 * 7 } else { 1 });
        if age.is_some_and(|age| age > old) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_can_be_seen_until_it_is_recorded() {
        let home = tempfile::tempdir().unwrap();
        let (run, attempt) = ("01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(), AttemptId::new());
        let mut writer = Writer::new(home.path());
        let task = || "train[size=s]".to_owned();
        let metric = |step, value| Moment::TaskMetric { task: task(), series: "loss".to_owned(), step, value };
        writer.hear(&Moment::RunStarted { run, tasks: 2, kept: 0, to_run: 2 });
        writer.write(0.0, None);
        assert!(!home.path().join(FOLDER).exists(), "nothing is under way");
        writer.hear(&Moment::TaskStarted { task: task(), attempt, log: PathBuf::new() });
        writer.hear(&Moment::TaskProgress { task: task(), done: 3, total: 10 });
        writer.hear(&metric(1, 2.5));
        writer.hear(&metric(2, f64::NAN));
        writer.write(0.25, Some(30));
        writer.hear(&metric(3, 1.5));
        writer.write(0.5, Some(20));
        let seen = Glimpse::read(home.path(), run).unwrap();
        assert_eq!((seen.share, seen.left_seconds), (0.5, Some(20)));
        let point = Point { series: "loss".to_owned(), step: 3, value: 1.5 };
        assert_eq!(seen.attempts[&attempt.to_string()], Beat { done: 3, total: 10, metric: Some(point) });
        assert_eq!(series(home.path(), attempt)["loss"], [(1, 2.5), (3, 1.5)]);

        // What a killed engine left tells of nothing after a while.
        let file = home.path().join(FOLDER).join(format!("{run}.json"));
        let old = Glimpse { at: Timestamp::UNIX_EPOCH, ..seen };
        fs::write(&file, serde_json::to_vec(&old).unwrap()).unwrap();
        assert_eq!(Glimpse::read(home.path(), run), None);

        drop(writer);
        assert!(!home.path().join(FOLDER).exists());
    }
}
