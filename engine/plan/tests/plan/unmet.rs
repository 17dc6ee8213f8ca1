//! What claims ask for in vain: no mistake, and said all the same.

use isoflop_plan::unmet;

use crate::expansion::planned;

fn said(checks: &[&str]) -> Vec<String> {
    let head = "study: s\ntasks:\n  scenes: { kind: make-scenes, with: { images: 8 } }\n  train:\n    matrix: { size: [s, s-deep], seed: [0, 1], exclude: [{ size: s-deep, seed: 1 }] }\n    kind: train-denoiser\n    needs: { data: scenes }\n    with: { backbone: { width: 8 }, steps: 10 }\nclaims:\n";
    let claim = |(at, check): (usize, &&str)| format!("  c{at}: {{ says: More., check: \"{{{{ {check} }}}}\" }}\n");
    let claims: Vec<String> = checks.iter().enumerate().map(claim).collect();
    let plan = planned(&(head.to_owned() + &claims.concat()));
    let line = |unmet: isoflop_plan::Unmet| {
        let hint = unmet.hint.map_or_else(String::new, |hint| format!("; {hint}"));
        format!("{} line {}: {}{hint}", unmet.claim, unmet.origin.line, unmet.message)
    };
    unmet(&plan).into_iter().map(line).collect()
}

#[test]
fn values_and_cells_that_no_task_has_are_named() {
    assert_eq!(
        said(&[
            "mean('train', 'loss', size='s-deeep') < mean('train', 'loss', size='s')",
            "count('train', 'loss', size=['s', 'xl']) > 1",
            "value('train', 'loss', size='s-deep', seed=1) > 0",
            "above(difference('train', 'loss', {'size': 's'}, {'size': 'm'}, seed=2, level=0.8))",
        ]),
        [
            "c0 line 10: no task of `train` is at size=s-deeep; did you mean `s-deep`?",
            "c1 line 11: no task of `train` is at size=xl; there are `s`, `s-deep`",
            "c2 line 12: no task of `train` is at seed=1, size=s-deep together",
            "c3 line 13: no task of `train` is at seed=2; there are `0`, `1`",
            "c3 line 13: no task of `train` is at size=m; there are `s`, `s-deep`",
        ]
    );
}

#[test]
fn what_is_there_is_not_remarked_on() {
    let checks = [
        "mean('train', 'loss', size='s', seed=1.0) > 0",
        "every([above(difference('train', 'loss', {'size': 's'}, {'size': 's-deep'}, seed=0)), mean('train', 'loss') > 1])",
        "spearman('train', 'compute', 'loss', seed=[0, 1]) < 0 or mean('train', 'loss', size='s') > 1",
        "within(correlation('train', 'compute', 'loss', level=0.5), 1)",
    ];
    assert_eq!(said(&checks), Vec::<String>::new());
}
