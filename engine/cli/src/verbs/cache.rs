//! `cache`: artifacts on their way to the remote store and back, or where they are.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Catalog, Digest, Manifest, manifest::File, quantity::Bytes};
use isoflop_ledger::PastOutcome;
use isoflop_store::{Moved, Pulled, Store, StoreError};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    aligned::{Cell, count, header, lines},
    args::{CacheArgs, Transfer},
    home,
    output::{Output, Paint},
    project, selection,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// One artifact, and the first task that made it.
struct Thing {
    task: String,
    digest: Digest,
    manifest: Manifest,
}

/// What became of it.
struct Fate {
    state: &'static str,
    moved: Moved,
    /// The blob of which the remote has other bytes than its name says.
    corrupt: Option<Digest>,
}

/// Moves what the study's tasks made, or says where it is.
pub async fn cache(args: &CacheArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let Some(remote) = settings.remote.clone() else {
        return Err(Stop::Usage("no remote store is named; add `--remote URL` or set ISOFLOP_REMOTE".to_owned()));
    };
    if args.transfer == Transfer::Push && remote.read_only && !args.dry_run {
        return Err(Stop::Usage("nothing may be sent to the remote store: it is read-only here".to_owned()));
    }
    let (study, tasks) = project::aim(&args.study, &args.tasks);
    let plan = project::plan(&study, catalog)?;
    let ledger = home::ledger_if_any(settings).await?;
    let chosen = selection::tasks(&plan, &args.narrow.selection(&tasks), settings, ledger.as_ref()).await?;
    let mut past = home::past(&plan, ledger.as_ref()).await?;
    let mut things: BTreeMap<Digest, Thing> = BTreeMap::new();
    for task in chosen.iter().map(|index| &plan.tasks()[*index]) {
        if let Some(PastOutcome::Made { digest, manifest }) = past.remove(&task.key).map(|past| past.outcome) {
            things.entry(digest).or_insert_with(|| Thing { task: task.name.clone(), digest, manifest });
        }
    }
    let store = home::store(settings)?;
    let (transfer, dry) = (args.transfer, args.dry_run);
    let moving = spawn_blocking(move || {
        let mut told = BTreeSet::new();
        let one = |thing: Thing| carry(&store, &thing, transfer, dry, &mut told).map(|fate| (thing, fate));
        things.into_values().map(one).collect::<Result<Vec<_>, _>>()
    });
    let done = moving.await.map_err(|error| Stop::Internal(error.into()))?.map_err(infrastructure)?;
    let (blobs, bytes) =
        done.iter().fold((0, 0), |(n, bytes), (_, fate)| (n + fate.moved.blobs, bytes + fate.moved.bytes));
    let lost = done.iter().filter(|(_, fate)| fate.state == "nowhere").count();
    if out.json {
        let artifacts: Vec<_> = done
            .iter()
            .map(|(thing, fate)| {
                let size: u64 = thing.manifest.files.values().map(|file| file.size).sum();
                json!({"task": thing.task, "digest": thing.digest, "bytes": size, "state": fate.state, "moved": fate.moved.bytes, "corrupt": fate.corrupt})
            })
            .collect();
        out.data(&json!({"version": 1, "remote": remote.url, "dry_run": dry, "artifacts": artifacts, "moved": {"blobs": blobs, "bytes": bytes}}))?;
    } else {
        if transfer == Transfer::Status || dry {
            let row = |(thing, fate): &(Thing, Fate)| {
                let size: u64 = thing.manifest.files.values().map(|file| file.size).sum();
                vec![
                    Cell::painted(fate.state, paint(fate.state)),
                    Cell::new(Bytes(size).to_string()).right(),
                    Cell::new(thing.digest.short()),
                    Cell::new(&thing.task),
                ]
            };
            let rows: Vec<_> =
                std::iter::once(header(&["WHERE", "SIZE", "ARTIFACT", "TASK"])).chain(done.iter().map(row)).collect();
            lines(&rows, out.color).iter().try_for_each(|line| out.line(line))?;
        }
        let verb = match (transfer, dry) {
            (Transfer::Status, _) => None,
            (Transfer::Push, false) => Some("sent to"),
            (Transfer::Push, true) => Some("would be sent to"),
            (Transfer::Pull, false) => Some("fetched from"),
            (Transfer::Pull, true) => Some("would be fetched from"),
        };
        let artifacts = count(done.len(), "artifact", "artifacts");
        match verb {
            Some(verb) => out.line(&format!(
                "{artifacts}: {} in {} {verb} {}",
                Bytes(bytes),
                count(blobs as usize, "file", "files"),
                remote.url
            ))?,
            None => out.line(&format!("{artifacts}; the remote store is {}", remote.url))?,
        }
    }
    for (thing, blob) in done.iter().filter_map(|(thing, fate)| Some((thing, fate.corrupt?))) {
        let file = thing.manifest.files.iter().find(|(_, file)| file.digest == blob).map_or("", |(name, _)| name);
        eprintln!(
            "warning: the remote's blob {blob} is corrupt: its bytes are others (`{file}` of {}); take it away there, and \
             `isoflop cache push` from where the artifact is",
            thing.task
        );
    }
    if lost > 0 && transfer != Transfer::Status {
        let what = count(lost, "artifact is", "artifacts are");
        eprintln!("warning: {what} neither here nor in the remote store; `isoflop run` makes again what is needed");
    }
    let unbrought = done.iter().filter(|(_, fate)| matches!(fate.state, "nowhere" | "corrupt")).count();
    if transfer == Transfer::Pull && unbrought > 0 {
        let what = count(unbrought, "artifact", "artifacts");
        return Err(infrastructure(anyhow::anyhow!("{what} could not be brought from {}", remote.url)));
    }
    Ok(())
}

/// Moves one artifact, or finds out where it is. `told` holds the blobs that would have been moved by now.
fn carry(
    store: &Store,
    thing: &Thing,
    transfer: Transfer,
    dry: bool,
    told: &mut BTreeSet<Digest>,
) -> Result<Fate, StoreError> {
    let Thing { digest, manifest, .. } = thing;
    let here = store.absent_here(manifest).next().is_none();
    let there = store.holds_there(*digest)?;
    let nothing = Moved::default();
    let mut would = |blobs: Vec<&File>| {
        let new = blobs.into_iter().filter(|blob| told.insert(blob.digest));
        new.fold(nothing, |moved, blob| Moved { blobs: moved.blobs + 1, bytes: moved.bytes + blob.size })
    };
    let mut corrupt = None;
    let (state, moved) = match (transfer, here, there) {
        (_, false, false) => ("nowhere", nothing),
        (Transfer::Push, true, true) if dry => ("both", would(store.absent_there(manifest)?)),
        (Transfer::Push, true, true) => ("both", store.mend(*digest, manifest)?),
        (_, true, true) => ("both", nothing),
        (Transfer::Push, true, false) if dry => ("here", would(store.absent_there(manifest)?)),
        (Transfer::Pull, false, true) if dry => ("remote", would(store.absent_here(manifest).collect())),
        (Transfer::Push, true, false) => ("both", store.send(*digest, manifest)?),
        (Transfer::Pull, false, true) => match store.pull(*digest, manifest)? {
            Pulled::Whole(moved) => ("both", moved),
            Pulled::Absent => ("nowhere", nothing),
            Pulled::Corrupt(blob) => {
                corrupt = Some(blob);
                ("corrupt", nothing)
            }
        },
        (_, true, false) => ("here", nothing),
        (_, false, true) => ("remote", nothing),
    };
    Ok(Fate { state, moved, corrupt })
}

fn paint(state: &str) -> Paint {
    match state {
        "both" => Paint::Good,
        "nowhere" | "corrupt" => Paint::Bad,
        _ => Paint::Notice,
    }
}
