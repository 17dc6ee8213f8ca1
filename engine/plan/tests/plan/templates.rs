//! Templates written out: names, cells, namespaces, and that nothing leaks.

use std::collections::BTreeMap;

use isoflop_plan::{Plan, TaskNeed};
use serde_json::json;

use crate::expansion::planned;

/// A template that uses another, used twice: once for each cell of a task, once by itself.
const NESTED: &str = r#"
study: nested
seed: 17
params: { steps: 600 }
templates:
  scored:
    args: [model, { guidance: 7.5 }]
    tasks:
      scores: { kind: score-alignment, needs: { model: "{{ model }}" }, with: { guidance: "{{ guidance }}" } }
      law: { kind: fit-scaling, gather: { points: scores }, with: { x: compute, y: loss } }
  family:
    args: [data, widths, guidance]
    tasks:
      train:
        matrix: { width: "{{ widths }}" }
        kind: train-denoiser
        needs: { data: "{{ data }}" }
        with: { backbone: { width: "{{ width }}" }, steps: "{{ steps }}" }
      eval: { each: train, use: scored, args: { model: train, guidance: "{{ guidance }}" } }
      law:
        kind: fit-scaling
        gather: { points: { from: eval.scores, by: [width] } }
        with: { x: compute, y: loss }
      all: { kind: fit-scaling, gather: { points: eval.scores }, with: { x: compute, y: loss } }
tasks:
  scenes:
    matrix: { images: [8, 16] }
    kind: make-scenes
    with: { images: "{{ images }}" }
  sweep:
    each: scenes
    let: { strong: "{{ images / 4 }}" }
    use: family
    args: { data: scenes, widths: [8, 16], guidance: "{{ strong }}" }
  law: { kind: fit-scaling, gather: { points: sweep.eval.scores }, with: { x: compute, y: loss } }
claims:
  wider: { says: Wider is better., check: "{{ mean('sweep.eval.scores', 'loss', width=16) < 1 }}" }
"#;

fn names(plan: &Plan) -> Vec<&str> {
    plan.tasks().iter().map(|task| task.name.as_str()).collect()
}

fn needed(plan: &Plan, task: &str, port: &str) -> Vec<String> {
    let task = plan.get(task).unwrap_or_else(|| panic!("{task} is among {:?}", names(plan)));
    task.needs[port].tasks().map(|index| plan.tasks()[index].name.clone()).collect()
}

/// A study's keys under other names.
fn keys(plan: &Plan, renamed: impl Fn(&str) -> String) -> BTreeMap<String, String> {
    plan.tasks().iter().map(|task| (renamed(&task.name), task.key.to_string())).collect()
}

#[test]
fn nested_templates_become_groups_with_the_cells_of_their_frames() {
    let plan = planned(NESTED);
    assert_eq!(
        names(&plan),
        [
            "scenes[images=8]",
            "scenes[images=16]",
            "sweep.train[images=8,width=8]",
            "sweep.train[images=8,width=16]",
            "sweep.train[images=16,width=8]",
            "sweep.train[images=16,width=16]",
            "sweep.eval.scores[images=8,width=8]",
            "sweep.eval.scores[images=8,width=16]",
            "sweep.eval.scores[images=16,width=8]",
            "sweep.eval.scores[images=16,width=16]",
            "sweep.eval.law[images=8,width=8]",
            "sweep.eval.law[images=8,width=16]",
            "sweep.eval.law[images=16,width=8]",
            "sweep.eval.law[images=16,width=16]",
            "sweep.law[images=8,width=8]",
            "sweep.law[images=8,width=16]",
            "sweep.law[images=16,width=8]",
            "sweep.law[images=16,width=16]",
            "sweep.all[images=8]",
            "sweep.all[images=16]",
            "law",
        ]
    );
    let train = plan.get("sweep.train[images=16,width=8]").unwrap();
    assert_eq!((train.group.as_str(), train.origin.line), ("sweep.train", 14));
    assert_eq!(needed(&plan, &train.name, "data"), ["scenes[images=16]"]);
    let scores = plan.get("sweep.eval.scores[images=16,width=8]").unwrap();
    assert_eq!(needed(&plan, &scores.name, "model"), ["sweep.train[images=16,width=8]"]);
    assert_eq!(scores.recipe.spec["guidance"], json!(4.0));
}

#[test]
fn a_gather_in_a_frame_stays_in_its_cell() {
    let plan = planned(NESTED);
    let eight = ["sweep.eval.scores[images=8,width=16]", "sweep.eval.scores[images=8,width=8]"]; // by label, as texts
    assert_eq!(needed(&plan, "sweep.all[images=8]", "points"), eight);
    assert_eq!(needed(&plan, "sweep.law[images=8,width=16]", "points"), eight[..1]);
    assert_eq!(needed(&plan, "sweep.eval.law[images=8,width=16]", "points"), eight[..1]);
    assert_eq!(needed(&plan, "law", "points").len(), 4);
    let TaskNeed::Many(cells) = &plan.get("sweep.all[images=8]").unwrap().needs["points"] else { panic!("many") };
    assert_eq!(cells.keys().collect::<Vec<_>>(), ["images=8,width=16", "images=8,width=8"]);
}

/// A template is a way of writing: written out by hand, tasks without a seed of their own have the same keys.
#[test]
fn what_a_template_makes_is_what_it_would_make_by_hand() {
    let by_template = planned(
        r#"
study: one
templates:
  pair:
    args: [data, guidance]
    tasks:
      small: { kind: score-alignment, needs: { model: "{{ data }}" }, with: { guidance: "{{ guidance }}" } }
      large: { kind: score-alignment, needs: { model: "{{ data }}" }, with: { guidance: "{{ guidance * 2 }}" } }
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train: { kind: train-denoiser, needs: { data: scenes }, with: { backbone: { width: 8 }, steps: 1 } }
  eval: { matrix: { g: [1, 2] }, use: pair, args: { data: train, guidance: "{{ g }}" } }
"#,
    );
    let by_hand = planned(
        r#"
study: one
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train: { kind: train-denoiser, needs: { data: scenes }, with: { backbone: { width: 8 }, steps: 1 } }
  small: { matrix: { g: [1, 2] }, kind: score-alignment, needs: { model: train }, with: { guidance: "{{ g }}" } }
  large: { matrix: { g: [1, 2] }, kind: score-alignment, needs: { model: train }, with: { guidance: "{{ g * 2 }}" } }
"#,
    );
    assert_eq!(keys(&by_template, |name| name.replace("eval.", "")), keys(&by_hand, str::to_owned));
}

/// The same names mean different tasks in different places: an argument's name is looked up where the argument is written.
#[test]
fn names_are_looked_up_where_they_are_written() {
    let plan = planned(
        r#"
study: names
params: { start: train, seeds: [0, 1] }
templates:
  inner:
    args: [model, list, { other: "{{ model }}" }]
    tasks:
      train: { kind: score-alignment, needs: { model: "{{ model }}" } }
      scores: { kind: score-alignment, needs: { model: "{{ list[0] }}" } }
      again: { kind: score-alignment, needs: { model: "{{ other }}" } }
      of-cell: { kind: score-alignment, needs: { model: "{{ list[1] }}[seed=1]" } }
      each-of: { each: "{{ list }}", kind: score-alignment, needs: { model: "{{ list[1] }}" } }
  outer:
    args: [data, model]
    tasks:
      train:
        matrix: { seed: "{{ seeds }}" }
        kind: train-denoiser
        needs: { data: "{{ data }}" }
        with: { backbone: { width: 8 }, steps: 1 }
      first: { use: inner, args: { model: "train[seed=0]", list: ["{{ model }}", train] } }
      second: { use: inner, args: { model: "{{ model }}", list: ["{{ model }}", train] } }
      frame: { use: of-frame, args: { frame: first } }
  of-frame:
    args: [frame]
    tasks:
      law: { kind: fit-scaling, gather: { points: "{{ frame }}.scores" }, with: { x: a, y: b } }
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train: { kind: train-denoiser, needs: { data: scenes }, with: { backbone: { width: 8 }, steps: 1 } }
  top: { kind: score-alignment, needs: { model: "{{ start }}" } }
  use: { use: outer, args: { data: scenes, model: train } }
"#,
    );
    let model = |task: &str| needed(&plan, task, "model");
    assert_eq!(model("top"), ["train"]);
    assert_eq!(model("use.first.train"), ["use.train[seed=0]"]);
    assert_eq!(model("use.second.train"), ["train"]);
    assert_eq!((model("use.first.scores"), model("use.second.scores")), (vec!["train".into()], vec!["train".into()]));
    assert_eq!(model("use.second.again"), ["train"]);
    assert_eq!(model("use.first.of-cell"), ["use.train[seed=1]"]);
    assert_eq!(model("use.first.each-of[seed=1]"), ["use.train[seed=1]"]);
    assert_eq!(needed(&plan, "use.frame.law", "points"), ["use.first.scores"]);
}

/// A need whose template comes to `none` is left out, so that an optional port can depend on a parameter; one that must be fed, or that is written as nothing, is a finding.
#[test]
fn a_need_that_comes_to_none_is_left_out() {
    let study = |train: &str| {
        format!(
            r#"
study: maybe
params: {{ from: {{ data: scenes, start: null }}, learned: false }}
templates:
  trained:
    args: [from]
    tasks:
      train: {{ kind: train-denoiser, needs: {{ {train} }}, with: {{ backbone: {{ width: 8 }}, steps: 1 }} }}
tasks:
  scenes: {{ kind: make-scenes, with: {{ images: 8 }} }}
  one: {{ use: trained, args: {{ from: "{{{{ from }}}}" }} }}
  other: {{ use: trained, args: {{ from: {{ data: scenes, start: one.train }} }} }}
"#
        )
    };
    let plan = planned(&study(r#"data: "{{ from.data }}", start: "{{ from.start }}""#));
    let ports = |task: &str| plan.get(task).unwrap().needs.keys().map(String::as_str).collect::<Vec<_>>();
    assert_eq!((ports("one.train"), ports("other.train")), (vec!["data"], vec!["data", "start"]));
    let alone = planned(&study(r#"data: "{{ from.data }}", start: "{{ 'scenes' if learned else none }}""#));
    assert_eq!(alone.get("one.train").unwrap().key, plan.get("one.train").unwrap().key);

    let wrong = |train: &str| crate::findings::refused(&study(train), &isoflop_plan::Options::default());
    let said = wrong(r#"data: "{{ none if not learned else from.data }}""#);
    assert!(said.contains("feeds nothing to the port `data`"), "{said}");
    let said = wrong(r#"data: "{{ from.data }}", start: "#);
    assert!(said.contains("`start` must be the name of a task"), "{said}");
}

/// What a template does not ask for it does not see, and what it calls by the same name is another thing.
#[test]
fn nothing_leaks_into_a_template() {
    let study = |template: &str| {
        format!(
            r#"
study: hygiene
params: {{ steps: 5 }}
templates:
  made:
    args: [images]
    tasks:
      scenes: {{ {template} }}
tasks:
  outer:
    matrix: {{ size: [1, 2] }}
    let: {{ steps: 100, secret: 7 }}
    use: made
    args: {{ images: "{{{{ size * steps + secret }}}}" }}
"#
        )
    };
    let images = |template: &str| {
        let plan = planned(&study(template));
        plan.tasks().iter().map(|task| task.recipe.spec["images"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    // An argument is evaluated where it is given; the parameter of the same name as a `let` there is untouched in the template.
    assert_eq!(images(r#"kind: make-scenes, with: { images: "{{ images }}" }"#), [107, 207]);
    assert_eq!(images(r#"kind: make-scenes, with: { images: "{{ steps }}" }"#), [5, 5]);
    assert_eq!(images(r#"kind: make-scenes, with: { images: "{{ size }}" }"#), [1, 2]);
    assert_eq!(images(r#"let: { images: 3 }, kind: make-scenes, with: { images: "{{ images }}" }"#), [3, 3]);
    let leaking = crate::findings::refused(
        &study(r#"kind: make-scenes, with: { images: "{{ secret }}" }"#),
        &isoflop_plan::Options::default(),
    );
    assert!(leaking.starts_with("s.yaml:8:56: `secret` is not defined here"), "{leaking}");
    assert!(leaking.ends_with("; in the template `made`, used by `outer` at s.yaml:13:10"), "{leaking}");
}

#[test]
fn a_default_is_used_where_nothing_is_given() {
    let plan = planned(
        r#"
study: defaults
params: { base: 8 }
templates:
  made:
    args: [{ images: "{{ base * 2 }}" }, { captions: sparse }]
    tasks: { scenes: { kind: make-scenes, with: { images: "{{ images }}", captions: "{{ captions }}" } } }
tasks:
  one: { use: made }
  two: { let: { base: 100 }, use: made, args: { captions: dense } }
  three: { use: made, args: { images: 3 } }
"#,
    );
    let spec = |task: &str| {
        let spec = &plan.get(task).unwrap().recipe.spec;
        (spec["images"].as_u64().unwrap(), spec["captions"].as_str().unwrap().to_owned())
    };
    assert_eq!(spec("one.scenes"), (16, "sparse".into()));
    assert_eq!(spec("two.scenes"), (16, "dense".into()));
    assert_eq!(spec("three.scenes"), (3, "sparse".into()));
}

#[test]
fn where_and_how_long_is_asked_for_by_frames_too() {
    let plan = planned(
        r#"
study: hours
templates:
  made:
    tasks:
      plain: { kind: make-scenes, with: { images: 8 } }
      own: { kind: make-scenes, with: { images: 8 }, on: { time: 1h } }
tasks:
  outer: { matrix: { size: [1, 2] }, use: made, on: { memory: "{{ size }}GiB", time: 2h } }
"#,
    );
    let demand = |task: &str| {
        let demand = &plan.get(task).unwrap().demand;
        (demand.memory.unwrap().0 >> 30, demand.time.map(|time| time.0))
    };
    assert_eq!((demand("outer.plain[size=2]").0, demand("outer.own[size=1]").0), (2, 1));
    assert_ne!(demand("outer.plain[size=2]").1, demand("outer.own[size=2]").1);
}

/// Studies of a few kilobytes to a few megabytes that would take for ever, if anybody wrote them out before counting. The bound is far above
/// what it takes, for slow machines.
#[test]
fn bombs_of_templates_are_refused_or_planned_quickly() {
    use std::fmt::Write;

    let one = "kind: make-scenes, with: { images: 8 }";
    let mut doubling = "study: b\ntemplates:\n".to_owned();
    for n in 0..31 {
        let arg = "{ a: \"{{ a ~ a }}\", b: \"{{ [a, b] }}\" }";
        let _ = writeln!(doubling, "  t{n}: {{ args: [a, b], tasks: {{ x: {{ use: t{}, args: {arg} }} }} }}", n + 1);
    }
    let _ = writeln!(
        doubling,
        "  t31: {{ args: [a, b], tasks: {{ x: {{ kind: score-alignment, needs: {{ model: \"{{{{ b[0] ~ a }}}}\" }} }} }} }}\n\
         tasks: {{ x: {{ use: t0, args: {{ a: aaaaaaaa, b: bbbbbbbb }} }} }}"
    );

    let mut chain = "study: b\ntemplates:\n".to_owned();
    for n in 0..50_000 {
        let _ = writeln!(chain, "  t{n}: {{ tasks: {{ x: {{ use: t{} }} }} }}", n + 1);
    }
    let _ = writeln!(chain, "  t50000: {{ tasks: {{ x: {{ {one} }} }} }}\ntasks: {{ x: {{ use: t0 }} }}");

    let mut circle = "study: b\ntemplates:\n".to_owned();
    for n in 0..50_000 {
        let _ = writeln!(circle, "  t{n}: {{ tasks: {{ x: {{ use: t{} }} }} }}", (n + 1) % 50_000);
    }
    let _ = writeln!(circle, "tasks: {{ x: {{ use: t0 }} }}");

    let mut defaults = "study: b\ntemplates:\n  t:\n    args: [{ a0: x }".to_owned();
    for n in 0..99_000 {
        let _ = write!(defaults, ", {{ a{}: \"{{{{ a{n} }}}}\" }}", n + 1);
    }
    let _ = write!(
        defaults,
        "]\n    tasks: {{ y: {{ kind: score-alignment, needs: {{ model: \"{{{{ a99 }}}}\" }} }} }}\ntasks: {{ x: {{ use: t }} }}\n"
    );

    let wide: String = (0..100_000).map(|n| format!("    a{n}: {{ {one} }}\n")).collect::<Vec<_>>().concat();
    let wide = format!("study: b\ntemplates:\n  t:\n   tasks:\n{wide}tasks: {{ x: {{ use: t }}, y: {{ use: t }} }}\n");

    let unknown: String = (0..90_000).map(|n| format!("b{n}: 1, ")).collect::<Vec<_>>().concat();
    let unknown = format!(
        "study: b\ntemplates: {{ t: {{ args: [{{ a: 1 }}], tasks: {{ x: {{ {one} }} }} }} }}\ntasks: {{ x: {{ use: t, args: {{ {unknown} }} }} }}\n"
    );

    for (what, text) in [
        ("doubling", doubling),
        ("chain", chain),
        ("circle", circle),
        ("defaults", defaults),
        ("wide", wide),
        ("unknown", unknown),
    ] {
        let start = std::time::Instant::now();
        let said = crate::findings::refused(&text, &isoflop_plan::Options::default());
        let seconds = start.elapsed().as_secs_f64();
        println!("{what}: {} bytes, {seconds:.3} s: {}", text.len(), &said[..said.floor_char_boundary(300)]);
        assert!(seconds < 5.0, "{what}: {seconds} s");
    }
}

/// A frame has cells though it makes nothing: others may have one task for each of them, and it may leave some out.
#[test]
fn frames_have_cells() {
    let plan = planned(
        r#"
study: frames
templates:
  made: { args: [n], tasks: { scenes: { kind: make-scenes, with: { images: "{{ n }}" } } } }
tasks:
  all: { matrix: { size: [1, 2, 3] }, when: "{{ size != 2 }}", use: made, args: { n: "{{ size }}" } }
  each:
    each: all
    kind: train-denoiser
    needs: { data: all.scenes }
    with: { backbone: { width: 8 }, steps: "{{ size }}" }
  some: { each: "all[size=3]", kind: make-scenes, with: { images: 8 } }
"#,
    );
    assert_eq!(
        names(&plan),
        ["all.scenes[size=1]", "all.scenes[size=3]", "each[size=1]", "each[size=3]", "some[size=3]"]
    );
    assert_eq!(needed(&plan, "each[size=3]", "data"), ["all.scenes[size=3]"]);
}
