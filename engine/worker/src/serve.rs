//! One worker's life: hello, one assignment, one ending.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};

use isoflop_contract::{
    Failure, FailureClass,
    protocol::{Assignment, MAX_LINE, Notice, PROTOCOL},
};

use crate::{
    body::Body,
    context::Context,
    halt::shortened,
    mouth::Mouth,
    stop::{Stop, line},
};

/// Serves one assignment with one of `bodies`. `libraries` are the names and versions that a hard environment may insist on. The body runs
/// on the calling thread.
///
/// Exits with 0 if the body made its artifact or diverged, 1 if it failed, 2 if nobody gave it work.
pub fn serve(bodies: &[Body], libraries: &[(&str, String)]) -> ExitCode {
    let mouth = match Mouth::open() {
        Ok(mouth) => mouth,
        Err(mute) => return unemployed(&mute.to_string()),
    };
    let stop = Stop::begun();
    mouth.say(&Notice::Hello {
        protocol: PROTOCOL,
        kinds: bodies.iter().map(|body| (body.kind.to_owned(), body.revision)).collect(),
        libraries: libraries.iter().map(|(name, version)| ((*name).to_owned(), version.clone())).collect(),
    });
    let text = match line(&mut io::stdin().lock(), MAX_LINE) {
        Ok(Some(text)) => text,
        Ok(None) => return unemployed("isoflop closed the line without an assignment"),
        Err(error) => return unemployed(&format!("the assignment cannot be read: {error}")),
    };
    if let Err(error) = stop.watch() {
        return unemployed(&format!("stdin and signals cannot be watched: {error}"));
    }
    if let Err(error) = mouth.beat() {
        return unemployed(&format!("no thread can be started: {error}"));
    }
    let assigned = serde_json::from_slice(&text).map_err(|error| format!("the assignment does not read: {error}"));
    let accepted = assigned.and_then(|assignment: Assignment| Ok((accept(bodies, &assignment)?, assignment)));
    let ending = match accepted {
        Ok((body, assignment)) => carry_out(body, Context::new(assignment, mouth.clone(), stop)),
        Err(message) => failed(FailureClass::Refused, message),
    };
    mouth.close(&ending);
    if matches!(ending, Notice::Failed(_)) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn unemployed(message: &str) -> ExitCode {
    eprintln!("isoflop worker: {message}");
    ExitCode::from(2)
}

fn failed(class: FailureClass, message: impl Into<String>) -> Notice {
    Notice::Failed(Failure { class, message: shortened(message.into()) })
}

/// The body that does what is assigned.
pub(crate) fn accept<'a>(bodies: &'a [Body], assignment: &Assignment) -> Result<&'a Body, String> {
    let Assignment { protocol, kind, revision, .. } = assignment;
    if *protocol != PROTOCOL {
        return Err(format!(
            "the engine speaks protocol {protocol}, this worker {PROTOCOL}; install both from one release"
        ));
    }
    let body = bodies
        .iter()
        .find(|body| body.kind == kind)
        .ok_or_else(|| format!("this worker does not know the kind {kind}"))?;
    if body.revision != *revision {
        let ours = body.revision;
        return Err(format!(
            "this worker has revision {ours} of {kind}, the plan wants {revision}; install both from one release"
        ));
    }
    Ok(body)
}

/// Runs the body and catches what it throws.
pub(crate) fn carry_out(body: &Body, mut context: Context) -> Notice {
    let (spec, needs) = (context.assignment().spec.clone(), context.assignment().needs.clone());
    let panicked = watch_panics();
    let run = || body.run(spec, needs, &mut context);
    match panic::catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(made)) => Notice::Made { scalars: made.into_scalars() },
        Ok(Err(halt)) => halt.notice(),
        Err(_) => {
            let said = panicked.lock().unwrap_or_else(PoisonError::into_inner).take();
            failed(FailureClass::Crashed, said.unwrap_or_else(|| "the body panicked".to_owned()))
        }
    }
}

/// Keeps the latest panic's message and place, besides what the standard hook prints into the log.
fn watch_panics() -> Arc<Mutex<Option<String>>> {
    let said = Arc::new(Mutex::new(None));
    let standard = panic::take_hook();
    let keep = Arc::clone(&said);
    panic::set_hook(Box::new(move |info| {
        let what = info.payload_as_str().unwrap_or("no message");
        let place = info.location().map(|at| format!(" at {}:{}", at.file(), at.line())).unwrap_or_default();
        *keep.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("the body panicked{place}: {what}"));
        standard(info);
    }));
    said
}
