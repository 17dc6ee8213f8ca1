//! What a check may tell of intervals and lists: yes, no, or none where the numbers cannot tell.

use std::{collections::BTreeMap, sync::Arc};

use isoflop_contract::Value;
use isoflop_plan::template::{Function, Functions};

use crate::interval::Interval;

/// `above`, `below`, `within`, `every` and `agree`, as [`claims`](crate::claims) describes them.
pub fn functions() -> Functions {
    let functions: [(&str, Function); 5] = [
        ("above", positional("above", above)),
        ("below", positional("below", below)),
        ("within", positional("within", within)),
        ("every", positional("every", every)),
        ("agree", Arc::new(agree)),
    ];
    functions.into_iter().map(|(name, function)| (name.to_owned(), function)).collect()
}

/// A function that takes nothing by name: what was passed over would be believed to count.
fn positional(name: &'static str, body: fn(&[Value]) -> Result<Value, String>) -> Function {
    Arc::new(move |given: &[Value], named: &BTreeMap<String, Value>| match named.keys().next() {
        Some(other) => Err(format!("`{name}` takes nothing by the name `{other}`")),
        None => body(given),
    })
}

fn above(given: &[Value]) -> Result<Value, String> {
    Ok(side("above", given)?.into())
}

fn below(given: &[Value]) -> Result<Value, String> {
    Ok(side("below", given)?.map(|above| !above).into())
}

/// Whether an interval lies above a bound, or below it; asked by the function `name`.
fn side(name: &str, given: &[Value]) -> Result<Option<bool>, String> {
    let usage = || format!("write {name}(difference(…)) or {name}(difference(…), bound)");
    let (interval, bound) = match given {
        [interval] => (interval, 0.0),
        [interval, bound] => (interval, bound.as_f64().ok_or_else(usage)?),
        _ => return Err(usage()),
    };
    Ok(Interval::read(interval).ok_or_else(usage)?.above(bound))
}

fn within(given: &[Value]) -> Result<Value, String> {
    let usage = || "write within(difference(…), margin)".to_owned();
    let [interval, margin] = given else { return Err(usage()) };
    let margin = margin.as_f64().filter(|margin| *margin > 0.0).ok_or_else(usage)?;
    Ok(Interval::read(interval).ok_or_else(usage)?.within(margin).into())
}

/// No if one is no; else none if one is none; else yes.
fn every(given: &[Value]) -> Result<Value, String> {
    let usage = || "write every([…]) with answers that are true, false or none".to_owned();
    let [Value::Array(answers)] = given else { return Err(usage()) };
    if answers.is_empty() || !answers.iter().all(|answer| answer.is_boolean() || answer.is_null()) {
        return Err(usage());
    }
    let any = |wanted: &Value| answers.contains(wanted);
    Ok(if any(&Value::Bool(false)) {
        Value::Bool(false)
    } else if any(&Value::Null) {
        Value::Null
    } else {
        Value::Bool(true)
    })
}

fn agree(given: &[Value], named: &BTreeMap<String, Value>) -> Result<Value, String> {
    let usage = || "write agree(values('group', 'scalar'), [numbers], tolerance, unit=1e9)".to_owned();
    if let Some(other) = named.keys().find(|name| *name != "unit") {
        return Err(format!("`agree` takes nothing by the name `{other}`"));
    }
    let unit = match named.get("unit") {
        None => 1.0,
        Some(unit) => unit.as_f64().filter(|unit| *unit > 0.0).ok_or_else(usage)?,
    };
    let [Value::Array(values), Value::Array(printed), tolerance] = given else { return Err(usage()) };
    let numbers = |list: &[Value]| list.iter().map(Value::as_f64).collect::<Option<Vec<f64>>>().ok_or_else(usage);
    let (values, printed) = (numbers(values)?, numbers(printed)?);
    let tolerance = tolerance.as_f64().filter(|tolerance| *tolerance >= 0.0).ok_or_else(usage)?;
    if values.len() != printed.len() {
        return Err(format!("{} values cannot agree with {} printed ones", values.len(), printed.len()));
    }
    Ok(values.iter().zip(&printed).all(|(value, printed)| (value / unit - printed).abs() <= tolerance).into())
}
