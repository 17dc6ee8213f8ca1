//! `logs`: what the worker of a task printed.

use std::{
    fs::File,
    io::{ErrorKind, Read, Seek, SeekFrom},
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use isoflop_ledger::{Ledger, view::AttemptView};
use serde_json::{Value, json};

use crate::{
    aligned::{date, span},
    args::LogsArgs,
    named::{self, Named},
    now,
    output::{Output, Paint},
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// How often a log that is followed is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// Prints the log of an attempt, on stdout as it was written; what is known of the attempt goes to stderr.
pub async fn logs(args: &LogsArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = named::ledger(settings).await?;
    let named = named::task(&ledger, &args.name, args.study.as_deref()).await?;
    let attempts = ledger.attempts(&named.key).await.map_err(infrastructure)?;
    let attempt = pick(&named, &attempts, args.back)?;
    let path = now::log(settings, attempt);
    let mut file = open(&path, attempt)?;
    let mut text = Vec::new();
    let unreadable = || format!("cannot read the log {}", path.display());
    file.read_to_end(&mut text).with_context(unreadable).map_err(infrastructure)?;
    let shown = last(&text, args.lines);
    if out.json {
        return out.data(&data(&named, attempt, attempts.len(), &path, shown));
    }
    let outcome = attempt.outcome.as_deref().unwrap_or("running");
    let took = span(attempt.seconds.unwrap_or_else(|| now::seconds(attempt.began, attempt.ended)));
    let about = format!(
        "{}, attempt {} of {}: {outcome}, {took}, began {}; {}",
        named.label,
        attempts.len() - args.back,
        attempts.len(),
        date(attempt.began),
        path.display()
    );
    eprintln!("{}", Paint::Dim.on(&about, settings.color_err));
    out.bytes(shown)?;
    if args.follow { follow(&ledger, &named, attempt, file, out).await } else { Ok(()) }
}

/// What `--json` prints of the log of the latest attempt at a task.
pub async fn latest(ledger: &Ledger, named: &Named, lines: Option<usize>, settings: &Settings) -> Result<Value, Stop> {
    let attempts = ledger.attempts(&named.key).await.map_err(infrastructure)?;
    let attempt = pick(named, &attempts, 0)?;
    let path = now::log(settings, attempt);
    let mut text = Vec::new();
    open(&path, attempt)?.read_to_end(&mut text).map_err(infrastructure)?;
    Ok(data(named, attempt, attempts.len(), &path, last(&text, lines)))
}

fn data(named: &Named, attempt: &AttemptView, attempts: usize, path: &Path, shown: &[u8]) -> Value {
    json!({
        "version": 1, "task": named.label, "key": named.key, "attempt": attempt.id, "attempts": attempts,
        "began": attempt.began, "ended": attempt.ended, "outcome": attempt.outcome, "reason": attempt.reason,
        "log": path, "text": Value::String(String::from_utf8_lossy(shown).into_owned()),
    })
}

fn pick<'a>(named: &Named, attempts: &'a [AttemptView], back: usize) -> Result<&'a AttemptView, Stop> {
    if attempts.is_empty() {
        return Err(Stop::Usage(format!("`{}` was never begun, so it has no log", named.label)));
    }
    attempts.len().checked_sub(back + 1).and_then(|at| attempts.get(at)).ok_or_else(|| {
        Stop::Usage(format!(
            "`{}` was begun {} times; --back goes from 0 to {}",
            named.label,
            attempts.len(),
            attempts.len() - 1
        ))
    })
}

fn open(path: &Path, attempt: &AttemptView) -> Result<File, Stop> {
    File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Stop::Usage(format!(
            "there is no log {}: logs stay with the engine that ran the task ({}), and may have been deleted",
            path.display(),
            attempt.holder
        )),
        _ => infrastructure(anyhow::Error::new(error).context(format!("cannot read the log {}", path.display()))),
    })
}

/// Prints what comes until the attempt has ended.
async fn follow(
    ledger: &Ledger,
    named: &Named,
    attempt: &AttemptView,
    mut file: File,
    out: &mut Output,
) -> Result<(), Stop> {
    let mut ended = attempt.outcome.is_some();
    loop {
        let at = file.stream_position().map_err(anyhow::Error::new)?;
        if file.metadata().map_err(anyhow::Error::new)?.len() < at {
            file.seek(SeekFrom::Start(0)).map_err(anyhow::Error::new)?; // it was begun anew
        }
        let mut more = Vec::new();
        file.read_to_end(&mut more).map_err(anyhow::Error::new)?;
        out.bytes(&more)?;
        if ended || out.unread {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
        let attempts = ledger.attempts(&named.key).await.map_err(infrastructure)?;
        ended = attempts.iter().find(|other| other.id == attempt.id).is_none_or(|now| now.outcome.is_some());
    }
}

/// The last `lines` lines, or all of it.
fn last(text: &[u8], lines: Option<usize>) -> &[u8] {
    let Some(lines) = lines else { return text };
    if lines == 0 {
        return &[];
    }
    let body = text.strip_suffix(b"\n").unwrap_or(text);
    let start = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n').nth(lines - 1);
    start.map_or(text, |(at, _)| &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_cut_whether_or_not_the_text_ends_its_own() {
        for (text, lines, shown) in [
            ("a\nb\nc\n", Some(2), "b\nc\n"),
            ("a\nb\nc", Some(1), "c"),
            ("a\n", Some(5), "a\n"),
            ("a\n", Some(0), ""),
            ("", Some(3), ""),
            ("a\nb", None, "a\nb"),
        ] {
            assert_eq!(last(text.as_bytes(), lines), shown.as_bytes(), "{text:?} {lines:?}");
        }
    }
}
