//! `logs`: what the worker of a task printed.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    os::unix::fs::MetadataExt,
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
    if args.follow { follow(&ledger, &named, attempt, &path, file, out).await } else { Ok(()) }
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
    path: &Path,
    mut file: File,
    out: &mut Output,
) -> Result<(), Stop> {
    let mut ended = attempt.outcome.is_some();
    loop {
        // Looked at before it is read: what is in the file by then is read, whatever takes its place.
        let replaced = replacement(path, &file);
        let mut more = Vec::new();
        file.read_to_end(&mut more).map_err(anyhow::Error::new)?;
        out.bytes(&more)?;
        if let Some(shorter) = replaced {
            file = goes_on(file, shorter).map_err(anyhow::Error::new)?;
            continue;
        }
        if ended || out.unread {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
        let attempts = ledger.attempts(&named.key).await.map_err(infrastructure)?;
        ended = attempts.iter().find(|other| other.id == attempt.id).is_none_or(|now| now.outcome.is_some());
    }
}

/// The file that has taken the place of `file`, if one has: of a log that gets too long the middle is dropped.
fn replacement(path: &Path, file: &File) -> Option<File> {
    let id = |file: &File| file.metadata().ok().map(|about| (about.dev(), about.ino()));
    let now = File::open(path).ok()?;
    (id(&now) != id(file)).then_some(now)
}

/// `new`, at the place where `old` ends in it.
fn goes_on(mut old: File, mut new: File) -> io::Result<File> {
    /// By so many bytes it is found.
    const ENOUGH: u64 = 4 << 10;
    let size = old.metadata()?.len();
    old.seek(SeekFrom::Start(size.saturating_sub(ENOUGH)))?;
    let (mut end, mut text) = (Vec::new(), Vec::new());
    old.read_to_end(&mut end)?;
    new.read_to_end(&mut text)?;
    let found = text.windows(end.len().max(1)).rposition(|part| part == end);
    let at = found.map_or(text.len(), |at| at + end.len());
    new.seek(SeekFrom::Start(at as u64))?;
    Ok(new)
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

    #[test]
    fn a_log_whose_middle_was_dropped_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let lines: Vec<String> = (0..2000).map(|line| format!("line {line}\n")).collect();
        let text = lines.concat();
        std::fs::write(&path, &text).unwrap();
        let old = File::open(&path).unwrap();
        assert!(replacement(&path, &old).is_none());
        let short = format!("line 0\n[much was dropped here: the log was too long]\n{}", &text[text.len() - 9000..]);
        std::fs::write(folder.path().join("new"), short + "line 2000\n").unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        let mut more = String::new();
        let new = replacement(&path, &old).unwrap();
        goes_on(old, new).unwrap().read_to_string(&mut more).unwrap();
        assert_eq!(more, "line 2000\n");
    }
}
