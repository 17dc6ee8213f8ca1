//! Every score there is, end to end with real libtorch: `fixtures/metrics`.

use std::{fs, path::Path};

use serde_json::Value;

use crate::project::{Project, programs};

#[test]
fn every_score_is_made_and_shown() {
    let project = Project::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metrics");
    fs::create_dir_all(project.path("metrics")).expect("a folder of this test's own");
    for name in ["study.yaml", "questions.json"] {
        fs::copy(folder.join(name), project.path("metrics").join(name)).expect("the fixture is there");
    }
    // The real worker instead of the toy one.
    let run = |args: &[&str]| {
        let mut command = project.command(args);
        command.env("ISOFLOP_TORCH", programs().join("isoflop-torch"));
        crate::project::Ran::of(&command.output().expect("isoflop was built with the tests"))
    };
    let report = project.path("report.html");
    let report = report.to_str().expect("a path is text");
    let ran = run(&["run", "metrics", "-j", "2", "--json", "--report", report]).expect(0).json();
    for claim in ran["claims"].as_array().expect("a run judges its claims") {
        assert_eq!(claim["verdict"], "reproduced", "{claim}");
    }
    let show = |task: &str| -> Value { run(&["show", task, "--json"]).expect(0).json()["scalars"].clone() };
    let asked = show("asked_from_file[steps=30]");
    for name in ["alignment", "alignment_lower", "alignment_color", "alignment_object", "ceiling", "chance"] {
        let value = asked[name].as_f64().unwrap_or_else(|| panic!("no {name} in {asked}"));
        assert!((0.0..=1.0).contains(&value), "{name} is {value}");
    }
    let described = show("described[strength=1]");
    assert_eq!(described["quality"], show("spoilt_looks[strength=1]")["aesthetic"]);
    let page = fs::read_to_string(project.path("report.html")).expect("the report was written");
    let captions =
        ["id=\"metrics-matrix\"", "rank correlation of metrics across cells", "clip score", "frechet endless"];
    for text in captions {
        assert!(page.contains(text), "the report lacks {text}");
    }
    let kept = run(&["run", "metrics", "--json"]).expect(0).json();
    assert_eq!((&kept["totals"]["kept"], &kept["totals"]["made"]), (&ran["totals"]["made"], &Value::from(0)));
}
