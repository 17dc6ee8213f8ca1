//! How compute is best divided, on a terminal.

use isoflop_native::fit::Allocation;

use super::tell::short;
use crate::{
    output::{Output, Paint},
    stop::Stop,
    table::{Head, Table},
};

/// Prints an allocation.
pub fn tell(made: &Allocation, out: &mut Output) -> Result<(), Stop> {
    out.line(&out.paint(Paint::Bold, &made.formula))?;
    out.line(&format!("  {}", made.objective))?;
    out.line(&format!(
        "  {} best sizes from {} of {} runs; r2 {:.4}",
        made.n, made.rows.fitted, made.rows.given, made.r2
    ))?;
    out.line("")?;
    let mut table =
        Table::new(&[Head::left("parameter"), Head::right("value"), Head::left("interval"), Head::right("std. error")]);
    for name in &made.parameters {
        let one = &made.params[name];
        let interval = format!("[{}, {}]", short(one.lower, 4), short(one.upper, 4));
        table.row(Paint::Bold, vec![(*name).to_owned(), short(one.value, 6), interval, short(one.stderr, 3)]);
    }
    table.print(out)?;
    if !made.profiles.is_empty() {
        out.line("")?;
        let mut table = Table::new(&[
            Head::left("budget"),
            Head::right("runs"),
            Head::right("best N"),
            Head::left("interval"),
            Head::left(""),
        ]);
        for profile in &made.profiles {
            let (best, interval) = profile.n.map_or_else(Default::default, |n| {
                (short(n.value, 4), format!("[{}, {}]", short(n.lower, 3), short(n.upper, 3)))
            });
            let why = profile.refused.clone().unwrap_or_default();
            table.row(Paint::Bold, vec![profile.label.clone(), profile.runs.len().to_string(), best, interval, why]);
        }
        table.print(out)?;
    }
    for target in &made.targets {
        let best: Vec<String> = target
            .best
            .iter()
            .map(|(name, one)| {
                format!("{name}* = {} [{}, {}]", short(one.value, 4), short(one.lower, 3), short(one.upper, 3))
            })
            .collect();
        out.line(&format!("  at C = {}: {}", short(target.at["C"], 4), best.join("; ")))?;
    }
    made.warnings
        .iter()
        .try_for_each(|warning| out.line(&format!("  {}: {warning}", out.paint(Paint::Notice, "warning"))))
}
