//! The functions of checks that rank: how two numbers of many cells go together, and whether one goes along better than another.

use std::collections::BTreeMap;

use isoflop_contract::Value;

use super::{
    Call, Cited,
    calls::{Named, level},
    table::{Row, Table, written},
};
use crate::{interval::Interval, stats, variant::plain};

/// Takes the axes over which is averaged out of what was named: one by its name, or a list of them.
fn over(axes: &mut Named) -> Result<Vec<String>, String> {
    let texts = |list: &[Value]| list.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>();
    let named = match axes.remove("over") {
        None => return Ok(Vec::new()),
        Some(Value::String(axis)) => Some(vec![axis]),
        Some(Value::Array(list)) => texts(&list),
        Some(_) => None,
    };
    named.ok_or_else(|| "`over` is the name of an axis, or a list of such".to_owned())
}

/// `spearman(group, x, y, axis=…, over=…)` and `spearman(group, x, other, y, axis=…, over=…)`, and the same as `correlation` with an interval.
pub(super) fn correlation(table: &Table, name: &str, given: &[Value], named: &Named) -> Result<Call, String> {
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
    let over = over(&mut axes)?;
    table.axes(group, &over)?;
    let others = table.rows(other, &BTreeMap::new())?;
    // By the values that cells which are averaged have in common, their numbers.
    let mut averaged: BTreeMap<Vec<String>, Vec<(f64, f64)>> = BTreeMap::new();
    let mut tasks = Vec::new();
    for row in table.rows(group, &axes)? {
        let partner = if group == other { row } else { partner(row, &others, other)? };
        let pair = (table.scalar(row, x)?, table.scalar(partner, y)?);
        let common = row.task.cell.iter().filter(|(axis, _)| !over.iter().any(|over| over == axis));
        averaged.entry(common.map(|(_, value)| plain(value)).collect()).or_default().push(pair);
        if group != other {
            tasks.push(Cited::of(&row.task, x, pair.0));
        }
        tasks.push(Cited::of(&partner.task, y, pair.1));
    }
    let pairs: Vec<(f64, f64)> = averaged.values().map(|pairs| stats::centre(pairs)).collect();
    let interval = Interval::correlation(&pairs, level)
        .ok_or("a rank correlation needs two cells, and neither side may be constant")?;
    let value = if name == "correlation" { interval.to_value() } else { interval.estimate.into() };
    let at = if axes.is_empty() { String::new() } else { format!(", {}", written(&axes)) };
    let means = if over.is_empty() { String::new() } else { format!(", means over {}", over.join(", ")) };
    Ok(Call { call: format!("{name}({group}.{x}, {other}.{y}{at}{means})"), value, n: pairs.len(), tasks })
}

/// `stronger(group, y, a, b, axis=…, over=…)`: how much more strongly `y` ranks with `a` than with `b`, each a scalar of the group, or `other.scalar`.
pub(super) fn stronger(table: &Table, given: &[Value], named: &Named) -> Result<Call, String> {
    let texts: Option<Vec<&str>> = given.iter().map(Value::as_str).collect();
    let Some(&[group, y, a, b]) = texts.as_deref() else {
        let usage = "write stronger('group', 'y', 'a', 'b', axis=value), where a and b are scalars of the group, or of another: 'other.scalar'";
        return Err(format!("`stronger` was not given what it takes: {usage}"));
    };
    let mut axes = named.clone();
    let (level, over) = (level(&mut axes)?, over(&mut axes)?);
    table.axes(group, &over)?;
    let side = |side| -> Result<(&str, &str, Vec<&Row>), String> {
        let (other, scalar) = str::rsplit_once(side, '.').unwrap_or((group, side));
        Ok((other, scalar, table.rows(other, &BTreeMap::new())?))
    };
    let sides = [side(a)?, side(b)?];
    let mut averaged: BTreeMap<Vec<String>, Vec<[f64; 3]>> = BTreeMap::new();
    let mut tasks = Vec::new();
    for row in table.rows(group, &axes)? {
        let value = table.scalar(row, y)?;
        tasks.push(Cited::of(&row.task, y, value));
        let mut three = [value; 3];
        for ((other, scalar, rows), three) in sides.iter().zip(&mut three[1..]) {
            let partner = if *other == group { row } else { partner(row, rows, other)? };
            *three = table.scalar(partner, scalar)?;
            if *other != group {
                tasks.push(Cited::of(&partner.task, scalar, *three));
            }
        }
        let common = row.task.cell.iter().filter(|(axis, _)| !over.iter().any(|over| over == axis));
        averaged.entry(common.map(|(_, value)| plain(value)).collect()).or_default().push(three);
    }
    let mean = |threes: &Vec<[f64; 3]>| {
        [0, 1, 2].map(|k| threes.iter().map(|three| three[k]).sum::<f64>() / threes.len() as f64)
    };
    let threes: Vec<[f64; 3]> = averaged.values().map(mean).collect();
    let interval = Interval::stronger(&threes, level)
        .ok_or("a rank correlation needs two cells, and neither side may be constant")?;
    let at = if axes.is_empty() { String::new() } else { format!(", {}", written(&axes)) };
    let means = if over.is_empty() { String::new() } else { format!(", means over {}", over.join(", ")) };
    let call = format!("stronger({group}.{y} with {a} − with {b}{at}{means})");
    Ok(Call { call, value: interval.to_value(), n: threes.len(), tasks })
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
