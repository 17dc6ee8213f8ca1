//! A run's row, its list of tasks and how each came out, held against its chain.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::{Digest, Key};

use super::{
    Finding, FindingKind, Subject,
    books::{Books, RunRow, TaskRow},
    chain::Chain,
};
use crate::{
    begin,
    bytes::{self, clean},
    event::{Event, Line},
    id::{AttemptId, RunId},
};

/// Holds a run's row against its first and last words.
pub(super) fn check_row(run: &RunRow, chain: &Chain, findings: &mut Vec<Finding>) {
    let mut found = |what: String| {
        let what = format!("run {}: {what}", run.id);
        findings.push(Finding { kind: FindingKind::Run, what, subject: Subject::Run(run.id) });
    };
    let Some(Line { at, what: Event::RunBegan { study, plan, tasks, holder, file, soft, .. }, .. }) =
        chain.lines.first()
    else {
        return found("its chain does not say how it began".to_owned());
    };
    let said = [
        ("study", *study == run.study),
        ("plan", *plan.as_bytes() == run.plan),
        ("number of tasks", i64::try_from(*tasks) == Ok(run.tasks)),
        ("engine", *holder == run.holder),
        ("time", *at == run.began.0),
        ("file", file.as_ref().is_none_or(|file| *file == run.file)),
        ("environment", soft.is_none_or(|soft| soft == Digest::of(&run.soft))),
    ];
    for (name, _) in said.iter().filter(|(_, agrees)| !agrees) {
        found(format!("its {name} is not what it began with"));
    }
    let ended = chain.lines.iter().rev().find_map(|line| match &line.what {
        Event::RunEnded { state } => Some((state.to_string(), line.at)),
        _ => None,
    });
    let row = run.ended.map(|at| (run.state.clone(), at.0));
    if ended != row {
        let say = |ended: &Option<(String, jiff::Timestamp)>| {
            ended.as_ref().map_or_else(|| "that it still runs".to_owned(), |(state, at)| format!("`{state}` at {at}"))
        };
        found(format!("it is listed as {}, and its chain says {}", say(&row), say(&ended)));
    }
}

/// How a task came out, as far as the chain says.
#[derive(Debug, Default)]
struct Expected<'a> {
    outcome: Option<&'static str>,
    artifact: Option<Digest>,
    attempt: Option<AttemptId>,
    reason: Option<&'a str>,
    /// Whether an earlier event gave a reason, which a later `kept` leaves there.
    spoke: bool,
}

/// What the chain says of a run's tasks.
struct Told<'a> {
    tasks: BTreeMap<&'a str, Expected<'a>>,
    /// The artifacts that tasks were kept with when the run began, and no longer are.
    unkept: BTreeMap<&'a str, Digest>,
    /// Tasks kept after the run began.
    later: BTreeSet<&'a str>,
    /// What was kept when it began.
    first: Option<(u64, Digest)>,
}

/// Holds a run's plan against its chain.
pub(super) fn check_plan(books: &Books, run: RunId, chain: &Chain, findings: &mut Vec<Finding>) {
    let none = Vec::new();
    let rows = books.tasks.get(&run).unwrap_or(&none);
    let line = |row: &TaskRow| format!("{} {}", Key::from_bytes(row.key), row.name);
    let planned = begin::list(rows.iter().map(line));
    let in_place = rows.iter().zip(1..).all(|(row, position)| row.position == position);
    if let Some(Event::RunBegan { list, tasks, .. }) = chain.lines.first().map(|line| &line.what)
        && (*list != planned || *tasks != rows.len() as u64 || !in_place)
    {
        let what = format!("the tasks listed for run {run} are not those that it began with");
        findings.push(Finding { kind: FindingKind::Plan, what, subject: Subject::Run(run) });
    }
    let told = tell(books, rows, chain, run, findings);
    check_kept(rows, &told, run, findings);
    for row in rows {
        let expected = told.tasks.get(row.name.as_str());
        if let Some(what) = differs(books, row, expected, told.first.is_some()) {
            let what = format!("task `{}` of run {run} {what}", row.name);
            let subject = Subject::Tasks(run, vec![row.name.clone()]);
            findings.push(Finding { kind: FindingKind::Plan, what, subject });
        }
    }
}

/// One line of a list of what was kept.
fn kept_line(key: &Key, artifact: Option<Digest>) -> String {
    format!("{key} {}", artifact.map_or_else(|| "diverged".to_owned(), |digest| digest.to_string()))
}

/// Every artifact that may have stood for a task when it was kept: what its row and the results say, and what events say was replaced.
fn candidates<'a>(books: &Books, rows: &'a [TaskRow], chain: &Chain) -> BTreeMap<Digest, (&'a str, Option<Digest>)> {
    let mut replaced: BTreeMap<Key, BTreeSet<Digest>> = BTreeMap::new();
    for line in books.events.values().flatten().filter(|row| row.body.contains("\"replaces\"")) {
        let event = serde_json::from_str::<Line>(&line.body).map(|line| line.what);
        if let Ok(Event::Made { key, replaces: Some(old), .. } | Event::Adopted { key, replaces: Some(old), .. }) =
            event
        {
            replaced.entry(key).or_default().insert(old);
        }
    }
    for line in &chain.lines {
        if let Event::Made { key, artifact, .. } = &line.what {
            replaced.entry(*key).or_default().insert(*artifact);
        }
    }
    let mut found = BTreeMap::new();
    for row in rows {
        let key = Key::from_bytes(row.key);
        let standing = [bytes::digest(row.artifact), books.standing(&key), None];
        let all = standing.into_iter().chain(replaced.get(&key).into_iter().flatten().map(|digest| Some(*digest)));
        for artifact in all {
            found.insert(begin::list(std::iter::once(kept_line(&key, artifact))), (row.name.as_str(), artifact));
        }
    }
    found
}

/// Folds the chain into what it says of each task.
fn tell<'a>(books: &Books, rows: &'a [TaskRow], chain: &'a Chain, run: RunId, findings: &mut Vec<Finding>) -> Told<'a> {
    let mut told = Told { tasks: BTreeMap::new(), unkept: BTreeMap::new(), later: BTreeSet::new(), first: None };
    let mut candidates_of: Option<BTreeMap<Digest, (&str, Option<Digest>)>> = None;
    let mut witnesses: BTreeSet<AttemptId> = BTreeSet::new();
    for line in &chain.lines {
        let mut end = |task: &'a str, expected: Expected<'a>| {
            let spoke = told.tasks.get(task).is_some_and(|before| before.spoke || before.reason.is_some());
            told.tasks.insert(task, Expected { spoke, ..expected });
        };
        match &line.what {
            Event::Kept { tasks, list } if line.seq == 2 => told.first = Some((*tasks, *list)),
            Event::Kept { list, .. } => {
                let known = candidates_of.get_or_insert_with(|| candidates(books, rows, chain));
                if let Some((task, artifact)) = known.get(list) {
                    end(task, Expected { outcome: Some("kept"), artifact: *artifact, ..Expected::default() });
                    told.later.insert(task);
                } else {
                    let what =
                        format!("event {} of run {run} says that a task was kept which no row agrees with", line.seq);
                    findings.push(Finding { kind: FindingKind::Plan, what, subject: Subject::Run(run) });
                }
            }
            Event::AttemptBegan { attempt, task, purpose, unkeeps, .. } => {
                if purpose.as_deref() == Some("witness") {
                    witnesses.insert(*attempt);
                }
                if let Some(digest) = unkeeps
                    && !told.later.contains(task.as_str())
                {
                    told.unkept.entry(task).or_insert(*digest);
                }
            }
            Event::Made { attempt, .. } | Event::Diverged { attempt, .. } | Event::Failed { attempt, .. }
                if witnesses.contains(attempt) => {}
            Event::Made { attempt, task, artifact, .. } => {
                let (attempt, artifact) = (Some(*attempt), Some(*artifact));
                end(task, Expected { outcome: Some("made"), artifact, attempt, ..Expected::default() });
            }
            Event::Diverged { attempt, task, reason, .. } => {
                let (attempt, reason) = (Some(*attempt), Some(reason.as_str()));
                end(task, Expected { outcome: Some("diverged"), attempt, reason, ..Expected::default() });
            }
            Event::Failed { attempt, task, failure, .. } => {
                let (attempt, reason) = (Some(*attempt), Some(failure.message.as_str()));
                end(task, Expected { outcome: Some("failed"), attempt, reason, ..Expected::default() });
            }
            Event::Adopted { task, artifact, .. } => {
                end(task, Expected { outcome: Some("adopted"), artifact: *artifact, ..Expected::default() });
            }
            Event::Blocked { tasks, reason } => {
                for task in tasks {
                    let reason = Some(reason.as_str());
                    end(task, Expected { outcome: Some("blocked"), reason, ..Expected::default() });
                }
            }
            Event::RunBegan { .. }
            | Event::TakenOver { .. }
            | Event::Checkpointed { .. }
            | Event::FellSilent { .. }
            | Event::RunEnded { .. }
            | Event::Unknown => {}
        }
    }
    told
}

/// Holds what was kept when the run began against the list in its chain.
fn check_kept(rows: &[TaskRow], told: &Told<'_>, run: RunId, findings: &mut Vec<Finding>) {
    let at_first = |row: &&TaskRow| {
        let name = row.name.as_str();
        let stayed = row.outcome.as_deref() == Some("kept") && !told.later.contains(name);
        stayed || told.unkept.contains_key(name)
    };
    let kept: Vec<&TaskRow> = rows.iter().filter(at_first).collect();
    let line = |row: &&TaskRow| {
        let unkept = told.unkept.get(row.name.as_str()).copied();
        kept_line(&Key::from_bytes(row.key), unkept.or(bytes::digest(row.artifact)))
    };
    let list = begin::list(kept.iter().map(line));
    let agrees = match told.first {
        Some((tasks, said)) => tasks == kept.len() as u64 && said == list,
        None => kept.is_empty(),
    };
    if !agrees {
        let names = kept.iter().map(|row| row.name.clone()).collect();
        let what = format!("the tasks listed as kept when run {run} began are not those that its chain counts");
        findings.push(Finding { kind: FindingKind::Plan, what, subject: Subject::Tasks(run, names) });
    }
}

/// What of a task's row the chain does not bear out.
fn differs(books: &Books, row: &TaskRow, expected: Option<&Expected<'_>>, some_kept: bool) -> Option<String> {
    let outcome = row.outcome.as_deref();
    let Some(expected) = expected else {
        return match outcome {
            // Counted in one list with all others: see `check_kept`.
            Some("kept") if some_kept => borne_out(books, row, false),
            None if row.attempt.is_some() || row.artifact.is_some() || row.reason.is_some() => {
                Some("is open, and is listed with what came of it".to_owned())
            }
            None => None,
            Some(outcome) => Some(format!("is listed as {outcome}, and its chain does not say so")),
        };
    };
    if outcome != expected.outcome {
        let (listed, said) = (outcome.unwrap_or("open"), expected.outcome.unwrap_or("open"));
        return Some(format!("is listed as {listed}, and its chain says {said}"));
    }
    if bytes::digest(row.artifact) != expected.artifact {
        return Some("is listed with an artifact that its chain does not name".to_owned());
    }
    if matches!(outcome, Some("kept" | "adopted")) {
        return borne_out(books, row, expected.spoke);
    }
    if row.attempt != expected.attempt {
        return Some("is listed with another attempt than its chain names".to_owned());
    }
    if row.reason.as_deref() != expected.reason.map(clean).as_deref() {
        return Some("is listed with a reason that its chain does not give".to_owned());
    }
    None
}

/// Whether the attempt that a kept task's row names made what the row says.
fn borne_out(books: &Books, row: &TaskRow, may_have_reason: bool) -> Option<String> {
    let attempt = row.attempt.and_then(|id| books.attempts.get(&id));
    match attempt {
        None => Some("is kept from an attempt that is not there".to_owned()),
        Some(attempt) if attempt.artifact != row.artifact => {
            Some("is kept from an attempt that made something else".to_owned())
        }
        Some(attempt) if row.artifact.is_none() && attempt.outcome.as_deref() != Some("diverged") => {
            Some("is kept as diverged, and its attempt did not diverge".to_owned())
        }
        Some(attempt) if row.outcome.as_deref() == Some("adopted") && row.reason != attempt.reason => {
            Some("gives another reason than the attempt it was adopted from".to_owned())
        }
        Some(_) if row.outcome.as_deref() == Some("kept") && row.reason.is_some() && !may_have_reason => {
            Some("is kept, and gives a reason".to_owned())
        }
        Some(_) => None,
    }
}
