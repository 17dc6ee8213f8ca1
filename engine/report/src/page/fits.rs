//! Fitted laws: the figure, and the card that says what was asked, of what data, with what result, and how far to trust it.

use serde_json::Value;

use super::{Page, figure, pairs};
use crate::{
    figures::{law, spoken, symbol},
    fit::{Fit, Param},
    html::{escape, id, put, putln},
    number::{plural, short, sig},
};

/// All fits, empty if there are none.
pub fn section(page: &Page<'_>) -> String {
    let mut out = String::new();
    for (i, (name, fit)) in page.fits.iter().enumerate() {
        let fit = match fit {
            Ok(fit) => fit,
            Err(error) => {
                putln!(
                    out,
                    "<h3>{}</h3><p class=\"warning\">The fit cannot be shown: {}.</p>",
                    page.link(name),
                    escape(&error.to_string())
                );
                continue;
            }
        };
        let Some(task) = page.index.task(name) else { continue };
        let drawing = law(&page.index, task, fit, &id("law", i, name));
        let caption = format!(
            "{}: points are {}, the line is the fitted law{}, the pale area its {} band{}.",
            page.link(name),
            if drawing.series.iter().any(|s| s.name.ends_with("each")) {
                "means over repetitions"
            } else {
                "single measurements"
            },
            if drawing.fitted_to.is_some() { ", dashed where it is extrapolated" } else { "" },
            escape(&fit.percent()),
            if fit.points.iter().any(|p| p.held_out) { "; open marks were held out of the fit" } else { "" }
        );
        putln!(out, "<h3 id=\"fit{i}\">{}</h3>", escape(&drawing.title));
        out.push_str(&figure(&drawing, &caption));
        out.push_str(&card(fit));
    }
    out
}

fn card(fit: &Fit) -> String {
    let mut out = String::from("<div class=\"cards\"><div>\n<h4>Law</h4>\n");
    if !fit.formula.is_empty() {
        putln!(out, "<p class=\"formula\">{}</p>", raised(&fit.formula));
    }
    out.push_str(&parameters(fit));
    out.push_str("</div><div>\n<h4>Data and fit</h4>\n");
    let fitted = fit.points.iter().filter(|p| !p.held_out && p.dropped.is_none()).count();
    let mut rows = vec![(
        "question".to_owned(),
        format!("{} as a function of {}", escape(&spoken(&fit.y)), escape(&spoken(&fit.x))),
    )];
    if !fit.form.is_empty() {
        rows.push(("form".to_owned(), escape(&fit.form)));
    }
    if !fit.points.is_empty() {
        rows.push(("fitted to".to_owned(), plural(fitted, "point")));
        let held: Vec<String> = fit.points.iter().filter(|p| p.held_out).map(|p| escape(&p.label)).collect();
        if !held.is_empty() {
            rows.push(("held out".to_owned(), format!("{} ({})", held.len(), held.join("; "))));
        }
        let dropped: Vec<String> = fit
            .points
            .iter()
            .filter_map(|p| Some(format!("{}: {}", escape(&p.label), escape(p.dropped.as_deref()?))))
            .collect();
        rows.push(("dropped".to_owned(), if dropped.is_empty() { "none".to_owned() } else { dropped.join("<br>") }));
    }
    let nested = |value: &Value| {
        matches!(value, Value::Object(_)) || value.as_array().is_some_and(|v| v.iter().any(Value::is_object))
    };
    for (name, value) in fit.rest.iter().filter(|(_, value)| !nested(value) && !value.is_null()) {
        rows.push((spoken(name), scalar(value)));
    }
    out.push_str(&pairs(&rows));
    out.push_str("</div>\n");
    for (name, value) in fit.rest.iter().filter(|(_, value)| nested(value)) {
        // A table needs the whole width.
        let wide = if value.is_array() { " style=\"grid-column: 1 / -1\"" } else { "" };
        putln!(out, "<div{wide}><h4>{}</h4>\n{}</div>", escape(&capital(&spoken(name))), block(value));
    }
    out.push_str("</div>\n");
    for warning in &fit.warnings {
        putln!(out, "<p class=\"warning\">⚠ {}</p>", escape(warning));
    }
    out
}

/// A formula with its exponents raised: what stands after `^`, in brackets or as one word.
fn raised(formula: &str) -> String {
    let mut out = String::new();
    let mut rest = formula;
    while let Some((before, after)) = rest.split_once('^') {
        out.push_str(&escape(before));
        let (power, tail) = exponent(after);
        put!(out, "<sup>{}</sup>", escape(power));
        rest = tail;
    }
    out + &escape(rest)
}

/// The exponent that `text` begins with, and what comes after it.
fn exponent(text: &str) -> (&str, &str) {
    let (open, close) = match text.chars().next() {
        Some('(') => ('(', ')'),
        Some('{') => ('{', '}'),
        _ => {
            let end = text.find(|c: char| !(c.is_alphanumeric() || "-−.′_".contains(c))).unwrap_or(text.len());
            return text.split_at(end);
        }
    };
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        depth += i32::from(c == open) - i32::from(c == close);
        if depth == 0 {
            return (&text[1..at], &text[at + 1..]);
        }
    }
    (text, "")
}

fn parameters(fit: &Fit) -> String {
    if fit.params.is_empty() {
        return String::new();
    }
    let stderr = fit.params.iter().any(|(_, param)| param.stderr.is_some());
    let mut out = format!(
        "<table><thead><tr><th scope=\"col\">parameter</th><th scope=\"col\" class=\"n\">value</th><th scope=\"col\" class=\"n\">{} interval</th>{}</tr></thead><tbody>\n",
        fit.percent(),
        if stderr { "<th scope=\"col\" class=\"n\">std. error</th>" } else { "" }
    );
    let number = |value: f64| sig(value, 3).replace('-', "−");
    for (name, Param { value, lower, upper, stderr: error }) in &fit.params {
        let interval = match (lower, upper) {
            (Some(lower), Some(upper)) => format!("{} … {}", number(*lower), number(*upper)),
            _ => "not given".to_owned(),
        };
        let error = if stderr {
            format!("<td class=\"n\">{}</td>", error.map_or(String::new(), |e| sig(e, 2)))
        } else {
            String::new()
        };
        putln!(
            out,
            "<tr><th scope=\"row\">{}</th><td class=\"n\" title=\"{value}\">{}</td><td class=\"n\">{interval}</td>{error}</tr>",
            escape(&symbol(name)),
            number(*value)
        );
    }
    out.push_str("</tbody></table>\n");
    out
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A plain value: numbers rounded, the whole number in the tooltip.
fn scalar(value: &Value) -> String {
    match value {
        Value::Number(number) => match number.as_f64() {
            Some(float) if !number.is_i64() && !number.is_u64() => {
                format!("<span title=\"{float}\">{}</span>", short(float, 4).replace('-', "−"))
            }
            _ => number.to_string(),
        },
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "none".to_owned(),
        Value::String(text) => escape(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            if items.is_empty() { "none".to_owned() } else { items.join(", ") }
        }
        // A hold-out inside a row: the one number that rows are compared by.
        Value::Object(members) if members.contains_key("mean_abs_error") => scalar(&members["mean_abs_error"]),
        Value::Object(members) => {
            let members: Vec<String> =
                members.iter().map(|(name, value)| format!("{} {}", escape(&spoken(name)), scalar(value))).collect();
            members.join(", ")
        }
    }
}

/// A map as two columns, a list of maps as a table.
fn block(value: &Value) -> String {
    match value {
        Value::Object(members) => {
            let plain = |value: &Value| !value.is_null();
            let (tables, rows): (Vec<_>, Vec<_>) = members
                .iter()
                .filter(|(_, value)| plain(value))
                .partition(|(_, value)| value.as_array().is_some_and(|items| items.iter().any(Value::is_object)));
            let rows: Vec<(String, String)> =
                rows.into_iter().map(|(name, value)| (spoken(name), scalar(value))).collect();
            let tables: Vec<String> = tables.into_iter().map(|(_, value)| block(value)).collect();
            pairs(&rows) + &tables.concat()
        }
        Value::Array(items) => {
            let mut columns: Vec<&str> = Vec::new();
            for name in items.iter().filter_map(Value::as_object).flat_map(|item| item.keys()) {
                if !columns.contains(&name.as_str()) {
                    columns.push(name);
                }
            }
            // What names a row stands first.
            columns.sort_by_key(|name| !matches!(*name, "name" | "form" | "label"));
            let head: Vec<String> =
                columns.iter().map(|name| format!("<th scope=\"col\">{}</th>", escape(&spoken(name)))).collect();
            let row = |item: &Value| {
                let cells: Vec<String> = columns
                    .iter()
                    .map(|name| format!("<td>{}</td>", item.get(name).map_or_else(String::new, scalar)))
                    .collect();
                format!("<tr>{}</tr>\n", cells.concat())
            };
            let rows: Vec<String> = items.iter().map(row).collect();
            format!(
                "<div class=\"wide\"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>\n",
                head.concat(),
                rows.concat()
            )
        }
        plain => format!("<p>{}</p>", scalar(plain)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_are_raised_and_everything_is_escaped() {
        assert_eq!(raised("y = E − A · C^(−α)"), "y = E − A · C<sup>−α</sup>");
        assert_eq!(raised("x^2 + b^{(a+1)} <i>"), "x<sup>2</sup> + b<sup>(a+1)</sup> &lt;i&gt;");
        assert_eq!(raised("a^(b"), "a<sup>(b</sup>");
        assert_eq!(raised("a^"), "a<sup></sup>");
    }
}
