//! Where results live: the store and the ledger of this invocation.

use std::{collections::BTreeMap, io::ErrorKind, path::Path, time::Duration};

use anyhow::Context as _;
use isoflop_contract::{Key, Manifest};
use isoflop_ledger::{
    Ledger, LedgerError, Past, Place,
    server::{Keeper, PrivateServer, ServerError, Status},
};
use isoflop_plan::Plan;
use isoflop_store::{Remote, Store};

use crate::{
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// The private server of these settings, started or not. Whoever starts it starts its keeper too.
pub fn server(settings: &Settings) -> PrivateServer {
    let server = PrivateServer::new(settings.home.join("postgres")).with_search(settings.search.clone());
    match std::env::current_exe() {
        Ok(program) if !settings.server_idle.is_zero() => {
            let args = vec!["--home".into(), settings.home.clone().into(), "keep".into()];
            server.with_keeper(Keeper { program, args })
        }
        _ => server,
    }
}

/// Stays with the private server, and stops it when nobody has used it for a while.
pub fn keep(settings: &Settings) -> Result<(), Stop> {
    server(settings).keep(settings.server_idle).map_err(infrastructure)
}

/// Opens the ledger, starting the private server where no shared one is named.
pub async fn ledger(settings: &Settings) -> Result<Ledger, Stop> {
    let place = if let Some(url) = &settings.database {
        Place::Url(url.clone())
    } else {
        folder(&settings.home)?;
        Place::Private(server(settings))
    };
    Ledger::open_as(place, settings.engine.clone()).await.map_err(|error| unopened(error, settings))
}

/// Why the ledger was not opened. Whoever may not write in a home cannot look into it either, and that is no news to somebody who only looks.
fn unopened(error: LedgerError, settings: &Settings) -> Stop {
    let is_locked = matches!(&error, LedgerError::Server(ServerError::Io { source, .. })
        if matches!(source.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem));
    if !is_locked {
        return infrastructure(error);
    }
    infrastructure(anyhow::anyhow!(
        "{error}; the server of this ledger writes in its folder even when runs are only read: run isoflop as whoever owns {home}, copy {home} and name \
         the copy with --home, or `isoflop audit` a crate that `isoflop export` wrote",
        home = settings.home.display()
    ))
}

/// The ledger, if there is one yet: verbs that only look do not create it.
pub async fn ledger_if_any(settings: &Settings) -> Result<Option<Ledger>, Stop> {
    if settings.database.is_none() && !settings.home.join("postgres").is_dir() {
        return Ok(None);
    }
    ledger(settings).await.map(Some)
}

/// The ledger for questions alone, if it is there without anything being started or made: a shared one, or a private one whose server runs.
pub async fn ledger_to_look(settings: &Settings) -> Result<Option<Ledger>, Stop> {
    let url = match &settings.database {
        Some(url) => url.clone(),
        None => match server(settings).status().map_err(infrastructure)? {
            Status::Running { url, .. } => url,
            _ => return Ok(None),
        },
    };
    Ledger::look(Place::Url(url)).await.map_err(infrastructure)
}

/// The ledger for questions alone, kept for as long as it is held: a private one's server is started, but nothing is made where nothing was run, and
/// nothing can be written. A lost connection is tried for no longer than `patience`.
pub async fn ledger_to_serve(settings: &Settings, patience: Duration) -> Result<Option<Ledger>, Stop> {
    let place = match &settings.database {
        Some(url) => Place::Url(url.clone()),
        None if has_ledger(settings) => Place::Private(server(settings)),
        None => return Ok(None),
    };
    let looked = Ledger::look_for(place, patience).await.map_err(|error| unopened(error, settings))?;
    let Some(ledger) = looked else { return Ok(None) };
    ledger.demand_current().await.map_err(infrastructure)?;
    Ok(Some(ledger))
}

/// Whether a ledger was ever made here, or elsewhere by whoever has the shared one.
pub fn has_ledger(settings: &Settings) -> bool {
    settings.database.is_some() || settings.home.join("postgres/data/PG_VERSION").exists()
}

/// Opens the store.
pub fn store(settings: &Settings) -> Result<Store, Stop> {
    folder(&settings.home)?;
    Ok(Store::open(&settings.store()).map_err(infrastructure)?.with_remote(remote(settings)?))
}

/// Where a store fetches from what it does not hold, if a remote one is named.
pub fn remote(settings: &Settings) -> Result<Option<Remote>, Stop> {
    settings.remote.as_ref().map(|remote| Remote::new(&remote.url)).transpose().map_err(Stop::Usage)
}

/// What stands under the keys of a plan; nothing where there is no ledger yet.
pub async fn past(plan: &Plan, ledger: Option<&Ledger>) -> Result<BTreeMap<Key, Past>, Stop> {
    let Some(ledger) = ledger else { return Ok(BTreeMap::new()) };
    let keys: Vec<Key> = plan.tasks().iter().map(|task| task.key).collect();
    ledger.past(&keys).await.map_err(infrastructure)
}

/// Whether the store, or its remote, has all bytes of a manifest. A store that is not there has none, and is not made for the question.
pub fn holds(settings: &Settings) -> Result<impl Fn(&Manifest) -> bool, Stop> {
    let store = if settings.store().is_dir() || settings.remote.is_some() { Some(store(settings)?) } else { None };
    Ok(move |manifest: &Manifest| store.as_ref().is_some_and(|store| store.holds(manifest)))
}

fn folder(home: &Path) -> Result<(), Stop> {
    std::fs::create_dir_all(home)
        .with_context(|| {
            format!("cannot create the folder {}; name another with --home or ISOFLOP_HOME", home.display())
        })
        .map_err(infrastructure)
}
