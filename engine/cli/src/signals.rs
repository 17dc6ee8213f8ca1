//! The signals that ask this program to end, and which of them came first: that one is in the exit code.

use std::{
    fs::{self, File},
    io::{self, IsTerminal},
    sync::OnceLock,
};

use isoflop_exec::Interrupt;
use rustix::process::Signal;
use tokio::{
    signal::unix::{Signal as Stream, SignalKind, signal},
    sync::watch,
};

/// Signals come to a process, so a process has one first.
static FIRST: OnceLock<Signal> = OnceLock::new();

/// The exit code of what a signal stopped. What was stopped elsewhere counts as stopped by Ctrl-C.
pub fn code() -> u8 {
    128 + FIRST.get().copied().unwrap_or(Signal::INT).as_raw() as u8
}

/// The first signal asks the run to stop, the second ends it at once. A terminal that hangs up asks as TERM does.
pub async fn listen(interrupt: watch::Sender<Interrupt>) {
    let (Ok(mut int), Ok(mut term)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate())) else {
        return;
    };
    // A terminal that hung up is none any more.
    let terminals = [io::stdout().is_terminal(), io::stderr().is_terminal()];
    let mut hangup = if is_ignored(Signal::HUP) { None } else { signal(SignalKind::hangup()).ok() };
    for level in [Interrupt::Stop, Interrupt::Kill] {
        let came = tokio::select! {
            _ = int.recv() => Signal::INT,
            _ = term.recv() => Signal::TERM,
            () = next(&mut hangup) => Signal::HUP,
        };
        FIRST.get_or_init(|| came);
        if came == Signal::HUP {
            let_go(terminals);
        }
        if interrupt.send(level).is_err() {
            return;
        }
    }
}

async fn next(stream: &mut Option<Stream>) {
    match stream {
        Some(stream) => drop(stream.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether whoever started this program had it ignore a signal, as `nohup` does.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (signal.as_raw() - 1) & 1 == 1)
}

/// A terminal that hung up takes no more words, and who writes to it fails: where stdout and stderr were one, they go nowhere from now on.
fn let_go([out, err]: [bool; 2]) {
    let Ok(nowhere) = File::options().read(true).write(true).open("/dev/null") else { return };
    if out {
        let _ = rustix::stdio::dup2_stdout(&nowhere);
    }
    if err {
        let _ = rustix::stdio::dup2_stderr(&nowhere);
    }
}
