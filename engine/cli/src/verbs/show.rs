//! `show`: one task, from its recipe to its bits.

use std::collections::BTreeMap;

use isoflop_contract::{Key, Recipe, recipe::Need};
use isoflop_ledger::{AttemptId, Ledger, Past, PastOutcome, Saved, lineage::Direction, view::AttemptView};
use serde_json::{Value, json};

use crate::{
    args::ShowArgs,
    named::{self, Named},
    output::{Output, Paint},
    settings::Settings,
    stop::{Stop, infrastructure},
    verbs::verify,
};

/// Finds the task in the ledger and prints what is known of it.
pub async fn show(args: &ShowArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = named::ledger(settings).await?;
    let Named { label, key, study, .. } = named::task(&ledger, &args.name, args.study.as_deref()).await?;
    let shown = gather(&ledger, label, key, study).await?;
    if out.json { out.data(&shown) } else { print(&shown, out) }
}

/// What `--json` prints of a task.
pub async fn gather(ledger: &Ledger, task: String, key: Key, study: String) -> Result<Value, Stop> {
    let text = ledger.recipe(&key).await.map_err(infrastructure)?.unwrap_or_default();
    let recipe: Option<Recipe> = serde_json::from_str(&text).ok();
    let past = ledger.result(&key).await.map_err(infrastructure)?;
    let attempts = ledger.attempts(&key).await.map_err(infrastructure)?;

    let needed: Vec<Key> = recipe.iter().flat_map(|recipe| recipe.needs.values()).flat_map(keys_of).collect();
    let pasts = ledger.past(&needed).await.map_err(infrastructure)?;
    let lineage = ledger.walk(key, Direction::Up, Some(1), None).await.map_err(infrastructure)?;
    // What it was made from; where that was made again since, with what stands `now`.
    let input = |need: &Key| {
        let now = pasts.get(need).and_then(isoflop_ledger::Past::digest);
        match lineage.edges.iter().find(|edge| edge.changed && edge.need == *need) {
            Some(edge) if edge.given != now => json!({"key": need, "digest": edge.given, "now": now}),
            _ => json!({"key": need, "digest": now}),
        }
    };
    let inputs: BTreeMap<&String, Value> = recipe
        .iter()
        .flat_map(|recipe| &recipe.needs)
        .map(|(port, need)| {
            let value = match need {
                Need::One(key) => input(key),
                Need::Many(keys) => {
                    keys.iter().filter_map(|(label, key)| Some((label.clone(), input(key.as_ref()?)))).collect()
                }
            };
            (port, value)
        })
        .collect();

    // What it read of the study: each file by the digest under which the store has its bytes.
    let mut study_files = BTreeMap::new();
    for (name, digest) in recipe.iter().flat_map(|recipe| &recipe.files) {
        let manifest = ledger.artifact(*digest).await.map_err(infrastructure)?;
        study_files.insert(name, json!({"digest": digest, "files": manifest.map(|manifest| manifest.files)}));
    }

    let maker: Option<&AttemptView> =
        past.as_ref().and_then(|past| past.attempt).and_then(|id| attempts.iter().find(|attempt| attempt.id == id));
    let mut metrics = BTreeMap::new();
    if let Some(attempt) = past.as_ref().and_then(|past| past.attempt) {
        metrics = ledger.metrics(attempt).await.map_err(infrastructure)?;
    }
    let saved = ledger.saved(&key).await.map_err(infrastructure)?;
    let bits = ledger.bits(&[key]).await.map_err(infrastructure)?.remove(&key).unwrap_or_default();
    let witnesses: Vec<Value> = attempts
        .iter()
        .filter(|attempt| attempt.purpose == "witness" && past.as_ref().is_some_and(|past| agrees(past, attempt)))
        .map(verify::witness)
        .collect();
    let (outcome, reason) = match past.as_ref().map(|past| &past.outcome) {
        Some(PastOutcome::Made { .. }) => (Some("made"), None),
        Some(PastOutcome::Diverged { reason }) => (Some("diverged"), Some(reason.clone())),
        None => (None, None),
    };
    let manifest = past.as_ref().and_then(isoflop_ledger::Past::manifest);
    Ok(json!({
        "version": 1,
        "task": task,
        "study": study,
        "key": key,
        "recipe": serde_json::from_str::<Value>(&text).unwrap_or(Value::Null),
        "recipe_text": text,
        "outcome": outcome,
        "reason": reason,
        "digest": past.as_ref().and_then(isoflop_ledger::Past::digest),
        "files": manifest.map(|manifest| &manifest.files),
        "scalars": manifest.map(|manifest| &manifest.scalars),
        "inputs": inputs,
        "study_files": study_files,
        "environment": {
            "hard": recipe.as_ref().map(|recipe| &recipe.environment),
            "soft": maker.map(|attempt| &attempt.soft),
        },
        "attempts": attempts.iter().map(|attempt| with_saved(attempt, &saved)).collect::<Vec<_>>(),
        "metrics": metrics,
        "bits": past.as_ref().map(|_| bits.to_string()),
        "witnesses": witnesses,
    }))
}

/// An attempt, with what it saved on the way and what it went on from.
fn with_saved(attempt: &AttemptView, saved: &BTreeMap<AttemptId, Saved>) -> Value {
    let mut value = json!(attempt);
    if let Some(saved) = saved.get(&attempt.id) {
        value["resumed"] = json!(saved.resumed);
        value["checkpoints"] = json!(saved.trail);
    }
    value
}

/// Whether a witness came to what stands.
fn agrees(past: &Past, attempt: &AttemptView) -> bool {
    match past.digest() {
        Some(digest) => attempt.artifact == Some(digest),
        None => attempt.outcome.as_deref() == Some("diverged"),
    }
}

fn keys_of(need: &Need) -> Vec<Key> {
    match need {
        Need::One(key) => vec![*key],
        Need::Many(keys) => keys.values().flatten().copied().collect(),
    }
}

fn print(shown: &Value, out: &mut Output) -> Result<(), Stop> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let head = |out: &mut Output, title: &str| {
        let title = out.paint(Paint::Bold, title);
        out.line(&title)
    };
    head(out, &text(&shown["task"]))?;
    for (label, field) in
        [("study", "study"), ("key", "key"), ("digest", "digest"), ("outcome", "outcome"), ("bits", "bits")]
    {
        // What was named by digits may be in no plan that is recorded: then it has no study.
        if !shown[field].is_null() && shown[field] != "" {
            out.line(&format!("  {label:<9}{}", text(&shown[field])))?;
        }
    }
    if let Some(reason) = shown["reason"].as_str() {
        out.line(&format!("  {:<9}{reason}", "because"))?;
    }
    let recipe = &shown["recipe"];
    out.line(&format!(
        "  {:<9}{} revision {}, seed {}",
        "kind",
        text(&recipe["kind"]),
        recipe["revision"],
        recipe["seed"]
    ))?;
    for (title, members, with_nulls) in [
        ("with", &recipe["spec"], true),
        ("environment", &recipe["environment"], true),
        ("scalars", &shown["scalars"], true),
        ("made where", &shown["environment"]["soft"], false), // nothing says that it could not be recorded
    ] {
        let Some(members) = members.as_object().filter(|members| !members.is_empty()) else { continue };
        head(out, title)?;
        let width = column(members);
        for (name, value) in members.iter().filter(|(_, value)| with_nulls || !value.is_null()) {
            out.line(&format!("  {name:<width$}{}", text(value)))?;
        }
    }
    if let Some(inputs) = shown["inputs"].as_object().filter(|inputs| !inputs.is_empty()) {
        head(out, "inputs")?;
        let width = column(inputs);
        for (port, input) in inputs {
            match input["key"].as_str() {
                Some(key) => {
                    let now = input.get("now").map(|now| format!(" (made again since: now {})", short(&text(now))));
                    let digest = short(&text(&input["digest"])).to_owned() + now.as_deref().unwrap_or_default();
                    out.line(&format!("  {port:<width$}key {} digest {digest}", short(key)))?;
                }
                None => {
                    out.line(&format!("  {port:<width$}{} cells", input.as_object().map_or(0, serde_json::Map::len)))?;
                }
            }
        }
    }
    for (name, set) in shown["study_files"].as_object().into_iter().flatten() {
        print_files(&format!("files of the study: {name}"), &set["files"], out)?;
    }
    print_files("files", &shown["files"], out)?;
    if let Some(attempts) = shown["attempts"].as_array() {
        head(out, "attempts")?;
        for attempt in attempts {
            let outcome = attempt["outcome"].as_str().unwrap_or("running");
            let seconds = attempt["seconds"].as_f64().map_or(String::new(), |s| format!(" in {s:.1} s"));
            let reason = attempt["reason"].as_str().map_or(String::new(), |reason| format!(": {reason}"));
            let witness = if attempt["purpose"] == "witness" { " as a witness" } else { "" };
            let resumed =
                attempt["resumed"].as_u64().map_or(String::new(), |step| format!(", went on after step {step}"));
            out.line(&format!("  {} {outcome}{witness}{seconds}{resumed}{reason}", text(&attempt["began"])))?;
        }
    }
    if let Some(metrics) = shown["metrics"].as_object().filter(|metrics| !metrics.is_empty()) {
        head(out, "metrics")?;
        let width = column(metrics);
        for (name, points) in metrics {
            let points = points.as_array().map_or(&[][..], Vec::as_slice);
            let last = points.last().map_or(Value::Null, |point| point[1].clone());
            out.line(&format!("  {name:<width$}{} points, last {last}", points.len()))?;
        }
    }
    Ok(())
}

fn print_files(title: &str, files: &Value, out: &mut Output) -> Result<(), Stop> {
    let Some(files) = files.as_object() else { return Ok(()) };
    let title = out.paint(Paint::Bold, title);
    out.line(&title)?;
    let width = column(files);
    for (name, file) in files {
        let size = isoflop_contract::quantity::Bytes(file["size"].as_u64().unwrap_or(0)).to_string();
        out.line(&format!("  {name:<width$}{size:<12}{}", short(file["digest"].as_str().unwrap_or_default())))?;
    }
    Ok(())
}

/// How wide the column of these names is: two blanks at least stand behind the longest. The short ones of all sections end at the same place.
fn column(members: &serde_json::Map<String, Value>) -> usize {
    members.keys().map(|name| name.chars().count() + 2).max().unwrap_or(0).max(24)
}

fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}
