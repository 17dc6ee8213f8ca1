//! A saved plan: what `plan -o` wrote, so that `run --plan` runs exactly that, or says what has changed since.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use isoflop_contract::Key;
use isoflop_exec::Survey;
use isoflop_plan::{Plan, Selection};
use serde::{Deserialize, Serialize};

use crate::{
    args::{SetArgs, StudyArgs},
    outlook::Outlook,
    stop::{Stop, infrastructure},
    verbs::report::put,
};

/// As much of a saved plan as running it takes. The file has all of `plan --json` besides.
#[derive(Debug, Deserialize)]
pub struct Saved {
    version: u32,
    tasks: Vec<SavedTask>,
    #[serde(rename = "saved")]
    how: How,
}

/// How it was asked for.
#[derive(Debug, Serialize, Deserialize)]
pub struct How {
    study: PathBuf,
    set: SetArgs,
    #[serde(default)]
    selection: Selection,
}

/// One task, as it stood.
#[derive(Debug, Deserialize)]
struct SavedTask {
    name: String,
    key: Key,
    state: String,
    selected: bool,
}

/// Writes a plan.
pub fn write(file: &Path, outlook: &Outlook<'_>, study: &StudyArgs, selection: &Selection) -> Result<(), Stop> {
    let how = How { study: study.study.clone(), set: study.set.clone(), selection: selection.clone() };
    let mut text =
        serde_json::to_string_pretty(&outlook.data(Some(how))).map_err(|error| Stop::Internal(error.into()))?;
    text.push('\n');
    put(file, text.as_bytes())
}

impl Saved {
    /// Reads a plan that was saved.
    pub fn read(file: &Path) -> Result<Self, Stop> {
        let bytes = fs::read(file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Stop::Usage(format!("there is no saved plan at {}", file.display())),
            _ => infrastructure(anyhow::anyhow!("cannot read {}: {error}", file.display())),
        })?;
        let wrong = |why: String| {
            Stop::Usage(format!("{} is not a saved plan: {why}; `isoflop plan -o` writes one", file.display()))
        };
        let saved: Self = serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        if saved.version == 1 { Ok(saved) } else { Err(wrong(format!("its version is {}", saved.version))) }
    }

    /// The study it is a plan of, set as it was.
    pub fn study(&self) -> StudyArgs {
        StudyArgs { study: self.how.study.clone(), set: self.how.set.clone() }
    }

    /// The selection it was made with.
    pub fn selection(&self) -> &Selection {
        &self.how.selection
    }

    /// The tasks that were asked for, by index into the plan of today; or what has changed.
    pub fn targets(&self, plan: &Plan, file: &Path) -> Result<BTreeSet<usize>, Stop> {
        let (mut other, mut gone) = (Vec::new(), Vec::new());
        for task in &self.tasks {
            match plan.get(&task.name) {
                Some(now) if now.key == task.key => {}
                Some(_) => other.push(task.name.as_str()),
                None => gone.push(task.name.as_str()),
            }
        }
        let known: BTreeSet<&str> = self.tasks.iter().map(|task| task.name.as_str()).collect();
        // What depends on the past was decided when the plan was saved; names may mean more tasks by now.
        let depends = self.how.selection.failed || self.how.selection.missing;
        let meant = if depends { BTreeSet::new() } else { self.how.selection.tasks(plan).unwrap_or_default() };
        let came: Vec<&str> =
            meant.iter().map(|index| plan.tasks()[*index].name.as_str()).filter(|name| !known.contains(name)).collect();
        let changes: Vec<String> = [("other keys", &other), ("gone", &gone), ("new", &came)]
            .into_iter()
            .filter(|(_, names)| !names.is_empty())
            .map(|(what, names)| change(what, names))
            .collect();
        if !changes.is_empty() {
            return Err(self.stale(file, &format!("the study was edited: {}", changes.join("; "))));
        }
        let selected = self.tasks.iter().filter(|task| task.selected);
        Ok(selected.filter_map(|task| plan.index_of(&task.name)).collect())
    }

    /// Refuses if more would run now than was planned.
    pub fn check(&self, plan: &Plan, survey: &Survey, file: &Path) -> Result<(), Stop> {
        let planned: BTreeSet<&str> =
            self.tasks.iter().filter(|task| task.state == "run").map(|task| task.name.as_str()).collect();
        let more: Vec<&str> = survey
            .to_run()
            .map(|index| plan.tasks()[index].name.as_str())
            .filter(|name| !planned.contains(name))
            .collect();
        if more.is_empty() {
            return Ok(());
        }
        Err(self.stale(file, &format!("what was kept then would run now: {}", few(&more))))
    }

    fn stale(&self, file: &Path, why: &str) -> Stop {
        Stop::Conflict(format!(
            "the saved plan {} is out of date: {why}\n  look at it anew: isoflop plan {} -o {}",
            file.display(),
            self.how.study.display(),
            file.display()
        ))
    }
}

/// What happened to some tasks.
fn change(what: &str, names: &[&str]) -> String {
    let (tasks, verb) = if names.len() == 1 { ("task", "has") } else { ("tasks", "have") };
    let count = names.len();
    match what {
        "other keys" if count == 1 => format!("1 task has another key: {}", few(names)),
        "other keys" => format!("{count} {tasks} {verb} other keys: {}", few(names)),
        what => format!("{count} {tasks} {} {what}: {}", if count == 1 { "is" } else { "are" }, few(names)),
    }
}

/// The first of some names.
fn few(names: &[&str]) -> String {
    const SOME: usize = 4;
    let some = names.iter().take(SOME).copied().collect::<Vec<_>>().join(", ");
    if names.len() > SOME { format!("{some} and {} more", names.len() - SOME) } else { some }
}
