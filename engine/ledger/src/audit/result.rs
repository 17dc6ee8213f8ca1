//! Attempts, series, results and artifacts held against the events that recorded them, and each result against what it rests on.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key, Manifest, Recipe};
use serde::Deserialize;

use super::{
    Finding, FindingKind, Subject,
    books::{ArtifactRow, AttemptRow, Books, EventRow, ResultRow, TaskRow},
    chain::Chain,
};
use crate::{
    attempt::{self, Points},
    bytes::{self, clean},
    event::{Event, Line},
    id::{AttemptId, RunId},
};

/// What the chains say of one attempt.
#[derive(Debug, Clone, Copy, Default)]
struct Said<'a> {
    began: Option<&'a Line>,
    ended: Option<&'a Line>,
}

pub(super) fn check(books: &Books, chains: &BTreeMap<RunId, Chain>, findings: &mut Vec<Finding>) {
    let mut said: BTreeMap<AttemptId, Said<'_>> = BTreeMap::new();
    for line in chains.values().flat_map(|chain| &chain.lines) {
        match &line.what {
            Event::AttemptBegan { attempt, .. } => said.entry(*attempt).or_default().began = Some(line),
            Event::Made { attempt, .. } | Event::Diverged { attempt, .. } | Event::Failed { attempt, .. } => {
                said.entry(*attempt).or_default().ended = Some(line);
            }
            _ => {}
        }
    }
    check_attempts(books, &said, findings);
    check_results(books, chains, findings);
    check_artifacts(books, chains, findings);
    check_traces(books, chains, findings);
}

fn check_attempts(books: &Books, said: &BTreeMap<AttemptId, Said<'_>>, findings: &mut Vec<Finding>) {
    let none = Points::new();
    for (id, row) in &books.attempts {
        let said = said.get(id).copied().unwrap_or_default();
        let Some(began) = said.began else {
            let what = format!("attempt {id} at `{}` is listed, and no event says that it began", row.task);
            findings.push(Finding { kind: FindingKind::Attempt, what, subject: Subject::Attempt(*id) });
            continue;
        };
        let wrong = [misbegun(books, row, began), misended(books, row, said.ended)].into_iter().flatten();
        for name in wrong {
            let what = format!("attempt {id} at `{}`: its {name} is not what was recorded", row.task);
            findings.push(Finding { kind: FindingKind::Attempt, what, subject: Subject::Attempt(*id) });
        }
        let recorded = said.ended.and_then(|line| match &line.what {
            Event::Made { metrics, .. } | Event::Diverged { metrics, .. } | Event::Failed { metrics, .. } => *metrics,
            _ => None,
        });
        let points = books.points.get(id).unwrap_or(&none);
        if recorded.is_some_and(|recorded| recorded != attempt::digest(points))
            || (said.ended.is_none() && !points.is_empty())
        {
            let what = format!("the series of attempt {id} at `{}` are not what was measured", row.task);
            findings.push(Finding { kind: FindingKind::Metric, what, subject: Subject::Attempt(*id) });
        }
    }
    for (id, said) in said {
        let here = said.began.or(said.ended).filter(|line| books.audited.contains(&line.run));
        if let (Some(line), false) = (here, books.attempts.contains_key(id)) {
            let what = format!("attempt {id} is named by event {} of run {}, and it is not listed", line.seq, line.run);
            findings.push(Finding { kind: FindingKind::Attempt, what, subject: Subject::Run(line.run) });
        }
    }
}

/// The first member of an attempt's row that differs from the event of its beginning.
fn misbegun(books: &Books, row: &AttemptRow, line: &Line) -> Option<&'static str> {
    let Event::AttemptBegan { task, key, fence, purpose, soft, .. } = &line.what else { return Some("beginning") };
    let holder = books.runs.get(&row.run).map(|run| run.holder.as_str());
    let agrees = [
        ("run", line.run == row.run),
        ("task", *task == row.task),
        ("key", *key.as_bytes() == row.key),
        ("fence", *fence == row.fence),
        ("purpose", purpose.as_ref().is_none_or(|purpose| *purpose == row.purpose)),
        ("environment", soft.is_none_or(|soft| soft == Digest::of(&row.soft))),
        ("engine", holder.is_none_or(|holder| holder == row.holder)),
        ("beginning", line.at == row.began.0),
    ];
    agrees.iter().find(|(_, agrees)| !agrees).map(|(name, _)| *name)
}

/// The first member of an attempt's row that differs from the event of its end.
fn misended(books: &Books, row: &AttemptRow, line: Option<&Line>) -> Option<&'static str> {
    let Some(line) = line else {
        let over = books.runs.get(&row.run).is_some_and(|run| run.state != "running");
        return match row.outcome.as_deref() {
            // Its engine died or lost the lease: whoever came next said so.
            Some("lost") => lost(books, row),
            None if !over => None,
            _ => Some("outcome"),
        };
    };
    let made = bytes::digest(row.artifact);
    let (agrees, seconds) = match &line.what {
        Event::Made { key, artifact, seconds, .. } => (
            vec![
                ("outcome", row.outcome.as_deref() == Some("made")),
                ("key", *key.as_bytes() == row.key),
                ("artifact", made == Some(*artifact)),
                ("reason", row.reason.is_none()),
                ("class", row.class.is_none()),
            ],
            seconds,
        ),
        Event::Diverged { key, reason, seconds, .. } => (
            vec![
                ("outcome", row.outcome.as_deref() == Some("diverged")),
                ("key", *key.as_bytes() == row.key),
                ("artifact", made.is_none()),
                ("reason", row.reason.as_ref() == Some(reason)),
                ("class", row.class.is_none()),
            ],
            seconds,
        ),
        Event::Failed { key, failure, seconds, .. } => {
            let class = serde_json::to_value(failure.class).ok().and_then(|class| class.as_str().map(str::to_owned));
            (
                vec![
                    ("outcome", row.outcome.as_deref() == Some("failed")),
                    ("key", *key.as_bytes() == row.key),
                    ("artifact", made.is_none()),
                    ("reason", row.reason == Some(clean(&failure.message))),
                    ("class", row.class == class),
                ],
                seconds,
            )
        }
        _ => return Some("end"),
    };
    let times = [
        ("time", row.ended.is_some_and(|at| at.0 == line.at)),
        ("run", line.run == row.run),
        ("duration", seconds.is_none_or(|seconds| row.seconds == Some(seconds))),
    ];
    agrees.iter().chain(&times).find(|(_, agrees)| !agrees).map(|(name, _)| *name)
}

/// What of a lost attempt's row nobody said.
fn lost(books: &Books, row: &AttemptRow) -> Option<&'static str> {
    let ended = row.ended?.0;
    if row.artifact.is_some() || row.reason.is_some() || row.class.is_some() || row.seconds.is_some() {
        return Some("outcome");
    }
    let at_the_end = books.runs.get(&row.run).and_then(|run| run.ended).is_some_and(|at| at.0 == ended);
    // Written with the event that somebody else took the key over; whose that was, only all books together tell.
    let taken_over = |event: &EventRow| event.at.0 == ended && event.body.contains("\"taken-over\"");
    let known = at_the_end || !books.everything || books.events.values().flatten().any(taken_over);
    (!known || ended < row.began.0).then_some("time")
}

/// Whether `line` records `row`; what it says the result rests on.
fn records<'a>(line: &'a Line, row: &ResultRow) -> Option<&'a Digest> {
    let made = bytes::digest(row.artifact);
    let (agrees, trace) = match &line.what {
        Event::Made { attempt, key, artifact, trace, stands: true, .. } => (
            *key.as_bytes() == row.key
                && made == Some(*artifact)
                && row.attempt == Some(*attempt)
                && row.reason.is_none(),
            trace,
        ),
        Event::Diverged { attempt, key, reason, trace, stands: true, .. } => (
            *key.as_bytes() == row.key
                && made.is_none()
                && row.attempt == Some(*attempt)
                && row.reason.as_ref() == Some(reason),
            trace,
        ),
        Event::Adopted { key, artifact, trace, .. } => (*key.as_bytes() == row.key && made == *artifact, trace),
        _ => return None,
    };
    let outcome = if made.is_some() { "made" } else { "diverged" };
    let agrees = agrees && row.trace.is_none_or(|named| named == *trace.as_bytes());
    (agrees && line.at == row.at.0 && row.outcome == outcome).then_some(trace)
}

fn check_results(books: &Books, chains: &BTreeMap<RunId, Chain>, findings: &mut Vec<Finding>) {
    // One pass over the chains, since a search for every result would take the square of their length.
    let mut by_key: BTreeMap<(RunId, Key), Vec<&Line>> = BTreeMap::new();
    for line in chains.values().flat_map(|chain| &chain.lines) {
        if let Event::Made { key, .. } | Event::Diverged { key, .. } | Event::Adopted { key, .. } = &line.what {
            by_key.entry((line.run, *key)).or_default().push(line);
        }
    }
    for (key, row) in &books.results {
        let mut found = |kind, what| findings.push(Finding { kind, what, subject: Subject::Key(*key) });
        let lines = by_key.get(&(row.run, *key)).map_or(&[][..], Vec::as_slice);
        let Some(trace) = lines.iter().find_map(|line| records(line, row)) else {
            let what = format!("what stands under key {} was recorded by no event of run {}", key.short(), row.run);
            found(FindingKind::Result, what);
            continue;
        };
        let maker = row.attempt.and_then(|id| books.attempts.get(&id));
        if maker.is_none_or(|maker| maker.artifact != row.artifact || maker.reason != row.reason) {
            let what = format!("what stands under key {} is not what its attempt made", key.short());
            found(FindingKind::Result, what);
        }
        if let Some(what) = open_end(books, key, trace) {
            found(FindingKind::Provenance, what);
        }
    }
    for task in books.tasks.values().flatten() {
        let key = Key::from_bytes(task.key);
        let ended = matches!(task.outcome.as_deref(), Some("kept" | "adopted" | "made" | "diverged"));
        if ended && !books.results.contains_key(&key) {
            let what = format!("task `{}` came out, and nothing stands under its key {}", task.name, key.short());
            let subject = Subject::Tasks(task.run, vec![task.name.clone()]);
            findings.push(Finding { kind: FindingKind::Result, what, subject });
        }
    }
}

fn stands(books: &Books, key: &Key) -> bool {
    books.results.contains_key(key)
}

/// Whether nothing can stand under a key, since something that it rests on diverged: a gather goes on without such cells.
fn is_blocked(books: &Books, key: &Key) -> bool {
    let (mut seen, mut ahead) = (BTreeSet::new(), vec![*key]);
    while let Some(key) = ahead.pop() {
        match books.results.get(&key) {
            Some(row) if row.artifact.is_none() => return true,
            Some(_) => {}
            None => {
                let needs = books.needs.get(&key).into_iter().flatten().map(|(_, _, need)| *need);
                ahead.extend(needs.filter(|need| seen.insert(*need)));
            }
        }
    }
    false
}

/// Why a result does not rest on what stands under the keys it needs.
fn open_end(books: &Books, key: &Key, said: &Digest) -> Option<String> {
    let recipe: Recipe = serde_json::from_str(&books.recipes.get(key)?.text).ok()?;
    let short = key.short();
    let needs = books.needs.get(key);
    let bare = needs.into_iter().flatten().find(|(_, _, need)| !stands(books, need) && !is_blocked(books, need));
    if let Some((port, _, need)) = bare {
        return Some(format!("key {short} rests on key {} as `{port}`, under which nothing stands", need.short()));
    }
    let trace = recipe.trace(|need| books.standing(need)).and_then(|trace| trace.text().ok());
    match trace {
        None => Some(format!("key {short} has a result, and something it must have diverged")),
        Some(text) if Digest::of(&text) != *said => Some(format!(
            "the result of key {short} was made from other bits than those that stand under the keys it needs"
        )),
        Some(_) => None,
    }
}

fn check_artifacts(books: &Books, chains: &BTreeMap<RunId, Chain>, findings: &mut Vec<Finding>) {
    let mut made: BTreeSet<(RunId, Digest)> = BTreeSet::new();
    for line in chains.values().flat_map(|chain| &chain.lines) {
        if let Event::Made { artifact, .. } = &line.what {
            made.insert((line.run, *artifact));
        }
    }
    made.extend(files(books));
    for (digest, row) in &books.artifacts {
        let mut found =
            |what| findings.push(Finding { kind: FindingKind::Artifact, what, subject: Subject::Artifact(*digest) });
        if let Some(what) = miswritten(digest, row) {
            found(format!("artifact {}: {what}", digest.short()));
        }
        if !made.contains(&(row.first_run, *digest)) {
            found(format!("artifact {}: no event of run {} made it", digest.short(), row.first_run));
        }
    }
    let named = books.tasks.values().flatten().filter_map(|task| Some((task.artifact?, &task.name)));
    let named: BTreeMap<[u8; 32], &String> =
        named.chain(books.attempts.values().filter_map(|row| Some((row.artifact?, &row.task)))).collect();
    for (artifact, name) in named {
        let digest = Digest::from_bytes(artifact);
        if !books.artifacts.contains_key(&digest) {
            let what = format!("task `{name}` has artifact {}, whose manifest is not there", digest.short());
            findings.push(Finding { kind: FindingKind::Artifact, what, subject: Subject::Artifact(digest) });
        }
    }
}

/// The sets of the study's own files that runs recorded: no task made them, and a recipe in the run's plan names each.
fn files(books: &Books) -> Vec<(RunId, Digest)> {
    #[derive(Deserialize)]
    struct Excerpt {
        files: BTreeMap<String, Digest>,
    }
    let mut of_keys: BTreeMap<Key, Vec<Digest>> = BTreeMap::new();
    for (key, row) in books.recipes.iter().filter(|(_, row)| row.text.contains("\"files\":{")) {
        // A spec may have a member of that name; a text that cannot be read is told of elsewhere.
        if let Ok(Excerpt { files }) = serde_json::from_str(&row.text) {
            of_keys.insert(*key, files.into_values().collect());
        }
    }
    let named = |task: &TaskRow| of_keys.get(&Key::from_bytes(task.key)).into_iter().flatten().copied();
    books.tasks.iter().flat_map(|(run, tasks)| tasks.iter().flat_map(named).map(|digest| (*run, digest))).collect()
}

/// What is wrong with an artifact's row.
fn miswritten(digest: &Digest, row: &ArtifactRow) -> Option<String> {
    if Digest::of(&row.text) != *digest {
        return Some("its manifest is not the text that its digest is of".to_owned());
    }
    match serde_json::from_str::<Manifest>(&row.text) {
        Err(error) => Some(format!("its manifest cannot be read: {error}")),
        Ok(manifest) if manifest.shape != row.shape => {
            Some(format!("it is listed as {}, and its manifest says {}", row.shape, manifest.shape))
        }
        Ok(manifest) if i64::try_from(manifest.size()) != Ok(row.bytes) => {
            Some(format!("it is listed with {} bytes, and its manifest says {}", row.bytes, manifest.size()))
        }
        Ok(_) => None,
    }
}

/// Traces decide what is adopted: each must come from an event.
fn check_traces(books: &Books, chains: &BTreeMap<RunId, Chain>, findings: &mut Vec<Finding>) {
    let mut said: BTreeSet<(Digest, Key)> = BTreeSet::new();
    for line in chains.values().flat_map(|chain| &chain.lines) {
        if let Event::Made { trace, key, .. } | Event::Diverged { trace, key, .. } = &line.what {
            said.insert((*trace, *key));
        }
    }
    for (trace, key) in &books.traces {
        if !said.contains(&(*trace, *key)) && !books.traces_elsewhere.contains(trace) {
            let what = format!("the trace {} leads to key {}, and no event says so", trace.short(), key.short());
            findings.push(Finding { kind: FindingKind::Result, what, subject: Subject::Key(*key) });
        }
    }
}
