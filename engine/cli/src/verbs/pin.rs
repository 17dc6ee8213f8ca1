//! `pin`: what `gc` must leave alone, whatever else it takes away.

use isoflop_ledger::{
    Ledger,
    pin::{Pin, Pinned},
};
use serde_json::{Value, json};

use crate::{
    aligned::{Cell, date, header, lines},
    args::PinArgs,
    home, named,
    output::{Output, Paint},
    settings::Settings,
    soft,
    stop::{Stop, infrastructure},
};

/// Lists pins, sets them, or takes them out.
pub async fn pin(args: &PinArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    if args.list {
        let pins = match home::ledger_if_any(settings).await? {
            Some(ledger) => ledger.pins().await.map_err(infrastructure)?,
            None => Vec::new(),
        };
        return list(&pins, out);
    }
    let ledger = named::ledger(settings).await?;
    // All names first: a misspelt one leaves everything as it was.
    let mut found = Vec::new();
    for name in &args.names {
        found.push(find(&ledger, name, args).await?);
    }
    let pins = ledger.pins().await.map_err(infrastructure)?;
    let by = settings.user.as_ref().map_or_else(soft::host, |user| format!("{user}@{}", soft::host()));
    let mut done = Vec::new();
    for (pinned, name, study) in found {
        let stands = pins.iter().any(|pin| same(pin.pinned, pinned));
        let state = match (args.remove, stands) {
            (true, true) => "taken out",
            (true, false) => {
                return Err(Stop::Usage(format!("{name} is not pinned; `isoflop pin --list` lists what is")));
            }
            (false, true) => "pinned again",
            (false, false) => "pinned",
        };
        if !args.dry_run {
            if args.remove {
                ledger.unpin(pinned).await.map_err(infrastructure)?;
            } else {
                ledger.pin(pinned, &name, &study, &args.note, &by).await.map_err(infrastructure)?;
            }
        }
        done.push((pinned, name, study, state));
    }
    if out.json {
        let pins: Vec<Value> = done
            .iter()
            .map(|(pinned, name, study, state)| json!({"pinned": pinned, "name": name, "study": study, "state": state}))
            .collect();
        return out.data(&json!({"version": 1, "dry_run": args.dry_run, "pins": pins}));
    }
    let would = if args.dry_run { "would be " } else { "" };
    done.iter().try_for_each(|(_, name, study, state)| out.line(&format!("{name} of {study}: {would}{state}")))
}

/// Whether two pins hold the same thing, however far they reach.
fn same(a: Pinned, b: Pinned) -> bool {
    match (a, b) {
        (Pinned::Run(a), Pinned::Run(b)) => a == b,
        (Pinned::Key { key: a, .. }, Pinned::Key { key: b, .. }) => a == b,
        _ => false,
    }
}

/// What is to be pinned, what it is called, and its study: a task by its name, else a run, else a key or an artifact by first digits.
async fn find(ledger: &Ledger, name: &str, args: &PinArgs) -> Result<(Pinned, String, String), Stop> {
    let study = args.study.as_deref();
    let key = |key| Pinned::Key { key, lineage: args.lineage };
    if let Some(task) = ledger.task_latest(name, study).await.map_err(infrastructure)? {
        return Ok((key(task.key), task.name, task.study));
    }
    let run =
        if name.starts_with("latest") || name.len() >= 6 { ledger.pick_run(name, study).await.ok() } else { None };
    let task = named::find_task(ledger, name, study).await;
    match (run, task) {
        (Some(_), Ok(Some(_)) | Err(_)) if !name.starts_with("latest") => {
            Err(Stop::Usage(format!("`{name}` could be a run or a task; give more digits")))
        }
        (Some(run), _) => Ok((Pinned::Run(run.id), format!("run {}", named::short(run.id)), run.study)),
        (None, Ok(Some(task))) => {
            let study = if task.study.is_empty() { "an earlier plan".to_owned() } else { task.study };
            Ok((key(task.key), task.label, study))
        }
        (None, Err(stop)) => Err(stop),
        (None, Ok(None)) => Err(named::task(ledger, name, study)
            .await
            .err()
            .unwrap_or_else(|| Stop::Usage(format!("there is no run and no task named `{name}`")))),
    }
}

fn list(pins: &[Pin], out: &mut Output) -> Result<(), Stop> {
    if out.json {
        return out.data(&json!({"version": 1, "pins": pins}));
    }
    if pins.is_empty() {
        return out.line("nothing is pinned");
    }
    let mut rows = vec![header(&["NAME", "STUDY", "HOLDS", "SINCE", "BY", "NOTE"])];
    for pin in pins {
        let holds = match pin.pinned {
            Pinned::Run(_) => "all of the run",
            Pinned::Key { lineage: true, .. } => "its artifact and what it rests on",
            Pinned::Key { lineage: false, .. } => "its artifact",
        };
        rows.push(vec![
            Cell::painted(&pin.name, Paint::Bold),
            Cell::new(&pin.study),
            Cell::new(holds),
            Cell::new(date(pin.at)),
            Cell::new(&pin.by),
            Cell::new(&pin.note),
        ]);
    }
    lines(&rows, out.color).iter().try_for_each(|line| out.line(line))
}
