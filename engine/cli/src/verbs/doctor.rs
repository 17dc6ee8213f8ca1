//! `doctor`: what isoflop needs on this machine, and whether what it keeps is sound.

use std::{path::Path, process::Command};

use isoflop_contract::{
    environment::Isa,
    quantity::{Bytes, Seconds},
};
use isoflop_exec::{Cgroups, Device};
use isoflop_ledger::server::Status;
use isoflop_store::{FindingKind, Remote};
use serde_json::json;

use crate::{
    args::DoctorArgs,
    devices, home, machine,
    output::{Output, Paint},
    settings::{Elsewhere, Settings},
    stop::{Stop, infrastructure},
    workers,
};

/// How one check came out.
enum Verdict {
    Well(String),
    Missing(String),
    Unsound(String),
}

/// Carries out every check, prints each, and stops with 8 for what is missing or 6 for what is unsound.
pub async fn doctor(args: &DoctorArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    if args.stop_server && args.dry_run {
        let running = match home::server(settings).status().map_err(infrastructure)? {
            Status::Running { pid, .. } => Some(pid),
            _ => None,
        };
        let process = running.flatten();
        if out.json {
            return out
                .data(&json!({"version": 1, "stopped": false, "running": running.is_some(), "process": process}));
        }
        return out.line(&match (running, process) {
            (None, _) => "no private ledger server runs".to_owned(),
            (Some(_), Some(pid)) => format!("the private ledger server, process {pid}, would be stopped"),
            (Some(_), None) => "the private ledger server would be stopped".to_owned(),
        });
    }
    if args.stop_server {
        home::server(settings).stop().map_err(infrastructure)?;
        return if out.json {
            out.data(&json!({"version": 1, "stopped": true}))
        } else {
            out.line("the private ledger server is stopped")
        };
    }
    let checks = [
        ("processor", processor()),
        ("memory", memory(settings)),
        ("devices", devices(settings)),
        ("torch worker", torch_worker(settings)),
        ("disk", disk(settings)),
        ("postgres", postgres(settings)),
        ("ledger", ledger(settings).await),
        ("rights", rights(settings).await),
        ("store", store(settings)),
        ("remote store", remote(settings)),
        ("checkpoints", checkpoints(settings)),
    ];
    if out.json {
        let checks: Vec<_> = checks
            .iter()
            .map(|(name, verdict)| {
                let (state, says) = match verdict {
                    Verdict::Well(says) => ("ok", says),
                    Verdict::Missing(says) => ("missing", says),
                    Verdict::Unsound(says) => ("unsound", says),
                };
                json!({"check": name, "state": state, "says": says})
            })
            .collect();
        out.data(&json!({"version": 1, "home": settings.home, "checks": checks}))?;
    } else {
        out.line(&format!("home {}", settings.home.display()))?;
        for (name, verdict) in &checks {
            let (mark, says) = match verdict {
                Verdict::Well(says) => (out.paint(Paint::Good, "ok     "), says),
                Verdict::Missing(says) => (out.paint(Paint::Notice, "missing"), says),
                Verdict::Unsound(says) => (out.paint(Paint::Bad, "unsound"), says),
            };
            out.line(&format!("{mark}  {name:<13} {}", says.replace('\n', "\n                         ")))?;
        }
    }
    if checks.iter().any(|(_, verdict)| matches!(verdict, Verdict::Unsound(_))) {
        return Err(Stop::Disproved);
    }
    if let Some((name, _)) = checks.iter().find(|(_, verdict)| matches!(verdict, Verdict::Missing(_))) {
        return Err(infrastructure(anyhow::anyhow!("{name} is not as it should be")));
    }
    Ok(())
}

fn processor() -> Verdict {
    let name = workers::processor();
    let Some(highest) = workers::isa() else {
        let lacking = Isa::Avx2.lacking(&workers::cpuinfo()).join(" and ");
        return Verdict::Missing(format!("{name} lacks {lacking}, without which no libtorch task runs"));
    };
    let levels: Vec<&str> = Isa::ALL.into_iter().filter(|level| *level <= highest).map(Isa::word).collect();
    Verdict::Well(format!("{name}\n`isa:` may be {}", levels.join(", ")))
}

fn memory(settings: &Settings) -> Verdict {
    let memory = machine::memory();
    let there = memory.map_or("not known; `run --memory` sets it".to_owned(), |memory| {
        format!("{memory} for tasks with `on: memory`; `run --memory` changes it")
    });
    let held = match Cgroups::open(&settings.confine) {
        Ok(groups) => {
            let place = groups.path().parent().unwrap_or(groups.path());
            format!("the kernel holds them to it, by control groups in {}", place.display())
        }
        Err(why) => format!("what they use is looked at five times a second, since {why}"),
    };
    Verdict::Well(format!("{there}\n{held}"))
}

fn devices(settings: &Settings) -> Verdict {
    let found = devices::found(settings);
    if found.devices.is_empty() {
        return Verdict::Well(format!("none: {}", found.note));
    }
    let line = |(number, device): (usize, &Device)| {
        let memory = device.memory.map_or(String::new(), |memory| format!(", {}", Bytes(memory)));
        let class = device.capability.map_or(String::new(), |class| format!(", `device: {class}`"));
        format!("{number}: {} ({}{memory}{class})", device.name, device.id)
    };
    let lines: Vec<String> = found.devices.iter().enumerate().map(line).collect();
    Verdict::Well(format!("{}, {}\n{}", found.devices.len(), found.note, lines.join("\n")))
}

fn torch_worker(settings: &Settings) -> Verdict {
    let Some(worker) = workers::torch(settings) else {
        return Verdict::Missing(
            "isoflop-torch is neither beside isoflop nor on PATH; build it with `make build`, or set ISOFLOP_TORCH"
                .into(),
        );
    };
    match Command::new(&worker).arg("--version").output() {
        Ok(output) if output.status.success() => {
            let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Verdict::Well(format!("{version} ({})\n{}", worker.display(), cuda(&worker)))
        }
        Ok(output) => Verdict::Missing(format!(
            "{} does not start: {}",
            worker.display(),
            String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("it says nothing")
        )),
        Err(error) => Verdict::Missing(format!("{} does not start: {error}", worker.display())),
    }
}

/// Whether the worker's libtorch reaches devices, in the worker's own words.
fn cuda(worker: &Path) -> String {
    match Command::new(worker).arg("--devices").output() {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        _ => "whether it reaches CUDA devices is not known: it has no `--devices`".to_owned(),
    }
}

fn disk(settings: &Settings) -> Verdict {
    let there = settings.home.ancestors().find(|folder| folder.exists()).unwrap_or(&settings.home);
    match rustix::fs::statvfs(there) {
        Ok(stat) => {
            let free = Bytes(stat.f_bavail * stat.f_frsize);
            if free < Bytes(200 << 20) {
                Verdict::Missing(format!("only {free} free at {}", there.display()))
            } else {
                Verdict::Well(format!("{free} free at {}", there.display()))
            }
        }
        Err(error) => Verdict::Missing(format!("{} cannot be asked for its free space: {error}", there.display())),
    }
}

fn postgres(settings: &Settings) -> Verdict {
    if let Some(url) = &settings.database {
        return Verdict::Well(format!("shared server {}", isoflop_ledger::Place::Url(url.clone())));
    }
    match home::server(settings).status() {
        Ok(Status::Absent) => match settings.search.find(&settings.home.join("postgres"), None) {
            Ok(found) => {
                Verdict::Well(format!("Postgres {} in {}; no server made yet", found.version, found.folder.display()))
            }
            Err(error) => Verdict::Missing(error.to_string()),
        },
        Ok(Status::Stopped { major }) => Verdict::Well(format!("private server of Postgres {major}, stopped")),
        Ok(Status::Running { major, pid, .. }) => {
            let process = pid.map_or(String::new(), |pid| format!(", process {pid}"));
            let idle = match settings.server_idle {
                idle if idle.is_zero() => "; it is never stopped".to_owned(),
                idle => format!("; it stops when unused for {}", Seconds(idle.as_secs())),
            };
            Verdict::Well(format!("private server of Postgres {major}, running{process}{idle}"))
        }
        Err(error) => Verdict::Missing(error.to_string()),
    }
}

async fn ledger(settings: &Settings) -> Verdict {
    let ledger = match home::ledger_if_any(settings).await {
        Ok(Some(ledger)) => ledger,
        Ok(None) => return Verdict::Well("none yet; the first run makes it".to_owned()),
        Err(stop) => return Verdict::Missing(stop.to_string()),
    };
    let runs = match ledger.runs_of(&[], u32::MAX >> 1).await {
        Ok(runs) => runs,
        Err(error) => return Verdict::Missing(error.to_string()),
    };
    let mut events = 0;
    for run in &runs {
        match ledger.verify_chain(run.id).await {
            Ok(report) => {
                events += report.events;
                if let Some(broken) = report.broken {
                    return Verdict::Unsound(format!(
                        "run {}: event {} does not hold: {}",
                        run.id, broken.seq, broken.what
                    ));
                }
            }
            Err(error) => return Verdict::Missing(error.to_string()),
        }
    }
    Verdict::Well(format!("{} runs, {events} chained events, every chain holds", runs.len()))
}

/// What this role may do on a shared server. On a private one everything is its owner's.
async fn rights(settings: &Settings) -> Verdict {
    if settings.database.is_none() {
        return Verdict::Well("a private server is yours alone".to_owned());
    }
    let rights = match home::ledger(settings).await {
        Ok(ledger) => match ledger.rights().await {
            Ok(rights) => rights,
            Err(error) => return Verdict::Missing(error.to_string()),
        },
        Err(stop) => return Verdict::Missing(stop.to_string()),
    };
    let role = &rights.role;
    let roles = "the three roles are described in migrations/README.md";
    if rights.owner {
        return Verdict::Well(format!("role {role} owns the tables; engines and reviewers do with less: {roles}"));
    }
    if !rights.unread.is_empty() {
        return Verdict::Missing(format!("role {role} lacks {}; {roles}", rights.unread.join(", ")));
    }
    let excess = match rights.excess.len() {
        0 => String::new(),
        _ => format!("\nand with more than an engine needs, which could change facts: {}", rights.excess.join(", ")),
    };
    if rights.writes() {
        return Verdict::Well(format!("role {role} can run studies{excess}"));
    }
    Verdict::Well(format!("role {role} can read and not run: it lacks {}{excess}", rights.unwritten.join(", ")))
}

fn store(settings: &Settings) -> Verdict {
    if !settings.store().is_dir() {
        return Verdict::Well("none yet; the first run makes it".to_owned());
    }
    let findings = match home::store(settings).and_then(|store| store.verify().map_err(infrastructure)) {
        Ok(findings) => findings,
        Err(stop) => return Verdict::Missing(stop.to_string()),
    };
    let (missing, bad): (Vec<_>, Vec<_>) =
        findings.iter().partition(|finding| finding.kind == FindingKind::MissingBlob);
    if bad.is_empty() {
        let missing = match missing.len() {
            0 => String::new(),
            n => format!("; {n} blobs were removed and are made again when needed"),
        };
        return Verdict::Well(format!("every byte is what its name says{missing}"));
    }
    let lines: Vec<String> = bad.iter().take(10).map(ToString::to_string).collect();
    Verdict::Unsound(format!(
        "{} findings\n{}\na run moves a bad blob aside when it needs it and makes it again; of a task whose bytes nothing needs, `isoflop run --cache write TASK` does",
        bad.len(),
        lines.join("\n")
    ))
}

fn remote(settings: &Settings) -> Verdict {
    let Some(Elsewhere { url, .. }) = &settings.remote else {
        return Verdict::Well("none; `--remote URL` or ISOFLOP_REMOTE names one".to_owned());
    };
    match Remote::new(url).map(|remote| remote.probe()) {
        Ok(Ok(())) => Verdict::Well(format!("{url} answers")),
        Ok(Err(error)) => Verdict::Missing(error.to_string()),
        Err(error) => Verdict::Missing(error),
    }
}

/// What interrupted tasks would go on from. One that is bad is passed over by itself, and costs no more than time.
fn checkpoints(settings: &Settings) -> Verdict {
    let shelves = match isoflop_exec::checkpoints::inventory(&settings.home) {
        Ok(shelves) => shelves,
        Err(error) => return Verdict::Missing(format!("they cannot be listed: {error}")),
    };
    let bad: Vec<String> = shelves.iter().flat_map(isoflop_exec::checkpoints::Shelf::verify).collect();
    let bytes = Bytes(shelves.iter().map(|shelf| shelf.bytes).sum());
    let there = match shelves.len() {
        0 => "none: no interrupted task has anything to go on from".to_owned(),
        1 => format!("one task has something to go on from, {bytes}"),
        tasks => format!("{tasks} tasks have something to go on from, {bytes}"),
    };
    if bad.is_empty() {
        return Verdict::Well(there);
    }
    Verdict::Well(format!("{there}; these are bad and will be passed over:\n{}", bad.join("\n")))
}
