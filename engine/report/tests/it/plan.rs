//! A real plan, from YAML to verdict and page.

use isoflop_contract::{Artifact, Catalog, Entry, Kind, Runtime, port::NoNeeds};
use isoflop_plan::{Memory, Options, plan};
use isoflop_report::{Facts, State, TaskFacts, Verdict, judge, render};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Debug)]
enum Thing {}
impl Artifact for Thing {
    const SHAPE: &'static str = "thing";
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Make {
    width: u64,
}

impl Kind for Make {
    const NAME: &'static str = "make";
    const REVISION: u32 = 1;
    const RUNTIME: Runtime = Runtime::Native;
    const SEEDED: bool = false;
    const ABOUT: &'static str = "Makes a thing.";
    const EXAMPLE: &'static str = "width: 8";
    type Needs = NoNeeds;
    type Makes = Thing;
}

const STUDY: &str = "\
study: widths
about: Wider is better.
tasks:
  make:
    matrix: { width: [8, 16] }
    kind: make
    with: { width: \"{{ width }}\" }
claims:
  wider-is-better:
    says: A wider thing scores higher.
    check: \"{{ mean('make', 'score', width=16) > mean('make', 'score', width=8) }}\"
  wide-enough:
    says: The widest scores what was asked for.
    check: \"{{ max('make', 'score') >= least }}\"
params: { least: 16 }
";

#[test]
fn a_study_in_yaml_comes_out_as_a_verdict_and_a_page() {
    let plan = plan(
        &Memory::single("study.yaml", STUDY),
        "study.yaml",
        &Catalog::new([Entry::of::<Make>()]),
        &Options::default(),
    )
    .unwrap_or_else(|findings| panic!("{findings}"));
    let tasks = plan.tasks().iter().map(|task| TaskFacts {
        cell: task.cell.clone(),
        state: State::Made,
        scalars: [("score".to_owned(), task.cell.get("width").and_then(serde_json::Value::as_f64).unwrap())].into(),
        ..TaskFacts::new(&task.name, &task.group, task.kind, task.key)
    });
    let facts = Facts { tasks: tasks.collect(), ..Facts::default() };
    let claims = judge(&plan, &facts);
    assert_eq!(claims[0].verdict, Verdict::Reproduced, "{}", claims[0].evidence);
    assert_eq!(claims[0].evidence, "mean(make.score, width=16) = 16 (n = 1); mean(make.score, width=8) = 8 (n = 1)");
    assert!(claims[0].place.starts_with("study.yaml:11:"), "{}", claims[0].place);
    assert_eq!(claims[1].verdict, Verdict::Reproduced, "a check may use parameters: {}", claims[1].evidence);
    let html = render(&plan, &facts, &claims);
    assert!(html.contains("{&quot;width&quot;:16}"), "the recipe's text is not in the page");
}
