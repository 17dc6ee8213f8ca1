//! What a person names, a study, a group or a few digits, and what is shown of what was meant.

use crate::project::Project;

/// Three cells with names of files and numbers that are longer than most.
const STUDY: &str = r#"
study: ladder
seed: 3
tasks:
  s:
    matrix: { size: [1, 2, 3] }
    kind: command
    with:
      argv: [sh, -c, 'echo {{ size }} > "$0"; echo "{\"step\": 1, \"machine.steps_per_second\": 30}" > "$1"', "{out.weights}", "{metrics}"]
      outputs: { weights: { path: checkpoints/00000050.safetensors } }
      metrics: m.jsonl
"#;

#[test]
fn a_study_that_was_not_run_is_named() {
    let project = Project::new();
    project.write("study.yaml", STUDY);
    for verb in ["status", "watch"] {
        let said = project.run(&[verb, "-s", "ladder"]).expect(2).err;
        assert!(said.contains("nothing was run yet"), "{verb}: {said}");
    }
    project.run(&["run"]).expect(0);
    for args in [&["status"][..], &["watch"][..], &["logs", "x"][..]] {
        let near = project.run(&[args, &["-s", "lader"]].concat()).expect(2).err;
        assert!(near.contains("no study named `lader` was run; did you mean `ladder`?"), "{args:?}: {near}");
        let far = project.run(&[args, &["-s", "zz"]].concat()).expect(2).err;
        assert!(far.contains("no study named `zz` was run; `isoflop runs` lists what was"), "{args:?}: {far}");
    }
    project.run(&["status", "-s", "ladder"]).expect(0);
}

#[test]
fn a_task_is_found_by_digits_and_a_group_by_its_cells() {
    let project = Project::new();
    project.write("study.yaml", STUDY);
    project.run(&["run"]).expect(0);
    let cell = project.run(&["show", "s[size=2]", "--json"]).expect(0).json();
    for field in ["digest", "key"] {
        let hash = cell[field].as_str().unwrap();
        let found = project.run(&["show", &hash[..8], "--json"]).expect(0).json();
        let named = (found["task"].as_str(), found["study"].as_str(), &found["key"]);
        assert_eq!(named, (Some("s[size=2]"), Some("ladder"), &cell["key"]), "by its {field}");
        let short = project.run(&["show", &hash[..5]]).expect(2).err;
        assert!(short.contains("give 6 digits of that at least"), "{short}");
    }
    let group = project.run(&["show", "s"]).expect(2).err;
    let listed = "`s` is a group of 3 tasks, and one is asked for: s[size=1], s[size=2], s[size=3]";
    assert!(group.contains(listed), "{group}");

    // Names that are longer than their column keep clear of what stands behind them.
    let shown = project.run(&["show", "s[size=2]"]).expect(0).out;
    for line in [
        "\n  checkpoints/00000050.safetensors  2 B ",
        "\n  machine.steps_per_second  1 points, last 30.0\n",
        "\n  machine.steps_per_second  30.0\n",
    ] {
        assert!(shown.contains(line), "no `{line}` in\n{shown}");
    }
}
