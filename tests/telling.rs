//! What a run tells a person of many tasks at once: a few of each sort, and where the rest stands.

use crate::project::Project;

/// Twelve tasks that fail, and six that need the first of them and do not begin.
const FAILING: &str = r#"study: failing
seed: 1
tasks:
  a:
    matrix: { n: "{{ range(12) | list }}" }
    kind: command
    with: { argv: [sh, -c, 'echo reading; echo no such column {{ n }}; exit 3', "{out.x}"], outputs: { x: {} } }
  b:
    matrix: { m: "{{ range(6) | list }}" }
    kind: command
    needs: { x: "a[n=0]" }
    with: { argv: [sh, -c, 'cp "$0" "$1"; echo {{ m }}', "{in.x}", "{out.y}"], outputs: { y: {} } }
"#;

#[test]
fn of_many_failures_some_are_told_and_status_tells_of_each() {
    let project = Project::new();
    project.write("study.yaml", FAILING);
    let ran = project.run(&["run", "--keep-going", "--progress", "plain"]).expect(4);
    let of = |text: &str, word: &str| text.lines().filter(|line| line.contains(word)).count();
    assert!(ran.out.contains("12 failed, 6 blocked"), "{}", ran.out);
    assert_eq!(of(&ran.out, "  failed a[n="), 8, "{}", ran.out);
    assert!(ran.out.contains("  and 4 more; `isoflop status` tells of each"), "{}", ran.out);
    assert!(ran.out.contains("what is finished is kept; the same command goes on from here"), "{}", ran.out);
    assert_eq!(of(&ran.err, "] failed "), 12, "progress tells of each as it comes: {}", ran.err);
    let blocked: Vec<&str> = ran.err.lines().filter(|line| line.contains("] blocked ")).collect();
    let [line] = &blocked[..] else { panic!("one line for all that wait for the same: {blocked:?}") };
    assert!(line.contains("6 tasks, b[m=0] to b[m=5]  `a[n=0]` failed"), "{line}");
    let status = project.run(&["status"]).expect(0).out;
    assert_eq!(of(&status, "`sh` exited with code 3: no such column "), 12, "{status}");
}

#[test]
fn after_a_part_of_a_study_only_claims_that_it_decides_are_told() {
    let project = Project::new();
    project.write(
        "study.yaml",
        "study: parts\nseed: 1\ntasks:\n  few: { kind: make-scenes, with: { images: 8, resolution: 16 } }\n  many: { kind: make-scenes, with: { images: 16, resolution: 16 } }\n\
         claims:\n  some: { says: There are some., check: \"{{ value('few', 'images') > 0 }}\" }\n  more: { says: There are more., check: \"{{ value('many', 'images') > value('few', 'images') }}\" }\n",
    );
    let part = project.run(&["run", "few"]).expect(0);
    assert!(part.out.contains("reproduced    some") && !part.out.contains("There are more."), "{}", part.out);
    let json = project.run(&["run", "few", "--json"]).expect(0).json();
    assert_eq!(json["claims"].as_array().map(Vec::len), Some(2), "{json}");
    let whole = project.run(&["run"]).expect(0);
    assert!(whole.out.contains("reproduced    some") && whole.out.contains("reproduced    more"), "{}", whole.out);
}
