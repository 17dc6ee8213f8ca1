//! What a person names: a run, or a task by its name, its key or its artifact.

use isoflop_contract::Key;
use isoflop_ledger::{Ledger, LedgerError, RunId, view::RunView};

use crate::{
    home,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// A task that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// What it is called: its name, or what was found instead.
    pub label: String,
    /// Its key.
    pub key: Key,
    /// Its study, if a name led to it.
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
    if name.len() < 6 || !name.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let digits = name.to_lowercase();
    let keys = ledger.keys_like(&digits).await.map_err(infrastructure)?;
    let artifacts = ledger.artifacts_like(&digits).await.map_err(infrastructure)?;
    let bare = |label: String, key: Key| Some(Named { label, key, study: String::new(), run: None });
    match (keys.as_slice(), artifacts.len()) {
        ([key], 0) => Ok(bare(format!("key {}", key.short()), *key)),
        ([], 1) => {
            let (digest, keys) = artifacts.first_key_value().expect("there is one");
            match keys.first() {
                Some(key) => Ok(bare(format!("artifact {}", digest.short()), *key)),
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

async fn unknown(ledger: &Ledger, name: &str, study: Option<&str>) -> Result<String, Stop> {
    let of = study.map_or_else(String::new, |study| format!(" of `{study}`"));
    let message = format!("no run{of} in the ledger has a task named `{name}`");
    let Some(run) = ledger.runs_of(study, 1).await.map_err(infrastructure)?.into_iter().next() else {
        return Ok(match study {
            Some(study) => format!("no study named `{study}` was run; `isoflop runs` lists what was"),
            None => "nothing was run yet".to_owned(),
        });
    };
    let tasks = ledger.run_tasks(run.id).await.map_err(infrastructure)?;
    Ok(match isoflop_plan::nearest(name, tasks.iter().map(|task| task.name.as_str())) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    })
}

/// A run's id as it is shown: enough of it to name it.
pub fn short(run: RunId) -> String {
    run.to_string()[..13].to_owned()
}
