//! The study that a half-typed command line is about.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use clap::{ArgMatches, Command};
use isoflop_contract::Value;
use isoflop_kinds::catalog::catalog;
use isoflop_plan::{Outline, Plan, outline};

use crate::{args::SetArgs, disk::Disk, project};

/// Where the study is, and how it is set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    path: PathBuf,
    params: Vec<(String, String)>,
    profile: Option<String>,
}

impl Place {
    /// Reads the words before the one at the cursor: what stands for STUDY there, else the current folder.
    pub fn of(command: &Command, words: &[OsString]) -> Self {
        let before = words[..words.len() - 1].iter().cloned();
        // A line half typed lacks arguments and has options without values; what can be read is enough.
        let lenient = command.clone().ignore_errors(true).arg_required_else_help(false);
        let Ok(matches) = lenient.try_get_matches_from(before) else { return Self::here() };
        let Some((_, matches)) = matches.subcommand() else { return Self::here() };
        let path = matches.try_get_one::<PathBuf>("study").ok().flatten().filter(|path| project::find(path).is_ok());
        Self {
            path: path.cloned().unwrap_or_else(|| PathBuf::from(".")),
            params: many(matches, "params"),
            profile: matches.try_get_one::<String>("profile").ok().flatten().cloned(),
        }
    }

    fn here() -> Self {
        Self { path: PathBuf::from("."), ..Self::default() }
    }

    /// What the study names, as far as it can be read.
    pub fn outline(&self) -> Outline {
        project::find(&self.path).map(|file| outline(&Disk, &file.display().to_string())).unwrap_or_default()
    }

    /// The plan, if the study has no mistakes.
    pub fn plan(&self) -> Option<Plan> {
        let set = |params: &[(String, String)], profile: &Option<String>| SetArgs {
            params: params.to_vec(),
            profile: profile.clone(),
        };
        // What is being typed may not fit the study yet.
        let plan = |set: &SetArgs| project::plan_at(&self.path, set, &catalog()).ok();
        plan(&set(&self.params, &self.profile)).or_else(|| plan(&SetArgs::default()))
    }
}

fn many(matches: &ArgMatches, name: &str) -> Vec<(String, String)> {
    let values = matches.try_get_many::<(String, String)>(name).ok().flatten();
    values.map(|values| values.cloned().collect()).unwrap_or_default()
}

/// Folders with a study below `./studies`, as they are typed.
pub fn studies() -> Vec<String> {
    let folders = std::fs::read_dir("studies").into_iter().flatten().flatten();
    let mut found: Vec<String> = folders
        .map(|folder| Path::new("studies").join(folder.file_name()))
        .filter(|folder| folder.join(project::FILE).is_file())
        .filter_map(|folder| folder.to_str().map(str::to_owned))
        .collect();
    found.sort();
    found
}

/// A parameter's value as `-p` takes it, if it is short enough to be worth showing.
pub fn typed(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    (text.len() <= 60 && !text.contains('\n')).then_some(text)
}
