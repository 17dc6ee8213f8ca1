//! A follower: another process of a task, started by its worker to share the work.
//!
//! The worker that the engine started is the task's **leader**. It alone speaks to the engine, saves and writes the artifact. A follower runs the
//! same body on the same assignment; what it measures is dropped, what it would save is not written, and it ends when its leader does. What the
//! two say to each other is the body's business: the leader's orders are handed to the follower as they are.

use std::{
    io::{self, Read},
    path::Path,
    process::ExitCode,
    thread,
};

use isoflop_contract::{
    FailureClass,
    protocol::{Assignment, MAX_LINE, Notice},
};
use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};
use serde_json::Value;

use crate::{
    body::Body,
    context::Context,
    mouth::Mouth,
    serve::{accept, carry_out},
    stop::line,
};

/// A follower that ended because it could not go on without the others exits with this: another one is to blame.
pub const DESERTED: u8 = 3;

/// What a follower is given on stdin, one line: a pair of assignment and orders. For a follower of whoever has `assignment`, whose scratch folder is `scratch`.
pub(crate) fn order(assignment: &Assignment, orders: &Value, scratch: &Path) -> serde_json::Result<Vec<u8>> {
    let mut assignment = Assignment { scratch: scratch.to_owned(), ..assignment.clone() };
    if let Some(saving) = &mut assignment.saving {
        saving.death = None; // drills are for leaders
    }
    let mut line = serde_json::to_vec(&(assignment, orders))?;
    line.push(b'\n');
    Ok(line)
}

/// Runs one of `bodies` as a follower. Exits with 0 if the body came to its end, [`DESERTED`] if it was interrupted, otherwise with 1.
pub fn follow(bodies: &[Body]) -> ExitCode {
    match ordered(bodies) {
        Ok(Notice::Failed(failure)) => {
            eprintln!("{}", failure.message);
            if failure.class == FailureClass::Interrupted { ExitCode::from(DESERTED) } else { ExitCode::FAILURE }
        }
        Ok(_) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("isoflop worker: {message}");
            ExitCode::from(2)
        }
    }
}

fn ordered(bodies: &[Body]) -> Result<Notice, String> {
    let text = line(&mut io::stdin().lock(), MAX_LINE).map_err(|error| format!("orders cannot be read: {error}"))?;
    let text = text.ok_or("this program is started by a worker, not by hand")?;
    let (assignment, orders): (Assignment, Value) =
        serde_json::from_slice(&text).map_err(|error| format!("the orders do not read: {error}"))?;
    attach().map_err(|error| format!("stdin and signals cannot be watched: {error}"))?;
    let mouth = Mouth::muzzled().map_err(|error| format!("/dev/null cannot be opened: {error}"))?;
    let body = accept(bodies, &assignment)?;
    let context = Context::following(assignment, mouth, orders);
    Ok(carry_out(body, context))
}

/// Ends this process with its leader and not before: a request to end is for the leader, which saves first.
fn attach() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    set_parent_process_death_signal(Some(Signal::KILL))?;
    signal_hook::flag::register(signal_hook::consts::SIGTERM, std::sync::Arc::default())?;
    thread::Builder::new().name("stdin".into()).spawn(|| {
        let _ = io::stdin().lock().read(&mut [0]); // the end, or anything else
        let _ = kill_process(getpid(), Signal::KILL);
    })?;
    Ok(())
}
