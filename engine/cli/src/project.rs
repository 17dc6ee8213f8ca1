//! A study on disk: its folder or file found, its text read, its plan made.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use isoflop_contract::Catalog;
use isoflop_plan::{Options, Plan, Sources};

use crate::{
    args::{SetArgs, StudyArgs},
    stop::Stop,
};

/// The name of a study's file in its folder.
const FILE: &str = "study.yaml";

/// Plans the study that the arguments name.
pub fn plan(args: &StudyArgs, catalog: &Catalog) -> Result<Plan, Stop> {
    plan_at(&args.study, &args.set, catalog)
}

/// Plans the study at `place`, a folder or a file.
pub fn plan_at(place: &Path, set: &SetArgs, catalog: &Catalog) -> Result<Plan, Stop> {
    let file = find(place)?;
    let bytes = fs::read(&file).map_err(|error| unreadable(&file, &error))?;
    let label = file.display().to_string();
    let sources = Sources::from_bytes(&label, bytes).map_err(|findings| Stop::Invalid(Box::new(findings)))?;
    let options = Options { params: set.params.iter().cloned().collect(), profile: set.profile.clone() };
    isoflop_plan::plan(&sources, catalog, &options).map_err(|findings| Stop::Invalid(Box::new(findings)))
}

fn find(place: &Path) -> Result<PathBuf, Stop> {
    if !place.is_dir() {
        return Ok(place.to_owned());
    }
    let file = place.join(FILE);
    if file.exists() {
        // `./study.yaml` reads better as `study.yaml`.
        return Ok(file.strip_prefix(".").map(Path::to_owned).unwrap_or(file));
    }
    let studies: Vec<String> = fs::read_dir(place.join("studies"))
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().join(FILE).exists())
        .map(|entry| place.join("studies").join(entry.file_name()).display().to_string())
        .collect();
    let hint = match studies.iter().min() {
        Some(first) => format!("; name a study, as in `{}`", first.trim_start_matches("./")),
        None => String::new(),
    };
    Err(Stop::Usage(format!("there is no {FILE} in {}{hint}", place.display())))
}

fn unreadable(file: &Path, error: &io::Error) -> Stop {
    Stop::Usage(match error.kind() {
        io::ErrorKind::NotFound => format!("there is no study at {}", file.display()),
        _ => format!("the study {} cannot be read: {error}", file.display()),
    })
}
