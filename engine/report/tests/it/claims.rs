//! Claims judged over the made-up study.

use crate::synthetic;
use isoflop_plan::{Claim, Origin};
use isoflop_report::{Facts, Judged, State, Verdict, claims::judge_all, claims_to_json};
use serde_json::json;

fn judged_over(facts: &Facts, check: &str) -> Judged {
    let claim = Claim {
        name: "c".into(),
        says: "A sentence.".into(),
        source: None,
        check: check.into(),
        origin: Origin { file: "study.yaml".into(), line: 40, column: 12 },
    };
    judge_all(&[claim], facts).remove(0)
}

fn judged(check: &str) -> Judged {
    judged_over(&synthetic::facts(), check)
}

/// Verdict and evidence.
fn verdict(check: &str) -> (Verdict, String) {
    let judged = judged(check);
    (judged.verdict, judged.evidence)
}

#[test]
fn what_holds_is_reproduced_with_each_call_its_value_and_its_cells() {
    let claim = judged("mean('eval.scores', 'alignment', size='xxl') > mean('eval.scores', 'alignment', size='xs')");
    assert_eq!(claim.verdict, Verdict::Reproduced, "{}", claim.evidence);
    assert_eq!(
        claim.evidence,
        "mean(eval.scores.alignment, size=xxl) = 0.53 (n = 2); mean(eval.scores.alignment, size=xs) = 0.3604 (n = 2)"
    );
    let facts = synthetic::facts();
    let cited = &claim.calls[0].tasks[1];
    assert_eq!(cited.task, "eval.scores[size=xxl,seed=1]");
    assert_eq!(cited.digest, facts.index().task(&cited.task).unwrap().digest);
}

#[test]
fn what_does_not_hold_is_contradicted() {
    let (verdict, evidence) = verdict("value('vqa', 'accuracy') < 0.9");
    assert_eq!((verdict, evidence.as_str()), (Verdict::Contradicted, "value(vqa.accuracy) = 0.941 (n = 1)"));
}

#[test]
fn functions_answer_as_they_say() {
    for check in [
        "count('eval.scores', 'alignment', size='xs') == 2",
        "values('train', 'heldout_loss', seed=0)|length == 6",
        "min('train', 'heldout_loss', size='xxl') <= max('train', 'heldout_loss', size='xxl')",
        "std('train', 'heldout_loss', size='xxl') < 0.01",
        "spearman('eval.scores', 'compute', 'alignment', seed=0) > 0.99",
        "spearman('eval.scores', 'params', 'alignment', seed=0) > 0.99",
        "spearman('train', 'heldout_loss', 'eval.scores', 'alignment', seed=0) < -0.99",
        "above(correlation('train', 'heldout_loss', 'eval.scores', 'alignment', seed=0), -0.1) == false",
        "correlation('eval.scores', 'params', 'alignment', seed=0, level=0.95).lower > 0.2",
        "correlation('eval.scores', 'params', 'alignment', size=['xs', 's', 'm', 'xxl']).n == 8",
        "correlation('eval.scores', 'params', 'alignment', size=['xs', 's', 'm', 'xxl'], over='seed').n == 4",
        "correlation('train', 'heldout_loss', 'eval.scores', 'alignment', over=['seed'], size=['xs', 's', 'm']).n == 3",
        "spearman('eval.scores', 'params', 'alignment', size=['xs', 's', 'm', 'xxl'], over='seed') == 1",
        "stronger('eval.scores', 'alignment', 'compute', 'params', seed=0).estimate == 0",
        "stronger('eval.scores', 'alignment', 'params', 'train.heldout_loss', size=['xs', 's', 'm'], over='seed').n == 3",
        "every([above(interval('law', 'alpha')), below(interval('law', 'alpha'), 0.122), below(interval('law', 'alpha'), 0.12)]) == none",
        "interval('law', 'alpha').upper == 0.121",
        "value('eval.scores', 'params', size='xs', seed=0) == 68000",
        "value('eval.scores', 'alignment', size='xs', seed='0') > 0",
        "mean('eval.scores', 'alignment', size=['xs', 's']) < 0.5",
    ] {
        assert_eq!(verdict(check).0, Verdict::Reproduced, "{check}: {}", verdict(check).1);
    }
}

#[test]
fn an_average_over_axes_says_so_and_over_which_there_are() {
    let claim = judged("spearman('train', 'params', 'heldout_loss', size=['xs', 's', 'xxl'], over='seed') < 0");
    let said = "spearman(train.params, train.heldout_loss, size=[\"xs\",\"s\",\"xxl\"], means over seed) = -1 (n = 3)";
    assert_eq!((claim.evidence.as_str(), claim.calls[0].tasks.len()), (said, 6));
    let (found, evidence) = verdict("spearman('train', 'params', 'heldout_loss', over='sede') < 0");
    assert_eq!(found, Verdict::NotTested);
    assert_eq!(evidence, "there is no axis of `train` named `sede`; did you mean `seed`?");
    // Divergence is never averaged away, and one mean has no rank.
    for check in ["over='seed'", "size=['xs', 's'], over=['size', 'seed']"] {
        let (found, evidence) = verdict(&format!("spearman('train', 'params', 'heldout_loss', {check}) < 0"));
        assert_eq!(found, Verdict::NotTested, "{evidence}");
    }
}

/// Two seeds a size: pairs agree in the seed, and the interval is Student's with one degree of freedom.
#[test]
fn differences_are_of_pairs_with_an_interval() {
    let claim = judged("above(difference('eval.scores', 'alignment', {'size': 'xxl'}, {'size': 'xs'}))");
    assert_eq!(claim.verdict, Verdict::Reproduced, "{}", claim.evidence);
    let call = &claim.calls[0];
    assert_eq!(call.call, "difference(eval.scores.alignment, size=xxl − size=xs)");
    let names: Vec<&str> = call.tasks.iter().map(|cited| cited.task.as_str()).collect();
    assert_eq!(names[..2], ["eval.scores[size=xxl,seed=0]", "eval.scores[size=xs,seed=0]"]);
    let value = |i: usize| call.tasks[i].value;
    let (first, second) = (value(0) - value(1), value(2) - value(3));
    let (mean, half) = (f64::midpoint(first, second), 6.313_751_514_675 * (first - second).abs() / 2.0);
    for (name, expected) in [("estimate", mean), ("lower", mean - half), ("upper", mean + half)] {
        assert!((call.value[name].as_f64().unwrap() - expected).abs() < 1e-9, "{name}: {} {expected}", call.value);
    }
    assert_eq!((&call.value["n"], call.n), (&json!(2), 2));
}

#[test]
fn what_an_interval_cannot_tell_is_not_tested() {
    let less = "above(difference('eval.scores', 'alignment', {'size': 'xs'}, {'size': 'xxl'}))";
    assert_eq!(verdict(less).0, Verdict::Contradicted, "{}", verdict(less).1);
    let one = "difference('eval.scores', 'alignment', {'size': 'xxl'}, {'size': 'xs'}, seed=0)";
    let (verdict_of, evidence) = verdict(&format!("above({one})"));
    assert_eq!(verdict_of, Verdict::NotTested);
    assert!(evidence.starts_with("cannot be told at this scale: difference(eval.scores.alignment, "), "{evidence}");
    assert!(evidence.ends_with(", one pair, no interval (n = 1)"), "{evidence}");
    let apart = "difference('eval.scores', 'alignment', {'size': 'xxl'}, {'size': 'xs'})";
    for (check, expected) in [
        (format!("within({apart}, 1)"), Verdict::Reproduced),
        (format!("within({apart}, 0.01)"), Verdict::Contradicted),
        (format!("above({apart}, {apart}.estimate)"), Verdict::NotTested),
        (format!("below({apart}, {apart}.estimate)"), Verdict::NotTested),
        (format!("below({apart}, 1)"), Verdict::Reproduced),
        (format!("below({apart}, -1)"), Verdict::Contradicted),
        (format!("every([above({apart}), within({apart}, 1)])"), Verdict::Reproduced),
        (format!("every([above({one}), within({apart}, 1)])"), Verdict::NotTested),
        (format!("every([above({one}), within({apart}, 0.01)])"), Verdict::Contradicted),
        ("agree(values('vqa', 'accuracy'), [0.94], 0.0011)".to_owned(), Verdict::Reproduced),
        ("agree(values('vqa', 'accuracy'), [0.94], 0.0009)".to_owned(), Verdict::Contradicted),
        ("agree(values('vqa', 'accuracy'), [94.1], 0.01, unit=0.01)".to_owned(), Verdict::Reproduced),
        ("agree(values('vqa', 'accuracy'), [0.94, 1], 0.1)".to_owned(), Verdict::NotTested),
        ("every([])".to_owned(), Verdict::NotTested),
    ] {
        assert_eq!(verdict(&check).0, expected, "{check}: {}", verdict(&check).1);
    }
}

#[test]
fn divergence_is_never_averaged_away() {
    let (verdict_of, evidence) = verdict("mean('train', 'heldout_loss', size='l') < 1");
    assert_eq!(
        (verdict_of, evidence.as_str()),
        (Verdict::NotTested, "`train[size=l,seed=1]` diverged: loss is not finite at step 420")
    );
    assert_eq!(verdict("count('train', 'heldout_loss') == 11").0, Verdict::Reproduced);
    assert_eq!(
        verdict("count('eval.scores', 'alignment') == 11").1,
        "`eval.scores[size=l,seed=1]` was blocked: train[size=l,seed=1] diverged"
    );
}

#[test]
fn what_has_not_run_or_failed_is_not_tested() {
    let mut facts = synthetic::facts();
    for task in &mut facts.tasks {
        task.state = State::Waiting;
    }
    let claim = judged_over(&facts, "value('vqa', 'accuracy') > 0.9");
    assert_eq!((claim.verdict, claim.evidence.as_str()), (Verdict::NotTested, "`vqa` has not run"));
    for task in &mut facts.tasks {
        task.state = State::Failed;
        task.message = Some("out of memory".into());
    }
    assert_eq!(judged_over(&facts, "value('vqa', 'accuracy') > 0.9").evidence, "`vqa` failed: out of memory");
}

#[test]
fn names_that_are_not_there_are_told_with_the_nearest() {
    for (check, evidence) in [
        ("mean('eval.score', 'alignment') > 0", "there is no group named `eval.score`; did you mean `eval.scores`?"),
        (
            "mean('described', 'images') > 0",
            "no task of `described` is there; `when`, or an axis without values, leaves out all of them",
        ),
        (
            "mean('eval.scores', 'alignmnt', size='xs') > 0",
            "there is no scalar of `eval.scores[size=xs,seed=0]` named `alignmnt`; did you mean `alignment`?",
        ),
        (
            "mean('eval.scores', 'alignment', sizes='xs') > 0",
            "there is no axis of `eval.scores` named `sizes`; did you mean `size`?",
        ),
        ("mean('eval.scores', 'alignment', size='huge') > 0", "no task of `eval.scores` is at size=huge"),
        (
            "value('eval.scores', 'alignment', size='xs') > 0",
            "`value` is of one cell and 2 are there; name more axes, or use `mean`",
        ),
        (
            "spearman('eval.scores', 'alignment') > 0",
            "`spearman` was not given what it takes: write spearman('group', 'x', 'y', axis=value) or spearman('group', 'x', 'other', 'y', axis=value)",
        ),
        (
            "above(interval('vqa', 'accuracy'))",
            "`vqa` gave `accuracy` no interval: it has no `accuracy_lower` and `accuracy_upper`, as fits have",
        ),
        ("above(interval('eval.scores', 'alignment'))", "`interval` is of one cell and 12 are there; name more axes"),
        ("std('vqa', 'accuracy') < 1", "a standard deviation needs two values"),
        ("mean('vqa', 'accuracy')", "the check gives 0.941, which is neither true nor false nor none"),
        (
            "above(difference('eval.scores', 'alignment', {'size': 'xxl'}, {'size': ['xs', 's']}))",
            "2 cells of `eval.scores` are at size=xxl and 4 at size=[\"xs\",\"s\"]: they make no pairs",
        ),
        (
            "above(difference('eval.scores', 'alignment', {'size': 'xxl'}, {'seed': 0, 'size': 's'}))",
            "2 cells of `eval.scores` are at size=xxl and 1 at seed=0, size=s: they make no pairs",
        ),
        (
            "above(difference('eval.scores', 'alignment', 'xxl', 'xs'))",
            "`difference` was not given what it takes: write difference('group', 'scalar', {'axis': value}, {'axis': other})",
        ),
        ("1 < 2", "the check asks for no measured number"),
    ] {
        assert_eq!(verdict(check), (Verdict::NotTested, evidence.to_owned()), "{check}");
    }
    for check in ["mean('vqa', 'accuracy') >", "median('vqa', 'accuracy') > 0"] {
        let (verdict, evidence) = verdict(check);
        assert_eq!(verdict, Verdict::NotTested);
        assert!(evidence.starts_with("the check cannot be evaluated: "), "{evidence}");
    }
}

#[test]
fn the_json_is_what_the_design_says() {
    let document = claims_to_json(&[judged("value('vqa', 'accuracy') > 0.9")]);
    assert_eq!(document["version"], 1);
    let claim = &document["claims"][0];
    assert_eq!(claim["verdict"], "reproduced");
    assert_eq!(claim["evidence"], "value(vqa.accuracy) = 0.941 (n = 1)");
    assert_eq!(claim["place"], "study.yaml:40:12");
    assert_eq!(claim["calls"][0]["tasks"][0]["task"], json!("vqa"));
}
