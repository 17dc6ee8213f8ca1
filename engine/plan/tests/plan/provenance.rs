//! Where the values of a task come from.

use std::collections::BTreeMap;

use isoflop_plan::{Memory, Options, Plan, VariableKind, plan};

use crate::catalog::catalog;

const STUDY: &str = r#"study: traced
include: [parts/recipe.yaml]
params: { steps: 600, factor: 2 }
profiles: { smoke: { factor: 1 } }
templates:
  scored:
    args: [data, scale, { extra: "{{ scale + 1 }}" }]
    tasks:
      scenes:
        let: { more: "{{ scale * 8 }}" }
        kind: make-scenes
        with: { images: "{{ more + extra }}", resolution: 64 }
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train:
    matrix:
      variant: [{ as: small, width: 8 }, { as: large, width: 64 }]
      seed: "{{ range(seeds) }}"
      twice: "{{ variant.width * factor }}"
    let:
      backbone: { width: "{{ variant.width }}", depths: ["{{ twice }}", 2] }
      length: "{{ steps * factor }}"
    kind: train-denoiser
    needs: { data: scenes }
    with:
      backbone: "{{ backbone }}"
      steps: "{{ length + seed }}"
      rate: "{{ rate }}"
  eval:
    matrix: { size: [1, 2] }
    use: scored
    args: { data: scenes, scale: "{{ size * factor }}" }
"#;

const PARTS: &str = "params: { rate: 0.5, seeds: 2 }\n";

fn planned(options: &Options) -> Plan {
    let files = Memory(BTreeMap::from([
        ("s.yaml".to_owned(), STUDY.as_bytes().to_vec()),
        ("parts/recipe.yaml".to_owned(), PARTS.as_bytes().to_vec()),
    ]));
    plan(&files, "s.yaml", &catalog(), options).unwrap_or_else(|findings| panic!("{findings}"))
}

/// `written | name kind place, …`.
fn said(plan: &Plan, task: &str, path: &str) -> String {
    let provenance = plan.get(task).unwrap_or_else(|| panic!("no task {task}")).provenance(path);
    let via: Vec<String> = provenance
        .via
        .iter()
        .map(|variable| {
            let what = match &variable.what {
                VariableKind::Param => "param".to_owned(),
                VariableKind::Profile(name) => format!("profile {name}"),
                VariableKind::Flag => "flag".to_owned(),
                VariableKind::Axis => "axis".to_owned(),
                VariableKind::Let => "let".to_owned(),
                VariableKind::Argument => "argument".to_owned(),
            };
            let place = variable.origin.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
            format!("{what} {} {place}", variable.name)
        })
        .collect();
    let written = provenance.written.map_or_else(|| "default".to_owned(), |origin| origin.to_string());
    [vec![written], via].concat().join(" | ").replace("s.yaml:", "").replace("parts/recipe.yaml:", "parts:")
}

#[test]
fn every_kind_of_source_is_named() {
    let plan = planned(&Options::default());
    let task = "train[variant=large,seed=1,twice=128]";
    assert_eq!(said(&plan, task, "batch"), "default");
    assert_eq!(said(&plan, task, "rate"), "28:13 | param rate parts:1:17");
    assert_eq!(
        said(&plan, task, "steps"),
        "27:14 | let length 22:15 | param steps 3:18 | param factor 3:31 | axis seed 18:13 | param seeds parts:1:29"
    );
    assert_eq!(said(&plan, task, "backbone.width"), "26:17 | let backbone 21:26 | axis variant 17:42");
    assert_eq!(
        said(&plan, task, "backbone.depths.0"),
        "26:17 | let backbone 21:58 | axis twice 19:14 | axis variant 17:42 | param factor 3:31"
    );
    assert_eq!(said(&plan, task, "backbone.depths.1"), "26:17 | let backbone 21:73");
    assert_eq!(
        said(&plan, "train[variant=small,seed=0,twice=16]", "backbone.width"),
        "26:17 | let backbone 21:26 | axis variant 17:17"
    );
    assert_eq!(said(&plan, "scenes", "images"), "14:48");
}

#[test]
fn a_value_inside_a_template_leads_to_its_use() {
    let plan = planned(&Options::default());
    let task = "eval.scenes[size=2]";
    assert_eq!(said(&plan, task, "resolution"), "12:59");
    assert_eq!(
        said(&plan, task, "images"),
        "12:25 | let more 10:22 | argument scale 32:34 | axis size 30:25 | param factor 3:31 | argument extra 7:34"
    );
}

#[test]
fn profiles_and_flags_are_sources() {
    let smoke = planned(&Options { profile: Some("smoke".to_owned()), ..Options::default() });
    assert_eq!(
        said(&smoke, "train[variant=small,seed=0,twice=8]", "steps"),
        "27:14 | let length 22:15 | param steps 3:18 | profile smoke factor 4:30 | axis seed 18:13 | param seeds parts:1:29"
    );
    let flag = planned(&Options { params: BTreeMap::from([("rate".to_owned(), "0.25".to_owned())]), profile: None });
    assert_eq!(said(&flag, "train[variant=small,seed=0,twice=16]", "rate"), "28:13 | flag rate -");
}
