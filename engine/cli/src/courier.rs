//! The courier: sends to the remote store what a run makes, while the run goes on.
//!
//! A result is in the ledger before its bytes are sent, and the run does not wait for them until it is over. What could not be sent is said
//! once; the results stand, and `isoflop cache push` sends the rest another time.

use std::{collections::HashMap, sync::Arc};

use isoflop_contract::{Key, quantity::Bytes};
use isoflop_ledger::{Ledger, PastOutcome};
use isoflop_plan::Plan;
use isoflop_store::{Moved, Store};
use tokio::{
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::{JoinHandle, spawn_blocking},
};

use crate::aligned::count;

/// Sends in the background.
pub struct Courier {
    /// By name of the task.
    known: HashMap<String, Key>,
    keys: UnboundedSender<Key>,
    work: JoinHandle<Sent>,
}

/// What was sent by the end.
#[derive(Debug, Default)]
struct Sent {
    artifacts: usize,
    moved: Moved,
    failed: usize,
    /// The first refusal.
    why: Option<String>,
}

impl Courier {
    /// A courier between `store` and its remote.
    pub fn new(plan: &Plan, store: &Arc<Store>, ledger: &Ledger) -> Self {
        let (keys, asked) = mpsc::unbounded_channel();
        let work = tokio::spawn(send(asked, Arc::clone(store), ledger.clone()));
        let known = plan.tasks().iter().map(|task| (task.name.clone(), task.key)).collect();
        Self { known, keys, work }
    }

    /// Takes up what the task of this name made.
    pub fn take(&self, task: &str) {
        if let Some(key) = self.known.get(task) {
            let _ = self.keys.send(*key);
        }
    }

    /// Waits for what is under way. One line for a person, if there is anything to say; whether it is a warning.
    pub async fn finish(self, remote: &str) -> Option<(String, bool)> {
        let Self { keys, work, .. } = self;
        drop(keys);
        let sent = work.await.ok()?;
        let artifacts = |number| count(number, "artifact", "artifacts");
        match sent {
            Sent { failed: 0, artifacts: 0, .. } => None,
            Sent { failed: 0, artifacts: n, moved, .. } => {
                Some((format!("{} sent to {remote}, {}", artifacts(n), Bytes(moved.bytes)), false))
            }
            Sent { failed, why, .. } => {
                let why = why.unwrap_or_default();
                let hint = "the results stand; `isoflop cache push` sends the rest";
                Some((format!("{} could not be sent to the remote store: {why}; {hint}", artifacts(failed)), true))
            }
        }
    }
}

async fn send(mut asked: UnboundedReceiver<Key>, store: Arc<Store>, ledger: Ledger) -> Sent {
    let mut sent = Sent::default();
    while let Some(key) = asked.recv().await {
        // One that refused once may refuse the next for as long: the run is not to wait for each.
        let result = if sent.why.is_some() { Err(String::new()) } else { send_one(key, &store, &ledger).await };
        match result {
            Ok(Some(moved)) => {
                sent.artifacts += 1;
                sent.moved.blobs += moved.blobs;
                sent.moved.bytes += moved.bytes;
            }
            Ok(None) => {}
            Err(why) => {
                sent.failed += 1;
                sent.why.get_or_insert(why);
            }
        }
    }
    sent
}

async fn send_one(key: Key, store: &Arc<Store>, ledger: &Ledger) -> Result<Option<Moved>, String> {
    let mut past = ledger.past(&[key]).await.map_err(|error| error.to_string())?;
    let Some(PastOutcome::Made { digest, manifest }) = past.remove(&key).map(|past| past.outcome) else {
        return Ok(None);
    };
    let store = Arc::clone(store);
    let sent = spawn_blocking(move || store.send(digest, &manifest)).await.map_err(|error| error.to_string())?;
    sent.map(Some).map_err(|error| error.to_string())
}
