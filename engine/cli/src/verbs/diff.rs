//! `diff`: how two runs differ.

use std::collections::BTreeSet;

use isoflop_ledger::{Ledger, view::RunView};
use serde_json::{Value, json};

use crate::{
    aligned::{Cell, count, date, lines, some},
    args::DiffArgs,
    difference::{Change, Difference, Moved, Side, Spread, between},
    named,
    output::{Output, Paint},
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// Compares two runs and prints what differs.
pub async fn diff(args: &DiffArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = named::ledger(settings).await?;
    let old = named::run(&ledger, &args.old, args.study.as_deref()).await?;
    let new = named::run(&ledger, &args.new, args.study.as_deref()).await?;
    let found = between(&side(&ledger, &old).await?, &side(&ledger, &new).await?);
    if out.json {
        let mut data = serde_json::to_value(&found).map_err(|error| Stop::Internal(error.into()))?;
        data["version"] = json!(1);
        data["old"] = json!({"run": old.id, "study": old.study, "began": old.began});
        data["new"] = json!({"run": new.id, "study": new.study, "began": new.began});
        data["same"] = json!(found.is_empty());
        out.data(&data)?;
    } else {
        print(&old, &new, &found, out)?;
    }
    if args.exit_code && !found.is_empty() { Err(Stop::Differs) } else { Ok(()) }
}

async fn side(ledger: &Ledger, run: &RunView) -> Result<Side, Stop> {
    let tasks = ledger.run_tasks(run.id).await.map_err(infrastructure)?;
    let keys: Vec<_> = tasks.iter().map(|task| task.key).collect();
    let artifacts: BTreeSet<_> = tasks.iter().filter_map(|task| task.artifact).collect();
    let attempts: BTreeSet<_> = tasks.iter().filter_map(|task| task.attempt).collect();
    Ok(Side {
        recipes: ledger.recipes(&keys).await.map_err(infrastructure)?,
        manifests: ledger.manifests(&artifacts).await.map_err(infrastructure)?,
        environments: ledger.environments(&attempts).await.map_err(infrastructure)?,
        tasks,
    })
}

fn print(old: &RunView, new: &RunView, found: &Difference, out: &mut Output) -> Result<(), Stop> {
    let said = |run: &RunView| format!("{} of {} at {}", named::short(run.id), run.study, date(run.began));
    out.line(&format!("{} {}", out.paint(Paint::Bad, "-"), said(old)))?;
    out.line(&format!("{} {}", out.paint(Paint::Good, "+"), said(new)))?;
    if found.is_empty() {
        return out.line("no difference: same recipes, same bits");
    }
    let head = |out: &mut Output, title: &str| {
        let title = out.paint(Paint::Bold, title);
        out.line(&title)
    };
    for (title, names) in [("tasks that came", &found.added), ("tasks that went", &found.removed)] {
        if !names.is_empty() {
            head(out, title)?;
            out.line(&format!("  {}", some(names.iter().map(String::as_str), 12)))?;
        }
    }
    for (title, changes) in
        [("recipes", &found.recipes), ("outcomes", &found.outcomes), ("environments", &found.environments)]
    {
        if !changes.is_empty() {
            head(out, title)?;
            let rows: Vec<_> = changes.iter().map(row).collect();
            lines(&rows, out.color).iter().try_for_each(|line| out.line(&format!("  {line}")))?;
        }
    }
    if !found.upstream.is_empty() {
        head(out, "changed only in what they rest on")?;
        out.line(&format!("  {}", some(found.upstream.iter().map(String::as_str), 12)))?;
    }
    if !found.bits.is_empty() {
        head(out, "other bits from the same recipe")?;
        out.line(&format!("  {}", some(found.bits.iter().map(String::as_str), 12)))?;
    }
    if !found.metrics.is_empty() || found.within_spread > 0 {
        head(out, "final numbers")?;
        let rows: Vec<_> = found.metrics.iter().map(moved).collect();
        lines(&rows, out.color).iter().try_for_each(|line| out.line(&format!("  {line}")))?;
        if found.within_spread > 0 {
            let numbers = count(found.within_spread, "number", "numbers");
            out.line(&out.paint(Paint::Dim, &format!("  {numbers} moved within the spread over seeds")))?;
        }
    }
    Ok(())
}

fn row(change: &Change) -> Vec<Cell> {
    let text = |value: &Option<Value>, absent: &str| match value {
        None => absent.to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
    };
    let field = change.field.strip_prefix("spec.").unwrap_or(&change.field);
    let tasks =
        format!("{}: {}", count(change.tasks.len(), "task", "tasks"), some(change.tasks.iter().map(String::as_str), 3));
    vec![
        Cell::new(field),
        Cell::painted(text(&change.old, "not there"), Paint::Bad),
        Cell::new("→"),
        Cell::painted(text(&change.new, "gone"), Paint::Good),
        Cell::painted(tasks, Paint::Dim),
    ]
}

fn moved(moved: &Moved) -> Vec<Cell> {
    let digits = digits(moved.old.mean, moved.new.mean);
    let text = |spread: &Spread| match spread.deviation {
        Some(deviation) => format!("{} ± {} (n = {})", number(spread.mean, digits), number(deviation, 2), spread.n),
        None => number(spread.mean, digits),
    };
    let note = match moved.beyond {
        Some(_) => Cell::painted("beyond its spread", Paint::Notice),
        None => Cell::painted("one value each: no spread to judge it by", Paint::Dim),
    };
    vec![
        Cell::new(&moved.group),
        Cell::new(&moved.metric),
        Cell::painted(text(&moved.old), Paint::Bad),
        Cell::new("→"),
        Cell::painted(text(&moved.new), Paint::Good),
        note,
    ]
}

/// Digits enough to see two numbers apart, and at least four.
fn digits(a: f64, b: f64) -> i32 {
    (4..17).find(|digits| a.to_bits() == b.to_bits() || number(a, *digits) != number(b, *digits)).unwrap_or(17)
}

/// A number with so many significant digits, as a person would write it.
fn number(value: f64, digits: i32) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if (1e-4..1e6).contains(&size) => {
            let decimals = (digits - 1 - size.log10().floor() as i32).max(0);
            format!("{value:.*}", usize::try_from(decimals).unwrap_or(0))
        }
        _ => format!("{value:.*e}", usize::try_from(digits - 1).unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_as_many_digits_as_tell_them_apart() {
        for (value, text) in [
            (0.0, "0"),
            (0.123_456, "0.1235"),
            (12.345, "12.35"),
            (-1234.56, "-1235"),
            (1.5e-7, "1.500e-7"),
            (2e9, "2.000e9"),
        ] {
            assert_eq!(number(value, 4), text);
        }
        assert_eq!((digits(0.25, 0.5), digits(1.0, 1.000_001), digits(-6.0, -6.000_000_000_000_1)), (4, 7, 14));
    }
}
