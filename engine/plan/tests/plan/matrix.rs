//! Good matrices: the cells of every word, in order; what templates see of them; what is joined to what.

use std::collections::BTreeMap;

use isoflop_plan::{Plan, TaskNeed};
use proptest::prelude::*;
use serde_json::json;

use crate::expansion::planned;

/// The cells of `group`, in order.
fn cells(plan: &Plan, group: &str) -> Vec<String> {
    let tasks = plan.tasks().iter().filter(|task| task.group == group);
    tasks.map(|task| task.name[group.len()..].trim_matches(['[', ']']).to_owned()).collect()
}

/// The cells of a task with this matrix.
fn cells_of(matrix: &str) -> Vec<String> {
    cells(
        &planned(&format!(
            "study: cells\nparams: {{ big: 64, sizes: [8, 16] }}\ntasks:\n  scenes:\n    kind: make-scenes\n    \
             with: {{ images: 8 }}\n    matrix: {matrix}\n"
        )),
        "scenes",
    )
}

/// What stands at a port of a task.
fn needed(plan: &Plan, task: &str, port: &str) -> Vec<String> {
    let name = |index: &usize| plan.tasks()[*index].name.clone();
    match &plan.get(task).unwrap_or_else(|| panic!("no task {task}")).needs[port] {
        TaskNeed::One(index) => vec![name(index)],
        TaskNeed::Many(tasks) => tasks.values().map(name).collect(),
    }
}

#[test]
fn every_word_of_a_matrix_makes_its_cells_in_order() {
    for (matrix, cells) in [
        ("{ a: [1, 2], b: [x, y] }", vec!["a=1,b=x", "a=1,b=y", "a=2,b=x", "a=2,b=y"]),
        ("{ a: [1, true, 0.5, x] }", vec!["a=1", "a=true", "a=0.5", "a=x"]),
        ("{ a: \"{{ sizes }}\" }", vec!["a=8", "a=16"]),
        ("{ a: [1, \"{{ big * 2 }}\"] }", vec!["a=1", "a=128"]),
        ("{ sizes: \"{{ sizes }}\" }", vec!["sizes=8", "sizes=16"]),
        ("{ a: { linspace: [0, 1, 3] } }", vec!["a=0.0", "a=0.5", "a=1.0"]),
        ("{ a: { geomspace: [1, 100, 3] } }", vec!["a=1.0", "a=10.0", "a=100.0"]),
        ("{ a: { geomspace: [100, 1000, 3], round_to: 8 } }", vec!["a=104", "a=320", "a=1000"]),
        ("{ a: { range: [2, 9, 3] } }", vec!["a=2", "a=5", "a=8"]),
        ("{ a: { range: [\"{{ big }}\"] }, where: \"{{ a >= 62 }}\" }", vec!["a=62", "a=63"]),
        ("{ zip: { a: [1, 2], b: [x, y] } }", vec!["a=1,b=x", "a=2,b=y"]),
        (
            "{ c: [p, q], zip: [{ a: [1, 2], b: [x, x] }, { d: \"{{ sizes }}\" }] }",
            vec![
                "c=p,a=1,b=x,d=8",
                "c=p,a=1,b=x,d=16",
                "c=p,a=2,b=x,d=8",
                "c=p,a=2,b=x,d=16",
                "c=q,a=1,b=x,d=8",
                "c=q,a=1,b=x,d=16",
                "c=q,a=2,b=x,d=8",
                "c=q,a=2,b=x,d=16",
            ],
        ),
        ("{ a: [1, 2, 3], b: [x, y], exclude: [{ a: 2 }, { a: 3, b: y }] }", vec!["a=1,b=x", "a=1,b=y", "a=3,b=x"]),
        ("{ a: [1, 2], where: \"{{ a < 2 }}\", include: [{ a: 5 }] }", vec!["a=1", "a=5"]),
        ("{ a: [1], b: [x], include: [{ b: z, a: 9 }] }", vec!["a=1,b=x", "a=9,b=z"]),
        ("{ include: [{ a: 1, b: x }, { b: z, a: \"{{ big }}\" }] }", vec!["a=1,b=x", "a=64,b=z"]),
        ("{ a: [1, 2], b: \"{{ a * 10 }}\" }", vec!["a=1,b=10", "a=2,b=20"]),
        ("{ b: \"{{ range(a) }}\", a: [1, 2] }", vec!["b=0,a=1", "b=0,a=2", "b=1,a=2"]),
        ("{ c: \"{{ b + 1 }}\", b: \"{{ a + 1 }}\", a: [1] }", vec!["c=3,b=2,a=1"]),
        ("{ a: [1, 2], b: [3, \"{{ a * 10 }}\"] }", vec!["a=1,b=3", "a=1,b=10", "a=2,b=3", "a=2,b=20"]),
        ("{ a: [2, 3], b: { range: [1, \"{{ a }}\", 1] } }", vec!["a=2,b=1", "a=3,b=1", "a=3,b=2"]),
        (
            "{ a: [1, 2], zip: { b: [\"{{ a }}\", 9], c: [x, y] } }",
            vec!["a=1,b=1,c=x", "a=1,b=9,c=y", "a=2,b=2,c=x", "a=2,b=9,c=y"],
        ),
        (
            "{ a: [1, 2], b: \"{{ a * 10 }}\", include: [{ a: 3 }, { a: 3, b: 4 }] }",
            vec!["a=1,b=10", "a=2,b=20", "a=3,b=30", "a=3,b=4"],
        ),
        ("{ m: [{ as: small, width: 8 }, large], exclude: [{ m: large }] }", vec!["m=small"]),
    ] {
        assert_eq!(cells_of(matrix), cells, "{matrix}");
    }
}

const MODELS: &str = r#"
study: models
seed: 3
params: { base: 100 }
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train:
    matrix:
      model:
        - { as: small, width: 8, depths: [1, 2] }
        - { as: large, width: "{{ 8 * 4 }}", depths: [] }
      steps: "{{ base * model.width }}"
      seed: [0, 1]
      exclude: [{ model: small, seed: 1 }]
      where: "{{ model.width > 8 or seed == 0 }}"
      include: [{ model: small, steps: 7, seed: 9 }, { model: { as: huge, width: 64, depths: [] }, seed: 0 }]
    kind: train-denoiser
    needs: { data: scenes }
    with: { backbone: { width: "{{ model.width }}", depths: "{{ model.depths }}" }, steps: "{{ steps }}" }
  scores: { each: "train[model=large]", kind: score-alignment, needs: { model: train }, with: { notes: { of: "{{ model.as }}" } } }
  by-name: { matrix: { teacher: [small, large] }, kind: score-alignment, needs: { model: "train[model={{ teacher }},steps={{ base * (8 if teacher == 'small' else 32) }},seed=0]" } }
  law: { kind: fit-scaling, gather: { points: { from: train, by: [model], where: "{{ model.width > 8 }}" } }, with: { x: a, y: "{{ model.as }}" } }
"#;

#[test]
fn a_map_is_shown_by_its_name_and_seen_whole() {
    let plan = planned(MODELS);
    assert_eq!(
        cells(&plan, "train"),
        [
            "model=small,steps=800,seed=0",
            "model=large,steps=3200,seed=0",
            "model=large,steps=3200,seed=1",
            "model=small,steps=7,seed=9",
            "model=huge,steps=6400,seed=0",
        ]
    );
    let large = plan.get("train[model=large,steps=3200,seed=1]").unwrap();
    assert_eq!(large.recipe.spec["backbone"], json!({"width": 32, "depths": []}));
    assert_eq!(large.cell.get("model"), Some(&json!("large")));
    assert_eq!(large.recipe.seed, Some(isoflop_contract::Seed::of_task(3, "train", &large.cell)));
    assert_eq!(cells(&plan, "scores"), ["model=large,steps=3200,seed=0", "model=large,steps=3200,seed=1"]);
    assert_eq!(plan.get("scores[model=large,steps=3200,seed=0]").unwrap().recipe.spec["notes"]["of"], "large");
    assert_eq!(cells(&plan, "law"), ["model=large", "model=huge"]);
    assert_eq!(needed(&plan, "law[model=huge]", "points"), ["train[model=huge,steps=6400,seed=0]"]);
}

#[test]
fn a_need_may_work_out_its_cell() {
    let plan = planned(MODELS);
    assert_eq!(needed(&plan, "by-name[teacher=small]", "model"), ["train[model=small,steps=800,seed=0]"]);
    assert_eq!(needed(&plan, "by-name[teacher=large]", "model"), ["train[model=large,steps=3200,seed=0]"]);
}

#[test]
fn groups_are_joined_on_the_axes_they_share() {
    let plan = planned(
        r#"
study: joins
tasks:
  scenes: { matrix: { size: [8, 16], seed: [0, 1] }, kind: make-scenes, with: { images: "{{ size }}" } }
  train: { matrix: { width: [8], seed: [1, 0, 2] }, kind: train-denoiser, needs: { data: "scenes[size=8,seed=0]" }, with: { backbone: { width: 8 }, steps: 1 } }
  both: { each: [scenes, train], kind: score-alignment, needs: { model: train }, with: { notes: { n: "{{ size }} {{ width }} {{ seed }}" } } }
  one: { each: "scenes[size=16]", matrix: { k: [1, 2] }, kind: make-scenes, with: { images: "{{ size + k }}" } }
  some: { each: [train, "scenes[size=8]"], when: "{{ seed > 0 }}", kind: score-alignment, needs: { model: train } }
  inherits: { each: scenes, matrix: { k: [1, 2], exclude: [{ seed: 0, k: 1 }], include: [{ k: 9, size: 8 }] }, kind: make-scenes, with: { images: 8 } }
  left: { kind: fit-scaling, gather: { points: some }, with: { x: a, y: b } }
"#,
    );
    assert_eq!(
        cells(&plan, "both"),
        ["size=8,seed=0,width=8", "size=8,seed=1,width=8", "size=16,seed=0,width=8", "size=16,seed=1,width=8"]
    );
    assert_eq!(needed(&plan, "both[size=16,seed=1,width=8]", "model"), ["train[width=8,seed=1]"]);
    assert_eq!(
        cells(&plan, "one"),
        ["size=16,seed=0,k=1", "size=16,seed=0,k=2", "size=16,seed=1,k=1", "size=16,seed=1,k=2"]
    );
    assert_eq!(cells(&plan, "some"), ["width=8,seed=1,size=8"]);
    assert_eq!(needed(&plan, "left", "points"), ["some[width=8,seed=1,size=8]"]);
    assert_eq!(
        cells(&plan, "inherits"),
        [
            "size=8,seed=0,k=2",
            "size=8,seed=1,k=1",
            "size=8,seed=1,k=2",
            "size=16,seed=0,k=2",
            "size=16,seed=1,k=1",
            "size=16,seed=1,k=2",
            "size=8,seed=0,k=9",
            "size=8,seed=1,k=9",
        ]
    );
}

#[test]
fn when_keeps_the_cells_for_which_it_is_true() {
    let plan = planned(
        r#"
study: conditions
params: { full: false }
tasks:
  scenes:
    matrix: { size: [8, 16, 24] }
    let: { twice: "{{ size * 2 }}" }
    when: "{{ twice > 16 }}"
    kind: make-scenes
    with: { images: "{{ twice }}" }
  train: { each: scenes, kind: train-denoiser, needs: { data: scenes }, with: { backbone: { width: 8 }, steps: 1 } }
  never: { each: train, when: "{{ full }}", kind: score-alignment, needs: { model: train } }
  below: { each: never, kind: score-alignment, needs: { model: train } }
  none: { when: false, matrix: { a: [1, 2] }, kind: make-scenes, with: { images: 1 } }
  other: { each: none, matrix: { b: [1], include: [{ b: 2 }] }, kind: make-scenes, with: { images: 1 } }
"#,
    );
    assert_eq!(cells(&plan, "scenes"), ["size=16", "size=24"]);
    assert_eq!(cells(&plan, "train"), ["size=16", "size=24"]);
    assert!(["never", "below", "none", "other"].iter().all(|group| cells(&plan, group).is_empty()));
}

#[test]
fn arguments_are_known_to_the_matrix_and_to_filters() {
    let plan = planned(
        r#"
study: arguments
params: { seeds: [0, 1] }
templates:
  ladder:
    args: [widths, top, { more: [5, 6] }]
    tasks:
      train:
        matrix: { width: "{{ widths }}", n: "{{ more }}", seed: "{{ range(top) }}", where: "{{ width <= top * 8 }}", exclude: [{ n: 6, seed: "{{ top - 1 }}" }] }
        kind: train-denoiser
        needs: { data: scenes-of-all }
        with: { backbone: { width: "{{ width }}" }, steps: "{{ top }}" }
      law: { kind: fit-scaling, gather: { points: { from: train, where: "{{ seed < top - 1 and n in more }}" } }, with: { x: a, y: "{{ widths | length }} widths" } }
      some: { kind: fit-scaling, gather: { points: { from: train, where: "{{ width == widths[0] and seed == 0 and n == 5 }}" } }, with: { x: a, y: b } }
      scenes-of-all: { kind: make-scenes, with: { images: 8 } }
tasks:
  run:
    matrix: { scale: [1, 2] }
    let: { base: "{{ [8 * scale, 16 * scale] }}" }
    use: ladder
    args: { widths: "{{ base }}", top: 2 }
"#,
    );
    assert_eq!(
        cells(&plan, "run.train"),
        [
            "scale=1,width=8,n=5,seed=0",
            "scale=1,width=8,n=5,seed=1",
            "scale=1,width=8,n=6,seed=0",
            "scale=1,width=16,n=5,seed=0",
            "scale=1,width=16,n=5,seed=1",
            "scale=1,width=16,n=6,seed=0",
            "scale=2,width=16,n=5,seed=0",
            "scale=2,width=16,n=5,seed=1",
            "scale=2,width=16,n=6,seed=0",
        ]
    );
    assert_eq!(
        needed(&plan, "run.law[scale=2]", "points"),
        ["run.train[scale=2,width=16,n=5,seed=0]", "run.train[scale=2,width=16,n=6,seed=0]"]
    );
    assert_eq!(needed(&plan, "run.some[scale=1]", "points"), ["run.train[scale=1,width=8,n=5,seed=0]"]);
    assert_eq!(needed(&plan, "run.some[scale=2]", "points"), ["run.train[scale=2,width=16,n=5,seed=0]"]);
}

/// What may never change by accident, of all tasks but `law`.
fn identities(plan: &Plan) -> BTreeMap<String, (String, Option<u64>)> {
    let one = |task: &isoflop_plan::Task| {
        (task.name.clone(), (task.key.to_string(), task.recipe.seed.map(isoflop_contract::Seed::get)))
    };
    plan.tasks().iter().filter(|task| task.group != "law").map(one).collect()
}

/// A study with something of every word, and what was added to it.
fn grown(values: &[u32], rows: &[u32], included: &[u32], excluded: bool) -> Plan {
    let models: Vec<String> = values.iter().map(|n| format!("{{ as: m{n}, width: {} }}", 8 * n)).collect();
    let steps: Vec<String> = rows.iter().map(|n| format!("{}", n * 10)).collect();
    let points: Vec<String> =
        included.iter().map(|n| format!("{{ model: {{ as: i{n}, width: 8 }}, rate: {n}, steps: 1 }}")).collect();
    let exclude =
        if excluded { format!("exclude: [{{ model: m{}, rate: {} }}], ", values[0], rows[0]) } else { String::new() };
    planned(&format!(
        "study: grow\nseed: 5\ntasks:\n  scenes: {{ kind: make-scenes, with: {{ images: 8 }} }}\n  train:\n    \
         matrix: {{ model: [{}], zip: {{ rate: {rows:?}, steps: [{}] }}, half: \"{{{{ model.width // 2 }}}}\", {exclude}include: [{}] }}\n    \
         kind: train-denoiser\n    needs: {{ data: scenes }}\n    with: {{ backbone: {{ width: \"{{{{ model.width }}}}\" }}, steps: \"{{{{ steps + half }}}}\", rate: \"{{{{ rate }}}}\" }}\n  \
         score: {{ each: train, kind: score-alignment, needs: {{ model: train }} }}\n  \
         law: {{ kind: fit-scaling, gather: {{ points: score }}, with: {{ x: a, y: b }} }}\n",
        models.join(", "),
        steps.join(", "),
        points.join(", ")
    ))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_added_changes_no_other_cell(
        values in prop::collection::btree_set(1_u32..100, 2..5),
        rows in prop::collection::btree_set(1_u32..100, 1..4),
        included in prop::collection::btree_set(1_u32..100, 0..3),
        what in 0_usize..4,
        at in 0_usize..5,
    ) {
        let (mut values, mut rows, mut included): (Vec<u32>, Vec<u32>, Vec<u32>) =
            (values.into_iter().collect(), rows.into_iter().collect(), included.into_iter().collect());
        let before = identities(&grown(&values, &rows, &included, true));
        match what {
            0 => values.insert(at.clamp(1, values.len()), 500),
            1 => rows.insert(at.clamp(1, rows.len()), 500),
            2 => included.insert(at.min(included.len()), 500),
            _ => {}
        }
        let after = identities(&grown(&values, &rows, &included, what != 3));
        prop_assert!(after.len() > before.len());
        for (name, identity) in before {
            prop_assert_eq!(after.get(&name), Some(&identity), "{}", name);
        }
    }
}
