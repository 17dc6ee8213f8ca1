//! `export`: a study as it stands, as one RO-Crate that is checked and run again without the machine it was made on.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use isoflop_contract::{Catalog, Key, quantity::Bytes};
use isoflop_ledger::{Past, audit::Books};
use isoflop_plan::Plan;
use isoflop_report::{
    Judged, Verdict, judge, render,
    rocrate::{self, Head, Set, Stamp, Which},
};
use isoflop_store::Store;
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::{
    aligned::{count, some},
    args::{self, ExportArgs, SetArgs},
    facts::{self, Depth, Shelf, Sources},
    home, named,
    output::{Output, Paint},
    project,
    rocrate::{Captured, Part, Parts, Wanted, capture, contents, pack, time, wanted},
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Gathers everything, renders it, writes it.
pub async fn export(args: &ExportArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let (plan, captured) = capture(&args.study, catalog)?;
    let into = place(args, &plan)?;
    let ledger = named::ledger(settings).await?;
    let keys: Vec<Key> = plan.tasks().iter().map(|task| task.key).collect();
    let books = ledger.books_of(&plan.study.name, plan.digest(), &keys).await.map_err(infrastructure)?;
    let mut past = books.past();
    past.retain(|key, _| keys.contains(key));
    if past.is_empty() {
        return Err(Stop::Usage(nothing(&plan, args)));
    }
    let plan = again(&plan, &captured, &args.study.set, catalog)?;
    let head = head(args, &plan, &captured, &books, &past);
    let judged = judge(&plan, &facts::of_books(&plan, &books, &BTreeMap::new()));
    let wanted = wanted(&plan, &judged, &past, head.bytes);
    let store = Arc::new(home::store(settings)?);
    let blobs = blobs(Arc::clone(&store), wanted, args.dry_run).await?;
    // The page shows previews, and reads them from the same store.
    let sources = Sources { ledger: Some(&ledger), store: Shelf::Of(&store), before: None };
    let shown = facts::gather(&plan, settings, sources, Depth::Everything).await?;
    let page = render(&plan, &shown, &judged);
    let mut parts = parts(&captured, &head, &books, &judged, page)?;
    parts.extend(blobs.parts.clone());
    finish(&mut parts, &head, &plan, &books, &judged);
    if !args.dry_run {
        pack(&parts, &into)?;
    }
    tell(&Told { args, into: &into, head: &head, books: &books, parts: &parts, blobs: &blobs, judged: &judged }, out)
}

/// Where the crate goes.
fn place(args: &ExportArgs, plan: &Plan) -> Result<PathBuf, Stop> {
    let into = args.into.clone().unwrap_or_else(|| PathBuf::from(format!("{}.crate.zip", plan.study.name)));
    if into.file_name().is_none() {
        return Err(Stop::Usage(format!("{} names no file and no new folder", into.display())));
    }
    let taken = if crate::rocrate::is_zip(&into) { into.is_dir() } else { into.exists() };
    if taken && !args.dry_run {
        return Err(Stop::Usage(format!(
            "{} is there already; remove it, or name another with --into",
            into.display()
        )));
    }
    Ok(into)
}

fn nothing(plan: &Plan, args: &ExportArgs) -> String {
    let set = set(&args.study.set);
    let study = args.study.study.display();
    format!("no task of `{}` has a result with these settings; `isoflop run {study}{set}` first", plan.study.name)
}

fn set(set: &SetArgs) -> Set {
    Set { params: set.params.clone(), profile: set.profile.clone() }
}

/// Plans the study once more from what is to be in the crate, so that whoever has the crate can.
fn again(plan: &Plan, captured: &Captured, set: &SetArgs, catalog: &Catalog) -> Result<Plan, Stop> {
    let again = isoflop_plan::plan(captured, &captured.main, catalog, &project::options(set))
        .map_err(|findings| Stop::Invalid(Box::new(findings)))?;
    if again.digest() == plan.digest() {
        return Ok(again);
    }
    Err(Stop::Conflict("files of the study changed while it was being exported; export again".to_owned()))
}

fn head(args: &ExportArgs, plan: &Plan, captured: &Captured, books: &Books, past: &BTreeMap<Key, Past>) -> Head {
    let Recorded { published, planned, missing } = recorded(plan, books, past);
    Head {
        version: 1,
        isoflop: env!("CARGO_PKG_VERSION").to_owned(),
        study: plan.study.name.clone(),
        file: captured.main.clone(),
        set: set(&args.study.set),
        plan: plan.digest(),
        published,
        bytes: match args.bytes {
            args::Bits::None => Which::None,
            args::Bits::Results => Which::Results,
            args::Bits::All => Which::All,
        },
        planned,
        missing,
        license: args.license.clone(),
        author: args.author.clone(),
    }
}

/// What of a head follows from plan and record.
pub struct Recorded {
    /// The time of the last event.
    pub published: String,
    /// Tasks of the plan.
    pub planned: u64,
    /// Those without a result.
    pub missing: Vec<String>,
}

/// What of a head follows from plan and record.
pub fn recorded(plan: &Plan, books: &Books, past: &BTreeMap<Key, Past>) -> Recorded {
    let runs = books.run_views().into_iter().flat_map(|run| [Some(run.began), run.ended]);
    let attempts = books.attempt_views().into_iter().flat_map(|attempt| [Some(attempt.began), attempt.ended]);
    let missing = plan.tasks().iter().filter(|task| !past.contains_key(&task.key));
    Recorded {
        published: runs.chain(attempts).flatten().max().map(time).unwrap_or_default(),
        planned: plan.tasks().len() as u64,
        missing: missing.map(|task| task.name.clone()).collect(),
    }
}

/// Blobs on their way into a crate.
#[derive(Default)]
struct Blobs {
    parts: Parts,
    bytes: u64,
    /// Tasks some of whose bytes are neither here nor in the remote store.
    lost: Vec<String>,
}

/// Finds all blobs that are wanted, fetches those that are elsewhere, and holds each against its name.
async fn blobs(store: Arc<Store>, wanted: Vec<Wanted>, dry: bool) -> Result<Blobs, Stop> {
    let work = spawn_blocking(move || {
        let mut blobs = Blobs::default();
        for Wanted { task, files } in wanted {
            let mut lost = false;
            for file in files {
                let path = store.blob_path(&file.digest);
                // Only what is wanted of an artifact is fetched, and of what cannot be had the rest is.
                let is_here = (!dry && store.obtain(&file).map_err(infrastructure)?) || path.is_file();
                if !is_here {
                    lost = true;
                    continue;
                }
                let stamped = || {
                    let unreadable = |error| infrastructure(anyhow::anyhow!("cannot read {}: {error}", path.display()));
                    Part::File(path.clone()).stamped().map_err(unreadable)
                };
                let (part, mut stamp) = stamped()?;
                if stamp.blake3 != file.digest {
                    // Out of the way, it is fetched again, or made again by the next run.
                    let aside = store.set_aside(&file).map_err(infrastructure)?;
                    if !store.obtain(&file).map_err(infrastructure)? {
                        let what = format!(
                            "a file of `{task}` was not what its digest says, and was moved to {}; `isoflop run` makes it again, and `isoflop doctor` looks at all",
                            aside.display()
                        );
                        return Err(infrastructure(anyhow::anyhow!(what)));
                    }
                    (_, stamp) = stamped()?;
                }
                blobs.bytes += stamp.size;
                blobs.parts.insert(rocrate::blob_path(&file.digest), (part, stamp));
            }
            if lost {
                blobs.lost.push(task);
            }
        }
        Ok(blobs)
    });
    work.await.map_err(|error| Stop::Internal(error.into()))?
}

/// Everything but blobs, and but what tells of the rest.
fn parts(captured: &Captured, head: &Head, books: &Books, judged: &[Judged], page: String) -> Result<Parts, Stop> {
    let written = books.write();
    let mut all: BTreeMap<String, Part> = BTreeMap::new();
    all.extend(captured.files.iter().map(|(path, place)| (path.clone(), Part::File(place.clone()))));
    all.insert(rocrate::LEDGER.to_owned(), written.ledger.into());
    all.insert(rocrate::RECIPES.to_owned(), written.recipes.into());
    all.extend(written.manifests.into_iter().map(|(digest, text)| (rocrate::manifest_path(&digest), text.into())));
    let head = serde_json::to_value(head).expect("a head is plain data");
    all.insert(rocrate::HEAD.to_owned(), rocrate::pretty(&head).into());
    all.insert(rocrate::CLAIMS.to_owned(), rocrate::pretty(&isoflop_report::claims_to_json(judged)).into());
    all.insert(rocrate::REPORT.to_owned(), page.into());
    let stamped = |(path, part): (String, Part)| match part.stamped() {
        Ok(stamped) => Ok((path, stamped)),
        Err(error) => Err(infrastructure(anyhow::anyhow!("cannot read {path}: {error}"))),
    };
    all.into_iter().map(stamped).collect()
}

/// Adds what tells of everything else: README, metadata, digests and the statement, each of what is there before it.
fn finish(parts: &mut Parts, head: &Head, plan: &Plan, books: &Books, judged: &[Judged]) {
    let stamps = |parts: &Parts| -> BTreeMap<String, Stamp> {
        parts.iter().map(|(path, (_, stamp))| (path.clone(), *stamp)).collect()
    };
    let add = |parts: &mut Parts, path: &str, text: String| {
        let stamped = Part::from(text).stamped().expect("memory can be read");
        parts.insert(path.to_owned(), stamped);
    };
    let told = contents(head, plan, books, stamps(parts));
    add(parts, rocrate::README, rocrate::readme(&told, judged));
    let told = contents(head, plan, books, stamps(parts));
    add(parts, rocrate::METADATA, rocrate::metadata(&told));
    let sums = parts.iter().map(|(path, (_, stamp))| (path.clone(), stamp.sha256)).collect();
    add(parts, rocrate::SUMS, rocrate::write_sums(&sums));
    let sums = parts[rocrate::SUMS].1.sha256;
    add(parts, rocrate::STATEMENT, rocrate::statement(&told, &sums, &heads(books), judged));
}

/// The ends of all chains, as the statement has them.
pub fn heads(books: &Books) -> Vec<(String, u64, isoflop_contract::Digest)> {
    books.heads().into_iter().map(|head| (head.run.to_string(), head.events, head.hash)).collect()
}

/// What is printed of a crate.
struct Told<'a> {
    args: &'a ExportArgs,
    into: &'a Path,
    head: &'a Head,
    books: &'a Books,
    parts: &'a Parts,
    blobs: &'a Blobs,
    judged: &'a [Judged],
}

fn tell(told: &Told<'_>, out: &mut Output) -> Result<(), Stop> {
    let Told { args, into, head, books, parts, blobs, judged } = told;
    let size: u64 = parts.values().map(|(_, stamp)| stamp.size).sum();
    let made = head.planned - head.missing.len() as u64;
    if !head.missing.is_empty() {
        let tasks = count(head.missing.len(), "task has", "tasks have");
        let names = some(head.missing.iter().map(String::as_str), 5);
        eprintln!("warning: {tasks} no result yet: {names}; the crate says so");
    }
    if !blobs.lost.is_empty() {
        let names = some(blobs.lost.iter().map(String::as_str), 5);
        eprintln!("warning: bytes of {names} are not in the store; the crate has their digests and final numbers");
    }
    if out.json {
        return out.data(&json!({
            "version": 1,
            "study": head.study,
            "crate": into,
            "written": !args.dry_run,
            "plan": head.plan,
            "tasks": {"planned": head.planned, "results": made, "missing": head.missing},
            "runs": books.run_views().iter().map(|run| run.id).collect::<Vec<_>>(),
            "events": books.events(),
            "artifacts": books.manifests().len(),
            "bytes": head.bytes,
            "blobs": {"files": blobs.parts.len(), "bytes": blobs.bytes, "lost": blobs.lost},
            "files": parts.len(),
            "size": size,
            "claims": judged.iter().map(|claim| json!({"name": claim.name, "verdict": claim.verdict})).collect::<Vec<_>>(),
        }));
    }
    let packed = fs::metadata(into).ok().filter(|found| found.is_file() && !args.dry_run).map(|found| found.len());
    let packed = packed.map_or_else(String::new, |bytes| format!(", {} as a zip file", Bytes(bytes)));
    let would = if args.dry_run { "would be written: " } else { "" };
    out.line(&format!(
        "{would}{}: {}, {}{packed}",
        out.paint(Paint::Bold, &into.display().to_string()),
        count(parts.len(), "file", "files"),
        Bytes(size)
    ))?;
    let files = parts.keys().filter(|path| path.starts_with("study/")).count();
    let of = |verdict| judged.iter().filter(|claim| claim.verdict == verdict).count();
    let rows = [
        ("study", format!("{} and what it reads: {}", head.file, count(files, "file", "files"))),
        (
            "results",
            format!("{made} of {}", count(usize::try_from(head.planned).unwrap_or(usize::MAX), "task", "tasks")),
        ),
        (
            "record",
            format!(
                "{}, {}, {}",
                count(books.run_views().len(), "run", "runs"),
                count(usize::try_from(books.events()).unwrap_or(usize::MAX), "event", "events"),
                count(books.manifests().len(), "artifact", "artifacts")
            ),
        ),
        (
            "bytes",
            format!("{}, {} (--bytes {})", count(blobs.parts.len(), "blob", "blobs"), Bytes(blobs.bytes), head.bytes),
        ),
        (
            "claims",
            format!(
                "{} reproduced, {} contradicted, {} not tested",
                of(Verdict::Reproduced),
                of(Verdict::Contradicted),
                of(Verdict::NotTested)
            ),
        ),
    ];
    for (name, what) in rows {
        out.line(&format!("  {name:<9}{what}"))?;
    }
    if !args.dry_run {
        out.line(&format!("`isoflop audit {}` checks it anywhere; its README.md says the rest", into.display()))?;
    }
    Ok(())
}
