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
        ["id=\"metrics-matrix\"", "rank correlation of metrics, repetitions averaged", "clip score", "frechet endless"];
    for text in captions {
        assert!(page.contains(text), "the report lacks {text}");
    }
    let kept = run(&["run", "metrics", "--json"]).expect(0).json();
    assert_eq!((&kept["totals"]["kept"], &kept["totals"]["made"]), (&ran["totals"]["made"], &Value::from(0)));
}

/// Renderers whose quality is known: `fixtures/renderers`.
#[test]
fn renderers_stand_in_their_order() {
    let project = Project::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/renderers");
    fs::copy(folder.join("study.yaml"), project.path("study.yaml")).expect("the fixture is there");
    let run = |args: &[&str]| {
        let mut command = project.command(args);
        command.env("ISOFLOP_TORCH", programs().join("isoflop-torch"));
        crate::project::Ran::of(&command.output().expect("isoflop was built with the tests"))
    };
    run(&["run", "-j", "2"]).expect(0);
    let show = |task: &str, by: &str| -> Value {
        run(&["show", &format!("{task}[by={by}]"), "--json"]).expect(0).json()["scalars"].clone()
    };
    let number = |said: &Value, name: &str| said[name].as_f64().unwrap_or_else(|| panic!("no {name} in {said}"));

    // Of every element: the right pictures are told, others are guessed at.
    let (perfect, shuffled) = (show("asked", "perfect"), show("asked", "shuffled"));
    assert_eq!(number(&perfect, "alignment").to_bits(), number(&perfect, "ceiling").to_bits(), "{perfect}");
    assert!((number(&shuffled, "alignment") - number(&perfect, "chance")).abs() < 0.06, "{shuffled} {perfect}");
    for element in ["existence", "color", "shape", "counting", "size"] {
        let name = format!("alignment_{element}");
        let (right, other) = (number(&perfect, &name), number(&shuffled, &name));
        assert!(right > other + 0.1 && other < 0.6, "{element}: {right} of the right pictures, {other} of others");
    }
    // Of two questions whether something is there, one is answered "no" rightly by whoever sees neither.
    assert!((number(&shuffled, "alignment_existence") - 0.5).abs() < 0.15, "{shuffled}");

    // Ever worse pictures of the right scenes: further from what they were, and told no better. What a judge sees in them is lost late.
    for way in [["perfect", "blurred", "blurred_more"], ["perfect", "noisy", "noisy_more"]] {
        let asked = way.map(|by| show("asked", by));
        let scores = asked.each_ref().map(|said| number(said, "alignment"));
        let noise = number(&asked[0], "alignment_stderr").max(0.005);
        let falling = scores.is_sorted_by(|a, b| *b <= a + noise) && scores[2] < scores[0];
        assert!(falling, "{way:?}: {scores:?} within {noise}");
        for name in ["frechet", "kernel_distance"] {
            let distances = way.map(|by| number(&show("apart", by), name));
            assert!(distances.is_sorted_by(|a, b| a < b), "{way:?}: {name} {distances:?}");
        }
    }

    // Where pictures barely show what is asked, opposite relations among it, every way of spoiling half of them or all is told, beyond its error.
    let shown = |task: &str| -> Value { run(&["show", task, "--json"]).expect(0).json()["scalars"].clone() };
    let judge = shown("judge_of_fine");
    assert!(number(&judge, "accuracy_spatial") > 0.8 && number(&judge, "accuracy") > 0.85, "{judge}");
    for way in ["blur", "noise", "compression", "watermark"] {
        let [half, all] = ["0.5", "1"].map(|share| shown(&format!("spoilt_asked[way={way},share={share}]")));
        let scores = [number(&half, "ceiling"), number(&half, "alignment"), number(&all, "alignment")];
        let noise = number(&half, "alignment_stderr").max(number(&all, "alignment_stderr"));
        assert!(scores.is_sorted_by(|a, b| *a > b + noise), "{way}: {scores:?}, errors up to {noise}");
    }
}
