//! The paper's studies, trained with real libtorch in their smoke profiles: that they run, share what they have in common, and are judged.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    committed::studies,
    project::{Project, Ran, programs},
};

/// The studies that include the shared recipe.
fn sharing() -> Vec<PathBuf> {
    let includes = |file: &Path| {
        let text = std::fs::read_to_string(file).expect("a study can be read");
        text.contains("include: [../parts/")
    };
    let found: Vec<PathBuf> = studies().into_iter().filter(|file| includes(file)).collect();
    assert!(!found.is_empty());
    found
}

fn text(value: &Value) -> String {
    value.as_str().expect("a text").to_owned()
}

/// `isoflop` with the real worker and this home.
fn isoflop(home: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(programs().join("isoflop"));
    command.args(args).arg("--home").arg(home).stdin(Stdio::null());
    for name in ["DATABASE_URL", "ISOFLOP_HOME", "ISOFLOP_TORCH"] {
        command.env_remove(name);
    }
    Ran::of(&command.output().expect("isoflop was built with the tests"))
}

/// A training, a set of samples or a score that two studies have in common has one key, so whichever is run second finds it made.
#[test]
fn what_studies_have_in_common_is_made_once() {
    let project = Project::new();
    let mut keys: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    let mut shared = 0;
    for study in sharing() {
        let plan = project.run(&["plan", study.to_str().expect("a path of text"), "--json"]).expect(0).json();
        for task in plan["tasks"].as_array().expect("a plan has tasks") {
            let (name, key) = (text(&task["name"]), text(&task["key"]));
            // Groups that only some studies have may be called alike and be something else.
            if !["world.", "runs.", "history.", "eyes."].iter().any(|group| name.starts_with(group)) {
                continue;
            }
            match keys.get(&name) {
                Some((known, first)) => {
                    assert_eq!(*known, key, "`{name}` in {} and {}", study.display(), first.display());
                    shared += 1;
                }
                None => drop(keys.insert(name, (key, study.clone()))),
            }
        }
    }
    assert!(shared > 50, "{shared} tasks in common");
}

/// All of them into one home, one after the other: nothing fails, what was made before is kept, every claim has a verdict with evidence, and all of them stand in one
/// table.
#[test]
fn every_study_runs_in_smoke_and_is_judged() {
    let home = tempfile::tempdir().expect("there is room");
    let studies = sharing();
    let paths: Vec<&str> = studies.iter().map(|study| study.to_str().expect("a path of text")).collect();
    for (place, study) in paths.iter().enumerate() {
        let run = isoflop(home.path(), &["run", study, "--profile", "smoke", "--json", "-j", "2"]).expect(0).json();
        let totals = &run["totals"];
        assert_eq!((&totals["failed"], &totals["blocked"]), (&0.into(), &0.into()), "{study}: {totals}");
        let kept = run["tasks"]
            .as_array()
            .expect("a run lists its tasks")
            .iter()
            .filter(|task| text(&task["name"]).starts_with("world.") && task["outcome"] == "kept");
        assert_eq!(kept.count() == 3, place > 0, "{study} draws its world, or finds it made");
    }
    let all =
        |last: &str| isoflop(home.path(), &[&["claims"], paths.as_slice(), &["--profile", "smoke", last]].concat());
    let judged = all("--json");
    assert!(matches!(judged.code, Some(0 | 6)), "{}", judged.err);
    let judged = judged.json();
    let claims = judged["claims"].as_array().expect("a list");
    for claim in claims {
        let evidence = text(&claim["evidence"]);
        assert!(!evidence.is_empty() && !evidence.contains("cannot be evaluated"), "{claim}");
        assert!(claim["digest"].is_string() || claim["verdict"] == "not-tested", "{claim}");
    }
    let table = all("--markdown").expect(0).out;
    assert_eq!(table.lines().count(), 2 + claims.len(), "{table}");
    for study in &studies {
        let name = study.parent().and_then(Path::file_name).expect("a study lies in a folder").to_string_lossy();
        assert!(
            table.contains(&format!("| `{name}` |")) && claims.iter().any(|claim| claim["study"] == *name),
            "{name}"
        );
    }
    isoflop(home.path(), &["doctor", "--stop-server"]);
}
