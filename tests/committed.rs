//! What is made from the source and committed beside it: the schema of studies, and the keys of each study's tasks. A change of either shows in
//! review. `make snapshots` brings both up to date.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::project::Project;

/// The workspace's folder.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this crate lies in the workspace")
}

/// The files of all studies that are shipped.
pub fn studies() -> Vec<PathBuf> {
    let folders = fs::read_dir(root().join("studies")).expect("the studies can be listed");
    let mut files: Vec<PathBuf> = folders
        .map(|folder| folder.expect("the studies can be listed").path().join("study.yaml"))
        .filter(|file| file.is_file())
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Demands that the committed file is this text; writes it where `ISOFLOP_UPDATE` is set.
pub fn held(path: &str, text: &str) {
    let file = root().join(path);
    if env::var_os("ISOFLOP_UPDATE").is_some() {
        fs::write(&file, text).expect("the workspace can be written");
        return;
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    let changed: Vec<String> = there
        .lines()
        .filter(|line| !text.lines().any(|new| new == *line))
        .map(|line| format!("- {line}"))
        .chain(text.lines().filter(|line| !there.lines().any(|old| old == *line)).map(|line| format!("+ {line}")))
        .take(40)
        .collect();
    assert!(there == text, "{path} is out of date; if the change is meant, `make snapshots`\n{}", changed.join("\n"));
}

/// Every task of each study with its key, by profile: whoever changes what a study would run sees it here.
#[test]
fn the_keys_of_every_study_are_the_committed_ones() {
    for file in studies() {
        let folder = file.parent().expect("a study lies in a folder");
        let name = folder.file_name().expect("a folder has a name").to_string_lossy().into_owned();
        let keys = [None]
            .into_iter()
            .chain(profiles(folder).into_iter().map(Some))
            .map(|profile| keys(folder, profile.as_deref()));
        let head = "# Every task of this study with its key, by profile. Kept by a test; `make snapshots` brings it up to date.\n";
        held(&format!("studies/{name}/plan.snap"), &format!("{head}{}", keys.collect::<String>()));
    }
}

fn profiles(study: &Path) -> Vec<String> {
    let said = isoflop(study, &["check"]);
    let profiles = said["profiles"].as_array().expect("a check tells the profiles");
    profiles.iter().map(|profile| profile.as_str().expect("a profile has a name").to_owned()).collect()
}

fn keys(study: &Path, profile: Option<&str>) -> String {
    let mut args = vec!["plan"];
    args.extend(profile.into_iter().flat_map(|profile| ["--profile", profile]));
    let plan = isoflop(study, &args);
    let head = profile.map_or_else(|| "\ndefault\n".to_owned(), |profile| format!("\nprofile {profile}\n"));
    let tasks = plan["tasks"].as_array().expect("a plan has tasks").iter().map(|task| {
        let word = |name: &str| task[name].as_str().expect("a name is a text");
        format!("  {}  {}  {}\n", word("key"), word("kind"), word("name"))
    });
    std::iter::once(head).chain(tasks).collect()
}

/// What a verb says of a study, as the built program says it; nothing is made and no server started.
fn isoflop(study: &Path, args: &[&str]) -> Value {
    let project = Project::new();
    let study = study.to_str().expect("the workspace's path is text");
    project.run(&[args, &[study, "--json"]].concat()).expect(0).json()
}
