//! `watch`: follows a run from outside, one line for each task that begins or ends, until the run ends; and ends as the run does.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    time::Duration,
};

use isoflop_ledger::{AttemptId, Ledger, RunState, TaskOutcome};
use serde_json::json;

use crate::{
    aligned::span,
    args::StatusArgs,
    named,
    now::{self, Now, is_under_way},
    output::{Output, Paint, Told},
    settings::Settings,
    stop::{Stop, infrastructure},
    verbs::runs::state,
};

/// How often the ledger is asked.
const EVERY: Duration = Duration::from_secs(1);

/// Follows the named run, or the latest that is under way.
pub async fn watch(args: &StatusArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = named::ledger(settings).await?;
    let mut runs = now::runs(&ledger, args.run.as_deref(), args.study.as_deref()).await?;
    if runs.is_empty() {
        return Err(Stop::Usage("nothing was run yet".to_owned()));
    }
    let run = runs.swap_remove(0);
    if !out.json {
        let title = out.paint(Paint::Bold, &run.study);
        out.line(&format!("{title}  {}", named::short(run.id)))?;
    }
    let mut seen = Seen::default();
    let id = run.id.to_string();
    loop {
        let now = read(&ledger, &id, settings).await?;
        clear(settings);
        seen.tell(&now, out)?;
        if !is_under_way(&now.run) {
            return end(&now, out);
        }
        if out.unread {
            return Ok(()); // nobody follows any more
        }
        draw(&now, settings);
        tokio::time::sleep(EVERY).await;
    }
}

async fn read(ledger: &Ledger, id: &str, settings: &Settings) -> Result<Now, Stop> {
    let run = ledger.run(id).await.map_err(infrastructure)?;
    Now::read(ledger, run, settings).await
}

/// What has been told already.
#[derive(Debug, Default)]
struct Seen {
    begun: BTreeSet<AttemptId>,
    ended: BTreeMap<String, TaskOutcome>,
}

impl Seen {
    fn tell(&mut self, now: &Now, out: &mut Output) -> Result<(), Stop> {
        let first = self.begun.is_empty() && self.ended.is_empty();
        let mut kept = 0;
        for task in &now.tasks {
            let Some(outcome) = task.outcome else { continue };
            if self.ended.insert(task.name.clone(), outcome) == Some(outcome) {
                continue;
            }
            if first && outcome == TaskOutcome::Kept && !out.json {
                kept += 1;
                continue;
            }
            let paint = match outcome {
                TaskOutcome::Made | TaskOutcome::Kept | TaskOutcome::Adopted => Paint::Good,
                TaskOutcome::Diverged | TaskOutcome::Blocked => Paint::Notice,
                TaskOutcome::Failed => Paint::Bad,
            };
            if out.json {
                out.item(&json!({"version": 1, "task": task.name, "outcome": outcome, "seconds": task.seconds, "reason": task.reason}))?;
                continue;
            }
            let took = task.seconds.map_or_else(String::new, |seconds| format!(" in {}", span(seconds)));
            let reason = task.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
            let word = out.paint(paint, &format!("{:<8}", outcome.to_string()));
            out.line(&format!("  {word} {}{took}{reason}", task.name))?;
        }
        if kept > 0 {
            let word = out.paint(Paint::Good, "kept    ");
            out.line(&format!("  {word} {kept} tasks"))?;
        }
        for attempt in &now.running {
            if self.begun.insert(attempt.id) {
                if out.json {
                    out.item(&json!({"version": 1, "task": attempt.task, "began": attempt.began}))?;
                } else {
                    let word = out.paint(Paint::Notice, "running ");
                    out.line(&format!("  {word} {}", attempt.task))?;
                }
            }
        }
        Ok(())
    }
}

/// The last line, and the exit code of the run.
fn end(now: &Now, out: &mut Output) -> Result<(), Stop> {
    let (word, paint) = state(&now.run);
    if out.json {
        out.item(&json!({"version": 1, "run": now.run.id, "state": word, "seconds": now.seconds()}))?;
        out.told = Told::All;
    } else {
        let word = out.paint(paint, word);
        out.line(&format!("{word} after {}: {}", span(now.seconds()), now.counts()))?;
    }
    match now.run.state {
        RunState::Done => Ok(()),
        RunState::Failed => Err(Stop::TaskFailed),
        RunState::Interrupted => Err(Stop::Interrupted),
        RunState::Running => Err(infrastructure(anyhow::anyhow!(
            "the engine of this run died; what it had finished is kept, and `isoflop run` carries on"
        ))),
    }
}

/// A line that changes, on a terminal.
fn draw(now: &Now, settings: &Settings) {
    if settings.terminal {
        let mut line = format!("{}: {}", span(now.seconds()), now.counts());
        for attempt in now.running.iter().take(2) {
            line = format!("{line}; {} {}", attempt.task, span(now::seconds(attempt.began, None)));
        }
        let columns = rustix::termios::tcgetwinsize(std::io::stderr()).map_or(80, |size| usize::from(size.ws_col));
        let line: String = line.chars().take(columns.saturating_sub(1)).collect();
        let mut stderr = std::io::stderr();
        let _ = write!(stderr, "{line}").and_then(|()| stderr.flush());
    }
}

fn clear(settings: &Settings) {
    if settings.terminal {
        eprint!("\r\u{1b}[2K");
    }
}
