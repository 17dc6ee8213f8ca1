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
//! | `difference(group, scalar, a, b, axis=…)` | how much more it is at the axes `a` than at the axes `b`, cell by cell where the others agree: an interval |
//!
//! An interval has `estimate`, `lower`, `upper` and `n`; it is Student's, of a correlation Fisher's, at nine in ten unless `level=0.95` says otherwise. What can be told of it:
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

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use isoflop_contract::{Digest, Value, quantity::grouped};
use isoflop_plan::{
    Claim, Plan,
    template::{Expression, Function, Functions},
};
use serde::Serialize;
use serde_json::json;

use crate::{
    answers,
    facts::{Facts, State, TaskFacts},
    interval::Interval,
    number, stats,
    variant::{plain, trained},
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

/// The facts in the form calls ask for them: functions of a template outlive any borrow.
struct Table {
    groups: BTreeMap<String, Vec<Row>>,
}

struct Row {
    task: TaskFacts,
    scalars: BTreeMap<String, f64>,
}

impl Table {
    fn of(facts: &Facts) -> Self {
        let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
        let index = facts.index();
        for task in &facts.tasks {
            let mut scalars = task.scalars.clone();
            if let Some(trained) = trained(&index, task) {
                let known = [
                    ("compute", Some(trained.cost.flops)),
                    ("params", trained.cost.params.map(|n| n as f64)),
                    ("macs", trained.cost.macs.map(|n| n as f64)),
                ];
                for (name, value) in known {
                    if let Some(value) = value {
                        scalars.entry(name.to_owned()).or_insert(value);
                    }
                }
            }
            let task = TaskFacts { series: BTreeMap::new(), ..task.clone() };
            groups.entry(task.group.clone()).or_default().push(Row { task, scalars });
        }
        Self { groups }
    }

    /// The rows of `group` at these values of axes.
    fn rows(&self, group: &str, axes: &BTreeMap<String, Value>) -> Result<Vec<&Row>, String> {
        let rows =
            self.groups.get(group).ok_or_else(|| unknown("group", group, self.groups.keys().map(String::as_str)))?;
        let known: BTreeSet<&str> = rows.iter().flat_map(|row| row.task.cell.iter().map(|(axis, _)| axis)).collect();
        if let Some(axis) = axes.keys().find(|axis| !known.contains(axis.as_str())) {
            return Err(unknown(&format!("axis of `{group}`"), axis, known));
        }
        let fits =
            |row: &&Row| axes.iter().all(|(axis, want)| row.task.cell.get(axis).is_some_and(|have| alike(have, want)));
        let found: Vec<&Row> = rows.iter().filter(fits).collect();
        if found.is_empty() {
            return Err(format!("no task of `{group}` is at {}", written(axes)));
        }
        Ok(found)
    }

    /// The number `scalar` of `row`, or why it has none.
    fn scalar(&self, row: &Row, scalar: &str) -> Result<f64, String> {
        let task = &row.task;
        if !task.state.has_artifact() {
            let why = task.message.as_ref().map_or_else(String::new, |message| format!(": {message}"));
            let how = match task.state {
                State::Waiting => "has not run",
                State::Diverged => "diverged",
                State::Failed => "failed",
                _ => "was blocked",
            };
            return Err(format!("`{}` {how}{why}", task.name));
        }
        row.scalars.get(scalar).copied().ok_or_else(|| {
            let others = self.groups.get(&task.group).into_iter().flatten().flat_map(|row| row.scalars.keys());
            unknown(&format!("scalar of `{}`", task.name), scalar, others.map(String::as_str).collect::<BTreeSet<_>>())
        })
    }
}

/// Equal as people see it: `1` and `1.0` are, and so is any item of a list.
fn alike(have: &Value, want: &Value) -> bool {
    match want {
        Value::Array(any) => any.iter().any(|want| alike(have, want)),
        want => match (have.as_f64(), want.as_f64()) {
            (Some(have), Some(want)) => have.total_cmp(&want).is_eq(),
            _ => plain(have) == plain(want),
        },
    }
}

fn unknown<'a>(what: &str, name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    let near = known
        .iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(name, candidate), candidate))
        .filter(|(nearness, _)| *nearness > 0.55)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((_, near)) => format!("there is no {what} named `{name}`; did you mean `{near}`?"),
        None if known.is_empty() => format!("there is no {what} named `{name}`; there are none"),
        None => format!("there is no {what} named `{name}`; there are {}", known.join(", ")),
    }
}

fn written(axes: &BTreeMap<String, Value>) -> String {
    let parts: Vec<String> = axes.iter().map(|(axis, value)| format!("{axis}={}", plain(value))).collect();
    parts.join(", ")
}

/// Makes a call's value of the numbers found.
type Reduce = fn(&[f64]) -> Result<Value, String>;

/// Name, and what is made of the numbers.
const FUNCTIONS: [(&str, Reduce); 7] = [
    ("mean", |values| defined(stats::mean(values), "a mean needs a value")),
    ("std", |values| defined(stats::std(values), "a standard deviation needs two values")),
    ("min", |values| defined(stats::span(values).map(|(low, _)| low), "a minimum needs a value")),
    ("max", |values| defined(stats::span(values).map(|(_, high)| high), "a maximum needs a value")),
    ("count", |values| Ok(values.len().into())),
    ("value", |values| match values {
        [value] => Ok((*value).into()),
        values => Err(format!("`value` is of one cell and {} are there; name more axes, or use `mean`", values.len())),
    }),
    ("values", |values| Ok(values.into())),
];

fn defined(value: Option<f64>, otherwise: &str) -> Result<Value, String> {
    value.filter(|value| value.is_finite()).map(Value::from).ok_or_else(|| otherwise.to_owned())
}

fn functions(table: &Arc<Table>, record: &Arc<Mutex<Record>>) -> Functions {
    let asking = FUNCTIONS.into_iter().map(|(name, reduce)| {
        recorded(name, table, record, move |table: &Table, given: &[Value], named: &Named| {
            call(table, name, reduce, given, named)
        })
    });
    let joined = ["spearman", "correlation"].map(|name| {
        recorded(name, table, record, move |table: &Table, given: &[Value], named: &Named| {
            correlation(table, name, given, named)
        })
    });
    asking
        .chain(joined)
        .chain([recorded("difference", table, record, difference)])
        .chain(answers::functions())
        .collect()
}

type Named = BTreeMap<String, Value>;

/// The function `name` of a template, whose calls are written down.
fn recorded(
    name: &str,
    table: &Arc<Table>,
    record: &Arc<Mutex<Record>>,
    body: impl Fn(&Table, &[Value], &Named) -> Result<Call, String> + Send + Sync + 'static,
) -> (String, Function) {
    let (table, record) = (Arc::clone(table), Arc::clone(record));
    let function: Function = Arc::new(move |given: &[Value], named: &Named| {
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        match body(&table, given, named) {
            Ok(call) => {
                let value = call.value.clone();
                if !record.calls.contains(&call) {
                    record.calls.push(call);
                }
                Ok(value)
            }
            Err(reason) => {
                record.missing.get_or_insert_with(|| reason.clone());
                Err(reason)
            }
        }
    });
    (name.to_owned(), function)
}

fn call(table: &Table, name: &str, reduce: Reduce, given: &[Value], axes: &Named) -> Result<Call, String> {
    let [Value::String(group), Value::String(scalar)] = given else {
        let usage = format!("write {name}('group', 'scalar', axis=value)");
        return Err(format!("`{name}` was not given what it takes: {usage}"));
    };
    let mut values = Vec::new();
    let mut tasks = Vec::new();
    for row in table.rows(group, axes)? {
        if name == "count" && row.task.state == State::Diverged {
            continue;
        }
        let value = table.scalar(row, scalar)?;
        values.push(value);
        tasks.push(Cited::of(&row.task, scalar, value));
    }
    let value = reduce(&values)?;
    let at = if axes.is_empty() { String::new() } else { format!(", {}", written(axes)) };
    Ok(Call { call: format!("{name}({group}.{scalar}{at})"), value, n: values.len(), tasks })
}

/// Takes the level of an interval out of what was named.
fn level(axes: &mut Named) -> Result<f64, String> {
    match axes.remove("level").as_ref().map(Value::as_f64) {
        None => Ok(0.9),
        Some(Some(level)) if level > 0.0 && level < 1.0 => Ok(level),
        Some(_) => Err("the `level` of an interval lies between 0 and 1".to_owned()),
    }
}

/// `spearman(group, x, y, axis=…)` and `spearman(group, x, other, y, axis=…)`, and the same as `correlation` with an interval.
fn correlation(table: &Table, name: &str, given: &[Value], named: &Named) -> Result<Call, String> {
    let texts: Option<Vec<&str>> = given.iter().map(Value::as_str).collect();
    let (group, x, other, y) = match texts.as_deref() {
        Some(&[group, x, y]) => (group, x, group, y),
        Some(&[group, x, other, y]) => (group, x, other, y),
        _ => {
            let usage = format!(
                "write {name}('group', 'x', 'y', axis=value) or {name}('group', 'x', 'other', 'y', axis=value)"
            );
            return Err(format!("`{name}` was not given what it takes: {usage}"));
        }
    };
    let mut axes = named.clone();
    let level = if name == "correlation" { level(&mut axes)? } else { 0.9 };
    let others = table.rows(other, &BTreeMap::new())?;
    let mut pairs = Vec::new();
    let mut tasks = Vec::new();
    for row in table.rows(group, &axes)? {
        let partner = if group == other { row } else { partner(row, &others, other)? };
        let pair = (table.scalar(row, x)?, table.scalar(partner, y)?);
        pairs.push(pair);
        if group != other {
            tasks.push(Cited::of(&row.task, x, pair.0));
        }
        tasks.push(Cited::of(&partner.task, y, pair.1));
    }
    let interval = Interval::correlation(&pairs, level)
        .ok_or("a rank correlation needs two cells, and neither side may be constant")?;
    let value = if name == "correlation" { interval.to_value() } else { interval.estimate.into() };
    let at = if axes.is_empty() { String::new() } else { format!(", {}", written(&axes)) };
    Ok(Call { call: format!("{name}({group}.{x}, {other}.{y}{at})"), value, n: pairs.len(), tasks })
}

/// The one of `others`, rows of the group `name`, that is at `row`'s values of all axes that both have.
fn partner<'a>(row: &Row, others: &[&'a Row], name: &str) -> Result<&'a Row, String> {
    let alike = |other: &&&Row| {
        other.task.cell.iter().all(|(axis, value)| row.task.cell.get(axis).is_none_or(|own| plain(own) == plain(value)))
    };
    let mut partners = others.iter().filter(alike);
    match (partners.next(), partners.next()) {
        (Some(partner), None) => Ok(partner),
        _ => Err(format!("`{}` has no one partner among the tasks of `{name}`", row.task.name)),
    }
}

/// `difference(group, scalar, a, b, axis=…, level=0.9)`.
fn difference(table: &Table, given: &[Value], named: &Named) -> Result<Call, String> {
    let usage = "write difference('group', 'scalar', {'axis': value}, {'axis': other})";
    let [Value::String(group), Value::String(scalar), Value::Object(a), Value::Object(b)] = given else {
        return Err(format!("`difference` was not given what it takes: {usage}"));
    };
    let mut axes = named.clone();
    let level = level(&mut axes)?;
    let side = |own: &serde_json::Map<String, Value>| {
        let mut axes = axes.clone();
        axes.extend(own.clone());
        table.rows(group, &axes).map(|rows| (written(&own.clone().into_iter().collect()), rows))
    };
    let ((a_name, a_rows), (b_name, b_rows)) = (side(a)?, side(b)?);
    // What a pair has in common: all axes but those that tell the sides apart.
    let common = |row: &Row| -> Vec<(String, String)> {
        let own = |axis: &str| a.contains_key(axis) || b.contains_key(axis);
        let axes = row.task.cell.iter().filter(|(axis, _)| !own(axis));
        axes.map(|(axis, value)| (axis.to_owned(), plain(value))).collect()
    };
    if a_rows.len() != b_rows.len() {
        let (many, few) = (a_rows.len(), b_rows.len());
        return Err(format!("{many} cells of `{group}` are at {a_name} and {few} at {b_name}: they make no pairs"));
    }
    let mut differences = Vec::new();
    let mut tasks = Vec::new();
    for row in a_rows {
        let key = common(row);
        let mut partners = b_rows.iter().filter(|other| common(other) == key);
        let (Some(partner), None) = (partners.next(), partners.next()) else {
            return Err(format!("`{}` has no one partner at {b_name}", row.task.name));
        };
        let (more, less) = (table.scalar(row, scalar)?, table.scalar(partner, scalar)?);
        differences.push(more - less);
        for (row, value) in [(row, more), (*partner, less)] {
            tasks.push(Cited::of(&row.task, scalar, value));
        }
    }
    let interval = Interval::of(&differences, level).ok_or("a difference needs a pair")?;
    let at = if axes.is_empty() { String::new() } else { format!(", {}", written(&axes)) };
    let call = format!("difference({group}.{scalar}, {a_name} − {b_name}{at})");
    Ok(Call { call, value: interval.to_value(), n: interval.n, tasks })
}
