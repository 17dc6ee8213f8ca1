//! `status`: what is under way, task by task; where nothing is, how the latest run came out.

use isoflop_exec::headline;
use isoflop_ledger::{Ledger, TaskOutcome};
use serde_json::{Value, json};

use crate::{
    aligned::{Cell, date, lines, span},
    args::StatusArgs,
    home, named,
    now::{self, Now, is_under_way},
    output::{Output, Paint},
    settings::Settings,
    stop::Stop,
    verbs::runs::state,
};

/// Prints how runs stand.
pub async fn status(args: &StatusArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger =
        if args.study.is_some() { Some(named::ledger(settings).await?) } else { home::ledger_if_any(settings).await? };
    let all = read(ledger.as_ref(), args.run.as_deref(), args.study.as_deref(), settings).await?;
    if out.json {
        return out.data(&data(&all, settings));
    }
    if all.is_empty() {
        return out.line("nothing was run yet");
    }
    all.iter().try_for_each(|now| print(now, out))
}

/// How the runs that are meant stand.
pub async fn read(
    ledger: Option<&Ledger>,
    run: Option<&str>,
    study: Option<&str>,
    settings: &Settings,
) -> Result<Vec<Now>, Stop> {
    let mut all = Vec::new();
    if let Some(ledger) = ledger {
        for run in now::runs(ledger, run, study).await? {
            all.push(Now::read(ledger, run, settings).await?);
        }
    }
    Ok(all)
}

/// What `--json` prints.
pub fn data(all: &[Now], settings: &Settings) -> Value {
    let runs: Vec<Value> = all.iter().map(|now| now.to_json(settings)).collect();
    json!({"version": 1, "runs": runs})
}

fn print(now: &Now, out: &mut Output) -> Result<(), Stop> {
    let (word, paint) = state(&now.run);
    let time = if is_under_way(&now.run) {
        format!("for {}", span(now.seconds()))
    } else {
        format!("{}, began {}", span(now.seconds()), date(now.run.began))
    };
    let took = if now.run.ended.is_none() && now.run.holder_dead {
        format!("began {}; what it had finished is kept", date(now.run.began))
    } else {
        time
    };
    out.line(&format!(
        "{}  {}  {} {took}",
        out.paint(Paint::Bold, &now.run.study),
        named::short(now.run.id),
        out.paint(paint, word)
    ))?;
    let left = now.glimpse.as_ref().and_then(|glimpse| glimpse.left_seconds);
    let left = left.map_or_else(String::new, |seconds| format!("; about {} left", span(seconds as f64)));
    out.line(&format!("  {}{left}", now.counts()))?;
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for attempt in &now.running {
        let what =
            if attempt.purpose == "make" { "running".to_owned() } else { format!("running ({})", attempt.purpose) };
        rows.push(vec![
            Cell::new(""),
            Cell::painted(what, Paint::Notice),
            Cell::new(&attempt.task),
            Cell::new(span(now::seconds(attempt.began, None))).right(),
            Cell::painted(now.beat(attempt).map_or_else(String::new, now::far), Paint::Dim),
        ]);
    }
    for task in &now.tasks {
        let paint = match task.outcome {
            Some(TaskOutcome::Failed) => Paint::Bad,
            Some(TaskOutcome::Diverged) => Paint::Notice,
            _ => continue,
        };
        let outcome = task.outcome.map_or_else(String::new, |outcome| outcome.to_string());
        let reason = task.reason.as_deref().map(headline).unwrap_or_default();
        rows.push(vec![
            Cell::new(""),
            Cell::painted(outcome, paint),
            Cell::new(&task.name),
            Cell::new(task.seconds.map_or_else(String::new, span)).right(),
            Cell::painted(reason, Paint::Dim),
        ]);
    }
    lines(&rows, out.color).iter().try_for_each(|line| out.line(line))
}
