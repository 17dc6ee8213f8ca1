//! Claims judged: each sentence of a paper against the numbers there are.
//!
//! A check is an expression over these functions; every call is recorded with its value, the number of cells behind it and what they made.
//!
//! | function | value |
//! |---|---|
//! | `mean`, `std`, `min`, `max` `(group, scalar, axis=…)` | of all cells of the group at these values of axes |
//! | `values(group, scalar, axis=…)` | their list, in the plan's order |
//! | `value(group, scalar, axis=…)` | of the one cell there |
//! | `count(group, scalar, axis=…)` | how many of them made one: a diverged cell does not count |
//! | `spearman(group, x, y, axis=…)` | the rank correlation of two scalars |
//! | `spearman(group, x, other, y, axis=…)` | the same of scalars of two groups, joined where cells have the same axes |
//! | `correlation(…)` | what `spearman` gives, with its interval |
//! | `spearman(…, over='seed')`, `correlation(…, over='seed')` | the same of means: cells that differ in nothing but `seed` are one. An axis, or a list of some |
//! | `stronger(group, y, a, b, axis=…, over=…)` | how much more strongly `y` ranks with `a` than with `b`, by size and whatever the sign: an interval. Each is a scalar of the group, or `other.scalar` of another |
//! | `interval(group, scalar, axis=…)` | of the one cell there, with the ends `scalar_lower` and `scalar_upper` that its task gave it |
//! | `difference(group, scalar, a, b, axis=…)` | how much more it is at the axes `a` than at the axes `b`, cell by cell where the others agree: an interval |
//!
//! An interval has `estimate`, `lower`, `upper` and `n`; it is Student's, of a correlation Fisher's, of two that are compared Zou's, at nine in ten unless `level=0.95` says otherwise. What can be told of it:
//!
//! | function | value |
//! |---|---|
//! | `above(interval, bound)`, `below(interval, bound)` | whether it lies above `bound` (0 if left out), or below |
//! | `within(interval, margin)` | whether it lies within `margin` of zero |
//! | `every([…])` | whether all of these hold |
//! | `agree(values, printed, tolerance)` | whether each value is as near as that to the printed one; `unit=1e9` if those are printed in billions |
//!
//! **A third answer**: where an interval crosses its bound, the numbers cannot tell, and neither can the claim: `above` and `within` give `none`, `every`
//! too unless one of its answers is no, and a check that comes out as `none` leaves its claim not tested.
//!
//! A list as an axis's value (`size=['s', 'm']`) means any of them. The scalars `compute`, `params` and `macs` of what was trained for a cell
//! are known even where no task recorded them. **Divergence is never averaged away**: a call that meets a cell without the number makes its
//! claim not tested, and says why. So does a name that is not there.

mod calls;
mod ranked;
mod table;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use isoflop_contract::{Digest, Value, quantity::grouped};
use isoflop_plan::{Claim, Plan, template::Expression};
use serde::Serialize;
use serde_json::json;

use calls::functions;
use table::Table;

use crate::{
    facts::{Facts, TaskFacts},
    interval::Interval,
    number,
};

/// What the numbers say to a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The check holds.
    Reproduced,
    /// It does not.
    Contradicted,
    /// It cannot be decided from what there is.
    NotTested,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reproduced => "reproduced",
            Self::Contradicted => "contradicted",
            Self::NotTested => "not-tested",
        })
    }
}

/// A claim with its verdict.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// The claim's name.
    pub name: String,
    /// The sentence.
    pub says: String,
    /// Where the sentence stands.
    pub source: Option<String>,
    /// The expression that decides it.
    pub check: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why, in one line: the calls with their values, or what is missing.
    pub evidence: String,
    /// Every call that was answered, in order, each once.
    pub calls: Vec<Call>,
    /// Where the check is written, `study.yaml:40`.
    pub place: String,
}

/// One call that a check made.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// As in `mean(eval.scores.alignment, size=l)`.
    pub call: String,
    /// Its value.
    pub value: Value,
    /// How many cells are behind it.
    pub n: usize,
    /// Those cells.
    pub tasks: Vec<Cited>,
}

/// A number that a call used.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cited {
    /// The task that made it.
    pub task: String,
    /// What the task made.
    pub digest: Option<Digest>,
    /// Which of its numbers.
    #[serde(skip)]
    pub scalar: String,
    /// The number; of a correlation, the second of the two.
    pub value: f64,
}

impl Cited {
    fn of(task: &TaskFacts, scalar: &str, value: f64) -> Self {
        Self { task: task.name.clone(), digest: task.digest, scalar: scalar.to_owned(), value }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = match &self.value {
            Value::Array(values) => {
                let values: Vec<String> = values.iter().filter_map(Value::as_f64).map(written_number).collect();
                format!("[{}]", values.join(", "))
            }
            value => match (value.as_f64(), Interval::read(value)) {
                (Some(value), _) => written_number(value),
                (None, Some(interval)) => written_interval(interval),
                (None, None) => value.to_string(),
            },
        };
        write!(f, "{} = {value} (n = {})", self.call, self.n)
    }
}

/// Counts in full, other numbers to four digits.
fn written_number(value: f64) -> String {
    if value.fract() == 0.0 && (1e4..1e15).contains(&value) {
        return grouped(value as u64);
    }
    number::short(value, 4)
}

/// As in `0.031 [0.012, 0.05]`.
fn written_interval(interval: Interval) -> String {
    let ends = interval.ends.map(|(lower, upper)| format!(" [{}, {}]", written_number(lower), written_number(upper)));
    written_number(interval.estimate) + &ends.unwrap_or_else(|| ", one pair, no interval".to_owned())
}

/// Judges every claim of the plan.
pub fn judge(plan: &Plan, facts: &Facts) -> Vec<Judged> {
    judge_within(&plan.claims, &plan.study.params, facts)
}

/// Judges these claims.
pub fn judge_all(claims: &[Claim], facts: &Facts) -> Vec<Judged> {
    judge_within(claims, &BTreeMap::new(), facts)
}

/// Judges these claims, whose checks may use these parameters.
fn judge_within(claims: &[Claim], params: &BTreeMap<String, Value>, facts: &Facts) -> Vec<Judged> {
    let table = Arc::new(Table::of(facts));
    claims.iter().map(|claim| judge_claim(claim, params, &table)).collect()
}

/// The object that `claims --json` prints.
pub fn to_json(claims: &[Judged]) -> Value {
    let claims: Vec<Value> = claims
        .iter()
        .map(|claim| {
            json!({
                "name": claim.name,
                "verdict": claim.verdict,
                "evidence": claim.evidence,
                "says": claim.says,
                "source": claim.source,
                "check": claim.check,
                "place": claim.place,
                "calls": claim.calls,
                "digest": claim.digest(),
            })
        })
        .collect();
    json!({"version": 1, "claims": claims})
}

fn judge_claim(claim: &Claim, params: &BTreeMap<String, Value>, table: &Arc<Table>) -> Judged {
    let record = Arc::new(Mutex::new(Record::default()));
    let value = Expression::compile(&claim.check).and_then(|e| e.evaluate(params, &functions(table, &record)));
    let record = std::mem::take(&mut *record.lock().unwrap_or_else(PoisonError::into_inner));
    let calls = |calls: &[Call]| calls.iter().map(Call::to_string).collect::<Vec<_>>().join("; ");
    let (verdict, evidence) = match (record.missing, value) {
        (Some(missing), _) => (Verdict::NotTested, missing),
        (None, Err(error)) => {
            let hint = error.hint.map_or_else(String::new, |hint| format!(" ({hint})"));
            (Verdict::NotTested, format!("the check cannot be evaluated: {}{hint}", error.message))
        }
        (None, Ok(Value::Bool(true))) => (Verdict::Reproduced, calls(&record.calls)),
        (None, Ok(Value::Bool(false))) => (Verdict::Contradicted, calls(&record.calls)),
        (None, Ok(Value::Null)) => {
            (Verdict::NotTested, format!("cannot be told at this scale: {}", calls(&record.calls)))
        }
        (None, Ok(other)) => {
            (Verdict::NotTested, format!("the check gives {other}, which is neither true nor false nor none"))
        }
    };
    // A check without a call compares constants: it says nothing about what was measured.
    let (verdict, evidence) = if verdict != Verdict::NotTested && record.calls.is_empty() {
        (Verdict::NotTested, "the check asks for no measured number".to_owned())
    } else {
        (verdict, evidence)
    };
    Judged {
        name: claim.name.clone(),
        says: claim.says.clone(),
        source: claim.source.clone(),
        check: claim.check.clone(),
        verdict,
        evidence,
        calls: record.calls,
        place: claim.origin.to_string(),
    }
}

/// What was asked while one check was evaluated.
#[derive(Debug, Default)]
struct Record {
    calls: Vec<Call>,
    missing: Option<String>,
}
