//! Claims: sentences of a paper with the expressions that decide them, read.

use std::collections::{BTreeMap, BTreeSet};

use isoflop_contract::Value;

use crate::{
    braces,
    fields::FieldReader,
    finding::Finding,
    form::{first_line, located},
    function,
    plan::Claim,
    source::Span,
    study::{self, Role, TaskText},
    suggest,
    template::{Expression, ExpressionError},
    yaml::Entry,
};

/// The functions that the `check` of a claim may call besides the built-in ones.
pub const CLAIM_FUNCTIONS: [&str; 17] = [
    "mean",
    "std",
    "min",
    "max",
    "count",
    "value",
    "values",
    "spearman",
    "correlation",
    "stronger",
    "interval",
    "difference",
    "above",
    "below",
    "within",
    "every",
    "agree",
];

/// Reads a claim of a study with these parameters and groups of tasks.
pub(crate) fn read(
    reader: &mut FieldReader<'_>,
    entry: &Entry,
    params: &BTreeMap<String, Value>,
    tasks: &[TaskText<'_>],
) -> Option<(Claim, Span)> {
    let of = format!("the claim `{}`", entry.key);
    let fields = reader.fields(&entry.value, &of, &["says", "source", "check"])?;
    let mut demand = |key: &str| {
        if !fields.contains_key(key) {
            let finding = Finding::new("missing-key", format!("{of} has no `{key}`"));
            reader.inbox.push(finding.at(entry.key_span, "this claim"));
        }
        fields.get(key).and_then(|entry| reader.text(entry))
    };
    let (says, check) = (demand("says"), demand("check"));
    if let Some((_, span)) = says.as_ref().filter(|(says, _)| says.trim().is_empty()) {
        let finding =
            Finding::new("empty-claim", format!("{of} says nothing")).at(first_line(reader.sources, *span), "here");
        reader.inbox.push(finding.hint("write the sentence that the check decides"));
    }
    let source = fields.get("source").and_then(|entry| reader.text(entry)).map(|(source, _)| source);
    let (check, span) = check?;
    let parts = match braces::parts(&check) {
        Ok(parts) => parts,
        Err(error) => {
            reader.inbox.push(located(reader.sources, span, &check, error));
            return None;
        }
    };
    let Some(expression) = braces::only(&parts) else {
        let finding = Finding::new(
            "bad-claim",
            format!("the `check` of `{}` must be exactly one `{{{{ expression }}}}`", entry.key),
        );
        reader.inbox.push(finding.at(first_line(reader.sources, span), "here"));
        return None;
    };
    let builtin = function::builtin();
    let known: BTreeSet<&str> =
        params.keys().chain(builtin.keys()).map(String::as_str).chain(CLAIM_FUNCTIONS).collect();
    let checked = Expression::compile(expression).and_then(|compiled| compiled.check_names(&known));
    let checked = checked.and_then(|()| groups(expression, tasks));
    if let Err(error) = checked {
        reader.inbox.push(located(reader.sources, span, expression, error));
        return None;
    }
    let origin = reader.sources.origin(span);
    let claim = Claim { name: entry.key.clone(), says: says?.0, source, check: expression.trim().to_owned(), origin };
    Some((claim, span))
}

/// Refuses calls whose group of tasks is written out and is not there.
fn groups(expression: &str, tasks: &[TaskText<'_>]) -> Result<(), ExpressionError> {
    for (at, group) in calls(expression) {
        let task = tasks.iter().find(|task| task.name == group);
        let (message, hint) = match task.map(|task| &task.role) {
            Some(Role::Task) => continue,
            Some(Role::Frame { .. }) => {
                (format!("`{group}` uses a template, and makes nothing itself"), study::inside(group, 0, tasks))
            }
            None => {
                let names = tasks.iter().filter(|task| task.role == Role::Task).map(|task| task.name.as_str());
                (format!("there is no task `{group}`"), suggest::hint(group, names))
            }
        };
        let range = Some(at..at + group.len());
        return Err(ExpressionError { range, hint, ..ExpressionError::new("unknown-task", message) });
    }
    Ok(())
}

/// The calls of a claim's own functions whose first argument is a text as it stands, and where that text is.
fn calls(expression: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut quote = None;
    let mut word = 0..0;
    let mut called = false;
    let mut escaped = false;
    for (at, c) in expression.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some((open, start, first)) if c == open => {
                let text = &expression[start..at];
                // An escape means another text than the one that is written; whether that is a task is seen when the claim is judged.
                if first && !text.contains('\\') {
                    found.push((start, text));
                }
                quote = None;
            }
            Some(_) => {}
            None if matches!(c, '\'' | '"') => quote = Some((c, at + 1, std::mem::take(&mut called))),
            None if c.is_alphanumeric() || c == '_' => {
                word = if word.end == at { word.start..at + c.len_utf8() } else { at..at + c.len_utf8() };
                called = false;
            }
            None if c == '(' => {
                let name = expression[word.clone()].trim();
                let method = expression[..word.start].trim_end().ends_with(['.', '|']);
                called = CLAIM_FUNCTIONS.contains(&name) && !method && expression[word.end..at].trim().is_empty();
            }
            None if c.is_whitespace() => {}
            None => called = false,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_where_they_are_written_out() {
        let groups = |text: &'static str| calls(text).into_iter().map(|(_, group)| group).collect::<Vec<_>>();
        assert_eq!(groups("mean('a', 'b') > mean ( \"c.d\" , 'e')"), ["a", "c.d"]);
        assert_eq!(groups("'mean(x)' ~ means('a') ~ x.mean('a') ~ [1] | max('a')"), [""; 0]);
        assert_eq!(groups("mean(group, 'a') + mean(('a'), 'b') + min(1, 'a')"), [""; 0]);
        assert_eq!(groups("mean('a\\'b', 'c') + count('d')"), ["d"]);
        assert_eq!(groups("[1, min('a', 'b')] | max"), ["a"]);
    }
}
