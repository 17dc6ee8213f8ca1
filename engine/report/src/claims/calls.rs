//! The functions of checks that ask for measured numbers.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use isoflop_contract::Value;
use isoflop_plan::template::{Function, Functions};

use super::{
    Call, Cited, Record,
    ranked::{correlation, stronger},
    table::{Row, Table, written},
};
use crate::{answers, facts::State, interval::Interval, stats, variant::plain};

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

pub(super) fn functions(table: &Arc<Table>, record: &Arc<Mutex<Record>>) -> Functions {
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
        .chain([recorded("stronger", table, record, stronger)])
        .chain([recorded("difference", table, record, difference)])
        .chain([recorded("interval", table, record, interval)])
        .chain(answers::functions())
        .collect()
}

/// What a call names: axes, and what else its function takes by name.
pub(super) type Named = BTreeMap<String, Value>;

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
pub(super) fn level(axes: &mut Named) -> Result<f64, String> {
    match axes.remove("level").as_ref().map(Value::as_f64) {
        None => Ok(0.9),
        Some(Some(level)) if level > 0.0 && level < 1.0 => Ok(level),
        Some(_) => Err("the `level` of an interval lies between 0 and 1".to_owned()),
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

/// `interval(group, scalar, axis=…)`: a number with the ends that its task gave it, as a fit does.
fn interval(table: &Table, given: &[Value], axes: &Named) -> Result<Call, String> {
    let [Value::String(group), Value::String(scalar)] = given else {
        let usage = "write interval('group', 'scalar', axis=value)";
        return Err(format!("`interval` was not given what it takes: {usage}"));
    };
    let rows = table.rows(group, axes)?;
    let [row] = rows.as_slice() else {
        return Err(format!("`interval` is of one cell and {} are there; name more axes", rows.len()));
    };
    let estimate = table.scalar(row, scalar)?;
    let end = |which: &str| table.scalar(row, &format!("{scalar}_{which}")).ok();
    let ends = end("lower").zip(end("upper"));
    if ends.is_none() {
        let task = &row.task.name;
        return Err(format!(
            "`{task}` gave `{scalar}` no interval: it has no `{scalar}_lower` and `{scalar}_upper`, as fits have"
        ));
    }
    let at = if axes.is_empty() { String::new() } else { format!(", {}", written(axes)) };
    Ok(Call {
        call: format!("interval({group}.{scalar}{at})"),
        value: Interval { estimate, ends, n: 1 }.to_value(),
        n: 1,
        tasks: vec![Cited::of(&row.task, scalar, estimate)],
    })
}
