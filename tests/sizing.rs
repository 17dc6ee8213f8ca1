//! Sizing a study by compute: what templates say a model costs is what the plan says its task costs.

use std::time::Instant;

use isoflop_kinds::catalog::catalog;
use isoflop_plan::{Memory, Options, Plan, plan};

fn planned(text: &str) -> Result<Plan, String> {
    let files = Memory::single("study.yaml", text);
    plan(&files, "study.yaml", &catalog(), &Options::default()).map_err(|findings| findings.to_string())
}

const STUDY: &str = include_str!("fixtures/iso-flop.yaml");

/// Four models at seven budgets: every training costs its budget, to half a step.
#[test]
fn an_iso_flop_design_costs_its_budgets() {
    let plan = planned(STUDY).expect("the study has no mistakes");
    let trainings: Vec<_> = plan.tasks().iter().filter(|task| task.group == "train").collect();
    assert_eq!(trainings.len(), 28);
    for task in &trainings {
        let budget = task.cell.get("budget").and_then(isoflop_contract::Value::as_f64).expect("an axis");
        let steps = task.recipe.spec["steps"].as_u64().expect("a spec has steps");
        let step = task.cost.flops / steps as f64;
        assert!((task.cost.flops - budget).abs() <= step / 2.0 * (1.0 + 1e-12), "{}: {}", task.name, task.cost.flops);
        // Training FLOPs = 3 · 2 · MACs · batch · steps.
        let macs = task.cost.macs.expect("a training has a count") as f64;
        assert!((6.0 * macs * 16.0 * steps as f64 / task.cost.flops - 1.0).abs() < 1e-12);
    }
    let steps = |size: &str| {
        let of = |task: &&&isoflop_plan::Task| task.cell.get("size").is_some_and(|value| value == size);
        trainings.iter().find(of).expect("every size is trained").recipe.spec["steps"]
            .as_u64()
            .expect("a spec has steps")
    };
    assert!(steps("s") > steps("m") && steps("m") > steps("l") && steps("l") > steps("xl"));
}

/// `flops_of`, asked of the whole `with:` of a task, is the task's cost.
#[test]
fn flops_of_is_what_the_plan_says() {
    let text = STUDY.replace(
        "  law:\n",
        "  told:\n    each: train\n    let: { net: { patch: 2, text: { vocabulary: 48, tokens: 14, heads: 4 }, backbone: { family: unet, in_channels: 12, \
         channels: [\"{{ sizes[size].width }}\", \"{{ 2 * sizes[size].width }}\"], transformer_depth: [0, \"{{ sizes[size].depth }}\"], \
         head_dim: 8, cross_attention_dim: 64, norm_groups: 8 } } }\n    kind: fit-scaling\n    gather: { points: train }\n    with: { y: \"{{ \
         flops_of(net, steps_for(budget, net, batch), batch) }}x\", x: \"{{ params_of(net) }},{{ macs_of(net) }}\", form: power }\n  law:\n",
    );
    let plan = planned(&text).unwrap_or_else(|findings| panic!("{findings}"));
    let told = plan.tasks().iter().filter(|task| task.group == "told");
    let mut compared = 0;
    for task in told {
        let train = plan.get(&task.name.replace("told", "train")).expect("one training a cell");
        let said =
            task.recipe.spec["y"].as_str().expect("a text").trim_end_matches('x').parse::<f64>().expect("a number");
        assert!(
            (said - train.cost.flops).abs() < f64::EPSILON * said,
            "{}: {said} and {}",
            task.name,
            train.cost.flops
        );
        let counts = format!("{},{}", train.cost.params.expect("a count"), train.cost.macs.expect("a count"));
        assert_eq!(task.recipe.spec["x"], counts.as_str(), "{}", task.name);
        compared += 1;
    }
    assert_eq!(compared, 28);
}

#[test]
fn a_misspelt_function_and_an_unaffordable_model_are_findings() {
    let said = planned(&STUDY.replace("steps_for(", "steps_fro(")).expect_err("there is no such function");
    assert!(said.contains("`steps_fro` is not defined here; did you mean `steps_for`?"), "{said}");
    let said = planned(&STUDY.replace("geomspace(1e12,", "geomspace(1e3,")).expect_err("nothing costs so little");
    assert!(said.contains("does not pay for one step of this model at batch 16"), "{said}");
    let said = planned(&STUDY.replace("family: unet", "familie: unet")).expect_err("a field is misspelt");
    assert!(said.contains("family"), "{said}");
}

/// Ten thousand cells, each asking twice.
#[test]
fn ten_thousand_sized_cells_are_planned_quickly() {
    let text = STUDY.replace("7) }}\" }", "5) }}\", seed: \"{{ range(500) }}\" }");
    let start = Instant::now();
    let plan = planned(&text).expect("the study has no mistakes");
    assert!(plan.tasks().len() > 10_000);
    let took = start.elapsed().as_secs_f64();
    assert!(took < 120.0, "planning took {took} s");
    eprintln!("10,000 sized cells: {took:.2} s");
}
