//! The paper's studies, trained with real libtorch in their smoke profiles: that they run, share what they have in common, and are judged.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    committed::{root, studies},
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

/// `isoflop` with the real worker and this home. What brings data at the paper's scale is the stand-in, and it finds `isoflop-torch`.
fn isoflop(home: &Path, args: &[&str]) -> Ran {
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{}:{path}", root().join("studies/parts").display(), programs().display());
    let mut command = Command::new(programs().join("isoflop"));
    command.args(args).arg("--home").arg(home).env("PATH", path).stdin(Stdio::null());
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

/// The paper's scale with made-up data and networks of a few channels: every task of it runs, on what it is fed there and is fed nowhere else. Latents are denoised, a frozen encoder
/// reads, samples are decoded, and a program of the user's own answers and rates.
#[test]
fn the_papers_scale_is_rehearsed() {
    let home = tempfile::tempdir().expect("there is room");
    let run = |study: &str, more: &[&str]| {
        let study = root().join("studies").join(study);
        let args = ["run", study.to_str().expect("a path of text"), "--profile", "rehearsal", "--json", "-j", "2"];
        let run = isoflop(home.path(), &[&args, more].concat()).expect(0).json();
        let totals = &run["totals"];
        assert_eq!((&totals["failed"], &totals["blocked"]), (&0.into(), &0.into()), "{}: {totals}", study.display());
    };
    // Every template of the recipe is used by one of these.
    run("datasets", &[]);
    run("resolution", &[]);
    run("vae", &["-p", "autoencoders=[{ as: sdxl, batch: 64 }]"]);
    let show = |task: &str| isoflop(home.path(), &["show", task, "--json"]).expect(0).json();
    let ports = |task: &str| -> Vec<String> {
        show(task)["inputs"].as_object().expect("inputs by port").keys().cloned().collect()
    };
    let cell = "[autoencoder=sdxl,seed=0]";
    let train = ports(&format!("runs.train{cell}"));
    assert_eq!(train, ["data", "heldout", "heldout_latents", "latents", "reader"]);
    assert_eq!(ports(&format!("runs.scores{cell}")), ["answers", "images", "prompts", "questions"]);
    assert_eq!(ports(&format!("measured.liked{cell}")), ["images", "prompts", "ratings"]);
    assert_eq!(ports(&format!("measured.apart{cell}")), ["images", "inception", "reference"]);
    // Random answers to questions of three and four choices.
    let alignment = show(&format!("runs.scores{cell}"))["scalars"]["alignment"].as_f64().expect("a score");
    assert!((0.0..0.8).contains(&alignment), "{alignment}");
    isoflop(home.path(), &["doctor", "--stop-server"]);
}

/// Nothing that a rehearsal makes up has the key of anything at the paper's scale: it would be kept there.
#[test]
fn nothing_rehearsed_is_kept_for_the_paper() {
    let project = Project::new();
    for study in sharing() {
        let study = study.to_str().expect("a path of text");
        let keys = |profile: &str| -> BTreeSet<String> {
            let plan = project.run(&["plan", study, "--profile", profile, "--json"]).expect(0).json();
            plan["tasks"].as_array().expect("a plan has tasks").iter().map(|task| text(&task["key"])).collect()
        };
        let (paper, rehearsal) = (keys("paper"), keys("rehearsal"));
        assert!(!rehearsal.is_empty() && paper.is_disjoint(&rehearsal), "{study}");
    }
}

/// What a study trains at the paper's scale are the networks of Tables 1 and 2, with nothing beside them that counts.
#[test]
fn at_the_papers_scale_networks_are_the_papers() {
    let project = Project::new();
    let mut seen = 0;
    for study in ["scaling-functions", "transformers", "unet-designs"] {
        let study = root().join("studies").join(study);
        let study = study.to_str().expect("a path of text");
        let plan = project.run(&["plan", study, "--profile", "paper", "--json"]).expect(0).json();
        for task in plan["tasks"].as_array().expect("a plan has tasks") {
            let name = text(&task["name"]);
            let design = name.strip_prefix("runs.train[design=").and_then(|rest| rest.split(',').next());
            let Some(design) = design.filter(|design| !design.contains("blind")) else { continue };
            let model = project.run(&["model", design, "--size", "32", "--tokens", "77", "--json"]).expect(0).json();
            for number in ["params", "macs"] {
                assert_eq!(task["cost"][number], model[number], "{number} of {design}");
            }
            seen += 1;
        }
    }
    assert_eq!(seen, 12 + 5 + 4);
}
