//! `get`: files of what a task made, copied out of the store for whoever wants to look at them.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
};

use isoflop_contract::{Digest, Key, Manifest, manifest::File, quantity::Bytes};
use isoflop_exec::headline;
use isoflop_ledger::{Ledger, PastOutcome};
use isoflop_plan::nearest;
use isoflop_store::{Store, StoreError};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::{
    aligned::{Cell, count, lines, some},
    args::GetArgs,
    home,
    named::{self, Named},
    output::{Output, Paint},
    settings::Settings,
    stop::{Stop, infrastructure},
};

/// One file of the artifact, and where its copy is to be.
struct Wanted {
    name: String,
    file: File,
    path: PathBuf,
    there: There,
}

/// What is where a copy is to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    Same,
    Other,
}

/// Copies, and prints what was copied. All that is in the way is found before anything is written.
pub async fn get(args: &GetArgs, settings: &Settings, out: &mut Output) -> Result<(), Stop> {
    let ledger = named::ledger(settings).await?;
    let named = named::task(&ledger, &args.name, args.study.as_deref()).await?;
    let (digest, manifest) = made(&ledger, &named).await?;
    let chosen = chosen(&named.label, &manifest, &args.files)?;
    let into = args.into.clone().unwrap_or_else(|| PathBuf::from(folder(&named.label, named.key)));
    if fs::symlink_metadata(&into).is_ok() && !into.is_dir() {
        return Err(Stop::Usage(format!("{} is not a folder", into.display())));
    }
    let store = if args.dry_run { None } else { Some(home::store(settings)?) };
    let (force, place) = (args.force, into.clone());
    let work = spawn_blocking(move || {
        let wanted = look(chosen, &place)?;
        if let Some(store) = store {
            refuse_to_overwrite(&wanted, force)?;
            copy(&store, digest, &manifest, &wanted, &place)?;
        }
        Ok::<_, Stop>(wanted)
    });
    let wanted = work.await.map_err(|error| Stop::Internal(error.into()))?.map_err(|stop| hint(stop, &named))?;
    tell(args, &named, digest, &into, &wanted, out)
}

/// The artifact that stands under the task's key, or why there is none.
async fn made(ledger: &Ledger, named: &Named) -> Result<(Digest, Manifest), Stop> {
    let label = &named.label;
    let why = match ledger.result(&named.key).await.map_err(infrastructure)?.map(|past| past.outcome) {
        Some(PastOutcome::Made { digest, manifest }) => return Ok((digest, manifest)),
        Some(PastOutcome::Diverged { reason }) => {
            format!("`{label}` diverged and left no files: {}", headline(&reason))
        }
        None => {
            let attempts = ledger.attempts(&named.key).await.map_err(infrastructure)?;
            match attempts.iter().rfind(|attempt| attempt.purpose != "witness") {
                None => format!("`{label}` was never made; `isoflop run` makes it"),
                Some(last) => match (last.outcome.as_deref(), &last.reason) {
                    (None, _) => format!("`{label}` is not made yet: an attempt is under way"),
                    (Some("failed"), Some(reason)) => {
                        format!("`{label}` failed and left no files: {}; `isoflop logs` has more", headline(reason))
                    }
                    (Some(outcome), _) => format!("`{label}` was not made: its last attempt ended as {outcome}"),
                },
            }
        }
    };
    Err(Stop::Usage(why))
}

/// The files that are wanted, by name: all, or these and those in these folders.
fn chosen(label: &str, manifest: &Manifest, wanted: &[String]) -> Result<BTreeMap<String, File>, Stop> {
    if wanted.is_empty() {
        return Ok(manifest.files.clone());
    }
    let mut chosen = BTreeMap::new();
    for name in wanted {
        let name = name.trim_end_matches('/');
        let is_meant =
            |file: &str| file.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let mut meant = manifest.files.iter().filter(|(file, _)| is_meant(file)).peekable();
        if meant.peek().is_none() {
            return Err(Stop::Usage(unknown(label, manifest, name)));
        }
        chosen.extend(meant.map(|(file, blob)| (file.clone(), *blob)));
    }
    Ok(chosen)
}

/// What is said of a name that no file and no folder of the artifact has.
fn unknown(label: &str, manifest: &Manifest, name: &str) -> String {
    let files = || manifest.files.keys().map(String::as_str);
    let folders = files().flat_map(|file| file.match_indices('/').map(move |(at, _)| &file[..at]));
    match nearest(name, files().chain(folders)) {
        Some(near) => format!("`{label}` has no file `{name}`; did you mean `{near}`?"),
        None if manifest.files.is_empty() => {
            format!("`{label}` has no files, only final numbers; `isoflop show` prints them")
        }
        None => format!("`{label}` has no file `{name}`; it has {}", some(files(), 8)),
    }
}

/// The folder that files go into where none is named: the task's name, with what shells and filesystems may take amiss replaced.
fn folder(label: &str, key: Key) -> String {
    /// More bytes than this are cut: filesystems take 255.
    const LONG: usize = 120;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '=' | ',' | '+');
    let name: String = label.chars().map(|c| if plain(c) { c } else { '-' }).collect();
    let name = name.trim_start_matches(['.', '-']).trim_end_matches('-');
    match name.len() {
        0 => key.short(),
        1..=LONG => name.to_owned(),
        _ => format!("{}-{}", &name[..name.floor_char_boundary(LONG)], key.short()),
    }
}

/// What is where the copies are to be.
fn look(chosen: BTreeMap<String, File>, into: &Path) -> Result<Vec<Wanted>, Stop> {
    let mut wanted = Vec::new();
    for (name, file) in chosen {
        let path = into.join(&name);
        let unreadable = |error| infrastructure(anyhow::anyhow!("cannot look at {}: {error}", path.display()));
        let there = there(&path, &file).map_err(unreadable)?;
        wanted.push(Wanted { name, file, path, there });
    }
    Ok(wanted)
}

fn there(path: &Path, file: &File) -> io::Result<There> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(There::Nothing),
        Err(error) => return Err(error),
        Ok(_) => {}
    }
    let fits = fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() == file.size);
    let same = fits && isoflop_store::digest(&fs::File::open(path)?)?.0 == file.digest;
    Ok(if same { There::Same } else { There::Other })
}

/// Refuses what would replace something, unless that is wanted; a folder is never replaced.
fn refuse_to_overwrite(wanted: &[Wanted], force: bool) -> Result<(), Stop> {
    let other = |wanted: &&Wanted| wanted.there == There::Other;
    if let Some(folder) = wanted.iter().filter(other).find(|wanted| wanted.path.is_dir()) {
        return Err(Stop::Usage(format!(
            "{} is a folder, and is to be a file; take it away, or name another place with --into",
            folder.path.display()
        )));
    }
    let mut others = wanted.iter().filter(other);
    let Some(first) = others.next().filter(|_| !force) else { return Ok(()) };
    let more = match others.count() {
        0 => String::new(),
        more => format!(" (and {more} more)"),
    };
    Err(Stop::Usage(format!(
        "{} is there with other bytes{more}; --force replaces what is there, --into names another folder",
        first.path.display()
    )))
}

/// Copies what is not there with the same bytes.
fn copy(store: &Store, digest: Digest, manifest: &Manifest, wanted: &[Wanted], into: &Path) -> Result<(), Stop> {
    let names = wanted.iter().filter(|wanted| wanted.there != There::Same).map(|wanted| wanted.name.as_str());
    store.copy_out(digest, manifest, names, into).map_err(infrastructure)
}

/// Adds to a complaint of bytes that are gone or bad how to have them again.
fn hint(stop: Stop, named: &Named) -> Stop {
    let is_gone = |error: &anyhow::Error| {
        matches!(error.downcast_ref::<StoreError>(), Some(StoreError::Corrupt(_) | StoreError::Missing { .. }))
    };
    match stop {
        Stop::Infrastructure(error) if named.run.is_some() && is_gone(&error) => {
            infrastructure(anyhow::anyhow!("{error}: `isoflop run STUDY '{}' --missing`", named.label))
        }
        other => other,
    }
}

fn tell(
    args: &GetArgs,
    named: &Named,
    digest: Digest,
    into: &Path,
    wanted: &[Wanted],
    out: &mut Output,
) -> Result<(), Stop> {
    if out.json {
        let file = |wanted: &Wanted| {
            json!({
                "name": wanted.name, "path": wanted.path.to_string_lossy(), "size": wanted.file.size,
                "digest": wanted.file.digest,
                "copied": !args.dry_run && wanted.there != There::Same, "there": word(wanted.there),
            })
        };
        return out.data(&json!({
            "version": 1, "task": named.label, "study": named.study, "key": named.key, "digest": digest,
            "into": into.to_string_lossy(),
            "dry_run": args.dry_run, "files": wanted.iter().map(file).collect::<Vec<Value>>(),
        }));
    }
    let note = |there: There| match there {
        There::Nothing => Cell::new(""),
        There::Same => Cell::painted("is there already", Paint::Dim),
        There::Other if args.dry_run && !args.force => {
            Cell::painted("is there with other bytes, and stays without --force", Paint::Notice)
        }
        There::Other if args.dry_run => Cell::painted("would be replaced", Paint::Notice),
        There::Other => Cell::painted("replaced", Paint::Notice),
    };
    let row = |wanted: &Wanted| {
        vec![
            Cell::new(wanted.path.display().to_string()),
            Cell::new(Bytes(wanted.file.size).to_string()).right(),
            Cell::new(wanted.file.digest.short()),
            note(wanted.there),
        ]
    };
    let rows: Vec<Vec<Cell>> = wanted.iter().map(row).collect();
    lines(&rows, out.color).iter().try_for_each(|line| out.line(line))?;
    let copied: Vec<&Wanted> = wanted.iter().filter(|wanted| wanted.there != There::Same).collect();
    let size = Bytes(copied.iter().map(|wanted| wanted.file.size).sum());
    let would = if args.dry_run { "would be copied" } else { "copied" };
    let there = match wanted.len() - copied.len() {
        0 => String::new(),
        there => format!("; {there} there already"),
    };
    out.line(&format!("{}, {size} {would} to {}{there}", count(copied.len(), "file", "files"), into.display()))
}

/// What was there, for programs.
fn word(there: There) -> Option<&'static str> {
    match there {
        There::Nothing => None,
        There::Same => Some("same"),
        There::Other => Some("other"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_named_after_the_task_as_far_as_a_shell_takes_it() {
        let key = Key::of_text("a");
        let short = key.short();
        for (label, name) in [
            ("law", "law"),
            ("eval.scores[size=m,seed=0]", "eval.scores-size=m,seed=0"),
            ("fit[form=power law/2,at=-1.5]", "fit-form=power-law-2,at=-1.5"),
            ("key 3395c0b7a406", "key-3395c0b7a406"),
            ("../..", short.as_str()),
        ] {
            assert_eq!(folder(label, key), name, "{label}");
        }
        let long = folder(&format!("a[x={}]", "é".repeat(100)), key);
        assert!(long.len() < 140 && long.ends_with(&short), "{long}");
    }

    #[test]
    fn files_are_chosen_by_name_and_by_folder() {
        let file = File { digest: Digest::of("x"), size: 1 };
        let names = ["weights/a", "weights/b", "weights.json", "log.txt"];
        let files = BTreeMap::from(names.map(|name| (name.to_owned(), file)));
        let manifest = Manifest { shape: "output".to_owned(), files, scalars: BTreeMap::new() };
        let of = |wanted: &[&str]| {
            let wanted: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
            chosen("a", &manifest, &wanted).map(|chosen| chosen.into_keys().collect::<Vec<_>>().join(" "))
        };
        assert_eq!(of(&[]).unwrap(), "log.txt weights.json weights/a weights/b");
        assert_eq!(of(&["weights/"]).unwrap(), "weights/a weights/b");
        assert_eq!(of(&["weights/b", "log.txt", "weights/b"]).unwrap(), "log.txt weights/b");
        let said = |name: &str| of(&[name]).unwrap_err().to_string();
        assert_eq!(said("wights/a"), "`a` has no file `wights/a`; did you mean `weights/a`?");
        assert_eq!(said("weigths"), "`a` has no file `weigths`; did you mean `weights`?");
        assert!(said("").ends_with("it has log.txt, weights.json, weights/a, weights/b"), "{}", said(""));
    }
}
