//! 5,000 trivial commands, cold, in two slots: the engine against a bare loop that starts the same processes and waits for them, by turns. The
//! loop's processes are those of the engine, a worker and its program; what the program alone would take is told too.

use std::{
    env, fs,
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Instant,
};

use command_fds::CommandFdExt;
use isoflop_contract::{
    Kind,
    protocol::{NOTICE_FD, PROTOCOL},
};
use isoflop_kinds::command;
use serde_json::json;

use crate::{Folder, Outcome, once};

const SLOTS: usize = 2;

/// How often each side runs: a round takes a minute.
const ROUNDS: usize = 3;

const PROGRAM: &str = "touch";

/// Runs `tasks` commands, each way, and prints the ratio.
pub fn cold(program: &Path, tasks: usize) -> Outcome<()> {
    let (mut bare, mut alone, mut engine, mut peak) = (Vec::new(), Vec::new(), Vec::new(), 0);
    // No round pays for what another leaves behind: a filesystem is slow to make files when it was just told to forget thousands.
    let mut folders = Vec::new();
    for _ in 0..ROUNDS {
        bare.push(in_slots(tasks, &mut folders, |folder, n| worker(program, folder, n))?);
        alone.push(in_slots(tasks, &mut folders, |folder, n| {
            let ended =
                Command::new(PROGRAM).args(["-d", &format!("@{n}")]).arg(folder.join(n.to_string())).status()?;
            if ended.success() { Ok(()) } else { Err(io::Error::other("the program failed")) }
        })?);
        let folder = Folder::new()?;
        let study = |tasks: usize| {
            format!(
                "study: cold\nseed: 1\ntasks:\n  t:\n    matrix: {{ n: \"{{{{ range({tasks}) }}}}\" }}\n    kind: command\n    \
             with: {{ argv: [{PROGRAM}, -d, \"@{{{{ n }}}}\", \"{{out.x}}\"], outputs: {{ x: {{}} }} }}\n"
            )
        };
        let jobs = SLOTS.to_string();
        // One task first: the private server is made and started beforehand.
        for tasks in [1, tasks] {
            fs::write(folder.path.join("study.yaml"), study(tasks))?;
            let run = once(program, &folder.path, &["run", "-j", &jobs, "--progress", "none"])?;
            if tasks > 1 {
                engine.push(run.seconds);
                peak = peak.max(run.peak);
            }
        }
        once(program, &folder.path, &["doctor", "--stop-server"])?;
        folders.push(folder);
    }
    let (bare, alone, engine) = (median(bare), median(alone), median(engine));
    let each = |seconds: f64| seconds * 1e3 / tasks as f64;
    println!("{tasks} trivial commands in {SLOTS} slots, cold; medians of {ROUNDS} rounds by turns");
    println!("  {:<42} {bare:>10.3} s {:>8.2} ms a task", "a bare loop of worker and program", each(bare));
    println!("  {:<42} {alone:>10.3} s {:>8.2} ms a task", "a bare loop of the program alone", each(alone));
    println!("  {:<42} {engine:>10.3} s {:>8.2} ms a task", "isoflop run", each(engine));
    println!(
        "  {:.2} times the bare loop (at most 1.5); peak {:.0} MiB (under 200)",
        engine / bare,
        peak as f64 / 1024.0
    );
    Ok(())
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Does `work` for each of `tasks`, [`SLOTS`] at a time, in a folder made for it and added to `folders`. Tells how many seconds it took.
fn in_slots(
    tasks: usize,
    folders: &mut Vec<Folder>,
    work: impl Fn(&Path, usize) -> io::Result<()> + Sync,
) -> Outcome<f64> {
    let folder = Folder::new()?;
    let began = Instant::now();
    let done: Result<(), io::Error> = thread::scope(|scope| {
        let slot = |slot: usize| {
            let (work, path) = (&work, &folder.path);
            scope.spawn(move || (slot..tasks).step_by(SLOTS).try_for_each(|n| work(path, n)))
        };
        let slots: Vec<_> = (0..SLOTS).map(slot).collect();
        slots.into_iter().try_for_each(|slot| slot.join().map_err(|_| io::Error::other("a slot panicked"))?)
    });
    done?;
    let seconds = began.elapsed().as_secs_f64();
    folders.push(folder);
    Ok(seconds)
}

/// One worker with its assignment, from start to end.
fn worker(program: &Path, folder: &Path, n: usize) -> io::Result<()> {
    let (out, scratch) = (folder.join(format!("out-{n}")), folder.join(format!("tmp-{n}")));
    fs::create_dir(&out)?;
    fs::create_dir(&scratch)?;
    let assignment = json!({
        "protocol": PROTOCOL, "task": "t", "kind": command::Command::NAME, "revision": command::Command::REVISION,
        "spec": {"argv": [PROGRAM, "-d", format!("@{n}"), "{out.x}"], "outputs": {"x": {}}},
        "seed": null, "environment": {"runtime": "native"}, "needs": {}, "out": out, "scratch": scratch,
    });
    let (mut heard, said) = io::pipe()?;
    let said = OwnedFd::from(said);
    let mut command = Command::new(program);
    command
        .arg("worker")
        .env_clear()
        .envs(env::var_os("PATH").map(|path| ("PATH", path)))
        .env(NOTICE_FD, said.as_raw_fd().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .preserved_fds(vec![said]);
    let mut child = command.spawn()?;
    drop(command); // and with it our end of what the worker says
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    writeln!(stdin, "{assignment}")?;
    let mut notices = String::new();
    heard.read_to_string(&mut notices)?;
    if child.wait()?.success() && notices.contains("\"made\"") {
        return Ok(());
    }
    Err(io::Error::other(format!("the worker did not make its artifact: {notices}")))
}
