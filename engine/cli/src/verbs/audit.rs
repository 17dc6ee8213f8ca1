//! `audit`: a run's events, keys, bytes and provenance held against each other. Reads only; exits with 6 if anything does not hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isoflop_contract::{Catalog, Digest, quantity::Bytes};
use isoflop_ledger::{
    Ledger, RunId,
    audit::{Audit, Finding, FindingKind, Reach, Subject, Touched},
    view::RunView,
};
use isoflop_plan::Claim;
use isoflop_store::{FindingKind as StoreFinding, Held};
use serde_json::{Value, json};

use crate::{
    aligned::{count, some, span},
    args::{AuditArgs, SetArgs},
    home, named,
    output::{Output, Paint},
    project,
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Findings printed in full; `--json` has all.
const MOST: usize = 50;

/// Audits and prints.
pub async fn audit(args: &AuditArgs, catalog: &Catalog, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
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
    let told: Vec<Told> = findings.iter().map(|finding| tell(finding, &audit, &claims)).collect();
    if out.json {
        out.data(&as_json(run.as_ref(), &audit, held.as_ref(), &told))?;
    } else {
        print(run.as_ref(), &audit, held.as_ref(), &told, began, out)?;
    }
    if told.is_empty() { Ok(()) } else { Err(Stop::Disproved) }
}

/// A finding with what it touches.
struct Told<'a> {
    finding: &'a Finding,
    touched: Touched,
    claims: BTreeSet<String>,
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
    for unsound in &held.unsound {
        let artifact = unsound.artifacts.first().copied().unwrap_or(unsound.digest);
        let what = match &unsound.file {
            Some(file) => format!("file `{file}` of artifact {}: {}", artifact.short(), unsound.what),
            None => format!("the manifest of artifact {} in the store: {}", artifact.short(), unsound.what),
        };
        let kind = if unsound.file.is_some() { FindingKind::Blob } else { FindingKind::Manifest };
        findings.extend(unsound.artifacts.iter().take(1).map(|artifact| Finding {
            kind,
            what: what.clone(),
            subject: Subject::Artifact(*artifact),
        }));
    }
    if all {
        strays(&store.verify().map_err(infrastructure)?, &held, findings);
    }
    Ok(held)
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
        None => ledger.runs_of(None, u32::try_from(runs.len()).unwrap_or(u32::MAX)).await.map_err(infrastructure)?,
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

/// Whether a claim's expression asks for this task or its group.
fn asks(claim: &Claim, task: &str) -> bool {
    let group = task.split('[').next().unwrap_or(task);
    [task, group]
        .iter()
        .any(|name| ['\'', '"'].iter().any(|quote| claim.check.contains(&format!("{quote}{name}{quote}"))))
}

fn tell<'a>(finding: &'a Finding, audit: &Audit, claims: &[Claim]) -> Told<'a> {
    let touched = audit.touched(&finding.subject);
    let asked = |claim: &&Claim| touched.tasks.iter().chain(&touched.downstream).any(|task| asks(claim, task));
    let claims = claims.iter().filter(asked).map(|claim| claim.name.clone()).collect();
    Told { finding, touched, claims }
}

fn as_json(run: Option<&RunView>, audit: &Audit, held: Option<&Held>, told: &[Told<'_>]) -> Value {
    let findings: Vec<Value> = told
        .iter()
        .map(|told| {
            json!({
                "kind": told.finding.kind, "what": told.finding.what, "tasks": told.touched.tasks,
                "downstream": told.touched.downstream, "claims": told.claims,
            })
        })
        .collect();
    let bytes =
        held.map(|held| json!({"blobs": held.blobs, "bytes": held.bytes, "whole": held.whole, "gone": held.gone}));
    json!({
        "version": 1,
        "run": run.map_or_else(|| json!("all"), |run| json!(run.id)),
        "runs": audit.runs,
        "events": audit.events,
        "recipes": audit.recipes,
        "artifacts": audit.artifacts(),
        "store": bytes,
        "findings": findings,
        "ok": told.is_empty(),
    })
}

fn print(
    run: Option<&RunView>,
    audit: &Audit,
    held: Option<&Held>,
    told: &[Told<'_>],
    began: Instant,
    out: &mut Output,
) -> Result<(), Stop> {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    let of = match run {
        Some(run) => format!("run {} of {}", named::short(run.id), run.study),
        None => count(audit.runs.len(), "run", "runs"),
    };
    let read = match held {
        Some(held) => format!("{} ({}) read", count(number(held.blobs), "blob", "blobs"), Bytes(held.bytes)),
        None => "no byte of the store read".to_owned(),
    };
    out.line(&format!(
        "{}: {}, {}, {}, {read} in {}",
        out.paint(Paint::Bold, &of),
        count(number(audit.events), "event", "events"),
        count(number(audit.recipes), "recipe", "recipes"),
        count(number(audit.artifacts()), "artifact", "artifacts"),
        span(began.elapsed().as_secs_f64()),
    ))?;
    for told in told.iter().take(MOST) {
        let Told { finding, touched, claims } = told;
        let kind = out.paint(Paint::Bad, &format!("{:<11}", finding.kind.to_string()));
        out.line(&format!("{kind}{}", finding.what))?;
        let names = |names: &BTreeSet<String>| some(names.iter().map(String::as_str), 5);
        if !touched.tasks.is_empty() {
            out.line(&format!("           touches {}", names(&touched.tasks)))?;
        }
        if !touched.downstream.is_empty() {
            let rests = if touched.downstream.len() == 1 { "rests" } else { "rest" };
            let tasks = count(touched.downstream.len(), "task", "tasks");
            out.line(&format!("           {tasks} {rests} on that: {}", names(&touched.downstream)))?;
        }
        if !claims.is_empty() {
            out.line(&format!("           claims in doubt: {}", names(claims)))?;
        }
    }
    if told.len() > MOST {
        out.line(&format!("… and {} more findings; --json lists all", told.len() - MOST))?;
    }
    if let Some(gone) = held.map(|held| held.gone.len()).filter(|gone| *gone > 0) {
        let artifacts = count(gone, "artifact is", "artifacts are");
        let note = format!(
            "the bytes of {artifacts} not in this store (evicted, or made elsewhere); what is recorded of them was checked"
        );
        out.line(&out.paint(Paint::Dim, &note))?;
    }
    if told.is_empty() {
        let bytes = if held.is_some() { ", every key and every byte" } else { " and every key" };
        return out
            .line(&format!("{} every chain{bytes} holds, and all provenance closes", out.paint(Paint::Good, "ok")));
    }
    out.line(&out.paint(Paint::Bad, &count(told.len(), "finding", "findings")))
}
