//! The audit of a crate: without ledger, home or network. The ledger's checks are the same as ever, on books read from the crate; besides, every
//! file is held against the list of digests, the study against the recorded keys, and everything that is rendered from the record (claims,
//! README, metadata, statement) is rendered again.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use isoflop_contract::{Catalog, Digest, Key};
use isoflop_ledger::audit::{Audit, Books, Finding, FindingKind, Subject, Written};
use isoflop_plan::{Options, Plan};
use isoflop_report::{
    Judged, claims_to_json, judge,
    rocrate::{self, Head, Stamp},
};
use isoflop_store::check;
use serde_json::{Value, json};

use super::{compared, sheet::Sheet, unsound};
use crate::{
    aligned::{count, some},
    args::AuditArgs,
    facts, home,
    output::Output,
    rocrate::{Opened, Study, contents, is_signature},
    settings::Settings,
    stop::{Stop, infrastructure},
    verbs::export::{Recorded, heads, recorded},
};

/// The layout of crates that this program reads.
const LAYOUT: u32 = 1;

/// Audits the crate that the arguments name, opened, and prints.
pub async fn audit(
    args: &AuditArgs,
    opened: &Opened,
    catalog: &Catalog,
    settings: &Settings,
    out: &mut Output,
) -> Result<(), Stop> {
    let began = Instant::now();
    let head = head(args, opened)?;
    let mut findings = Vec::new();
    let sums = sums(opened, &mut findings);
    let (books, unread) = Books::read(&written(opened, &mut findings));
    findings.extend(unread);
    let audit = Audit::of(books);
    findings.extend(audit.findings.iter().cloned());
    let held = (!args.no_bytes).then(|| check(opened, &audit.manifests(), &|_, _| {}));
    findings.extend(held.iter().flat_map(|held| unsound(held, "the crate")));
    let mut notes = Vec::new();
    let plan = plan(opened, &head, &sums, &audit, catalog, &mut findings, &mut notes);
    let mut claims = Vec::new();
    if let Some((plan, others)) = &plan {
        let judged = judge(plan, &facts::of_books(plan, audit.books(), others));
        compare_claims(opened, &judged, &mut findings);
        claims.clone_from(&plan.claims);
        // What is rendered from a record that does not hold differs anyhow, and says nothing new.
        if findings.is_empty() && others.is_empty() {
            render_again(opened, &head, plan, &audit, &judged, &mut findings, &mut notes);
        }
    }
    for signature in opened.signatures() {
        notes.push(format!(
            "{signature} is beside the statement, and is not part of the crate; README.md says how to check a signature"
        ));
    }
    if !head.missing.is_empty() {
        let tasks = count(head.missing.len(), "task has", "tasks have");
        notes.push(format!("{tasks} no result in this crate: {}", some(head.missing.iter().map(String::as_str), 5)));
    }
    let mut more = vec![("study", json!(head.study)), ("missing", json!(head.missing)), ("notes", Value::Null)];
    if args.here {
        let ledger = home::ledger_if_any(settings).await?.ok_or_else(|| {
            Stop::Usage(format!(
                "nothing was made here to compare with: there is no ledger in {}",
                settings.home.display()
            ))
        })?;
        let keys: Vec<Key> = audit.books().past().into_keys().collect();
        let here = ledger.past(&keys).await.map_err(infrastructure)?;
        let names = names(plan.as_ref().map(|(plan, _)| plan), audit.books());
        let compared = compared::compare(&audit.books().past(), &here, &names);
        findings.extend(compared.findings(audit.books()));
        notes.push(compared.sentence());
        more.push(("here", compared.data()));
    }
    more[2].1 = json!(notes);
    let sheet = Sheet {
        name: json!(args.run),
        title: format!("crate {} of {}", args.run, head.study),
        audit: &audit,
        held: held.as_ref(),
        findings: &findings,
        claims: &claims,
        place: "this crate",
        holds: "all provenance closes; the study plans what was recorded, and its claims come out the same",
        notes,
        more,
        began,
    };
    sheet.tell(out)
}

/// The crate's head.
fn head(args: &AuditArgs, opened: &Opened) -> Result<Head, Stop> {
    let refuse = |why: String| Stop::Usage(format!("{} {why}", args.run));
    let text = opened.text(rocrate::HEAD).ok_or_else(|| {
        refuse(format!("is an RO-Crate, and not one that `isoflop export` wrote: it has no {}", rocrate::HEAD))
    })?;
    let text = text.map_err(|why| refuse(format!("has no sound {}: {why}", rocrate::HEAD)))?;
    let version = serde_json::from_str::<Value>(&text).ok().and_then(|value| value["version"].as_u64());
    if version.is_some_and(|version| version != u64::from(LAYOUT)) {
        let version = version.unwrap_or_default();
        return Err(refuse(format!("is a crate of layout {version}, and this isoflop reads layout {LAYOUT}")));
    }
    serde_json::from_str(&text).map_err(|error| refuse(format!("has no sound {}: {error}", rocrate::HEAD)))
}

fn file(what: String) -> Finding {
    Finding { kind: FindingKind::File, what, subject: Subject::Nothing }
}

/// Holds every file against the list of digests, and the list against the statement. Answers with the list.
fn sums(opened: &Opened, findings: &mut Vec<Finding>) -> BTreeMap<String, Digest> {
    let list = match opened.text(rocrate::SUMS) {
        None => Err("is not there".to_owned()),
        Some(text) => text.and_then(|text| rocrate::read_sums(&text).map_err(|error| error.to_string())),
    };
    let list = list.unwrap_or_else(|why| {
        findings.push(file(format!("{}: {why}", rocrate::SUMS)));
        BTreeMap::new()
    });
    for (path, digest) in &list {
        let what = match opened.stamps.get(path) {
            Some(Ok(stamp)) if stamp.sha256 == *digest => continue,
            // Whose bytes these are, and what rests on them, is told with the artifact.
            Some(Ok(stamp)) if path.starts_with("blobs/") && !path.ends_with(&stamp.blake3.to_string()) => continue,
            Some(Ok(stamp)) => format!("its SHA-256 is {}, and {} says {digest}", stamp.sha256, rocrate::SUMS),
            Some(Err(why)) => why.clone(),
            None if opened.unread.contains(path) => continue,
            None => "is not there".to_owned(),
        };
        findings.push(file(format!("{path}: {what}")));
    }
    let own = |path: &str| path == rocrate::SUMS || path == rocrate::STATEMENT || is_signature(path);
    for path in opened.stamps.keys().chain(&opened.unread).filter(|path| !list.contains_key(*path) && !own(path)) {
        findings.push(file(format!("{path}: {} does not name it", rocrate::SUMS)));
    }
    for path in &opened.odd {
        findings.push(file(format!("{path}: it is no file")));
    }
    let said = match opened.text(rocrate::STATEMENT) {
        None => Err("is not there".to_owned()),
        Some(text) => text.and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())),
    };
    let sums = opened.stamps.get(rocrate::SUMS).and_then(|stamp| stamp.as_ref().ok()).map(|stamp| stamp.sha256);
    match said {
        Err(why) => findings.push(file(format!("{}: {why}", rocrate::STATEMENT))),
        Ok(said) => {
            let first = &said["subject"][0];
            if first["name"] != rocrate::SUMS || first["digest"]["sha256"] != json!(sums) {
                let what = format!("{}: it is not about this {}", rocrate::STATEMENT, rocrate::SUMS);
                findings.push(file(what));
            }
        }
    }
    list
}

/// The books as the crate has them.
fn written(opened: &Opened, findings: &mut Vec<Finding>) -> Written {
    let mut read = |path: &str| match opened.text(path) {
        Some(Ok(text)) => text,
        Some(Err(why)) => {
            findings.push(file(format!("{path}: {why}")));
            String::new()
        }
        None => {
            findings.push(file(format!("{path}: is not there")));
            String::new()
        }
    };
    let (ledger, recipes) = (read(rocrate::LEDGER), read(rocrate::RECIPES));
    let paths = opened.stamps.keys().filter(|path| path.starts_with("manifests/"));
    let named = paths.filter_map(|path| {
        let digest: Digest = path.rsplit('/').next()?.parse().ok()?;
        Some((digest, read(path))).filter(|_| *path == rocrate::manifest_path(&digest))
    });
    let manifests = named.collect();
    Written { ledger, recipes, manifests }
}

/// Plans the study in the crate, and holds the keys against those that were recorded. Answers with the plan, and the recorded keys of tasks that
/// this program would give others.
fn plan(
    opened: &Opened,
    head: &Head,
    sums: &BTreeMap<String, Digest>,
    audit: &Audit,
    catalog: &Catalog,
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) -> Option<(Plan, BTreeMap<String, Key>)> {
    let found = |what: String, names: Vec<String>| {
        let subject = audit.runs.first().map_or(Subject::Nothing, |run| Subject::Tasks(*run, names));
        Finding { kind: FindingKind::Study, what, subject }
    };
    let options = Options { params: head.set.params.iter().cloned().collect(), profile: head.set.profile.clone() };
    let plan = match isoflop_plan::plan(&Study::of(opened, sums.keys()), &head.file, catalog, &options) {
        Ok(plan) => plan,
        Err(mistakes) => {
            let first = mistakes.iter().next();
            let first = first.map_or_else(String::new, |first| format!("{}: {}", first.origin, first.message));
            findings.push(found(format!("{} cannot be planned: {first}", head.file), Vec::new()));
            return None;
        }
    };
    if plan.digest() == head.plan {
        return Some((plan, BTreeMap::new()));
    }
    let (mut keys, mut other, mut later) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    let texts = audit.books().recipe_texts();
    for (name, key) in audit.books().planned() {
        let Some(task) = plan.get(name).filter(|task| task.key != key) else { continue };
        keys.insert(name.to_owned(), key);
        let recipe = texts.get(&key).and_then(|text| serde_json::from_str::<Value>(text).ok()).unwrap_or_default();
        let same = (recipe["format"].as_u64(), recipe["revision"].as_u64())
            == (Some(u64::from(task.recipe.format)), Some(u64::from(task.revision)));
        if same {
            other.push(name.to_owned());
        } else {
            later.insert(task.kind);
        }
    }
    if later.is_empty() {
        let which = if other.is_empty() {
            format!("{} plans other tasks than {} names", head.file, rocrate::HEAD)
        } else {
            format!("{} gives {} other keys than were recorded", head.file, some(other.iter().map(String::as_str), 5))
        };
        findings.push(found(which, other));
    } else {
        let kinds = some(later.iter().copied(), 5);
        notes.push(format!(
            "isoflop {} wrote this crate, and this one gives {kinds} another revision: its keys were not planned again",
            head.isoflop
        ));
    }
    Some((plan, keys))
}

/// Holds the crate's verdicts against those that its numbers give now.
fn compare_claims(opened: &Opened, judged: &[Judged], findings: &mut Vec<Finding>) {
    let given = claims_to_json(judged);
    let said = match opened.text(rocrate::CLAIMS) {
        Some(Ok(text)) => serde_json::from_str::<Value>(&text).ok(),
        _ => None,
    };
    let Some(said) = said else {
        return findings.push(file(format!("{}: it cannot be read", rocrate::CLAIMS)));
    };
    if said == given {
        return;
    }
    let by_name = |value: &Value| -> BTreeMap<String, Value> {
        let claims = value["claims"].as_array().into_iter().flatten();
        claims.map(|claim| (claim["name"].as_str().unwrap_or_default().to_owned(), claim.clone())).collect()
    };
    let (said, given) = (by_name(&said), by_name(&given));
    let names: BTreeSet<&String> = said.keys().chain(given.keys()).collect();
    for name in names {
        let what = match (said.get(name), given.get(name)) {
            (said, given) if said == given => continue,
            (Some(_), None) => "is none of the study's claims".to_owned(),
            (None, _) => "is left out".to_owned(),
            (Some(said), Some(given)) if said["verdict"] != given["verdict"] => {
                format!(
                    "is said to be {}, and the numbers here make it {}",
                    text(&said["verdict"]),
                    text(&given["verdict"])
                )
            }
            (Some(_), Some(_)) => "rests on other numbers than those here".to_owned(),
        };
        let what = format!("{}: claim `{name}` {what}", rocrate::CLAIMS);
        findings.push(Finding { kind: FindingKind::Claim, what, subject: Subject::Claim(name.clone()) });
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Renders once more what the crate's writer rendered from the record, and compares byte for byte.
fn render_again(
    opened: &Opened,
    head: &Head,
    plan: &Plan,
    audit: &Audit,
    judged: &[Judged],
    findings: &mut Vec<Finding>,
    notes: &mut Vec<String>,
) {
    if head.isoflop != env!("CARGO_PKG_VERSION") {
        notes.push(format!(
            "isoflop {} wrote this crate: its README, metadata and statement were not rendered again",
            head.isoflop
        ));
        return;
    }
    // Blobs that were not read are known by name and not by both digests, which the metadata has.
    if !opened.unread.is_empty() {
        return;
    }
    let not_of = |outside: &[&str]| -> BTreeMap<String, Stamp> {
        let kept = opened.stamps.iter().filter(|(path, _)| !outside.contains(&path.as_str()) && !is_signature(path));
        kept.filter_map(|(path, stamp)| Some((path.clone(), *stamp.as_ref().ok()?))).collect()
    };
    let Recorded { published, planned, missing } = recorded(plan, audit.books(), &audit.books().past());
    let given = Head { published, planned, missing, study: plan.study.name.clone(), ..head.clone() };
    if given != *head {
        findings.push(file(format!("{}: it is not what this crate's record gives", rocrate::HEAD)));
        return;
    }
    let last = [rocrate::SUMS, rocrate::STATEMENT, rocrate::METADATA];
    let told = contents(head, plan, audit.books(), not_of(&last));
    let sums = opened.stamps[rocrate::SUMS].as_ref().map_or(Digest::of(""), |stamp| stamp.sha256);
    let rendered = [
        (rocrate::README, rocrate::readme(&told, judged)),
        (rocrate::METADATA, rocrate::metadata(&told)),
        (rocrate::STATEMENT, rocrate::statement(&told, &sums, &heads(audit.books()), judged)),
    ];
    for (path, text) in rendered {
        if opened.text(path).is_none_or(|found| found.is_ok_and(|found| found != text)) {
            findings.push(file(format!("{path}: it is not what this crate's record gives")));
        }
    }
}

/// Names of tasks by key.
fn names(plan: Option<&Plan>, books: &Books) -> BTreeMap<Key, String> {
    let known = books.planned().map(|(name, key)| (key, name.to_owned()));
    let planned = plan.into_iter().flat_map(|plan| plan.tasks().iter().map(|task| (task.key, task.name.clone())));
    known.chain(planned).collect()
}
