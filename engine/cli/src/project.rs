//! A study on disk: its folder or file found, its text read, its plan made.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use isoflop_contract::Catalog;
use isoflop_plan::{Files, Options, Plan};

use crate::{
    args::{SetArgs, StudyArgs},
    disk::Disk,
    stop::Stop,
};

/// The name of a study's file in its folder.
pub const FILE: &str = "study.yaml";

/// The study and the tasks that are meant where both can be typed: in a study's folder, the first name may be a task already.
pub fn aim(args: &StudyArgs, tasks: &[String]) -> (StudyArgs, Vec<String>) {
    let first = args.study.to_string_lossy();
    let is_path =
        args.study.exists() || first.contains(['/', '\\']) || first.ends_with(".yaml") || first.ends_with(".yml");
    if is_path || !Path::new(FILE).is_file() {
        return (args.clone(), tasks.to_vec());
    }
    let study = StudyArgs { study: ".".into(), set: args.set.clone() };
    (study, std::iter::once(first.into_owned()).chain(tasks.iter().cloned()).collect())
}

/// Plans the study that the arguments name.
pub fn plan(args: &StudyArgs, catalog: &Catalog) -> Result<Plan, Stop> {
    plan_at(&args.study, &args.set, catalog)
}

/// Plans the study at `place`, a folder or a file.
pub fn plan_at(place: &Path, set: &SetArgs, catalog: &Catalog) -> Result<Plan, Stop> {
    plan_from(&Disk, place, set, catalog)
}

/// The same, through `files`, which reads the disk.
pub fn plan_from(files: &dyn Files, place: &Path, set: &SetArgs, catalog: &Catalog) -> Result<Plan, Stop> {
    let file = find(place)?;
    fs::metadata(&file).map_err(|error| unreadable(&file, &error))?;
    let label = file.display().to_string();
    isoflop_plan::plan(files, &label, catalog, &options(set)).map_err(|findings| Stop::Invalid(Box::new(findings)))
}

/// How a study is set, as planning takes it.
pub fn options(set: &SetArgs) -> Options {
    Options { params: set.params.iter().cloned().collect(), profile: set.profile.clone() }
}

/// The study's file: `place` itself, or the one in this folder.
pub fn find(place: &Path) -> Result<PathBuf, Stop> {
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
