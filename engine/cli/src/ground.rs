//! A ground: a scratch home with a store and a ledger of its own. What is made there is no fact about the study, and is gone when it is left.

use std::{fs, io, path::Path, sync::Arc};

use isoflop_contract::Manifest;
use isoflop_exec::Scratch;
use isoflop_ledger::{Holder, Ledger, Place, server::PrivateServer};
use isoflop_store::Store;

use crate::{
    home,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// A scratch home. To be left by [`Ground::leave`], which stops its server.
pub struct Ground {
    server: PrivateServer,
    /// Where facts go.
    pub ledger: Ledger,
    /// Where artifacts go.
    pub store: Arc<Store>,
    scratch: Scratch,
}

impl Ground {
    /// Makes one called `name` in the home of these settings.
    pub async fn make(name: &str, settings: &Settings) -> Result<Self, Stop> {
        fs::create_dir_all(&settings.home).map_err(failed)?;
        let scratch = Scratch::create(&settings.home, name, &Holder::here()).map_err(failed)?;
        let store = Store::open(&scratch.path().join("store")).map_err(infrastructure)?;
        let store = Arc::new(store.with_remote(home::remote(settings)?));
        let server = PrivateServer::new(scratch.path().join("postgres")).with_search(settings.search.clone());
        let ledger = Ledger::open(Place::Private(server.clone())).await.map_err(infrastructure)?;
        Ok(Self { server, ledger, store, scratch })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// Has the files of an artifact of another store, by link where that goes.
    pub fn lend(&self, from: &Store, manifest: &Manifest) -> Result<(), Stop> {
        for file in manifest.files.values() {
            let (blob, place) = (from.blob_path(&file.digest), self.store.blob_path(&file.digest));
            // What is not there either comes from the remote when it is needed.
            if place.exists() || !blob.exists() {
                continue;
            }
            place.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            if fs::hard_link(&blob, &place).is_err() {
                fs::copy(&blob, &place).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Leaves it, and nothing of it.
    pub async fn leave(self) {
        self.ledger.close().await;
        let _ = self.server.stop(); // its folder goes next, and it with that
    }
}

fn failed(error: io::Error) -> Stop {
    infrastructure(anyhow::Error::new(error).context("cannot make a scratch home"))
}
