//! The API: what the verbs print with `--json`, in the same shapes. `docs/serve.md` lists the addresses.

use isoflop_ledger::{Ledger, lineage::Direction};
use isoflop_report::Judged;
use serde_json::Value;

use super::route::{Api, Query};
use crate::{
    named::{self, Named},
    settings::Settings,
    stop::{Stop, infrastructure},
    verbs::{claims, logs, runs, show, status, trace},
};

/// The most runs that one answer lists.
const RUNS: u32 = 1000;

/// Runs that an answer lists where nothing is said, as `isoflop runs` does.
const LATEST: u32 = 20;

/// What `api` asks for, of a ledger that may not be there yet.
pub async fn data(api: &Api, query: &Query, ledger: Option<&Ledger>, settings: &Settings) -> Result<Value, Stop> {
    let study = query.text("study");
    match api {
        Api::Runs => runs::listed(ledger, study, query.number("n").unwrap_or(LATEST).min(RUNS)).await,
        Api::Status(run) => {
            let run = run.as_deref().or_else(|| query.text("run"));
            if run.is_some() {
                need(ledger)?;
            }
            Ok(status::data(&status::read(ledger, run, study, settings).await?, settings))
        }
        Api::Task(name) => {
            let (ledger, named) = task(name, study, ledger).await?;
            show::gather(ledger, named.label, named.key, named.study).await
        }
        Api::Trace(name) => {
            let (ledger, named) = task(name, study, ledger).await?;
            let direction = match query.text("way") {
                None | Some("up") => Direction::Up,
                Some("down") => Direction::Down,
                Some(other) => return Err(Stop::Usage(format!("a lineage goes `up` or `down`, not `{other}`"))),
            };
            let depth = query.number("depth");
            let lineage = ledger.walk(named.key, direction, depth, named.run).await.map_err(infrastructure)?;
            trace::data(&named, &lineage, direction, depth)
        }
        Api::Log(name) => {
            let (ledger, named) = task(name, study, ledger).await?;
            logs::latest(ledger, &named, query.number("lines").map(|n| n as usize), settings).await
        }
        Api::Claims(_) => unreachable!("claims are judged where the studies are"),
    }
}

/// What `claims --json` prints of one study.
pub fn claimed(study: &str, judged: Vec<Judged>) -> Value {
    claims::data(&[(study.to_owned(), judged)])
}

/// The ledger, or that there is none yet.
pub fn need(ledger: Option<&Ledger>) -> Result<&Ledger, Stop> {
    ledger.ok_or_else(|| Stop::Usage("nothing was run in this home yet".to_owned()))
}

/// The task that is meant: with what it is called, where it was named by its key.
pub async fn task<'a>(
    name: &str,
    study: Option<&str>,
    ledger: Option<&'a Ledger>,
) -> Result<(&'a Ledger, Named), Stop> {
    let ledger = need(ledger)?;
    if let Ok(key) = name.parse()
        && let Some((label, study, run)) = ledger.task_of(&key).await.map_err(infrastructure)?
    {
        return Ok((ledger, Named { label, key, study, run: Some(run) }));
    }
    Ok((ledger, named::task(ledger, name, study).await?))
}
