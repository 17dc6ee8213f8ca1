//! The expanded study: that it reads back, that it is complete, and that it says where each value comes from.

use std::collections::BTreeSet;

use isoflop_plan::{Expanded, Plan, read_value};

use crate::expansion::{STUDY, planned};

fn all(plan: &Plan) -> BTreeSet<usize> {
    (0..plan.tasks().len()).collect()
}

#[test]
fn what_is_printed_reads_back_as_what_was_resolved() {
    let plan = planned(STUDY);
    for origins in [false, true] {
        let expanded = Expanded::new(&plan, all(&plan), origins);
        let document = expanded.document();
        let read =
            read_value(&document.to_yaml()).unwrap_or_else(|findings| panic!("{findings}\n{}", document.to_yaml()));
        assert_eq!(read, document.value());
        assert_eq!(read["params"]["presets"]["large"], 64);
        let json = expanded.to_json();
        assert_eq!(json["tasks"].as_array().map(Vec::len), Some(plan.tasks().len()));
        for task in json["tasks"].as_array().unwrap() {
            let printed = &read["tasks"][task["name"].as_str().unwrap()];
            for field in ["kind", "key", "with", "on", "environment"] {
                assert_eq!(printed[field], task[field], "{field} of {}", task["name"]);
            }
            let needs = printed.get("needs").cloned().unwrap_or_else(|| serde_json::json!({}));
            assert_eq!(needs, task["needs"]);
        }
    }
}

#[test]
fn one_task_is_laid_out_in_full() {
    let plan = planned(STUDY);
    let one = BTreeSet::from([plan.index_of("train[variant=large,seed=1]").unwrap()]);
    insta::with_settings!({ snapshot_path => "../snapshots", prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("expanded", Expanded::new(&plan, one.clone(), false).document().to_yaml());
        insta::assert_snapshot!("expanded-with-origins", Expanded::new(&plan, one, true).document().to_yaml());
    });
}

#[test]
fn origins_have_the_shape_of_what_they_are_of() {
    let plan = planned(STUDY);
    let json = Expanded::new(&plan, all(&plan), true).to_json();
    let train = json["tasks"].as_array().unwrap().iter().find(|task| task["group"] == "train").unwrap();
    assert_eq!(train["with"]["backbone"]["depths"], serde_json::json!([1, 2]));
    assert_eq!(train["origins"]["with"]["backbone"]["depths"][1]["written"]["line"], 29);
    assert_eq!(train["origins"]["with"]["batch"]["default"], true);
    assert_eq!(train["origins"]["with"]["steps"]["default"], false);
    assert!(Expanded::new(&plan, all(&plan), false).to_json().get("origins").is_none());
}
