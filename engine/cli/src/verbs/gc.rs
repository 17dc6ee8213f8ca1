//! `gc`: takes out of the store what no root holds. Records stay in the ledger, so whatever went can be made again, and its digest compared.
//!
//! It may run beside engines. Their runs are roots; a commit keeps it waiting and renews what it counts on; before each handful of files the
//! ledger is asked once more, and if a run began or a pin was set meanwhile, everything is worked out anew.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use isoflop_contract::{
    Digest, Key, Manifest,
    quantity::{Bytes, Seconds},
};
use isoflop_exec::{
    checkpoints::{self, Shelf},
    remains::{self, Remains},
};
use isoflop_ledger::{
    Ledger, Maker, Silent,
    roots::{Pulse, Root, Roots},
};
use isoflop_store::{
    Store,
    gc::{Garbage, Stay, Terms, cutoff, garbage},
};
use serde_json::{Value, json};

use crate::{
    aligned::{Cell, count, date, lines},
    args::GcArgs,
    home, named,
    output::{Output, Paint},
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// With an engine at work, what it has committed and not yet recorded is younger than this.
const SAFE: Duration = Duration::from_hours(1);

/// Files taken out between two looks at the ledger.
const HANDFUL: usize = 200;

/// How often everything is worked out anew before somebody else is let go first.
const TRIES: usize = 10;

/// Evicted artifacts listed by name; the rest is counted. `--json` lists all.
const LISTED: usize = 40;

/// What was worked out at one moment.
struct Outlook {
    pulse: Pulse,
    roots: Roots,
    garbage: Garbage,
    known: BTreeMap<Digest, Manifest>,
    makers: BTreeMap<Digest, Maker>,
    grace: Duration,
    cutoff: SystemTime,
    /// Checkpoints that go, and how many stay.
    shelves: Vec<Shelf>,
    resumable: usize,
    /// What failed attempts left, of those that go.
    remains: Vec<Remains>,
}

/// Works out what goes, and takes it out unless this is a dry run.
pub async fn gc(args: &GcArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    if !settings.store().is_dir() {
        return if out.json {
            out.data(&json!({"version": 1, "dry_run": args.dry_run, "evicted": [], "freed": 0}))
        } else {
            out.line("there is no store yet: nothing to take out")
        };
    }
    let ledger = named::ledger(settings).await?;
    let store = home::store(settings)?;
    let silent = if args.dry_run { ledger.silent_runs().await } else { ledger.close_silent().await };
    let silent = silent.map_err(infrastructure)?;
    let mut seen = outlook(args, settings, &ledger, &store).await?;
    let mut freed = if args.dry_run { seen.garbage.bytes() + weight(&seen) } else { 0 };
    for attempt in 0.. {
        if args.dry_run {
            break;
        }
        match take_out(&seen, &ledger, &store).await? {
            (bytes, true) => {
                freed += bytes;
                break;
            }
            (bytes, false) => freed += bytes,
        }
        if attempt == TRIES {
            return Err(Stop::Conflict("runs keep beginning while garbage is taken out; try again later".to_owned()));
        }
        seen = outlook(args, settings, &ledger, &store).await?;
    }
    if out.json {
        let mut data = as_json(args, &seen, freed);
        data["closed"] = json!(silent);
        return out.data(&data);
    }
    for Silent { run, study, by, seconds } in &silent {
        let (run, seconds) = (named::short(*run), Seconds(*seconds as u64));
        let closed = if args.dry_run { "would be closed" } else { "is closed" };
        out.line(&format!("run {run} of {study} {closed}: nothing was heard of {by} for {seconds}"))?;
    }
    print(args, &seen, freed, out)
}

async fn outlook(args: &GcArgs, settings: &Settings, ledger: &Ledger, store: &Store) -> Result<Outlook, Stop> {
    let pulse = ledger.pulse().await.map_err(infrastructure)?;
    let roots = ledger.roots(args.keep_runs).await.map_err(infrastructure)?;
    let inventory = store.inventory().map_err(infrastructure)?;
    let asked: BTreeSet<Digest> = inventory.manifests.keys().chain(roots.artifacts.keys()).copied().collect();
    let mut known = ledger.manifests(&asked).await.map_err(infrastructure)?;
    known.extend(roots.files.iter().filter_map(|digest| Some((*digest, store.peek(digest)?))));
    let live: BTreeSet<Digest> = roots.artifacts.keys().chain(&roots.files).copied().collect();
    let asked = Duration::from_secs(args.grace.0);
    let grace = if roots.running { asked.max(SAFE) } else { asked };
    let cutoff = cutoff(SystemTime::now(), grace);
    let terms = Terms { live: &live, known: &known, unknown_too: args.unknown, cutoff };
    let garbage = garbage(&inventory, &terms, &|digest| store.peek(digest));
    let gone = garbage.manifests.iter().map(|(digest, _)| *digest).collect();
    let makers = ledger.makers(&gone).await.map_err(infrastructure)?;
    let (shelves, resumable) = shelves(settings, ledger, cutoff).await?;
    let mut remains = remains::inventory(&settings.home).map_err(|error| {
        infrastructure(anyhow::Error::new(error).context("what failed attempts left cannot be listed"))
    })?;
    remains.retain(|remains| remains.since < cutoff);
    Ok(Outlook { pulse, roots, garbage, known, makers, grace, cutoff, shelves, resumable, remains })
}

/// Checkpoints that are of no use: of keys that have a result, but not those that were written just now, and of keys that nobody has tried for
/// as long as the grace period. And how many keys have some that stay.
async fn shelves(settings: &Settings, ledger: &Ledger, cutoff: SystemTime) -> Result<(Vec<Shelf>, usize), Stop> {
    let all = checkpoints::inventory(&settings.home)
        .map_err(|error| infrastructure(anyhow::Error::new(error).context("the checkpoints cannot be listed")))?;
    let keys: Vec<Key> = all.iter().map(|shelf| shelf.key).collect();
    let past = ledger.past(&keys).await.map_err(infrastructure)?;
    // An engine that makes a key again may be writing there.
    let busy = SystemTime::now().checked_sub(SAFE).unwrap_or(SystemTime::UNIX_EPOCH);
    let goes = |shelf: &Shelf| shelf.modified < cutoff || (past.contains_key(&shelf.key) && shelf.modified < busy);
    let (go, stay): (Vec<Shelf>, Vec<Shelf>) = all.into_iter().partition(goes);
    Ok((go, stay.len()))
}

/// Bytes that go besides those of the store.
fn weight(seen: &Outlook) -> u64 {
    let shelves = seen.shelves.iter().map(|shelf| shelf.bytes);
    shelves.chain(seen.remains.iter().map(|remains| remains.bytes)).sum()
}

/// Takes files out by the handful. Answers with the bytes that went, and whether it came to the end.
async fn take_out(seen: &Outlook, ledger: &Ledger, store: &Store) -> Result<(u64, bool), Stop> {
    let mut freed = 0;
    for handful in seen.garbage.files().chunks(HANDFUL) {
        let guard = store.exclusive().map_err(infrastructure)?;
        if ledger.pulse().await.map_err(infrastructure)? != seen.pulse {
            return Ok((freed, false));
        }
        freed += store.take_out(handful, seen.cutoff, &guard).map_err(infrastructure)?;
    }
    for shelf in &seen.shelves {
        // A run that began meanwhile may go on from it, or save beside it.
        if ledger.pulse().await.map_err(infrastructure)? != seen.pulse {
            return Ok((freed, false));
        }
        if shelf.was_written_since() {
            continue;
        }
        shelf.remove().map_err(|error| {
            infrastructure(anyhow::Error::new(error).context(format!("cannot remove {}", shelf.path.display())))
        })?;
        freed += shelf.bytes;
    }
    for remains in &seen.remains {
        remains.remove();
        freed += remains.bytes;
    }
    Ok((freed, true))
}

/// Why an artifact stays, in a line that can be counted.
fn why(seen: &Outlook, digest: &Digest, stay: Stay) -> String {
    match (stay, seen.roots.artifacts.get(digest)) {
        (Stay::Live, Some(Root::Running { run, study, by })) => {
            format!("run {} of {study} is under way ({by})", named::short(*run))
        }
        (Stay::Live, Some(Root::Latest { run, study, profile })) => {
            let with = profile.as_ref().map_or_else(String::new, |profile| format!(" with profile {profile}"));
            format!("latest runs of {study}{with}, {} on", named::short(*run))
        }
        (Stay::Live, Some(Root::PinnedRun { run, study })) => format!("pinned run {} of {study}", named::short(*run)),
        (Stay::Live, Some(Root::PinnedTask { task, study })) => format!("pinned task {task} of {study}"),
        (Stay::Live, None) => "files of studies that stay".to_owned(),
        (Stay::Fresh, _) => format!("written in the last {}", Seconds(seen.grace.as_secs())),
        (Stay::Unknown, _) => "not known to this ledger; --unknown takes them out too".to_owned(),
    }
}

/// Artifacts that stay, by why: how many, and how many bytes they name.
fn stays(seen: &Outlook) -> BTreeMap<String, (usize, u64)> {
    let mut stays: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for (digest, stay) in &seen.garbage.stays {
        let bytes = seen.known.get(digest).map_or(0, Manifest::size);
        let entry = stays.entry(why(seen, digest, *stay)).or_default();
        entry.0 += 1;
        entry.1 += bytes;
    }
    stays
}

fn as_json(args: &GcArgs, seen: &Outlook, freed: u64) -> Value {
    let garbage = &seen.garbage;
    let evicted: Vec<Value> = garbage
        .manifests
        .iter()
        .map(|(digest, _)| {
            let maker = seen.makers.get(digest);
            json!({
                "artifact": digest, "task": maker.map(|maker| &maker.task), "study": maker.map(|maker| &maker.study),
                "kind": maker.map(|maker| &maker.kind), "shape": maker.map(|maker| &maker.shape),
                "made": maker.and_then(|maker| maker.made), "bytes": seen.known.get(digest).map(Manifest::size),
            })
        })
        .collect();
    let stays: Vec<Value> = stays(seen)
        .into_iter()
        .map(|(why, (artifacts, bytes))| json!({"why": why, "artifacts": artifacts, "bytes": bytes}))
        .collect();
    json!({
        "version": 1, "dry_run": args.dry_run, "grace": seen.grace.as_secs(), "keep_runs": args.keep_runs,
        "running": seen.roots.running, "evicted": evicted,
        "blobs": {"count": garbage.blobs.len(), "orphans": garbage.orphans},
        "checkpoints": {"evicted": seen.shelves.len(), "kept": seen.resumable},
        "failed": seen.remains.len(), "temporary": garbage.remains.len(), "quarantined": garbage.quarantine.len(),
        "freed": freed, "stays": stays, "kept": garbage.kept,
    })
}

fn print(args: &GcArgs, seen: &Outlook, freed: u64, out: &mut Output) -> Result<(), Stop> {
    let garbage = &seen.garbage;
    let goes = if args.dry_run { "would go" } else { "went" };
    let mut rows = Vec::new();
    let mut evicted: Vec<_> = garbage.manifests.iter().collect();
    evicted.sort_by_key(|(digest, _)| seen.makers.get(digest).map(|maker| (&maker.study, &maker.task, maker.made)));
    for (digest, item) in evicted.into_iter().take(LISTED) {
        let (maker, bytes) = (seen.makers.get(digest), seen.known.get(digest).map_or(item.size, Manifest::size));
        rows.push(vec![
            Cell::painted(goes, Paint::Notice),
            Cell::new(Bytes(bytes).to_string()).right(),
            Cell::new(digest.short()),
            Cell::new(maker.map_or_else(|| "unknown".to_owned(), |maker| format!("{} of {}", maker.task, maker.study))),
            Cell::new(maker.and_then(|maker| maker.made).map_or_else(String::new, date)),
        ]);
    }
    if garbage.manifests.len() > LISTED {
        let more = garbage.manifests.len() - LISTED;
        rows.push(vec![Cell::painted(goes, Paint::Notice), Cell::new(""), Cell::new(format!("… and {more} more"))]);
    }
    for (number, what) in [
        (garbage.orphans, "blobs that nothing names"),
        (garbage.remains.len(), "temporary files of dead processes"),
        (garbage.quarantine.len(), "files in quarantine"),
        (seen.shelves.len(), "tasks' checkpoints"),
        (seen.remains.len(), "folders of failed attempts"),
    ] {
        if number > 0 {
            let what = format!("{number} {what}");
            rows.push(vec![Cell::painted(goes, Paint::Notice), Cell::new(""), Cell::new(""), Cell::new(what)]);
        }
    }
    for (why, (artifacts, bytes)) in stays(seen) {
        rows.push(vec![
            Cell::painted("stays", Paint::Good),
            Cell::new(Bytes(bytes).to_string()).right(),
            Cell::new(count(artifacts, "artifact", "artifacts")),
            Cell::new(why),
        ]);
    }
    lines(&rows, out.color).iter().try_for_each(|line| out.line(line))?;
    if seen.roots.running && Duration::from_secs(args.grace.0) < SAFE {
        out.line(&out.paint(Paint::Dim, "an engine is at work, so nothing younger than 1h00m goes"))?;
    }
    let artifacts = count(garbage.manifests.len(), "artifact", "artifacts");
    if seen.resumable > 0 {
        let tasks = count(seen.resumable, "task", "tasks");
        out.line(&out.paint(Paint::Dim, &format!("checkpoints of {tasks} stay, to go on from")))?;
    }
    match (garbage.is_empty() && seen.shelves.is_empty() && seen.remains.is_empty(), args.dry_run) {
        (true, _) => out.line("nothing to take out"),
        (false, true) => {
            out.line(&format!("{artifacts} would be evicted and {} freed; nothing was done", Bytes(freed)))
        }
        (false, false) => out.line(&format!(
            "{artifacts} evicted, {} freed; records stay, and what is needed again is made again",
            Bytes(freed)
        )),
    }
}
