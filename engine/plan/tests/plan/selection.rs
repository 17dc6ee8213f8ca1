//! Selections: what a person types, and which tasks that means.

use std::collections::BTreeSet;

use isoflop_plan::{Plan, Selection, estimate::wall_time};

use crate::expansion::{STUDY, planned};

fn names(plan: &Plan, chosen: &BTreeSet<usize>) -> Vec<String> {
    chosen.iter().map(|index| plan.tasks()[*index].name.clone()).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn names_are_united_and_the_rest_narrows() {
    let plan = planned(STUDY);
    let chosen = |selection: &Selection| selection.tasks(&plan).map(|chosen| names(&plan, &chosen));
    assert!(Selection::default().is_everything());
    assert_eq!(chosen(&Selection::default()).unwrap().len(), plan.tasks().len());
    let some = Selection {
        tasks: texts(&["scenes", "train[variant=small,seed=0]", "train[variant=small]"]),
        ..Selection::default()
    };
    assert_eq!(
        chosen(&some).unwrap(),
        ["scenes", "train[variant=small,seed=0]", "train[variant=small,seed=1]", "train[variant=small,seed=2]"]
    );
    let from = Selection { from: texts(&["train[variant=large,seed=1]"]), ..Selection::default() };
    assert_eq!(
        chosen(&from).unwrap(),
        ["train[variant=large,seed=1]", "scores[variant=large,seed=1]", "law", "laws[variant=large]", "tuned"]
    );
    let until = Selection { until: texts(&["scores[variant=small,seed=2]"]), ..Selection::default() };
    assert_eq!(chosen(&until).unwrap(), ["scenes", "train[variant=small,seed=2]", "scores[variant=small,seed=2]"]);
    let between = Selection {
        from: texts(&["train"]),
        until: texts(&["scores"]),
        tasks: texts(&["*[seed=0]"]),
        ..Selection::default()
    };
    assert_eq!(chosen(&between).unwrap().len(), 4);
}

#[test]
fn a_float_of_many_digits_has_a_short_name_and_is_found_by_any_spelling() {
    let plan = planned(
        "study: s\nseed: 1\ntasks:\n  scenes:\n    matrix: { budget: [1e12, 2.5e-7] }\n    kind: make-scenes\n    with: { images: 1 }\n",
    );
    for spelling in ["1e12", "1.0e12", "1000000000000.0", "1E12"] {
        let chosen = Selection { tasks: vec![format!("scenes[budget={spelling}]")], ..Selection::default() };
        assert_eq!(names(&plan, &chosen.tasks(&plan).unwrap()), ["scenes[budget=1e12]"]);
    }
}

#[test]
fn what_selects_nothing_is_said_all_at_once_with_what_may_have_been_meant() {
    let plan = planned(STUDY);
    let wrong = Selection {
        tasks: texts(&["trian", "train[varaint=small]", "train[variant=smal]", "train[seed=7]", "train["]),
        from: texts(&["scnes"]),
        ..Selection::default()
    };
    let said: Vec<String> = wrong.tasks(&plan).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "no task is called `trian`; did you mean `train`?",
            "`train[varaint=small]` asks for the axis `varaint`, which `train` does not have; did you mean `variant`?",
            "`train[variant=smal]` is no cell of `train`; of `variant`, did you mean `small`?",
            "`train[seed=7]` is no cell of `train`; of `seed`, there are `0`, `1`, `2`",
            "`train[` opens a cell by `[` and does not close it by `]`",
            "no task is called `scnes`; did you mean `scenes`?",
        ]
    );
    let nowhere = Selection { tasks: texts(&["scenes"]), from: texts(&["train"]), ..Selection::default() };
    assert_eq!(
        nowhere.tasks(&plan).unwrap_err()[0].to_string(),
        "no task is among `scenes` and is downstream of `train`"
    );
}

#[test]
fn what_the_past_says_narrows_too() {
    let plan = planned(STUDY);
    let all: BTreeSet<usize> = (0..plan.tasks().len()).collect();
    let selection = Selection { failed: true, ..Selection::default() };
    assert_eq!(selection.narrow(all.clone(), |task| task == 3, |_| true), BTreeSet::from([3]));
    let both = Selection { failed: true, missing: true, ..Selection::default() };
    assert_eq!(both.narrow(all.clone(), |task| task < 3, |task| task > 1), BTreeSet::from([2]));
    assert_eq!(Selection::default().narrow(all.clone(), |_| false, |_| false), all);
}

#[test]
fn wall_time_is_that_of_the_longest_way_and_of_the_slots() {
    let plan = planned(STUDY);
    let at = |name: &str| plan.index_of(name).unwrap();
    let trains: Vec<usize> = (0..plan.tasks().len()).filter(|index| plan.tasks()[*index].group == "train").collect();
    let mut seconds: std::collections::BTreeMap<usize, f64> = trains.iter().map(|index| (*index, 10.0)).collect();
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-3, "{a} is not {b}");
    close(wall_time(&plan, &seconds, 1), 60.0);
    close(wall_time(&plan, &seconds, 4), 20.0);
    close(wall_time(&plan, &seconds, 100), 10.0);
    // Scenes before them all, a law after them all; what is not in the list is there.
    seconds.insert(at("scenes"), 3.0);
    seconds.insert(at("law"), 1.0);
    close(wall_time(&plan, &seconds, 100), 13.0);
    close(wall_time(&plan, &std::collections::BTreeMap::new(), 4), 0.0);
}
