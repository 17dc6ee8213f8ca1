//! What to run next, on a terminal and as a part of a study.

use isoflop_kinds::fit::FitScaling;
use isoflop_native::fit::{Candidate, Means, Points, suggest as suggest_runs};
use serde_json::json;

use super::{ask, tell::short, value};
use crate::{
    args::FitArgs,
    outfile::Outfile,
    output::{Output, Paint},
    stop::Stop,
    table::{Head, Table},
};

/// Works out, prints and, if asked, writes the runs.
pub fn suggest(
    args: &FitArgs,
    points: &Points,
    spec: &FitScaling,
    means: &Means,
    out: &mut Output,
) -> Result<(), Stop> {
    if let Some(file) = &args.into {
        Outfile::Suggestion.may_go_to(file)?;
    }
    let wish = ask::wish(args)?;
    let made = suggest_runs(points, spec, means, &wish)
        .map_err(|error| Stop::Usage(format!("{}: {}", args.data.display(), ask::in_flags(&error))))?;
    if let Some(file) = &args.into {
        std::fs::write(file, made.yaml())
            .map_err(|error| Stop::Usage(format!("{} cannot be written: {error}", file.display())))?;
    }
    if out.json {
        return out.data(&json!({"version": 1, "form": spec.form, "suggestion": value(&made)?}));
    }
    out.line(&out.paint(
        Paint::Bold,
        &format!("{} = {}, standard error {}", made.quantity, short(made.value, 5), short(made.stderr, 3)),
    ))?;
    out.line(&format!(
        "  {} runs for {} of {} FLOP should narrow the error to {}, that is to {:.0} %",
        made.runs.len(),
        short(made.compute, 3),
        short(made.budget, 3),
        short(made.foreseen, 3),
        100.0 * made.foreseen / made.stderr
    ))?;
    out.line("")?;
    table("run", &made.runs, out)?;
    if made.runs.iter().any(|run| run.again > 1) {
        out.line("  a run named again is worth its compute once more, under another seed")?;
    }
    out.line("")?;
    table("alone, by what a FLOP narrows", &made.ranked, out)?;
    match &args.into {
        Some(file) => out.line(&format!("  written to {}", file.display())),
        None => Ok(()),
    }
}

fn table(head: &'static str, runs: &[Candidate], out: &mut Output) -> Result<(), Stop> {
    let mut table =
        Table::new(&[Head::left(head), Head::right("FLOP"), Head::right("error to"), Head::right("variance per FLOP")]);
    for run in runs {
        let at: Vec<String> = run.at.iter().map(|(name, value)| format!("{name} = {}", short(*value, 4))).collect();
        let at = at.join(", ") + &if run.again > 1 { format!("  (seed {})", run.again) } else { String::new() };
        let narrows = format!("{:.1} %", 100.0 * run.narrows_to);
        table.row(Paint::Bold, vec![at, short(run.compute, 3), narrows, short(run.per_flop, 3)]);
    }
    table.print(out)
}
