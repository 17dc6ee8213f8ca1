//! What an audit found, printed: for a person, or as the object whose members programs rely on.

use std::{collections::BTreeSet, time::Instant};

use isoflop_contract::quantity::Bytes;
use isoflop_ledger::audit::{Audit, Finding, Subject, Touched};
use isoflop_plan::Claim;
use isoflop_store::Held;
use serde_json::{Value, json};

use crate::{
    aligned::{count, some, span},
    output::{Output, Paint},
    rocrate::asks,
    stop::Stop,
};

/// Findings printed in full; `--json` has all.
const MOST: usize = 50;

/// An audit with everything that is said of it.
pub struct Sheet<'a> {
    /// What was audited, as `run` in the object.
    pub name: Value,
    /// What was audited, for a person.
    pub title: String,
    /// What the ledger's books gave.
    pub audit: &'a Audit,
    /// What the bytes gave, if they were read.
    pub held: Option<&'a Held>,
    /// All findings.
    pub findings: &'a [Finding],
    /// Claims that findings may put in doubt.
    pub claims: &'a [Claim],
    /// Where bytes may be missing, behind "the bytes of 3 artifacts are not in".
    pub place: &'static str,
    /// What holds besides chains, keys and bytes, if everything does.
    pub holds: &'static str,
    /// Sentences that are no findings.
    pub notes: Vec<String>,
    /// Further members of the object.
    pub more: Vec<(&'static str, Value)>,
    /// When it began.
    pub began: Instant,
}

/// A finding with what it touches.
struct Told<'a> {
    finding: &'a Finding,
    touched: Touched,
    claims: BTreeSet<String>,
}

impl Sheet<'_> {
    /// Prints; stops with 6 if there is a finding.
    pub fn tell(&self, out: &mut Output) -> Result<(), Stop> {
        let told: Vec<Told<'_>> = self.findings.iter().map(|finding| self.follow(finding)).collect();
        if out.json {
            out.data(&self.data(&told))?;
        } else {
            self.print(&told, out)?;
        }
        if told.is_empty() { Ok(()) } else { Err(Stop::Disproved) }
    }

    fn follow<'f>(&self, finding: &'f Finding) -> Told<'f> {
        let touched = self.audit.touched(&finding.subject);
        let asked = |claim: &&Claim| touched.tasks.iter().chain(&touched.downstream).any(|task| asks(claim, task));
        let mut claims: BTreeSet<String> = self.claims.iter().filter(asked).map(|claim| claim.name.clone()).collect();
        if let Subject::Claim(name) = &finding.subject {
            claims.insert(name.clone());
        }
        Told { finding, touched, claims }
    }

    fn data(&self, told: &[Told<'_>]) -> Value {
        let findings: Vec<Value> = told
            .iter()
            .map(|told| {
                json!({
                    "kind": told.finding.kind, "what": told.finding.what, "tasks": told.touched.tasks,
                    "downstream": told.touched.downstream, "claims": told.claims,
                })
            })
            .collect();
        let held = self.held;
        let bytes =
            held.map(|held| json!({"blobs": held.blobs, "bytes": held.bytes, "whole": held.whole, "gone": held.gone}));
        let mut data = json!({
            "version": 1,
            "run": self.name,
            "runs": self.audit.runs,
            "events": self.audit.events,
            "recipes": self.audit.recipes,
            "artifacts": self.audit.artifacts(),
            "store": bytes,
            "findings": findings,
            "ok": told.is_empty(),
        });
        for (name, value) in &self.more {
            data[*name] = value.clone();
        }
        data
    }

    fn print(&self, told: &[Told<'_>], out: &mut Output) -> Result<(), Stop> {
        let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let Self { audit, held, .. } = self;
        let read = match held {
            Some(held) => format!("{} ({}) read", count(number(held.blobs), "blob", "blobs"), Bytes(held.bytes)),
            None => "no byte of an artifact read".to_owned(),
        };
        out.line(&format!(
            "{}: {}, {}, {}, {read} in {}",
            out.paint(Paint::Bold, &self.title),
            count(number(audit.events), "event", "events"),
            count(number(audit.recipes), "recipe", "recipes"),
            count(number(audit.artifacts()), "artifact", "artifacts"),
            span(self.began.elapsed().as_secs_f64()),
        ))?;
        for told in told.iter().take(MOST) {
            told.print(out)?;
        }
        if told.len() > MOST {
            out.line(&format!("… and {} more findings; --json lists all", told.len() - MOST))?;
        }
        let gone = held.map(|held| held.gone.len()).filter(|gone| *gone > 0).map(|gone| {
            let artifacts = count(gone, "artifact is", "artifacts are");
            format!("the bytes of {artifacts} not in {}; what is recorded of them was checked", self.place)
        });
        for note in gone.iter().chain(&self.notes) {
            out.line(&out.paint(Paint::Dim, note))?;
        }
        if told.is_empty() {
            let read = held.is_some_and(|held| held.blobs > 0);
            let bytes = if read { ", every key and every byte" } else { " and every key" };
            return out.line(&format!("{} every chain{bytes} holds, and {}", out.paint(Paint::Good, "ok"), self.holds));
        }
        out.line(&out.paint(Paint::Bad, &count(told.len(), "finding", "findings")))
    }
}

impl Told<'_> {
    fn print(&self, out: &mut Output) -> Result<(), Stop> {
        let Self { finding, touched, claims } = self;
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
        Ok(())
    }
}
