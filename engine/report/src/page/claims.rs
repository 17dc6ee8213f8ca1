//! The claims with their verdicts.

use super::{Page, head_cell, parts::verdict, wide};
use crate::{
    claims::{Judged, Verdict},
    html::{escape, putln},
    number,
};

/// The table, empty if the study claims nothing.
pub fn section(page: &Page<'_>) -> String {
    if page.claims.is_empty() {
        return String::new();
    }
    let mut out = String::new();
    for (i, claim) in page.claims.iter().enumerate() {
        let source = claim.source.as_ref().map_or_else(String::new, |source| format!("{} · ", escape(source)));
        putln!(
            out,
            "<tr id=\"c{i}\"><td>{}</td><td><p class=\"says\">{}</p><div class=\"small soft\">{source}<code>{}</code> at <code>{}</code></div><div class=\"small\"><code>{}</code></div></td><td>{}</td></tr>",
            verdict(claim.verdict),
            escape(&claim.says),
            escape(&claim.name),
            escape(&claim.place),
            escape(&claim.check),
            evidence(page, claim)
        );
    }
    let head = ["verdict", "claim", "evidence"].map(|name| head_cell(name, false)).concat();
    format!(
        "<p class=\"soft\">Each sentence is bound to a check over measured numbers. A claim is not tested where a number is missing; a diverged run is never averaged away.</p>\n{}",
        wide("Claims with their verdicts", "claims", &head, &out)
    )
}

fn evidence(page: &Page<'_>, claim: &Judged) -> String {
    let mut lines: Vec<String> = Vec::new();
    for call in &claim.calls {
        let cited: Vec<String> = call
            .tasks
            .iter()
            .take(24)
            .map(|cited| {
                let value = page.number(&cited.task, &cited.scalar, &number::sig(cited.value, 4));
                format!("{} {value}", page.link(&cited.task))
            })
            .collect();
        let more = call.tasks.len().saturating_sub(24);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        lines.push(format!(
            "<li><details><summary class=\"mono\">{}</summary><div class=\"small\">{}{more}</div></details></li>",
            escape(&call.to_string()),
            cited.join(" · ")
        ));
    }
    if claim.verdict == Verdict::NotTested {
        // What was called stands above already.
        let calls: Vec<String> = claim.calls.iter().map(ToString::to_string).collect();
        let said = claim.evidence.strip_suffix(&format!(": {}", calls.join("; "))).unwrap_or(&claim.evidence);
        lines.push(format!("<li>{}</li>", escape(said)));
    }
    format!("<ul class=\"evidence\">{}</ul>", lines.concat())
}
