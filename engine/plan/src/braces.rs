//! Cutting a scalar at its braces: what is text, what is an expression.

use crate::template::ExpressionError;

/// A scalar cut into texts and expressions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    /// Taken as it is.
    Text(&'t str),
    /// An expression without its braces.
    Expression(&'t str),
}

/// Cuts a scalar. Without `{{` it is one text.
pub(crate) fn parts(scalar: &str) -> Result<Vec<Part<'_>>, ExpressionError> {
    if let Some(at) = scalar.find("{%") {
        return Err(ExpressionError {
            range: Some(at..at + 2),
            hint: Some("use `{{ a if condition else b }}`, or a matrix instead of a loop".to_owned()),
            ..ExpressionError::new("statement", "templates are expressions; statements (`{%`) are not supported")
        });
    }
    let mut parts = Vec::new();
    let mut rest = scalar;
    while let Some(open) = rest.find("{{") {
        if open > 0 {
            parts.push(Part::Text(&rest[..open]));
        }
        let inner = &rest[open + 2..];
        let Some(close) = closing(inner) else {
            let at = scalar.len() - rest.len() + open;
            return Err(ExpressionError {
                range: Some(at..at + 2),
                ..ExpressionError::new("bad-expression", "a template that begins with `{{` has no `}}`")
            });
        };
        parts.push(Part::Expression(&inner[..close]));
        rest = &inner[close + 2..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    Ok(parts)
}

/// The expression of a scalar that is exactly one `{{ expression }}`.
pub(crate) fn only<'t>(parts: &[Part<'t>]) -> Option<&'t str> {
    let mut solid = parts.iter().filter(|part| !matches!(part, Part::Text(text) if text.trim().is_empty()));
    match (solid.next(), solid.next()) {
        (Some(Part::Expression(expression)), None) => Some(expression),
        _ => None,
    }
}

/// Where `}}` closes the expression: outside texts and map literals.
pub(crate) fn closing(inner: &str) -> Option<usize> {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None => match c {
                '\'' | '"' => quote = Some(c),
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                '}' if inner[at..].starts_with("}}") => return Some(at),
                _ => {}
            },
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_cut_outside_texts_and_map_literals() {
        let cut = |text| parts(text).unwrap();
        assert_eq!(cut("plain } text"), [Part::Text("plain } text")]);
        assert_eq!(cut("a{{ b }}c"), [Part::Text("a"), Part::Expression(" b "), Part::Text("c")]);
        assert_eq!(cut("{{ '}}' }}"), [Part::Expression(" '}}' ")]);
        assert_eq!(cut("{{ {'a': {'b': 1}} }}"), [Part::Expression(" {'a': {'b': 1}} ")]);
        assert_eq!(only(&cut(" {{ b }}\n")), Some(" b "));
        assert_eq!(only(&cut("{{ b }}{{ c }}")), None);
        assert_eq!(parts("a {{ b").unwrap_err().range, Some(2..4));
        assert_eq!(parts("{% if a %}").unwrap_err().code, "statement");
    }
}
