//! `init`: a small study to begin with, written into a folder that has none.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use isoflop_contract::Catalog;
use serde_json::json;

use crate::{args::InitArgs, init, output::Output, project, stop::Stop};

/// The schema's file, beside the study, so that editors find it wherever the folder goes.
const SCHEMA: &str = "study.schema.json";

/// Writes a template's files and the schema. Nothing that is there is overwritten: then nothing at all is written.
pub fn init(args: &InitArgs, catalog: &Catalog, out: &mut Output) -> Result<(), Stop> {
    let template = init::template(&args.template)
        .ok_or_else(|| Stop::Usage(format!("there is no template `{}`", args.template)))?;
    let name = study_name(&args.dir).unwrap_or_else(|| template.name.to_owned());
    let schema =
        serde_json::to_string_pretty(&isoflop_plan::schema::study(catalog)).expect("a JSON value can be written");
    let mut files: Vec<(PathBuf, String)> = template
        .files
        .iter()
        .map(|(path, text)| {
            let text = if *path == project::FILE { renamed(text, template.name, &name) } else { (*text).to_owned() };
            (args.dir.join(path), text)
        })
        .collect();
    files.push((args.dir.join(SCHEMA), schema + "\n"));
    refuse_to_overwrite(&args.dir, &files)?;
    if !args.dry_run {
        files.iter().try_for_each(|(path, text)| write(path, text))?;
    }
    say(args, &name, &files, out)
}

/// What is in the way, all of it.
fn refuse_to_overwrite(dir: &Path, files: &[(PathBuf, String)]) -> Result<(), Stop> {
    if fs::symlink_metadata(dir).is_ok() && !dir.is_dir() {
        return Err(Stop::Usage(format!("{} is not a folder", dir.display())));
    }
    let there: Vec<String> =
        files.iter().filter(|(path, _)| fs::symlink_metadata(path).is_ok()).map(|(path, _)| shown(path)).collect();
    if there.is_empty() {
        return Ok(());
    }
    let them = if there.len() == 1 { "it" } else { "them" };
    let list = there.join(", ");
    Err(Stop::Usage(format!("{list} would be overwritten; move {them} away, or name another folder")))
}

fn write(path: &Path, text: &str) -> Result<(), Stop> {
    let written = || -> io::Result<()> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder)?;
        }
        // `create_new`: what appeared since we looked is not overwritten either.
        OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
    };
    written().map_err(|error| Stop::Usage(format!("{} cannot be written: {error}", shown(path))))
}

fn say(args: &InitArgs, name: &str, files: &[(PathBuf, String)], out: &mut Output) -> Result<(), Stop> {
    let place = if args.dir == Path::new(".") { String::new() } else { format!(" {}", quoted(&args.dir)) };
    let next = [format!("isoflop plan{place}"), format!("isoflop run{place}")];
    if out.json {
        let paths: Vec<String> = files.iter().map(|(path, _)| shown(path)).collect();
        return out.data(&json!({
            "version": 1, "study": name, "template": args.template, "dry_run": args.dry_run, "files": paths, "next": next,
        }));
    }
    let verb = if args.dry_run { "would write" } else { "wrote" };
    for (path, text) in files {
        out.line(&format!("{verb} {} ({} bytes)", shown(path), text.len()))?;
    }
    if !args.dry_run {
        out.line("")?;
        out.line("Next, look at what it would do, and do it:")?;
        next.iter().try_for_each(|command| out.line(&format!("  {command}")))?;
    }
    Ok(())
}

fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '~');
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

/// A study's name made of the folder's, if one can be.
fn study_name(dir: &Path) -> Option<String> {
    let full = std::path::absolute(dir).ok()?;
    let folder = full.file_name()?.to_str().filter(|name| name.is_ascii())?.to_lowercase();
    let name: String = folder.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let name = name.trim_matches('-').to_owned();
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}

fn renamed(text: &str, from: &str, to: &str) -> String {
    text.replacen(&format!("\nstudy: {from}\n"), &format!("\nstudy: {to}\n"), 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_study_is_called_as_its_folder_where_that_is_a_name() {
        for (folder, name) in [
            ("/tmp/my-study", Some("my-study")),
            ("/tmp/My Study (2)", Some("my-study--2")),
            ("/tmp/2024", None),
            ("/", None),
            ("/tmp/über", None),
        ] {
            assert_eq!(study_name(Path::new(folder)).as_deref(), name, "{folder}");
        }
        assert_eq!(renamed("# x\nstudy: denoiser\n", "denoiser", "mine"), "# x\nstudy: mine\n");
        assert_eq!((quoted(Path::new("a/b")), quoted(Path::new("it's"))), ("a/b".into(), r"'it'\''s'".into()));
    }
}
