//! What must not matter, does not: order, spelling, other cells.

use std::collections::BTreeMap;

use isoflop_plan::Plan;
use proptest::{prelude::*, sample::subsequence};

use crate::expansion::planned;

/// What a plan says of each task that may never change by accident.
fn identities(plan: &Plan) -> BTreeMap<String, (String, Option<u64>)> {
    let one = |task: &isoflop_plan::Task| {
        (task.name.clone(), (task.key.to_string(), task.recipe.seed.map(isoflop_contract::Seed::get)))
    };
    plan.tasks().iter().map(one).collect()
}

fn shuffled(parts: &[&str]) -> impl Strategy<Value = Vec<String>> + use<> {
    Just(parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>()).prop_shuffle()
}

fn study(top: &[String], tasks: &[String], train: &[String], with: &[String]) -> String {
    let train = format!("  train: {{ {} }}\n", train.join(", ").replace("WITH", &with.join(", ")));
    let tasks: String =
        tasks.iter().map(|task| if task == "TRAIN" { train.clone() } else { format!("  {task}\n") }).collect();
    let top: Vec<String> =
        top.iter().map(|part| if part == "TASKS" { format!("tasks:\n{tasks}") } else { format!("{part}\n") }).collect();
    top.concat()
}

const TOP: [&str; 4] = ["study: order", "seed: 3", "params: { steps: 600 }", "TASKS"];
const TASKS: [&str; 4] = [
    "TRAIN",
    "scenes: { kind: make-scenes, with: { images: 8 } }",
    "score: { each: train, kind: score-alignment, needs: { model: train } }",
    "law: { kind: fit-scaling, gather: { points: score }, with: { x: c, y: l } }",
];
const TRAIN: [&str; 4] =
    ["kind: train-denoiser", "matrix: { variant: [a, b], seed: [0, 1] }", "needs: { data: scenes }", "with: { WITH }"];
const WITH: [&str; 3] = ["backbone: { width: 8 }", "steps: \"{{ steps + seed }}\"", "rate: 1"];

fn text(parts: &[&str]) -> Vec<String> {
    parts.iter().map(|part| (*part).to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_keys_and_tasks_changes_nothing(
        top in shuffled(&TOP), tasks in shuffled(&TASKS), train in shuffled(&TRAIN), with in shuffled(&WITH)
    ) {
        let base = planned(&study(&text(&TOP), &text(&TASKS), &text(&TRAIN), &text(&WITH)));
        let other = planned(&study(&top, &tasks, &train, &with));
        prop_assert_eq!(identities(&base), identities(&other));
        prop_assert_eq!(base.digest(), other.digest());
    }

    #[test]
    fn spelling_changes_no_key(rate in prop::sample::select(vec!["1", "1.0", "1e0", "+1", "0x1", "\"{{ 1 }}\"", "\"{{ 2 / 2 }}\""]),
        written in subsequence(vec!["batch: 64", "batch: 0x40"], 0..=1), comment in "[ a-z:{}#]{0,20}") {
        let mut with = text(&["backbone: { depths: [], width: 8 }", "steps: 600", &format!("rate: {rate}")]);
        with.extend(written.iter().map(|part| (*part).to_owned()));
        let base = planned(&study(&text(&TOP), &text(&TASKS), &text(&TRAIN), &text(&["backbone: { width: 8 }", "steps: 600", "rate: 1"])));
        let other = planned(&format!("# {comment}\n{}", study(&text(&TOP), &text(&TASKS), &text(&TRAIN), &with)));
        prop_assert_eq!(identities(&base), identities(&other));
    }

    #[test]
    fn a_value_more_on_an_axis_changes_no_other_cell(values in prop::collection::btree_set(0_i64..1000, 1..6), more in 1000_i64..2000, at in 0_usize..6) {
        let study = |values: &[i64]| {
            planned(&format!(
                "study: grow\nseed: 5\ntasks:\n  scenes: {{ matrix: {{ n: {values:?}, c: [x, y] }}, kind: make-scenes, with: {{ images: 8 }} }}\n  \
                 train: {{ each: scenes, kind: train-denoiser, needs: {{ data: scenes }}, with: {{ backbone: {{ width: 8 }}, steps: \"{{{{ n }}}}\" }} }}\n"
            ))
        };
        let mut values: Vec<i64> = values.into_iter().collect();
        let before = identities(&study(&values));
        values.insert(at.min(values.len()), more);
        let after = identities(&study(&values));
        prop_assert_eq!(after.len(), before.len() + 4);
        for (name, identity) in before {
            prop_assert_eq!(after.get(&name), Some(&identity));
        }
    }
}
