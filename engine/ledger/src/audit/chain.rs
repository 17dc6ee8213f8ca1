//! A chain walked from its beginning to its end, every break of it reported.

use isoflop_contract::Digest;

use super::{
    Finding, FindingKind, Subject,
    books::{EventRow, RunRow},
};
use crate::event::{self, Line};

/// More breaks of one chain than this are summed up: the first ones tell.
const MOST: usize = 20;

/// The events of a run that can be read, in order.
#[derive(Debug, Default)]
pub(super) struct Chain {
    pub lines: Vec<Line>,
}

/// Walks the chain of `run`.
pub(super) fn walk(run: &RunRow, rows: &[EventRow], findings: &mut Vec<Finding>) -> Chain {
    let mut chain = Chain::default();
    let mut prev = event::ORIGIN;
    let mut breaks = Vec::new();
    let mut next = 1;
    for row in rows {
        let mut broken = |what: &str| breaks.push(format!("event {} of run {}: {what}", row.seq, run.id));
        if row.seq != next {
            broken(&format!("the events from {next} on are missing"));
        } else if row.prev != *prev.as_bytes() {
            broken("it does not follow the event before it");
        }
        let line = serde_json::from_str::<Line>(&row.body).ok();
        if row.hash != *event::link(&Digest::from_bytes(row.prev), &row.body).as_bytes() {
            broken("its text is not what was recorded");
        } else if line
            .as_ref()
            .is_none_or(|line| (line.run, line.seq, line.at) != (row.run, row.seq.cast_unsigned(), row.at.0))
        {
            broken("its text names another run, place or time than its row");
        }
        chain.lines.extend(line);
        // The stored hash, not the computed one: one bad event is one finding, and the walk goes on behind it.
        prev = Digest::from_bytes(row.hash);
        next = row.seq + 1;
    }
    if next != run.events + 1 {
        breaks.push(format!("run {} has {} events, and its chain should have {}", run.id, next - 1, run.events));
    } else if run.head != *prev.as_bytes() {
        breaks.push(format!("the last event of run {} is not the one that the run was left with", run.id));
    }
    if breaks.len() > MOST {
        let more = breaks.len() - MOST;
        breaks.truncate(MOST);
        breaks.push(format!("run {}: {more} more breaks of its chain", run.id));
    }
    let finding = |what| Finding { kind: FindingKind::Chain, what, subject: Subject::Run(run.id) };
    findings.extend(breaks.into_iter().map(finding));
    chain
}
