//! What no number could mend of a claim: found before anything has been measured.

use isoflop_plan::Options;

use crate::findings::refused;

const HEAD: &str = "\
study: s
tasks:
  scenes: { kind: make-scenes, with: { images: 8 } }
  train:
    matrix: { size: [s, l], seed: [0, 1] }
    kind: train-denoiser
    needs: { data: scenes }
    with: { backbone: { width: 8 }, steps: 10 }
claims:
";

fn claims(checks: &[&str]) -> String {
    let claim = |(at, check): (usize, &&str)| format!("  c{at}: {{ says: More., check: \"{{{{ {check} }}}}\" }}\n");
    HEAD.to_owned() + &checks.iter().enumerate().map(claim).collect::<Vec<_>>().concat()
}

fn said(check: &str) -> String {
    refused(&claims(&[check]), &Options::default())
}

/// The engine puts values of all sorts in some order, so that these would be verdicts.
#[test]
fn a_number_held_against_something_else_is_found() {
    for (check, place, sorts) in [
        ("value('train', 'rows') < 'many'", "10:33", "a number with a text"),
        ("'many' == max('train', 'rows', size='s') - 1", "10:33", "a text with a number"),
        ("mean('train', 'loss') < 1 and 2 * mean('train', 'loss') >= '0.5'", "10:63", "a number with a text"),
        ("1 < mean('train', 'loss') < 'many'", "10:37", "a number with a text"),
        ("every([mean('train', 'loss') > 'many'])", "10:40", "a number with a text"),
        ("difference('train', 'loss', {'size': 's'}, {'size': 'l'}) > 0", "10:33", "an interval with a number"),
        ("values('train', 'loss') > 0", "10:33", "a list with a number"),
    ] {
        let said = said(check);
        let expected = format!("s.yaml:{place}: this compares {sorts}, which says nothing of either; ");
        assert!(said.starts_with(&expected), "{check}: {said}");
    }
    let intervals = said("interval('train', 'loss') > 0");
    assert!(intervals.ends_with("ask where an interval lies, as in `above(difference(…), 0)`"), "{intervals}");
}

#[test]
fn what_can_be_compared_is_left_alone() {
    crate::expansion::planned(&claims(&[
        "mean('train', 'loss') < 0.5 and count('train', 'loss') == 4",
        "difference('train', 'loss', {'size': 's'}, {'size': 'l'}).lower > 0",
        "values('train', 'loss') | max > 0 and values('train', 'loss') == [1, 2]",
        "'s' == ('s' if mean('train', 'loss') > 1 else 'l')",
        "3 != (3 if mean('train', 'loss') > 1 else 'l')",
        "above(difference('train', 'loss', {'size': 's'}, {'size': 'l'})) == none or mean('train', 'loss') is not none",
        "1 / (mean('train', 'loss') - 1) > 0",
    ]));
}

#[test]
fn a_claim_asks_for_a_number_and_says_something() {
    for check in ["1 > 0", "every([true])", "agree([1], [1], 0.1)"] {
        let said = said(check);
        assert!(said.contains("asks for a measured number, and this one asks for none; "), "{check}: {said}");
    }
    let silent = claims(&["mean('train', 'loss') > 0"]).replace("says: More.", "says: ' '");
    assert_eq!(
        refused(&silent, &Options::default()),
        "s.yaml:10:15: the claim `c0` says nothing; write the sentence that the check decides"
    );
}
