//! `audit`: a run's events, keys, bytes and provenance held against each other, in the ledger or in a crate. Reads only; exits with 6 if
//! anything does not hold.

mod compared;
mod offline;
mod sheet;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Instant,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isoflop_contract::{Catalog, Digest};
use isoflop_ledger::{
    Ledger, RunId,
    audit::{Audit, Finding, FindingKind, Reach, Subject},
    view::RunView,
};
use isoflop_plan::Claim;
use isoflop_store::{FindingKind as StoreFinding, Held, Unsound};
use serde_json::json;

use self::sheet::Sheet;
use crate::{
    aligned::count,
    args::{AuditArgs, SetArgs},
    home, named,
    output::Output,
    project,
    rocrate::{self, Trouble},
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Audits and prints.
pub async fn audit(args: &AuditArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let path = Path::new(&args.run);
    match path.exists().then(|| rocrate::open(path, !args.no_bytes)) {
        Some(Ok(opened)) => return offline::audit(args, &opened, catalog, settings, out).await,
        Some(Err(Trouble::Unreadable(why))) => {
            return Err(infrastructure(anyhow::anyhow!("the crate {} cannot be read: {why}", path.display())));
        }
        // A folder may be called like a run.
        Some(Err(Trouble::NoCrate)) if path.is_dir() && !args.run.contains('/') => {}
        Some(Err(Trouble::NoCrate)) => {
            return Err(Stop::Usage(format!("{} is no crate: it has no ro-crate-metadata.json", path.display())));
        }
        None if args.run.contains('/') || rocrate::is_zip(path) => {
            return Err(Stop::Usage(format!("there is no crate at {}", path.display())));
        }
        None => {}
    }
    if args.here {
        return Err(Stop::Usage("--here compares a crate with what was made here; name a crate".to_owned()));
    }
    recorded(args, catalog, settings, out).await
}

/// Audits what the ledger has.
async fn recorded(args: &AuditArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let began = Instant::now();
    let ledger = named::ledger(settings).await?;
    let (reach, run) = if args.all {
        (Reach::Everything, None)
    } else {
        let run = named::run(&ledger, &args.run, None).await?;
        (Reach::Run(run.id), Some(run))
    };
    let audit = ledger.audit(reach).await.map_err(infrastructure)?;
    let mut findings = audit.findings.clone();
    let held = if args.no_bytes { None } else { Some(bytes(&audit, args.all, settings, out, &mut findings)?) };
    let claims = claims(&audit.runs, run.as_ref(), &ledger, catalog).await?;
    let sheet = Sheet {
        name: run.as_ref().map_or_else(|| json!("all"), |run| json!(run.id)),
        title: match &run {
            Some(run) => format!("run {} of {}", named::short(run.id), run.study),
            None => count(audit.runs.len(), "run", "runs"),
        },
        audit: &audit,
        held: held.as_ref(),
        findings: &findings,
        claims: &claims,
        place: "this store (evicted, or made elsewhere)",
        holds: "all provenance closes",
        notes: Vec::new(),
        more: Vec::new(),
        began,
    };
    sheet.tell(out)
}

/// Reads all bytes that the audited runs rest on.
fn bytes(
    audit: &Audit,
    all: bool,
    settings: &Settings,
    out: &Output,
    findings: &mut Vec<Finding>,
) -> Result<Held, Stop> {
    let manifests = audit.manifests();
    if !settings.store().is_dir() {
        return Ok(Held { gone: manifests.into_keys().collect(), ..Held::default() });
    }
    let store = home::store(settings)?;
    let target =
        if settings.terminal && !out.json { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    bar.set_style(
        ProgressStyle::with_template("reading {pos} of {len} blobs {wide_bar}").expect("a template that parses"),
    );
    let held = store.check_all(&manifests, &|done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    });
    bar.finish_and_clear();
    findings.extend(unsound(&held, "the store"));
    if all {
        strays(&store.verify().map_err(infrastructure)?, &held, findings);
    }
    Ok(held)
}

/// What does not hold of bytes in `place`.
fn unsound(held: &Held, place: &str) -> Vec<Finding> {
    let of = |unsound: &Unsound| {
        let artifact = unsound.artifacts.first().copied().unwrap_or(unsound.digest);
        let (kind, what) = match &unsound.file {
            Some(file) => {
                (FindingKind::Blob, format!("file `{file}` of artifact {}: {}", artifact.short(), unsound.what))
            }
            None => (
                FindingKind::Manifest,
                format!("the manifest of artifact {} in {place}: {}", artifact.short(), unsound.what),
            ),
        };
        Finding { kind, what, subject: Subject::Artifact(artifact) }
    };
    held.unsound.iter().map(of).collect()
}

/// What else is in the store and not as it should be: files that belong to no artifact that the ledger knows.
fn strays(found: &[isoflop_store::Finding], held: &Held, findings: &mut Vec<Finding>) {
    let told: BTreeSet<String> = held.unsound.iter().map(|unsound| unsound.digest.to_string()).collect();
    for stray in found.iter().filter(|stray| stray.kind != StoreFinding::MissingBlob) {
        let name = stray.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if told.contains(&name) {
            continue;
        }
        let kind = if stray.kind == StoreFinding::CorruptManifest { FindingKind::Manifest } else { FindingKind::Blob };
        let digest: Digest = name.parse().unwrap_or(Digest::of(&name));
        findings.push(Finding { kind, what: stray.to_string(), subject: Subject::Artifact(digest) });
    }
}

/// The claims of the audited runs' studies, where their files still say what was run.
async fn claims(runs: &[RunId], run: Option<&RunView>, ledger: &Ledger, catalog: &Catalog) -> Result<Vec<Claim>, Stop> {
    let views = match run {
        Some(run) => vec![run.clone()],
        None => ledger.runs_of(&[], u32::try_from(runs.len()).unwrap_or(u32::MAX)).await.map_err(infrastructure)?,
    };
    let mut plans = BTreeMap::new();
    for view in views {
        let set: SetArgs = serde_json::from_value(view.soft["set"].clone()).unwrap_or_default();
        if let Ok(plan) = project::plan_at(view.file.as_ref(), &set, catalog)
            && plan.digest() == view.plan
        {
            plans.entry(view.plan).or_insert(plan.claims);
        }
    }
    Ok(plans.into_values().flatten().collect())
}
