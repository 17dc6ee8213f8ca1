//! What a crate is rendered from: the plan, and the ledger's books as plain facts.

use std::collections::BTreeMap;

use isoflop_contract::Value;
use isoflop_ledger::{RunState, audit::Books};
use isoflop_plan::Plan;
use isoflop_report::rocrate::{Contents, Execution, Head, RunRecord, Stamp, Standing};
use jiff::Timestamp;

use crate::soft;

/// The contents of the crate of `plan`, whose record is `books`.
pub fn contents<'a>(head: &'a Head, plan: &'a Plan, books: &Books, files: BTreeMap<String, Stamp>) -> Contents<'a> {
    let latest = books.audited().next_back();
    let runs = books.run_views().into_iter().map(|run| RunRecord {
        id: run.id.to_string(),
        plan: run.plan,
        began: time(run.began),
        ended: run.ended.map(time),
        failed: run.state == RunState::Failed,
        engine: text(&run.soft, "engine").to_owned(),
        commit: run.soft["commit"].as_str().map(str::to_owned),
        audited: Some(run.id) == latest,
    });
    let executions = books.attempt_views().into_iter().map(|attempt| Execution {
        id: attempt.id.to_string(),
        run: attempt.run.to_string(),
        task: attempt.task,
        key: attempt.key,
        purpose: attempt.purpose,
        began: time(attempt.began),
        ended: attempt.ended.map(time),
        outcome: attempt.outcome,
        artifact: attempt.artifact,
        reason: attempt.reason,
        seconds: attempt.seconds,
        machine: machine(&attempt.soft),
    });
    let standing = |past: isoflop_ledger::Past| Standing {
        artifact: past.digest(),
        attempt: past.attempt.map(|attempt| attempt.to_string()),
    };
    Contents {
        head,
        plan,
        runs: runs.collect(),
        executions: executions.collect(),
        results: books.past().into_iter().map(|(key, past)| (key, standing(past))).collect(),
        manifests: books.manifests(),
        files,
    }
}

/// A time as the profiles' readers expect it: milliseconds, and the offset in numbers. The record itself has microseconds.
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3f+00:00").to_string()
}

fn text<'v>(soft: &'v Value, name: &str) -> &'v str {
    soft[name].as_str().unwrap_or_default()
}

/// Host, processor and device, as far as they were recorded.
fn machine(soft: &Value) -> String {
    let cards = soft::cards(soft).unwrap_or_default();
    let parts = [text(soft, "host"), text(soft, "cpu"), &cards];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_an_offset_in_numbers() {
        let of = |text: &str| time(text.parse().unwrap());
        assert_eq!(of("2026-11-26T19:24:04.20501Z"), "2026-11-26T19:24:04.205+00:00");
        assert_eq!(of("2026-11-26T19:24:04Z"), "2026-11-26T19:24:04.000+00:00");
    }
}
