//! What a task made, had back as files; and a plan as a graph.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use crate::project::Project;

/// Two tasks that make files, one that diverges, one that fails and one that waits for it.
const STUDY: &str = r#"
study: own
seed: 3
tasks:
  notes:
    matrix: { n: [1, 2] }
    kind: command
    with:
      argv: [sh, -c, 'mkdir "$0"; echo one > "$0/one"; echo "two $2" > "$0/two"; echo end > "$1"', "{out.parts}", "{out.end}", "{param.n}"]
      param: { n: "{{ n }}" }
      outputs: { parts: { type: folder }, end: {} }
  nan:
    kind: command
    with: { argv: [sh, -c, 'echo "{\"loss\": NaN}" > "$0"', "{metrics}"], metrics: m.jsonl }
  bad:
    kind: command
    with: { argv: [sh, -c, 'exit 3', sh, "{out.x}"], outputs: { x: {} } }
  after:
    kind: command
    needs: { bad: bad, notes: "notes[n=1]" }
    with: { argv: [cp, "{in.bad}/x", "{in.notes}/end", "{out.x}"], outputs: { x: {} } }
"#;

/// A project whose study is this one.
fn planned() -> Project {
    let project = Project::new();
    project.write("study.yaml", STUDY);
    project
}

/// The same, run as far as it goes.
fn made() -> Project {
    let project = planned();
    project.run(&["run", "--keep-going"]).expect(4);
    project
}

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("the file is there")
}

/// Where the store has the bytes of a file that `notes[n=1]` made.
fn blob(project: &Project, file: &str) -> PathBuf {
    let shown = project.run(&["show", "notes[n=1]", "--json"]).expect(0).json();
    let digest = shown["files"][file]["digest"].as_str().expect("it has the file").to_owned();
    project.path(".isoflop/store/blobs").join(&digest[..2]).join(digest)
}

fn names(got: &Value) -> Vec<&str> {
    got["files"].as_array().expect("it lists files").iter().map(|file| file["name"].as_str().unwrap()).collect()
}

fn copied(got: &Value) -> Vec<bool> {
    got["files"].as_array().expect("it lists files").iter().map(|file| file["copied"].as_bool().unwrap()).collect()
}

#[test]
fn files_come_out_of_the_store_as_copies() {
    let project = made();
    let said = project.run(&["get", "notes[n=1]"]).expect(0).out;
    let lines: Vec<&str> = said.lines().collect();
    let shown = project.run(&["show", "notes[n=1]", "--json"]).expect(0).json();
    let short = &shown["files"]["end"]["digest"].as_str().unwrap()[..12];
    assert_eq!(lines.len(), 4, "{said}");
    assert!(lines[0].starts_with("notes-n=1/end ") && lines[0].ends_with(&format!(" 4 B  {short}")), "{said}");
    assert!(lines[2].starts_with("notes-n=1/parts/two ") && lines[2].contains(" 6 B  "), "{said}");
    assert_eq!(lines[3], "3 files, 14 B copied to notes-n=1");
    let (one, two) = (project.path("notes-n=1/parts/one"), project.path("notes-n=1/parts/two"));
    assert_eq!((text(&one), text(&two)), ("one\n".to_owned(), "two 1\n".to_owned()));
    let about = fs::metadata(&one).unwrap();
    assert_eq!((about.nlink(), about.mode() & 0o600), (1, 0o600), "it is nobody else's, and can be written");

    // What is there with the same bytes stays; of other bytes nothing is lost unasked.
    let again = project.run(&["get", "notes[n=1]"]).expect(0).out;
    assert!(again.ends_with("\n0 files, 0 B copied to notes-n=1; 3 there already\n"), "{again}");
    fs::write(&two, "mine\n").unwrap();
    fs::remove_file(&one).unwrap();
    let refused = project.run(&["get", "notes[n=1]"]).expect(2).err;
    assert!(refused.contains("notes-n=1/parts/two is there with other bytes; --force replaces"), "{refused}");
    assert_eq!((text(&two), one.exists()), ("mine\n".to_owned(), false), "nothing was copied");
    let listed = project.run(&["get", "notes[n=1]", "-n"]).expect(0).out;
    assert!(listed.contains("is there with other bytes, and stays without --force"), "{listed}");
    assert!(listed.ends_with("\n2 files, 10 B would be copied to notes-n=1; 1 there already\n"), "{listed}");
    assert_eq!((text(&two), one.exists()), ("mine\n".to_owned(), false), "nothing was copied");
    let forced = project.run(&["get", "notes[n=1]", "--force"]).expect(0).out;
    assert!(forced.ends_with("\n2 files, 10 B copied to notes-n=1; 1 there already\n"), "{forced}");
    assert_eq!((text(&two), text(&one)), ("two 1\n".to_owned(), "one\n".to_owned()));
    let all: Vec<_> = fs::read_dir(project.path("notes-n=1/parts")).unwrap().collect();
    assert_eq!(all.len(), 2, "{all:?}");
    project.write("taken", "a file");
    let refused = project.run(&["get", "notes[n=1]", "--into", "taken"]).expect(2).err;
    assert!(refused.contains("taken is not a folder"), "{refused}");
    project.run(&["doctor"]).expect(0);
}

#[test]
fn single_files_and_folders_are_copied_and_told_of_as_data() {
    let project = made();
    let dry = project.run(&["get", "notes[n=2]", "parts/", "--into", "a/b", "-n", "--json"]).expect(0).json();
    assert_eq!((names(&dry), copied(&dry)), (vec!["parts/one", "parts/two"], vec![false, false]));
    assert!(!project.path("a").exists());
    let got = project.run(&["get", "notes[n=2]", "parts/two", "end", "--into", "a/b", "--json"]).expect(0).json();
    let shown = project.run(&["show", "notes[n=2]", "--json"]).expect(0).json();
    let file = |name: &str, path: &str| {
        json!({
            "name": name, "path": path, "size": shown["files"][name]["size"], "digest": shown["files"][name]["digest"],
            "copied": true, "there": null,
        })
    };
    let expected = json!({
        "version": 1, "task": "notes[n=2]", "study": "own", "key": shown["key"], "digest": shown["digest"],
        "into": "a/b", "dry_run": false, "files": [file("end", "a/b/end"), file("parts/two", "a/b/parts/two")],
    });
    assert_eq!(got, expected);
    assert_eq!(text(project.path("a/b/parts/two")), "two 2\n");
    assert!(!project.path("a/b/parts/one").exists());
    let all = project.run(&["get", "notes[n=2]", "--into", "a/b", "--json"]).expect(0).json();
    assert_eq!(copied(&all), [false, true, false]);
    assert_eq!(all["files"][0]["there"], "same");

    // By the beginning of its key, or of its digest.
    for name in ["key", "digest"] {
        let digits = &shown[name].as_str().unwrap()[..16];
        let got = project.run(&["get", digits, "end", "--json"]).expect(0).json();
        assert_eq!((&got["task"], &got["into"]), (&json!("notes[n=2]"), &json!("notes-n=2")), "by its {name}");
        assert_eq!(text(project.path("notes-n=2/end")), "end\n");
    }
}

#[test]
fn what_cannot_be_had_is_said_with_what_to_do() {
    let nothing = planned().run(&["get", "notes[n=1]"]).expect(2).err;
    assert!(nothing.contains("nothing was run yet"), "{nothing}");
    let project = made();
    for (args, sentence) in [
        (&["get", "notes[n=1]", "parts/tow"][..], "`notes[n=1]` has no file `parts/tow`; did you mean `parts/two`?"),
        (&["get", "notes[n=1]", "end", "pats"][..], "`notes[n=1]` has no file `pats`; did you mean `parts`?"),
        (&["get", "notes[n=1]", "model.safetensors"][..], "it has end, parts/one, parts/two"),
        (&["get", "nan"][..], "`nan` diverged and left no files: m.jsonl:1: `loss` is NaN"),
        (&["get", "bad"][..], "`bad` failed and left no files: `sh` exited with code 3"),
        (&["get", "after"][..], "`after` was never made"),
        (&["get", "notes[n=3]"][..], "did you mean `notes[n="),
        (&["get", "notes[n=1]", "-s", "another"][..], "no study named `another` was run"),
    ] {
        let said = project.run(args).expect(2).err;
        assert!(said.contains(sentence), "{args:?}: {said}");
    }
    let left = fs::read_dir(project.path(".")).unwrap().flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
    assert_eq!(left.len(), 3, "only the study, the programs and the home are there: {left:?}");
}

#[test]
fn a_byte_that_is_not_what_it_was_is_found_and_nothing_is_left() {
    let project = made();
    let blob = blob(&project, "parts/two");
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "two 7\n").unwrap();
    let heal = "`isoflop run STUDY 'notes[n=1]' --missing`";
    let said = project.run(&["get", "notes[n=1]", "--into", "got"]).expect(8).err;
    assert!(said.contains("file `parts/two`: blob ") && said.contains("is corrupt") && said.contains(heal), "{said}");
    assert!(!project.path("got").exists(), "neither a file nor a folder");
    let said = project.run(&["get", "notes[n=1]", "--into", "got"]).expect(8).err;
    assert!(said.contains("is not in the store") && said.contains(heal), "{said}");
    let got = project.run(&["get", "notes[n=1]", "end", "--into", "got"]).expect(0).out;
    assert!(got.ends_with("1 file, 4 B copied to got\n"), "what is sound can be had: {got}");
    project.run(&["run", ".", "notes[n=1]", "--missing"]).expect(0);
    project.run(&["get", "notes[n=1]", "--into", "got"]).expect(0);
    assert_eq!(text(project.path("got/parts/two")), "two 1\n");
}

#[test]
fn bytes_that_are_elsewhere_are_fetched() {
    let project = planned();
    let remote = project.path("remote").display().to_string();
    project.run(&["run", "--keep-going", "--remote", &remote]).expect(4);
    fs::rename(project.path(".isoflop/store"), project.path("away")).unwrap();
    project.run(&["get", "notes[n=1]"]).expect(8);
    assert!(!project.path("notes-n=1").exists());
    project.run(&["get", "notes[n=1]", "--remote", &remote]).expect(0);
    assert_eq!(text(project.path("notes-n=1/parts/two")), "two 1\n");
}

/// What `plan --graph` prints.
fn graph(project: &Project, args: &[&str]) -> String {
    project.run(&[&["plan"][..], args].concat()).expect(0).out
}

#[test]
fn a_plan_is_drawn_before_anything_runs() {
    let project = planned();
    let fresh = r#"digraph "own" {
  rankdir=LR;
  node [shape=box];
  "notes" [label="notes\ncommand, 2 cells\n2 to run", style="rounded,bold"];
  "nan" [label="nan\ncommand\nto run", style="rounded,bold"];
  "bad" [label="bad\ncommand\nto run", style="rounded,bold"];
  "after" [label="after\ncommand\nto run", style="rounded,bold"];
  "notes" -> "after" [label="notes"];
  "bad" -> "after" [label="bad"];
}
"#;
    assert_eq!(graph(&project, &["--graph"]), fresh);
    assert_eq!(graph(&project, &[".", "--graph=groups"]), fresh);
    assert!(!project.path(".isoflop").exists());

    // What is kept, and only what a selection leaves; divergence is kept, and a group of which one task is left is called as that.
    project.run(&["run", "--keep-going"]).expect(4);
    let tasks = r#"digraph "own" {
  rankdir=LR;
  node [shape=box];
  "notes[n=1]" [label="notes[n=1]\ncommand\nkept", style="rounded"];
  "notes[n=2]" [label="notes[n=2]\ncommand\nkept", style="rounded"];
  "nan" [label="nan\ncommand\nkept", style="rounded"];
  "bad" [label="bad\ncommand\nto run", style="rounded,bold"];
  "after" [label="after\ncommand\nto run", style="rounded,bold"];
  "notes[n=1]" -> "after" [label="notes"];
  "bad" -> "after" [label="bad"];
}
"#;
    assert_eq!(graph(&project, &["--graph=tasks"]), tasks);
    let some = graph(&project, &[".", "notes[n=1]", "after", "--graph"]);
    assert!(some.contains(r#"  "notes" [label="notes[n=1]\ncommand\nkept", style="rounded"];"#), "{some}");
    assert!(!some.contains("nan"), "{some}");
    for args in [&["--graph", "--json"][..], &["--graph", "-o", "plan.json"], &["--graph", "tasks", "--all"]] {
        let said = project.run(&[&["plan"][..], args].concat()).expect(2).err;
        assert!(said.contains("cannot be used with"), "{said}");
    }
    let wrong = project.run(&["plan", "--graph=cells"]).expect(2).err;
    assert!(wrong.contains("groups, tasks"), "{wrong}");
}

#[test]
fn every_port_between_two_groups_is_at_their_edge() {
    let project = Project::new();
    let drawn = graph(&project, &["--graph"]);
    let edges: Vec<&str> = drawn.lines().filter(|line| line.contains("->")).map(str::trim).collect();
    assert_eq!(
        edges,
        [
            r#""scenes" -> "judge" [label="data"];"#,
            r#""scenes" -> "train" [label="data"];"#,
            r#""heldout" -> "judge" [label="heldout"];"#,
            r#""heldout" -> "train" [label="heldout"];"#,
            r#""heldout" -> "samples" [label="prompts"];"#,
            r#""heldout" -> "scores" [label="prompts"];"#,
            r#""judge" -> "scores" [label="vqa"];"#,
            r#""train" -> "samples" [label="model"];"#,
            r#""samples" -> "scores" [label="images"];"#,
            r#""scores" -> "law" [label="points"];"#,
        ]
    );
    assert!(drawn.contains(r#"  "train" [label="train\ntrain-denoiser, 6 cells\n6 to run", style="rounded,bold"];"#));
    let twice = ("heldout: heldout }\n    with: { steps", "heldout: scenes }\n    with: { steps");
    project.write("study.yaml", &crate::project::STUDY.replace(twice.0, twice.1));
    assert!(graph(&project, &["--graph"]).contains(r#"  "scenes" -> "judge" [label="data, heldout"];"#));
}
