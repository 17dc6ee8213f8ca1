//! The ending of a run: what came of its tasks, told to a person.

use isoflop_contract::{Digest, quantity::Seconds};
use isoflop_exec::{Outcome, Summary, TaskSummary};

use crate::{
    output::{Output, Paint},
    stop::Stop,
};

/// Failures up to which each is told; what breaks one task of a matrix often breaks all.
const EACH: usize = 8;

/// Tells of `summary`, and where to go on if not all was made. `keeps` says whether the run kept what it made.
///
/// # Errors
///
/// If standard output cannot be written.
pub fn tell(summary: &Summary, keeps: bool, out: &mut Output) -> Result<(), Stop> {
    let verb = if summary.interrupted { "stopped after" } else { "done in" };
    let seconds = if summary.seconds < 60.0 {
        format!("{:.1} s", summary.seconds)
    } else {
        Seconds(summary.seconds.round() as u64).to_string()
    };
    out.line(&format!("{}: {verb} {seconds}: {}", out.paint(Paint::Bold, &summary.study), counts(summary, out)))?;
    let failed: Vec<&TaskSummary> = summary.tasks.iter().filter(|task| task.outcome == Outcome::Failed).collect();
    for task in failed.iter().take(EACH) {
        let reason = task.reason.as_deref().unwrap_or("no reason was given");
        out.line(&format!("  {} {}: {reason}", out.paint(Paint::Bad, "failed"), task.name))?;
        // One that was stopped has seldom said anything.
        if let Some(log) = task.log.as_ref().filter(|log| log.metadata().is_ok_and(|log| log.len() > 0)) {
            out.line(&format!("         its output: {}", log.display()))?;
        }
    }
    if failed.len() > EACH {
        out.line(&format!("  and {} more; `isoflop status` tells of each", failed.len() - EACH))?;
    }
    if summary.totals.adopted > 0 {
        let what = "adopted: inputs came out with the bytes of an earlier run, so its results stand";
        out.line(&out.paint(Paint::Dim, &format!("  {what}")))?;
    }
    let changed: Vec<(&TaskSummary, Digest)> =
        summary.tasks.iter().filter_map(|task| Some((task, task.replaces?))).collect();
    for (task, before) in changed.iter().take(EACH) {
        let word = out.paint(Paint::Notice, "other bits than before");
        let now = task.digest.map_or_else(String::new, |now| now.short());
        out.line(&format!("  {word} {}: {} stood, and {now} does now", task.name, before.short()))?;
    }
    if changed.len() > EACH {
        out.line(&format!("  and {} more", changed.len() - EACH))?;
    }
    if keeps && !changed.is_empty() {
        out.line("  what was made from the former bits does not count any more; the next run makes it again")?;
    }
    if let Some(slowest) = slowest(summary) {
        out.line(&out.paint(Paint::Dim, &format!("  slowest: {slowest}")))?;
    }
    if !keeps {
        return out.line(&out.paint(Paint::Dim, "  nothing of this is kept (`--cache`)"));
    }
    if summary.totals.failed > 0 || summary.interrupted {
        out.line("  what is finished is kept; the same command goes on from here")?;
    }
    Ok(())
}

/// Tasks by outcome, as in `3 kept, 2 made`.
fn counts(summary: &Summary, out: &Output) -> String {
    let totals = &summary.totals;
    let counts = [
        (totals.kept - totals.adopted, "kept", Paint::Good),
        (totals.adopted, "adopted", Paint::Good),
        (totals.made, "made", Paint::Good),
        (totals.diverged, "diverged", Paint::Notice),
        (totals.failed, "failed", Paint::Bad),
        (totals.blocked, "blocked", Paint::Notice),
    ];
    let counts: Vec<String> = counts
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, word, paint)| out.paint(*paint, &format!("{n} {word}")))
        .collect();
    if counts.is_empty() { "nothing was to be done".to_owned() } else { counts.join(", ") }
}

/// The three tasks that took longest, if more than one took any time.
fn slowest(summary: &Summary) -> Option<String> {
    let mut took: Vec<(f64, &str)> =
        summary.tasks.iter().filter_map(|task| Some((task.seconds?, task.name.as_str()))).collect();
    took.sort_by(|a, b| b.0.total_cmp(&a.0));
    let told: Vec<String> = took.iter().take(3).map(|(seconds, name)| format!("{name} {seconds:.1} s")).collect();
    (took.len() > 1).then(|| told.join(", "))
}
