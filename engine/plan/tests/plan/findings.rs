//! One fixture a mistake; its snapshot is what a person sees.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use isoflop_plan::{Drawing, Findings, Memory, Options, plan};

use crate::{catalog::catalog, files::beside};

/// What is found in a fixture: a file, or a folder with a `study.yaml` and the files that it includes.
fn findings(path: &Path) -> Findings {
    let name = path.file_name().expect("a fixture has a name").to_string_lossy().into_owned();
    let mut files = Memory::default();
    let study = if path.is_dir() {
        collect(path, path, &mut files);
        "study.yaml"
    } else {
        files.0.insert(name.clone(), std::fs::read(path).expect("a fixture can be read"));
        &name
    };
    plan(&beside(files), study, &catalog(), &Options::default()).expect_err(&name)
}

fn collect(root: &Path, folder: &Path, files: &mut Memory) {
    for entry in std::fs::read_dir(folder).expect("a folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(root, &path, files);
        } else {
            let name = path.strip_prefix(root).expect("it is inside").to_string_lossy().into_owned();
            files.0.insert(name, std::fs::read(&path).expect("a fixture can be read"));
        }
    }
}

#[test]
fn every_mistake_is_said_at_its_place() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for path in fixtures() {
            let findings = findings(&path);
            assert!(!findings.is_empty());
            let name = path.file_stem().expect("a fixture has a name").to_string_lossy().into_owned();
            insta::assert_snapshot!(name, findings.render(110, Drawing::Unicode));
        }
    });
}

fn fixtures() -> Vec<PathBuf> {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures")).expect("fixtures");
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

pub fn refused(text: &str, options: &Options) -> String {
    plan(&Memory::single("s.yaml", text), "s.yaml", &catalog(), options).expect_err("the study is broken").to_string()
}

fn with(params: &[(&str, &str)], profile: Option<&str>) -> Options {
    let params: BTreeMap<String, String> =
        params.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Options { params, profile: profile.map(str::to_owned) }
}

const STUDY: &str = "\
study: flags
params: { images: 8, rate: 0.5 }
profiles: { smoke: { images: 1 }, paper: { images: 1000 } }
tasks:
  scenes: { kind: make-scenes, with: { images: \"{{ images }}\" } }
";

#[test]
fn wrong_flags_and_profiles_are_findings() {
    assert_eq!(
        refused(STUDY, &with(&[("imges", "3")], None)),
        "s.yaml:2:1: `-p imges=3` sets `imges`, which is no parameter; did you mean `images`?"
    );
    assert_eq!(
        refused(STUDY, &with(&[("images", "3.5")], None)),
        "s.yaml:2:1: `-p images=3.5`: the default is a whole number, and this is a number"
    );
    assert_eq!(
        refused(STUDY, &with(&[("images", "")], None)),
        "s.yaml:2:1: `-p images=`: the parameter was given no value, and its default is a whole number"
    );
    assert_eq!(
        refused(STUDY, &with(&[], Some("smok"))),
        "s.yaml:3:1: the study has no profile `smok`; did you mean `smoke`?"
    );
}

/// What is said of one task.
fn said(task: &str) -> String {
    refused(&format!("study: s\ntasks:\n  a: {{ {task} }}\n"), &Options::default())
}

#[test]
fn what_was_meant_is_said_in_an_authors_words() {
    let scenes = "kind: make-scenes, with: { images: 8 }";
    for (task, expected) in [
        (
            format!("{scenes}, on: {{ ranks: 0 }}"),
            "`ranks` of `on`: must be a whole number from 1, and is the whole number `0`",
        ),
        (
            format!("matrix: {{ s: [x, y], where: \"{{{{ s }}}}\" }}, {scenes}"),
            "`where` must be true or false, and is a text; compare it, as in \"{{ s == 'x' }}\"",
        ),
        (
            format!("matrix: {{ s: [x, y], where: \"{{{{ s }}}} == 'x'\" }}, {scenes}"),
            "`where` must be true or false, and is a text; write all of it as one expression, as in \"{{ a == 'x' }}\"",
        ),
        (
            format!("matrix: {{ s: [x, y] }}, when: \"{{{{ s if s == 'x' else 'y' }}}}\", {scenes}"),
            "`when` must be true or false, and is a text; an expression is true or false where it compares",
        ),
        (
            format!("matrix: {{ s: ['say \"a\", b'] }}, {scenes}"),
            "the axis `s`: the value `say \"a\", b` holds `,`, which the names of tasks have no room for; write `{ as: short, text: … }`: the cell \
             shows `short`, and templates write `s.text`",
        ),
        (
            "kind: make-scenes, with: { images: 8, captions: \"of {{ none }}\" }".to_owned(),
            "`none` has no text, and cannot stand inside one; say what stands there instead",
        ),
        (
            format!("about: no, {scenes}"),
            "s.yaml:3:15: `no` reads as a flag in YAML 1.1 and as a text in 1.2; write false or \"no\"",
        ),
    ] {
        let said = said(&task);
        assert!(said.contains(expected), "{task}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn ten_thousand_levels_are_refused_and_not_followed() {
    let blocks: String = (0..2_000).map(|n| " ".repeat(n) + "a:\n").collect(); // 10,000 of them are above the limit of size
    for text in ["[".repeat(10_000), "- ".repeat(10_000), "{a: ".repeat(10_000), blocks] {
        let message = refused(&text, &Options::default());
        assert!(message.contains("nest deeper than 128"), "{message}");
    }
    let deep = format!(
        "study: deep\ntasks: {{ a: {{ kind: make-scenes, with: {{ images: \"{{{{ {}1{} }}}}\" }} }} }}",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    assert!(refused(&deep, &Options::default()).contains("expression"), "{}", refused(&deep, &Options::default()));
}

#[test]
fn a_file_too_large_is_refused_unread() {
    let bytes = vec![b'#'; isoflop_plan::source::SIZE_LIMIT + 1];
    let findings =
        plan(&Memory::single("s.yaml", bytes), "s.yaml", &catalog(), &Options::default()).expect_err("too large");
    assert!(findings.to_string().contains("8388609 bytes"), "{findings}");
}

#[test]
fn findings_are_json_with_places() {
    let files = Memory::single("s.yaml", STUDY.replace("images: \"{{", "imagse: \"{{"));
    let json = plan(&files, "s.yaml", &catalog(), &Options::default()).expect_err("broken").to_json();
    assert_eq!(
        json,
        serde_json::json!([{
            "code": "unknown-field", "message": "kind `make-scenes` has no field `imagse`", "file": "s.yaml", "line": 5,
            "column": 40, "hint": "did you mean `images`?", "task": null, "also": [], "through": []
        }])
    );
}

#[test]
fn nothing_that_is_said_is_a_debug_print_or_begins_a_sentence() {
    for path in fixtures() {
        for finding in findings(&path).iter() {
            let message = &finding.message;
            for bad in ["Some(", "None", "Err(", "\\\"", "Span", "  "] {
                assert!(!message.contains(bad), "{}: {message}", path.display());
            }
            assert!(
                !message.starts_with(char::is_uppercase) && !message.ends_with('.'),
                "{}: {message}",
                path.display()
            );
        }
    }
}
