//! Where results live: the store and the ledger of this invocation.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use isoflop_contract::{Key, Manifest};
use isoflop_exec::{Scope, Survey};
use isoflop_ledger::{Ledger, Place, server::PrivateServer};
use isoflop_plan::Plan;
use isoflop_store::Store;

use crate::{
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// The private server of these settings, started or not.
pub fn server(settings: &Settings) -> PrivateServer {
    PrivateServer::new(settings.home.join("postgres")).with_search(settings.search.clone())
}

/// Opens the ledger, starting the private server where no shared one is named.
pub async fn ledger(settings: &Settings) -> Result<Ledger, Stop> {
    let place = if let Some(url) = &settings.database {
        Place::Url(url.clone())
    } else {
        folder(&settings.home)?;
        Place::Private(server(settings))
    };
    Ledger::open(place).await.map_err(infrastructure)
}

/// The ledger, if there is one yet: verbs that only look do not create it.
pub async fn ledger_if_any(settings: &Settings) -> Result<Option<Ledger>, Stop> {
    if settings.database.is_none() && !settings.home.join("postgres").is_dir() {
        return Ok(None);
    }
    ledger(settings).await.map(Some)
}

/// Opens the store.
pub fn store(settings: &Settings) -> Result<Store, Stop> {
    folder(&settings.home)?;
    Store::open(&settings.store()).map_err(infrastructure)
}

/// Compares a plan with what the ledger knows and the store holds. Reads only; where there is no ledger yet, nothing is kept.
pub async fn survey(plan: &Plan, settings: &Settings, ledger: Option<&Ledger>) -> Result<Survey, Stop> {
    survey_within(plan, settings, ledger, &Scope::default()).await
}

/// The same, within a scope.
pub async fn survey_within(
    plan: &Plan,
    settings: &Settings,
    ledger: Option<&Ledger>,
    scope: &Scope,
) -> Result<Survey, Stop> {
    let keys: Vec<Key> = plan.tasks().iter().map(|task| task.key).collect();
    let past = match ledger {
        Some(ledger) => ledger.past(&keys).await.map_err(infrastructure)?,
        None => BTreeMap::new(),
    };
    // A plan in which nothing was made asks the store nothing, so a store that is not there yet is not made for it.
    let store = if past.is_empty() { None } else { Some(store(settings)?) };
    let holds = |manifest: &Manifest| store.as_ref().is_some_and(|store| store.holds(manifest));
    Ok(isoflop_exec::survey(plan, &past, &holds, scope))
}

fn folder(home: &Path) -> Result<(), Stop> {
    std::fs::create_dir_all(home)
        .with_context(|| {
            format!("cannot create the folder {}; name another with --home or ISOFLOP_HOME", home.display())
        })
        .map_err(infrastructure)
}
