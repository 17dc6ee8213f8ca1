//! What a person names: a run, or a task by its name, its key or its artifact.

use isoflop_contract::Key;
use isoflop_ledger::{Ledger, LedgerError, RunId, view::RunView};

use crate::{
    home,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// So many digits of a key or a digest name one: fewer may well be a word, or begin several.
const DIGITS: usize = 6;

/// Cells of a group, and studies, that are looked at or listed where a name is not found.
const SOME: usize = 20;

/// A task that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called: its name, or what was found instead.
    pub label: String,
    /// Its key.
    pub key: Key,
    /// Its study, if that can be told; else empty.
    pub study: String,
    /// The run in which it was found.
    pub run: Option<RunId>,
}

/// The ledger, or where there is none yet, that nothing was run.
pub async fn ledger(settings: &Settings) -> Result<Ledger, Stop> {
    home::ledger_if_any(settings)
        .await?
        .ok_or_else(|| Stop::Usage(format!("nothing was run yet: there is no ledger in {}", settings.home.display())))
}

/// The run of this name.
pub async fn run(ledger: &Ledger, name: &str, study: Option<&str>) -> Result<RunView, Stop> {
    ledger.pick_run(name, study).await.map_err(|error| match error {
        LedgerError::NoRun(_) if name.starts_with("latest") => Stop::Usage(match study {
            Some(study) => format!("there is no run `{name}` of `{study}`; `isoflop runs` lists them"),
            None => format!("there is no run `{name}`; `isoflop runs` lists them"),
        }),
        LedgerError::NoRun(_) | LedgerError::Ambiguous { .. } => Stop::Usage(error.to_string()),
        other => infrastructure(other),
    })
}

/// The task of this name in the latest run that has it, else the one whose key or artifact begins with these digits.
pub async fn task(ledger: &Ledger, name: &str, study: Option<&str>) -> Result<Named, Stop> {
    match find_task(ledger, name, study).await? {
        Some(named) => Ok(named),
        None => Err(Stop::Usage(unknown(ledger, name, study).await?)),
    }
}

/// The same, or nothing if there is none.
pub async fn find_task(ledger: &Ledger, name: &str, study: Option<&str>) -> Result<Option<Named>, Stop> {
    if let Some(task) = ledger.task_latest(name, study).await.map_err(infrastructure)? {
        return Ok(Some(Named { label: task.name, key: task.key, study: task.study, run: Some(task.run) }));
    }
    if name.len() < DIGITS || !is_hexadecimal(name) {
        return Ok(None);
    }
    let digits = name.to_lowercase();
    let keys = ledger.keys_like(&digits).await.map_err(infrastructure)?;
    let artifacts = ledger.artifacts_like(&digits).await.map_err(infrastructure)?;
    match (keys.as_slice(), artifacts.len()) {
        ([key], 0) => called(ledger, *key, format!("key {}", key.short())).await.map(Some),
        ([], 1) => {
            let (digest, keys) = artifacts.first_key_value().expect("there is one");
            match keys.first() {
                Some(key) => called(ledger, *key, format!("artifact {}", digest.short())).await.map(Some),
                None => Err(Stop::Usage(format!("artifact {} stands under no key any more", digest.short()))),
            }
        }
        ([], 0) => Ok(None),
        (keys, artifacts) => {
            let found = keys.len() + artifacts;
            Err(Stop::Usage(format!("{found} keys and artifacts begin with {name}; give more digits")))
        }
    }
}

/// The task with this key, by its name if the ledger has one for it, else as `found`.
async fn called(ledger: &Ledger, key: Key, found: String) -> Result<Named, Stop> {
    Ok(match ledger.task_of(&key).await.map_err(infrastructure)? {
        Some((label, study, run)) => Named { label, key, study, run: Some(run) },
        None => Named { label: found, key, study: String::new(), run: None },
    })
}

fn is_hexadecimal(name: &str) -> bool {
    name.chars().all(|c| c.is_ascii_hexdigit())
}

/// That there is no task of this name, and what may have been meant by it.
async fn unknown(ledger: &Ledger, name: &str, study: Option<&str>) -> Result<String, Stop> {
    let runs = match study {
        Some(study) => ledger.runs_of(&[study], 1).await,
        None => ledger.studies().await,
    };
    let runs = runs.map_err(infrastructure)?;
    if runs.is_empty() {
        return match study {
            Some(study) => no_study(ledger, study).await,
            None => Ok("nothing was run yet".to_owned()),
        };
    }
    let mut names: Vec<String> = Vec::new();
    for run in runs.iter().take(SOME) {
        let tasks = ledger.run_tasks(run.id).await.map_err(infrastructure)?;
        let own: Vec<String> = tasks.into_iter().map(|task| task.name).collect();
        let is_cell = |task: &&String| task.split_once('[').is_some_and(|(group, _)| group == name);
        let cells: Vec<&str> = own.iter().filter(is_cell).map(String::as_str).collect();
        if !cells.is_empty() {
            return Ok(a_group(name, &cells));
        }
        names.extend(own);
    }
    let of = study.map_or_else(String::new, |study| format!(" of `{study}`"));
    let message = format!("no run{of} in the ledger has a task named `{name}`");
    Ok(match isoflop_plan::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None if name.len() < DIGITS && is_hexadecimal(name) => {
            format!("{message}; if it begins a key or a digest, give {DIGITS} digits of that at least")
        }
        None => message,
    })
}

/// That a name is that of several tasks.
fn a_group(name: &str, cells: &[&str]) -> String {
    let shown = cells.iter().take(SOME).copied().collect::<Vec<_>>().join(", ");
    let more = if cells.len() > SOME { format!(" and {} more", cells.len() - SOME) } else { String::new() };
    let tasks = if cells.len() == 1 { "1 task".to_owned() } else { format!("{} tasks", cells.len()) };
    format!("`{name}` is a group of {tasks}, and one is asked for: {shown}{more}")
}

/// That no study of this name was run, and which may have been meant.
pub async fn no_study(ledger: &Ledger, study: &str) -> Result<String, Stop> {
    let studies = ledger.studies().await.map_err(infrastructure)?;
    let near = isoflop_plan::nearest(study, studies.iter().map(|run| run.study.as_str()));
    let hint =
        near.map_or_else(|| "`isoflop runs` lists what was".to_owned(), |near| format!("did you mean `{near}`?"));
    Ok(format!("no study named `{study}` was run; {hint}"))
}

/// A run's id as it is shown: enough of it to name it.
pub fn short(run: RunId) -> String {
    run.to_string()[..13].to_owned()
}
