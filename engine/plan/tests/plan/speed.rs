//! How long planning takes, and how much memory. The bounds are far above what it takes, for slow machines; `make bench` measures.

use crate::expansion::planned;

/// The most memory that this process has had, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn measure(name: &str, text: &str, tasks: usize) {
    let start = std::time::Instant::now();
    let plan = planned(text);
    let seconds = start.elapsed().as_secs_f64();
    println!("{name}: {} tasks in {seconds:.3} s, peak {} MiB", plan.tasks().len(), peak());
    assert_eq!(plan.tasks().len(), tasks);
    assert!(seconds < 30.0, "{seconds} s");
}

const ONE: &str = r#"
study: one-group
params: { steps: 600 }
tasks:
  scenes:
    matrix: { size: "{{ range(8, 88, 8) }}", n: "{{ range(100) }}", seed: "{{ range(100) }}" }
    let: { twice: "{{ size * n }}" }
    kind: make-scenes
    with: { images: "{{ twice + seed + 1 }}", captions: dense }
"#;

const LAYERS: &str = r#"
study: layers
params: { steps: 600 }
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train:
    matrix: { width: "{{ range(8, 2672, 8) }}", seed: "{{ range(100) }}" }
    kind: train-denoiser
    needs: { data: scenes }
    let: { twice: "{{ steps * 2 }}", shape: { width: "{{ width }}", depths: [1, 2, 3] } }
    with: { backbone: "{{ shape }}", steps: "{{ twice + seed }}" }
    on: { memory: "{{ 1 + seed }}GiB", time: 2h }
  score: { each: train, kind: score-alignment, needs: { model: train }, with: { notes: { of: "{{ width }} and {{ seed }}" } } }
  again: { each: [score, train], kind: score-alignment, needs: { model: train } }
  laws: { kind: fit-scaling, gather: { points: { from: score, by: [seed], where: "{{ width > 8 and seed > 0 }}" } }, with: { x: compute, y: loss } }
"#;

/// As many as there may be, in one group.
#[test]
fn a_hundred_thousand_tasks_are_planned() {
    measure("one group", ONE, 100_000);
}

/// The same through layers of `each`, joins and gathers.
#[test]
#[ignore = "measures its own process, so it must run alone: by hand, with `--ignored --nocapture`; `make bench` times the same plan"]
fn a_hundred_thousand_tasks_in_layers_are_planned() {
    measure("layers", LAYERS, 100_000);
    assert!(peak() < 1024, "{} MiB", peak()); // of this process, so of this test if it runs alone
}

#[test]
fn one_cell_more_than_there_may_be_is_refused() {
    let text = ONE.replace("tasks:\n", "tasks:\n  more: { kind: make-scenes, with: { images: 1 } }\n");
    let findings = isoflop_plan::plan(
        &isoflop_plan::Memory::single("s.yaml", text),
        "s.yaml",
        &crate::catalog::catalog(),
        &isoflop_plan::Options::default(),
    );
    assert!(findings.expect_err("too many").to_string().contains("100001 cells; it may have 100000"));
}

/// Studies of a few kilobytes to a few megabytes that would take for ever, or all memory, if anybody let them. The bounds are far above what
/// they take, for slow machines.
#[test]
fn bombs_of_matrices_are_refused_or_planned_quickly() {
    use std::fmt::Write;

    let scenes = "kind: make-scenes\n    with: { images: 8 }\n";
    let all = "matrix: { a: \"{{ range(100) }}\", b: \"{{ range(999) }}\" }";
    let mut lets = format!("study: b\ntasks:\n  scenes:\n    {scenes}    {all}\n    let:\n      v0: 1\n");
    for n in 0..90_000 {
        let _ = writeln!(lets, "      v{}: \"{{{{ v{n} }}}}\"", n + 1);
    }
    let mut excludes = format!(
        "study: b\ntasks:\n  scenes:\n    {scenes}    matrix:\n      a: \"{{{{ range(400) }}}}\"\n      b: \"{{{{ range(250) }}}}\"\n      exclude:\n"
    );
    for n in 0..60_000 {
        let _ = writeln!(excludes, "        - {{ a: {}, b: {} }}", n % 400, n / 400);
    }
    let mut includes = format!("study: b\ntasks:\n  scenes:\n    {scenes}    matrix:\n      include:\n");
    for n in 0..60_000 {
        let _ = writeln!(includes, "        - {{ a: {n}, b: x }}");
    }
    let mut derived =
        format!("study: b\ntasks:\n  scenes:\n    {scenes}    matrix:\n      a0: \"{{{{ range(100000) }}}}\"\n");
    for n in 0..60 {
        let _ = writeln!(derived, "      a{}: \"{{{{ a{n} + 1 }}}}\"", n + 1);
    }
    let fields: String = (0..60_000).fold(String::new(), |mut text, n| {
        let _ = write!(text, "n{n}: x, ");
        text
    });
    let train = format!(
        "train: {{ kind: train-denoiser, needs: {{ data: s }}, with: {{ backbone: {{ width: 8 }}, steps: 1 }} }}\n  s: {{ {} }}",
        "kind: make-scenes, with: { images: 8 }"
    );
    let text = format!(
        "study: b\ntasks:\n  score:\n    {all}\n    kind: score-alignment\n    needs: {{ model: train }}\n    with: {{ notes: {{ {fields} }} }}\n  {train}\n"
    );
    let words = text.replace(&fields, "of: \"{{ 'a' * 2000000 ~ b }}\"");
    let gathers = format!(
        "study: b\ntasks:\n  scenes:\n    matrix: {{ a: \"{{{{ range(50000) }}}}\" }}\n    {scenes}  law:\n    matrix: {{ b: \"{{{{ range(50000) }}}}\" }}\n    kind: fit-scaling\n    gather: {{ points: scenes }}\n    with: {{ x: a, y: b }}\n"
    );
    let product = format!("study: b\ntasks:\n  scenes:\n    {scenes}    matrix:\n")
        + &"abcdefghijklmnop".chars().fold(String::new(), |mut text, name| {
            let _ = writeln!(text, "      {name}: \"{{{{ range(99999) }}}}\"");
            text
        });
    for (what, text) in [
        ("lets", lets),
        ("excludes", excludes),
        ("includes", includes),
        ("derived", derived),
        ("fields", text),
        ("words", words),
        ("gathers", gathers),
        ("product", product),
    ] {
        let start = std::time::Instant::now();
        let files = isoflop_plan::Memory::single("s.yaml", text);
        let plan = isoflop_plan::plan(&files, "s.yaml", &crate::catalog::catalog(), &isoflop_plan::Options::default());
        let said = match plan {
            Ok(plan) => format!("{} tasks", plan.tasks().len()),
            Err(findings) => findings.to_string(),
        };
        let seconds = start.elapsed().as_secs_f64();
        println!("{what}: {seconds:.3} s, peak {} MiB: {}", peak(), &said[..said.floor_char_boundary(200)]);
        assert!(seconds < 30.0, "{what}: {seconds} s");
        assert!(peak() < 2048, "{what}: {} MiB", peak());
    }
}
