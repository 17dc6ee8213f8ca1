//! The claims of several studies in one Markdown table, with the digest of what each verdict rests on.

use std::fmt::Write;

use isoflop_contract::Digest;

use crate::{
    claims::{Call, Judged, Verdict},
    interval::Interval,
    number,
};

impl Judged {
    /// The digest of all that the verdict rests on: of lines `task digest`, sorted, each once. `None` if it rests on nothing that was made.
    pub fn digest(&self) -> Option<Digest> {
        let cited = self.calls.iter().flat_map(|call| &call.tasks);
        let mut lines: Vec<String> =
            cited.filter_map(|cited| cited.digest.map(|digest| format!("{} {digest}\n", cited.task))).collect();
        lines.sort();
        lines.dedup();
        (!lines.is_empty()).then(|| Digest::of(lines.concat()))
    }
}

/// One table of all claims, by study: verdict, effects with their intervals, and the first digits of the digest.
pub fn to_markdown(studies: &[(String, Vec<Judged>)]) -> String {
    let mut text =
        "| study | claim | verdict | effect, with its 90 % interval | rests on |\n|---|---|---|---|---|\n".to_owned();
    for (study, claims) in studies {
        for claim in claims {
            let verdict = match claim.verdict {
                Verdict::Reproduced => "reproduced",
                Verdict::Contradicted => "**contradicted**",
                Verdict::NotTested => "not tested",
            };
            let effects: Vec<String> = claim.calls.iter().map(effect).collect();
            let effects = if effects.is_empty() { cell(&claim.evidence) } else { effects.join("<br>") };
            let digest = claim.digest().map_or_else(String::new, |digest| format!("`{}`", digest.short()));
            let source = claim.source.as_ref().map_or_else(String::new, |source| format!("<br>*{}*", cell(source)));
            // Writing to a text cannot fail.
            let _ = writeln!(text, "| `{study}` | {}{source} | {verdict} | {effects} | {digest} |", cell(&claim.says));
        }
    }
    text
}

/// A call's value in a table: what it is of, the number, its interval and the cells behind it.
fn effect(call: &Call) -> String {
    let of = cell(call.call.split_once('(').map_or(call.call.as_str(), |(_, of)| of.trim_end_matches(')')));
    let short = |value: f64| number::short(value, 3);
    let value = match (call.value.as_f64(), Interval::read(&call.value)) {
        (Some(value), _) => short(value),
        (None, Some(Interval { estimate, ends: Some((lower, upper)), .. })) => {
            format!("**{}** [{}, {}]", short(estimate), short(lower), short(upper))
        }
        (None, Some(interval)) => format!("{}, one pair", short(interval.estimate)),
        (None, None) => return format!("{of} (n = {})", call.n),
    };
    format!("{value}: {of} (n = {})", call.n)
}

/// Text that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use isoflop_contract::Value;
    use serde_json::json;

    use super::*;
    use crate::claims::Cited;

    fn judged(calls: Vec<Call>) -> Judged {
        Judged {
            name: "wider".into(),
            says: "Wider | is better.".into(),
            source: Some("Table 1".into()),
            check: String::new(),
            verdict: Verdict::Reproduced,
            evidence: "nothing was run".into(),
            calls,
            place: "study.yaml:1".into(),
        }
    }

    fn call(value: Value, tasks: &[&str]) -> Call {
        let cited = |task: &&str| Cited {
            task: (*task).into(),
            digest: Some(Digest::of(task)),
            scalar: "a".into(),
            value: 1.0,
        };
        Call {
            call: "difference(s.a, d=x − d=y)".into(),
            value,
            n: tasks.len(),
            tasks: tasks.iter().map(cited).collect(),
        }
    }

    #[test]
    fn a_row_has_the_interval_and_what_it_rests_on() {
        let interval = json!({"estimate": 0.0312, "lower": 0.01, "upper": 0.05, "n": 3});
        let one = judged(vec![call(interval, &["b", "a"])]);
        let lines = format!("a {}\nb {}\n", Digest::of("a"), Digest::of("b"));
        assert_eq!(one.digest(), Some(Digest::of(&lines)));
        let table = to_markdown(&[("width".into(), vec![one.clone(), judged(Vec::new())])]);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        let short = Digest::of(&lines).short();
        let first = format!(
            "| `width` | Wider \\| is better.<br>*Table 1* | reproduced | **0.0312** [0.01, 0.05]: s.a, d=x − d=y (n = 2) | `{short}` |"
        );
        assert_eq!(
            rows,
            [first.as_str(), "| `width` | Wider \\| is better.<br>*Table 1* | reproduced | nothing was run |  |"]
        );
        // The order of calls and their repetition do not count.
        let twice = judged(vec![call(json!(1.0), &["a"]), call(json!(2.0), &["b", "a"])]);
        assert_eq!(twice.digest(), one.digest());
    }
}
